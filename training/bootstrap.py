"""How sure figures are: merchants are drawn again, with all their cutoffs at once.

A merchant's rows are not taken for news of each other. Intervals hold for the seasons that were tested; another season may
lie outside. Each metric is computed from weights (how often a merchant was drawn), which equals repeating its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from training.economics import ACCEPT, CONTACT, INCENTIVE, WORTH
from training.ranks import Array

RESAMPLES = 200
MOST_WORK = 80_000_000
"""Rows times draws; large data needs fewer draws, for its intervals are narrow."""
NEEDS: dict[str, tuple[str, ...]] = {
    "risk": ("churned", "churn_risk"),
    "profit": ("churned", "churn_risk", "trailing"),
    "money": ("value", "expected_gmv"),
    "cover": ("value", "expected_gmv_p10", "expected_gmv_p90"),
}
Index = np.ndarray[Any, np.dtype[np.int64]]
Columns = Mapping[str, Array]
Measured = dict[str, float]
Measure = Callable[[Array], Measured]
"""From weights (n,) of a cutoff's rows to metrics."""


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def risk_measure(rows: Columns) -> Measure:
    """AUC, average precision, Brier, ECE and precision among the highest tenth; rows are sorted by risk only once."""
    order = np.argsort(rows["churn_risk"], kind="stable")
    risk, churned = rows["churn_risk"][order], rows["churned"][order]
    starts = np.flatnonzero(np.append(True, risk[1:] != risk[:-1]))
    told, squares = risk[starts], (risk - churned) ** 2

    def measured(weight: Array) -> Measured:
        weight = weight[order]
        every, left = np.add.reduceat(weight, starts), np.add.reduceat(weight * churned, starts)
        total, leavers = every.sum(), left.sum()
        stayed = every - left
        below = np.cumsum(every)
        group = np.clip(((below - every + (every + 1) / 2) / total * 10 - 1e-9).astype(int), 0, 9)
        gap = np.bincount(group, left, 10) - np.bincount(group, every * told, 10)
        called, caught = np.cumsum(every[::-1]), np.cumsum(left[::-1])
        length = max(1.0, np.ceil(0.1 * total))
        both = bool(leavers) and bool(total - leavers)
        return {
            "auc": _share((left * (np.cumsum(stayed) - stayed / 2)).sum(), leavers * (total - leavers)),
            "average_precision": _share((left[::-1] * caught / np.maximum(called, 1e-300)).sum(), leavers) if both else float("nan"),
            "brier": float((weight * squares).sum() / total),
            "ece": float(np.abs(gap).sum() / total),
            "precision_at": float(np.interp(length, np.append(0, called), np.append(0, caught)) / length),
        }

    return measured


def profit_measure(rows: Columns) -> Measure:
    """Realised profit in percent of perfect knowledge (see `training.metrics.profit`)."""
    worth, churned, risk = WORTH * rows["trailing"], rows["churned"], rows["churn_risk"]
    order, gift = np.argsort(worth, kind="stable"), INCENTIVE * worth

    def measured(weight: Array) -> Measured:
        reached = np.cumsum(weight[order])
        middle = np.searchsorted(reached, [reached[-1] / 2, reached[-1] / 2 + 0.5], side="left")
        fee = CONTACT * worth[order][np.minimum(middle, len(order) - 1)].mean()
        won, wasted = ACCEPT * (worth - gift) - fee, gift + fee
        called = risk * won - (1 - risk) * wasted > 0
        real = (weight * (churned * won - (1 - churned) * wasted))[called].sum()
        return {"profit": 100 * _share(real, (weight * churned * np.maximum(won, 0)).sum())}

    return measured


def money_measure(rows: Columns) -> Measure:
    """RMSE, WAPE, bias and normalised Gini of the expected GMV."""
    value, expected = rows["value"], rows["expected_gmv"]
    error, by_score, by_value = expected - value, np.argsort(-expected, kind="stable"), np.argsort(-value, kind="stable")

    def gini(weight: Array, order: Index) -> float:
        times, amount = weight[order], value[order]
        before = np.cumsum(times * amount) - times * amount
        area, total, rows_drawn = (times * before + amount * times * (times + 1) / 2).sum(), (times * amount).sum(), times.sum()
        return _share(area, total) / rows_drawn - (rows_drawn + 1) / 2 / rows_drawn

    def measured(weight: Array) -> Measured:
        total = float((weight * value).sum())
        return {
            "rmse": float(np.sqrt((weight * error**2).sum() / weight.sum())),
            "wape": _share((weight * np.abs(error)).sum(), total),
            "bias": _share((weight * error).sum(), total),
            "ngini": _share(gini(weight, by_score), gini(weight, by_value)) if total else float("nan"),
        }

    return measured


