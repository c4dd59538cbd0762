"""Predictions set against what happened: every metric at every cutoff, and the tables a report is made of.

The frame has one row per merchant and cutoff. It must have `merchant_id, cutoff, churn_risk, expected_gmv` and the truth
`churned, value` (GMV over the horizon) and `trailing` (GMV in the active window); metrics whose further columns are absent
are absent: `expected_gmv_p10, expected_gmv_p90`, `growth_potential` with `grew`, `decline_risk` with `declined`, `churn_risk_third` with `churned_third`,
`churn_risk_two_thirds` with `churned_two_thirds`, `recency` (days since the last order: the rule a model must beat), `tier`, `stage`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.errors import ModelRefused
from training.bootstrap import RESAMPLES, Draws, draws
from training.compare import compared
from training.economics import expected_profit, realised_profit
from training.lead import lead_time
from training.metrics import METRICS
from training.ranks import list_length, tenths, top_weights

HEADS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "third": ("churned_third", "churn_risk_third", ("auc", "brier", "ece")),
    "two_thirds": ("churned_two_thirds", "churn_risk_two_thirds", ("auc", "brier", "ece")),
    "growth": ("grew", "growth_potential", ("auc", "average_precision", "brier", "ece")),
    "decline": ("declined", "decline_risk", ("auc", "average_precision", "brier", "ece")),
    "recency": ("churned", "recency", ("auc",)),
}
"""Further yes-or-no predictions: their truth, their score, and which metrics they get (as `growth_auc` and so on)."""

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""How much of the cohort a team might call."""

SLICES = ("tier", "stage", "tenure", "industry")
"""Columns whose groups are told apart in the report and in the gate."""

LIFT_WORDS = ((60, "excellent"), (40, "good"), (20, "fair"), (float("-inf"), "poor"))
"""Lift quality (0 chance, 100 perfect) in words, as the field's products do."""

Table = list[dict[str, Any]]


def evaluate(predictions: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = 0, horizon_days: int | None = None) -> dict[str, Any]:
    """Measure predictions against their truth.

    Parameters
    ----------
    predictions : the frame this module's docstring describes; columns such as `churn_risk of NAME` are a peer's.
    resamples, seed : draws of the 95 % intervals.
    horizon_days : the churn horizon; without it there is no `lead_time`.

    Returns
    -------
    Plain JSON data (missing is None): `cutoffs` (metrics per cutoff), `mean`, `worst` (furthest on the bad side, with its
    sign), `interval` (of the means) and `cutoff_interval`, `calibration` (tenths by risk, per cutoff and `all`), `capture` and
    `curve` (call this share, catch that), `value_tenths`, `groups` (per tier, stage and further slices), `peers`, `lead_time`,
    `quality` (in words).

    Raises
    ------
    ModelRefused
        A prediction is missing, not finite or given twice.
    """
    frame = _checked(predictions)
    parts = {str(cutoff): part for cutoff, part in frame.groupby("cutoff")}
    table = pd.DataFrame({cutoff: measured(part) for cutoff, part in parts.items()}).T
    tables = {cutoff: calibration(part) for cutoff, part in parts.items()}
    sure = draws(frame, resamples, seed)
    result: dict[str, Any] = {
        "cutoffs": table.to_dict("index"),
        "mean": table.mean().to_dict(),
        "worst": {name: _worst(name, table[name]) for name in map(str, table) if _base(name) in METRICS},
        "interval": _intervals(sure),
        "cutoff_interval": {cutoff: _intervals(sure, cutoff) for cutoff in parts},
        "calibration": {**tables, "all": calibration(frame)},
        "capture": [captured(frame, share) for share in SHARES],
        "curve": [captured(frame, share) for share in np.linspace(0.02, 1, 50)],
        "value_tenths": value_tenths(frame),
        "groups": {name: grouped(frame, name) for name in SLICES if name in frame},
        "peers": compared(frame, sure, resamples, seed),
        "lead_time": lead_time(frame, horizon_days) if horizon_days and "recency" in frame else None,
    }
    return _plain({**result, "quality": quality(frame, result["mean"].get("auc", float("nan")))})


def _intervals(sure: Draws, cutoff: str | None = None) -> dict[str, dict[str, float]]:
    """95 % intervals of the bootstrapped metrics; those that cannot be negative do not begin below zero."""
    ends = {str(name): sure.interval(str(name), cutoff) for name in sure.estimate}
    return {name: {"low": low if name in ("bias", "profit") else max(low, 0.0), "high": high} for name, (low, high) in ends.items()}


