"""The commands of `training`: check, train, promote, rollback, and the backtest that `keepwell.py` joins with the rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from features import shell
from features.cutoffs import day_date, day_number
from features.errors import DataRefused, GateRefused, UsageRefused
from features.overview import profile
from features.settings import read_settings
from features.shell import AsJson, Config
from features.snapshot import Market
from features.whole import write_together
from training.backtested import Grade, backtest_text


def check(config: Config = None, as_json: AsJson = False) -> None:
    """Validate the tables and print a profile: merchants, span, churn base rate per cutoff, gaps."""
    from training.timeline import training_cutoffs

    with shell.working("checking", as_json):
        market = Market.open(shell.config_path(config), shell.today())
        facts = profile(market.source)
        try:
            cutoffs = training_cutoffs(market, market.source.end_day)
        except DataRefused as refusal:
            facts["notes"] = [*facts["notes"], str(refusal)]
            cutoffs = []
        facts["churn_base_rates"] = base_rates(market, cutoffs)
    shell.answer(facts, as_json, _profile_text(facts))


def base_rates(market: Market, cutoffs: list[int]) -> list[dict[str, Any]]:
    """Merchants in the cohort and the share that churned, per cutoff with complete labels."""
    from training.dataset import in_cohort
    from training.labels import labels

    rows = []
    for day in cutoffs:
        frame = market.snapshot(day, only=["days_since_last_order"])
        cohort = frame.index[in_cohort(frame, market.settings.churn.active_days)]
        left = labels(market, day, market.source.end_day).loc[cohort, "churned"]
        rows.append({"cutoff": f"{day_date(day):%Y-%m-%d}", "cohort": len(cohort), "churned": float(left.mean()) if len(left) else None})
    return rows


def _profile_text(facts: dict[str, Any]) -> str:
    gap = facts["gap"] or {"days": 0}
    lines = [
        f"{facts['merchants']:,} merchants, {facts['selling']:,} of them with orders",
        f"{facts['orders']:,} orders from {facts['first_order']} to {facts['last_order']} ({facts['days']:,} days), "
        f"{facts['gmv']:,.2f} {facts['currency']}; the largest fifth of the merchants brings {facts['top_share']:.0%}",
        f"longest stretch without any order: {gap['days']} days" + (f" ({gap['first']} to {gap['last']})" if gap["days"] else ""),
        "tables: " + ", ".join(f"{name} {rows:,}" for name, rows in facts["tables"].items()),
        "absent: " + ("; ".join(_absent(facts)) or "nothing"),
        *(f"note: {note}" for note in facts["notes"]),
        "",
        "    cutoff   cohort  churned",
        *(f"{row['cutoff']}  {row['cohort']:7,}  {'' if row['churned'] is None else format(row['churned'], '7.1%')}" for row in facts["churn_base_rates"]),
    ]
    return "\n".join(lines)


def _absent(facts: dict[str, Any]) -> list[str]:
    """Tables that are not there, and of those that are, the columns that are not."""
    missing = [name for name, fields in facts["absent"].items() if name not in facts["present"]]
    lacking = [f"{name} without {', '.join(fields)}" for name, fields in facts["absent"].items() if name in facts["present"] and fields]
    return [*lacking, *([f"no {', '.join(missing)}"] if missing else [])]


def train(
    config: Config = None,
    budget: Annotated[str | None, typer.Option("--budget", help="Search for better settings first, for so long: 90s, 10m, 1h.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train all models, log them to MLflow, register a challenger, and print the verdict against the champion."""
    with shell.working("training", as_json) as tell:
        from training.search import seconds_of
        from training.train import train as trained

        seconds = 0.0 if budget is None else seconds_of(budget)
        market = Market.open(shell.config_path(config), shell.today())
        shell.refuse_unless_writable(market.settings.state_dir)
        done = trained(market, progress=tell, budget=seconds)
    facts = {
        "model_version": done.model_version,
        "mlflow_version": done.mlflow_version,
        "run_id": done.run_id,
        "bundle": str(done.bundle),
        "cutoffs": done.evaluation["cutoffs"],
        "mean": done.evaluation["mean"],
        "passed": done.verdict.passed,
        "reasons": done.verdict.reasons,
    }
    shell.answer(facts, as_json, _training_text(done, shell.command("promote", config)))