def cover_measure(rows: Columns) -> Measure:
    """Share of merchants between P10 and P90."""
    inside = (rows["value"] >= rows["expected_gmv_p10"]) & (rows["value"] <= rows["expected_gmv_p90"])
    return lambda weight: {"cover": float((weight * inside).sum() / weight.sum())}


MEASURES = {"risk": risk_measure, "profit": profit_measure, "money": money_measure, "cover": cover_measure}


@dataclass(frozen=True)
class Draws:
    """Metrics per cutoff: as measured (`estimate`, cutoffs × metrics) and redrawn (`drawn`, draws × cutoffs × metrics)."""

    estimate: pd.DataFrame
    drawn: Array

    def mean(self, name: str) -> tuple[float, Array]:
        """A metric's mean over cutoffs, and that of each draw."""
        place = list(self.estimate).index(name)
        return float(_mean(self.estimate[name].to_numpy(float))), _mean(self.drawn[:, :, place])

    def interval(self, name: str, cutoff: str | None = None, level: float = 0.95) -> tuple[float, float]:
        """Interval of a metric at a cutoff, or of its mean over cutoffs."""
        if cutoff is None:
            return around(*self.mean(name), level)
        row, place = list(self.estimate.index).index(cutoff), list(self.estimate).index(name)
        return around(float(self.estimate.to_numpy(float)[row, place]), self.drawn[:, row, place], level)

    def ahead_of(self, other: Draws, name: str, level: float = 0.95) -> tuple[float, float, float]:
        """How far a metric's mean lies above another prediction's of the same rows: estimate, low and high end (paired draws)."""
        (ours, our_draws), (theirs, their_draws) = self.mean(name), other.mean(name)
        return ours - theirs, *around(ours - theirs, our_draws - their_draws, level)


def draws(predictions: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> Draws:
    """Measure predictions as they are and among redrawn merchants.

    Two calls with the same merchants and cutoffs, number and seed draw the same merchants, so their differences are paired.

    Parameters
    ----------
    predictions : one row per merchant_id and cutoff; a measure whose columns are absent (see `NEEDS`) is absent.
    """
    merchant = pd.factorize(predictions["merchant_id"], sort=True)[0]
    count, groups = int(merchant.max()) + 1, predictions.groupby("cutoff").indices
    kinds = [kind for kind, needed in NEEDS.items() if {*needed} <= {*predictions}]
    columns = {name: predictions[name].to_numpy(float) for kind in kinds for name in NEEDS[kind]}
    measures = [[MEASURES[kind]({name: column[rows] for name, column in columns.items()}) for kind in kinds] for rows in groups.values()]

    def measured(times: Array) -> list[list[float]]:
        """Rows of metrics, one per cutoff; all missing where a draw has nobody."""
        weights = [times[merchant[rows]] for rows in groups.values()]
        return [_all(own, weight) for own, weight in zip(measures, weights, strict=True)]

    names = [name for one in measures[0] for name in one(np.ones(len(next(iter(groups.values())))))]
    rng = np.random.default_rng(seed)
    number = max(20, min(resamples, MOST_WORK // len(predictions))) if resamples > 20 else resamples
    drawn = [measured(np.bincount(rng.integers(0, count, count), minlength=count).astype(float)) for _ in range(number)]
    shape = (number, len(groups), len(names))
    return Draws(pd.DataFrame(measured(np.ones(count)), [str(cutoff) for cutoff in groups], names), np.array(drawn).reshape(shape))


def _all(measures: list[Measure], weight: Array) -> list[float]:
    if not weight.any():
        return [float("nan") for one in measures for _ in one(np.ones(len(weight)))]
    return [value for one in measures for value in one(weight).values()]


def _mean(values: Array) -> Array:
    """Mean over the last axis of what is known; missing where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=-1) / np.maximum(count, 1), np.nan)


def around(estimate: float, drawn: Array, level: float = 0.95) -> tuple[float, float]:
    """The draws' interval moved onto the estimate: resampling alone inflates whatever grows with noise, such as ECE."""
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size or not np.isfinite(estimate):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]) - drawn.mean() + estimate
    return float(low), float(high)