def measured(part: pd.DataFrame) -> dict[str, float]:
    """All metrics of one cutoff, after its size, its shares of leavers (real and predicted) and its totals of GMV."""
    row = {
        "n": float(len(part)),
        "churned": float(part["churned"].mean()),
        "predicted": float(part["churn_risk"].mean()),
        "realised_gmv": float(part["value"].sum()),
        "expected_gmv": float(part["expected_gmv"].sum()),
    }
    row |= {name: each.function(*(part[c] for c in each.needs)) for name, each in METRICS.items() if {*each.needs} <= {*part}}
    for head, (truth, score, names) in HEADS.items():
        if {truth, score} <= {*part}:
            known = part[part[truth].notna()]
            row |= {f"{head}_{name}": METRICS[name].function(known[truth], known[score]) for name in names}
    return row


def calibration(frame: pd.DataFrame) -> Table:
    """Tenths by risk, lowest first, formed within each cutoff: size, mean risk, share that left and its 95 % interval (Wilson)."""
    tenth = frame.groupby("cutoff")["churn_risk"].transform(lambda risk: tenths(risk.to_numpy(float)))
    rows = frame.groupby(tenth).agg(n=("churned", "size"), predicted=("churn_risk", "mean"), observed=("churned", "mean"))
    spread = 1.96**2 / rows["n"]
    middle = (rows["observed"] + spread / 2) / (1 + spread)
    reach = np.sqrt(spread * rows["observed"] * (1 - rows["observed"]) + spread**2 / 4) / (1 + spread)
    rows = rows.assign(low=(middle - reach).clip(lower=0), high=(middle + reach).clip(upper=1))
    rows.insert(0, "tenth", rows.index.astype(int) + 1)
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def captured(frame: pd.DataFrame, share: float) -> dict[str, float]:
    """What calling the `share` of highest risk at each cutoff would have caught; counts are means over cutoffs.

    `value_captured` is the share of the leavers' GMV on that list, `value_captured_by_loss` on an equally long list by money at risk;
    `profit` is what the calls earned, in percent of perfect knowledge, `profit_by_expected` of an equally long list by expected profit.
    """
    called = caught = lost_by_risk = lost_by_loss = earned = earned_by_expected = perfect = 0.0
    cutoffs = frame.groupby("cutoff")
    for _, part in cutoffs:
        length = list_length(share, len(part))
        by_risk = top_weights(part["churn_risk"].to_numpy(float), length)
        called, caught = called + by_risk.sum(), caught + (by_risk * part["churned"]).sum()
        lost_by_risk += (by_risk * part["lost"]).sum()
        lost_by_loss += (top_weights(part["expected_loss"].to_numpy(float), length) * part["lost"]).sum()
        real, best = realised_profit(part["churned"].to_numpy(float), part["trailing"].to_numpy(float))
        earned, perfect = earned + (by_risk * real).sum(), perfect + best
        earned_by_expected += (top_weights(part["expected_profit"].to_numpy(float), length) * real).sum()
    churners, lost = frame["churned"].sum(), frame["lost"].sum()
    precision, rate = caught / called, churners / len(frame)
    return {
        "share": float(share),
        "called": called / cutoffs.ngroups,
        "caught": caught / cutoffs.ngroups,
        "false_alarms": (called - caught) / cutoffs.ngroups,
        "precision": precision,
        "recall": _ratio(caught, churners),
        "lift": _ratio(precision, rate),
        "value_captured": _ratio(lost_by_risk, lost),
        "value_captured_by_loss": _ratio(lost_by_loss, lost),
        "profit": 100 * _ratio(earned, perfect),
        "profit_by_expected": 100 * _ratio(earned_by_expected, perfect),
    }


def value_tenths(frame: pd.DataFrame) -> Table:
    """Tenths by expected GMV, lowest first, formed within each cutoff: totals promised and come, bias, and cover where known."""
    tenth = frame.groupby("cutoff")["expected_gmv"].transform(lambda gmv: tenths(gmv.to_numpy(float)))
    return [{"tenth": int(group) + 1, **_money(rows)} for group, rows in frame.groupby(tenth)]