def _training_text(done: Any, promote: str) -> str:
    verdict = f"It may be promoted: {promote}" if done.verdict.passed else "It does not pass the gate."
    return "\n".join(
        [
            f"Challenger {done.model_version} (version {done.mlflow_version} in MLflow), judged out of time:",
            backtest_text(done.evaluation),
            *_search_text(done.card.get("search")),
            *(f"- {reason}" for reason in done.verdict.reasons),
            verdict,
        ]
    )


def _search_text(told: dict[str, Any] | None) -> list[str]:
    """What a search came to."""
    if not told:
        return []
    if not told["trials"]:
        return [f"search: {told['note']}"]
    came = "better ones were taken" if told["taken"] else "none is surely better, so the defaults stay"
    return [f"search: {told['trials']} settings tried; log loss {told['loss']:.4f} at best, {told['default_loss']:.4f} by the defaults; {came}"]


def promote(
    config: Config = None,
    force: Annotated[bool, typer.Option("--force", help="Promote although the gate says no.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the challenger the champion, with the gate's reasons."""
    with shell.working("promoting", as_json):
        from training.train import promote as promoted

        done = promoted(read_settings(shell.config_path(config)), shell.now(), force=force)
    facts = {"champion": done.champion, "mlflow_version": done.mlflow_version, "passed": done.verdict.passed, "reasons": done.verdict.reasons}
    reasons = "\n".join(f"- {reason}" for reason in done.verdict.reasons)
    if not done.verdict.passed and not force:
        if as_json:
            shell.print_json(facts)
        raise GateRefused(f"the challenger is not promoted:\n{reasons}\nTrain a better one, or use --force.")
    shell.answer(facts, as_json, f"{reasons}\nChampion is {done.champion} (version {done.mlflow_version} in MLflow).")


def rollback(config: Config = None, as_json: AsJson = False) -> None:
    """Make the champion before the champion again."""
    with shell.working("rolling back", as_json):
        from training.train import rollback as rolled

        entry = rolled(read_settings(shell.config_path(config)))
    shell.answer(entry, as_json, f"Champion is {entry['model_version']} again (version {entry['mlflow_version']} in MLflow).")


def cutoff_list(text: str) -> list[int]:
    """Cutoffs written as `2011-05-01,2011-06-01`."""
    days = [part.strip() for part in text.split(",") if part.strip()]
    if not days:
        raise UsageRefused("no cutoff was given; write --cutoffs 2011-05-01,2011-06-01.")
    return [day_number(day) for day in days]


def run_backtest(
    config: Path, cutoffs: list[int], out: Path, grade: Grade, command: str, tell: Callable[..., None], *, peers: bool = False
) -> dict[str, Any]:
    """The backtest as the command line promises it: `predictions.parquet`, `metrics.json` and `report.html` in `out`.

    Returns
    -------
    What was measured, as in `metrics.json`.
    """
    from training.backtested import backtested
    from training.report import report_html

    shell.refuse_unless_writable(out)
    market = Market.open(config, shell.today())
    predictions, evaluation, context = backtested(market, cutoffs, grade, command, tell, peers=peers)
    text = json.dumps(evaluation, indent=1, sort_keys=True, allow_nan=False)
    files = {"predictions.parquet": predictions.to_parquet(index=False), "metrics.json": text.encode(), "report.html": report_html(context).encode()}
    out.mkdir(parents=True, exist_ok=True)
    write_together({out / name: content for name, content in files.items()})
    return evaluation
