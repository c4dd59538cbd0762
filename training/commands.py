"""The commands of `training`: check, train, promote, rollback, and the backtest that `keepwell.py` joins with the rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from features import shell
from features.errors import DataRefused, GateRefused, UsageRefused
from features.overview import profile
from features.settings import Settings, read_settings
from features.shell import AsJson, Config
from features.snapshot import Market, day_date, day_number

Grade = Callable[[pd.DataFrame, Settings], pd.DataFrame]
"""From a snapshot joined with scores to `tier` and `stage`; the rules of serving."""
PREDICTED = ("churn_risk", "expected_gmv", "expected_gmv_p10", "expected_gmv_p90", "growth_potential", "tier", "stage")
HORIZONS = ("churn_risk_third", "churn_risk_two_thirds")


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


def train(config: Config = None, as_json: AsJson = False) -> None:
    """Train all models, log them to MLflow, register a challenger, and print the verdict against the champion."""
    with shell.working("training", as_json) as tell:
        from training.train import train as trained

        market = Market.open(shell.config_path(config), shell.today())
        shell.refuse_unless_writable(market.settings.state_dir)
        done = trained(market, progress=tell)
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
    shell.answer(facts, as_json, _training_text(done))


def backtest_text(evaluation: Mapping[str, Any]) -> str:
    """The metrics per cutoff, their mean and the worst, as a table for people."""
    rows = [f"{cutoff:>10}  {_metrics(row)}" for cutoff, row in evaluation["cutoffs"].items()]
    worst = max(evaluation["cutoffs"].values(), key=lambda row: row["ece"] or 0)
    return "\n".join(
        [
            "    cutoff  merchants  churned    AUC  Brier    ECE  precision at 10 %",
            *rows,
            f"{'mean':>10}  {_metrics(evaluation['mean'])}",
            f"worst ECE of a cutoff: {worst['ece'] or float('nan'):.3f} (a perfect model would show {worst['ece_floor'] or float('nan'):.3f})",
        ]
    )


def _training_text(done: Any) -> str:
    verdict = "It may be promoted: keepwell promote" if done.verdict.passed else "It does not pass the gate."
    return "\n".join(
        [
            f"Challenger {done.model_version} (version {done.mlflow_version} in MLflow), judged out of time:",
            backtest_text(done.evaluation),
            *(f"- {reason}" for reason in done.verdict.reasons),
            verdict,
        ]
    )


def _metrics(row: Mapping[str, float]) -> str:
    values = (row[name] for name in ("churned", "auc", "brier", "ece", "precision_at"))
    return f"{row['n']:9,.0f}  " + "  ".join(f"{float('nan') if value is None else value:5.3f}" for value in values)


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


def run_backtest(config: Path, cutoffs: list[int], out: Path, grade: Grade, command: str, tell: Callable[..., None]) -> dict[str, Any]:
    """The backtest as the command line promises it: `predictions.parquet`, `metrics.json` and `report.html` in `out`.

    Returns
    -------
    What `training.evaluate.evaluate` measured.
    """
    from training.backtest import backtest
    from training.evaluate import evaluate
    from training.report import examples, write_report
    from training.train import judgeable

    shell.refuse_unless_writable(out)
    market = Market.open(config, shell.today())
    predictions, models = backtest(market, cutoffs, tell)
    frame = judgeable(predictions.join(_graded(market, predictions, grade)))
    tell("measuring")
    evaluation = evaluate(frame)
    out.mkdir(parents=True, exist_ok=True)
    kept = frame[["merchant_id", "cutoff", *PREDICTED, *HORIZONS]]
    shell.write_atomically(out / "predictions.parquet", kept.to_parquet(index=False))
    text = json.dumps(evaluation, indent=1, sort_keys=True, allow_nan=False)
    shell.write_atomically(out / "metrics.json", text.encode())
    names = dict(market.merchants.set_index("merchant_id")["name"]) if "name" in market.merchants else None
    write_report(out / "report.html", _context(market, models, evaluation, command, examples(frame, names)))
    return evaluation


def _graded(market: Market, predictions: pd.DataFrame, grade: Grade) -> pd.DataFrame:
    """Tier and stage of every prediction; the rules rank among all merchants known at the cutoff, not among the cohort."""
    from features.model import SCORES

    parts = {}
    for moment in predictions.index.get_level_values("cutoff").unique():
        part = predictions[predictions.index.get_level_values("cutoff") == moment]
        scores = part.droplevel("cutoff")[list(SCORES)]
        parts[moment] = grade(market.snapshot(moment).join(scores), market.settings).loc[scores.index]
    return pd.concat(parts, names=["cutoff"]).swaplevel()


def _context(market: Market, models: Mapping[int, Any], evaluation: dict[str, Any], command: str, merchants: Any) -> Any:
    from training.models import COMMON
    from training.report import Context

    settings, source = market.settings, market.source
    return Context(
        title=f"Backtest of {settings.home.name}",
        evaluation=evaluation,
        active_days=settings.churn.active_days,
        horizon_days=settings.churn.horizon_days,
        gap_days=settings.churn.gap_days,
        growth_days=settings.growth.horizon_days,
        first_day=f"{day_date(source.first_day):%Y-%m-%d}",
        last_day=f"{day_date(source.last_day):%Y-%m-%d}",
        merchants=len(market.merchants),
        currency=settings.timeline.currency,
        timezone=settings.timeline.timezone,
        command=command,
        fingerprint=source.fingerprint,
        settings=COMMON | {"features": max(len(model.features) for model in models.values())},
        notes=source.notes,
        examples=merchants,
    )