def grouped(frame: pd.DataFrame, column: str) -> Table:
    """Per tier, stage or other slice: how many, risk promised, share that left, AUC, calibration error, GMV promised and come."""
    return [
        {"name": str(name), "share": len(rows) / len(frame), "predicted": rows["churn_risk"].mean(), "observed": rows["churned"].mean()}
        | {metric: METRICS[metric].function(rows["churned"], rows["churn_risk"]) for metric in ("auc", "ece")}
        | _money(rows)
        for name, rows in frame.groupby(column, dropna=False)
    ]


def quality(frame: pd.DataFrame, auc: float) -> dict[str, Any]:
    """The ranking in words: lift quality (2 AUC − 1, in percent), its name, and how many of the highest left."""
    if not np.isfinite(auc):
        everybody = "everybody" if frame["churned"].all() else "nobody"
        return {"lift": None, "word": "unknown", "sentence": f"unknown: {everybody} left at these cutoffs, so nothing can be ranked"}
    lift, smallest = 100 * (2 * auc - 1), int(frame.groupby("cutoff").size().min())
    word = next(word for least, word in LIFT_WORDS if lift >= least)
    length = 100 if smallest >= 200 else max(1, smallest // 10)
    parts = [part for _, part in frame.groupby("cutoff")]
    left = np.mean([(top_weights(part["churn_risk"].to_numpy(float), length) * part["churned"]).sum() for part in parts])
    chance = length * np.mean([part["churned"].mean() for part in parts])
    over = f", on average over {len(parts)} cutoffs" if len(parts) > 1 else ""
    sentence = f"{word}: of the {length} highest, {left:.0f} left{over}; chance would be {chance:.0f}"
    return {"lift": lift, "word": word, "highest": length, "left": float(left), "chance": float(chance), "sentence": sentence}


def _checked(predictions: pd.DataFrame) -> pd.DataFrame:
    frame = predictions.reset_index(drop=True).copy()
    frame["merchant_id"] = frame["merchant_id"].astype(str)
    frame["cutoff"] = pd.to_datetime(frame["cutoff"]).dt.strftime("%Y-%m-%d")
    if frame.empty:
        raise ModelRefused("There are no predictions to evaluate: no merchant was in the cohort at any cutoff. Use other cutoffs.")
    bad = ~np.isfinite(frame[["churn_risk", "expected_gmv"]].to_numpy(float)).all(axis=1)
    if bad.any():
        first = frame[bad].iloc[0]
        raise ModelRefused(
            f"{bad.sum()} of {len(frame)} predictions are not finite, e.g. merchant {first['merchant_id']} at {first['cutoff']}; "
            "every merchant of the cohort needs a number. Train again, and report this if it stays."
        )
    twice = frame[frame.duplicated(["merchant_id", "cutoff"])]
    if len(twice):
        one = twice.iloc[0]
        raise ModelRefused(f"Merchant {one['merchant_id']} is predicted twice at {one['cutoff']}; keep one row per merchant and cutoff.")
    frame = frame.sort_values(["cutoff", "merchant_id"], kind="stable", ignore_index=True)
    parts = [expected_profit(*(part[c].to_numpy(float) for c in ("churn_risk", "trailing"))) for _, part in frame.groupby("cutoff")]
    return frame.assign(
        expected_loss=frame["churn_risk"] * frame["trailing"], lost=frame["churned"] * frame["trailing"], expected_profit=np.concatenate(parts)
    )


def _base(name: str) -> str:
    head = next((head for head in HEADS if name.startswith(f"{head}_")), "")
    return name.removeprefix(f"{head}_")


def _worst(name: str, values: pd.Series) -> float:
    known, each = values.dropna(), METRICS[_base(name)]
    if known.empty:
        return float("nan")
    if each.better == "target":
        target = float(each.perfect) if not callable(each.perfect) else 0.0
        return float(known.iloc[(known - target).abs().argmax()])
    return float(known.min() if each.better == "higher" else known.max())


def _money(rows: pd.DataFrame) -> dict[str, float]:
    expected, realised = float(rows["expected_gmv"].sum()), float(rows["value"].sum())
    row = {"n": len(rows), "expected_gmv": expected, "realised_gmv": realised, "bias": _ratio(expected, realised) - 1}
    cover = METRICS["cover"]
    return row | ({"cover": cover.function(*(rows[c] for c in cover.needs))} if {*cover.needs} <= {*rows} else {})


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value
