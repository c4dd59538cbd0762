"""What a backtest leaves: predictions with tiers and stages, measurements, what the report tells, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from features.cutoffs import day_date
from features.settings import Settings
from features.snapshot import Market

Grade = Callable[[pd.DataFrame, Settings], pd.DataFrame]
"""From a snapshot joined with scores to `tier` and `stage`; the rules of serving."""
PREDICTED = ("churn_risk", "expected_gmv", "expected_gmv_p10", "expected_gmv_p90", "growth_potential", "tier", "stage")
HORIZONS = ("churn_risk_third", "churn_risk_two_thirds")
BESIDE = (("auc", 6, 3), ("average_precision", 6, 3), ("brier", 6, 3), ("ece", 6, 3), ("profit", 6, 1), ("rmse", 9, 0), ("wape", 6, 3))
"""The metrics of the table of peers, with their widths and decimals."""


def backtested(
    market: Market, cutoffs: list[int], grade: Grade, command: str, tell: Callable[..., None], *, peers: bool = False
) -> tuple[pd.DataFrame, dict[str, Any], Any]:
    """A backtest with its measurements.

    Parameters
    ----------
    peers : whether rules and other learners predict the same rows beside the model.

    Returns
    -------
    predictions : what `predictions.parquet` holds.
    evaluation : what `training.evaluate.evaluate` measured; with `peers`, also `empb` and `notes` (what could not be set beside it).
    context : what `training.report.write_report` tells.
    """
    from training.backtest import backtest
    from training.report import examples
    from training.train import judgeable

    predictions, models = backtest(market, cutoffs, tell, _rivals() if peers else None)
    frame = judgeable(predictions.join(_graded(market, predictions, grade)))
    tell("measuring")
    evaluation = _measured(frame, market.settings, peers)
    evaluation["questions"] = list(dict.fromkeys(asked for model in models.values() for asked in model.card.get("questions", ())))
    names = dict(market.merchants.set_index("merchant_id")["name"]) if "name" in market.merchants else None
    context = _context(market, models, evaluation, command, examples(frame, names))
    return frame[["merchant_id", "cutoff", *PREDICTED, *HORIZONS]], evaluation, context


def _rivals() -> Any:
    from training.peers import beside

    return beside


def _measured(frame: pd.DataFrame, settings: Settings, peers: bool) -> dict[str, Any]:
    from training.evaluate import evaluate

    evaluation = evaluate(frame, horizon_days=settings.churn.horizon_days)
    if not peers:
        return evaluation
    from training import profit
    from training.compare import with_risk
    from training.peers import absent

    notes = absent()
    if profit.available():
        evaluation["empb"] = {name: profit.mean_empb(rows) for name, rows in with_risk(frame).items()}
    else:
        notes.append(profit.ABSENT)
    return evaluation | {"notes": notes}


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


def backtest_text(evaluation: Mapping[str, Any]) -> str:
    """The metrics per cutoff, their mean, its interval and the worst, and the peers beside them, as tables for people."""
    rows = [f"{cutoff:>10}  {_metrics(row)}" for cutoff, row in evaluation["cutoffs"].items()]
    worst = max(evaluation["cutoffs"].values(), key=lambda row: row["ece"] or 0)
    low, high = (evaluation["interval"]["auc"][end] for end in ("low", "high"))
    sure = [] if low is None else [f"the mean AUC lies between {low:.3f} and {high:.3f} (95 %, merchants drawn again)"]
    return "\n".join(
        [
            "    cutoff  merchants  churned    AUC  Brier    ECE  precision at 10 %",
            *rows,
            f"{'mean':>10}  {_metrics(evaluation['mean'])}",
            f"worst ECE of a cutoff: {_number(worst['ece'], 0, 3)} (a perfect model would show {_number(worst['ece_floor'], 0, 3)})",
            *sure,
            f"quality {evaluation['quality']['sentence']}",
            *_peers_text(evaluation),
            *(f"QUESTION: {asked}" for asked in evaluation.get("questions", ())),
        ]
    )


def _metrics(row: Mapping[str, float]) -> str:
    values = (row[name] for name in ("churned", "auc", "brier", "ece", "precision_at"))
    return f"{row['n']:9,.0f}  " + "  ".join(_number(value, 5, 3) for value in values)


def _peers_text(evaluation: Mapping[str, Any]) -> list[str]:
    peers = evaluation.get("peers") or {}
    if not peers:
        return list(evaluation.get("notes", ()))
    wide = max(map(len, peers))
    heading = f"{'mean over the cutoffs':{wide}}     AUC      AP   Brier     ECE  profit       RMSE    WAPE  AUC ahead by (95 %)"
    lines = [f"{'Keepwell':{wide}}  {_row(evaluation['mean'])}"]
    for name, one in peers.items():
        lines.append(f"{name:{wide}}  {_row(one['mean'])}  {_ahead(one['ahead'].get('auc'))}".rstrip())
    return ["", heading, *lines, *evaluation.get("notes", ())]


def _row(mean: Mapping[str, float | None]) -> str:
    return "  ".join(_number(mean.get(name), width, decimals) for name, width, decimals in BESIDE)


def _ahead(ahead: Mapping[str, float | None] | None) -> str:
    if ahead is None or ahead["by"] is None:
        return ""
    return f"{ahead['by']:+.3f} ({ahead['low']:+.3f} to {ahead['high']:+.3f})"


def _number(value: float | None, width: int, decimals: int) -> str:
    return f"{'–' if value is None else format(value, f',.{decimals}f'):>{width}}"
