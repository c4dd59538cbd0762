"""What makes a prediction good: one small function per metric.

A metric's parameters are the columns it reads (of a prediction frame with its truth, see `training.evaluate`); its name is
its key in `metrics.json`, in MLflow and in the report. To add one, write the function here under `@metric` and nothing else:
the contracts of `tests/training/test_every_metric.py` hold for it at once.

A metric is missing (NaN) where it says nothing: ranking needs both churners and stayers, shares of money need money.
Rows are expected in the order of `merchant_id`: only the metrics with `slack` can see the order, in ties or random draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Any, Literal

import numpy as np

from training.economics import ACCEPT, CONTACT, INCENTIVE, margins
from training.ranks import Array, list_length, midranks, tenths, top_weights

Score = float | Callable[[Array], float]
"""A score that is the same on all data, or one that follows from the truth (the metric's first truth column)."""


@dataclass(frozen=True)
class Metric:
    """One entry of `METRICS`: what it reads, which way is better, and its two fixed points.

    `perfect` is what the truth itself scores, `constant` what the same best number for everybody scores;
    `slack` is how far the order of rows may move it (tied merchants, random draws).
    """

    function: Callable[..., float]
    needs: tuple[str, ...]
    better: Literal["higher", "lower", "target"]
    perfect: Score
    constant: Score
    slack: float = 1e-9


METRICS: dict[str, Metric] = {}
"""Every metric by name."""


def metric(
    better: Literal["higher", "lower", "target"], perfect: Score, constant: Score, slack: float = 1e-9
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Register a metric; its columns arrive as float arrays, and no rows at all is missing."""

    def register(function: Callable[..., float]) -> Callable[..., float]:
        given = signature(function)
        needs = tuple(name for name, parameter in given.parameters.items() if parameter.default is parameter.empty)

        @wraps(function)
        def score(*columns: Any, **options: Any) -> float:
            bound = given.bind(*columns, **options).arguments
            arrays = {name: np.asarray(bound[name], dtype=float) for name in needs}
            return float(function(**{**bound, **arrays})) if arrays[needs[0]].size else float("nan")

        METRICS[function.__name__] = Metric(score, needs, better, perfect, constant, slack)
        return score

    return register


@metric(better="higher", perfect=1.0, constant=0.5)
def auc(churned: Array, churn_risk: Array) -> float:
    """Chance that somebody who left had a higher risk than somebody who stayed; a tie counts half.

    Examples
    --------
    >>> auc([1, 0, 1, 0], [0.9, 0.4, 0.4, 0.1])
    0.875
    """
    left, stayed = churned.sum(), (1 - churned).sum()
    if not left or not stayed:
        return float("nan")
    return float((midranks(churn_risk)[churned == 1].sum() - left * (left + 1) / 2) / (left * stayed))


@metric(better="higher", perfect=1.0, constant=np.mean)
def average_precision(churned: Array, churn_risk: Array) -> float:
    """Precision averaged over the churners as the list grows; tied merchants enter together.

    Examples
    --------
    >>> round(average_precision([1, 0, 1, 0], [0.9, 0.4, 0.3, 0.1]), 4)
    0.8333
    """
    if churned.min() == churned.max():
        return float("nan")
    order = np.argsort(-churn_risk, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(churn_risk[order])), len(order) - 1)
    caught = np.cumsum(churned[order])[last_of_tie]
    return float((np.diff(caught, prepend=0) * caught / (last_of_tie + 1)).sum() / caught[-1])


@metric(better="lower", perfect=0.0, constant=lambda churned: churned.mean() * (1 - churned.mean()))
def brier(churned: Array, churn_risk: Array) -> float:
    """Mean squared distance between the risk and what happened.

    Examples
    --------
    >>> round(brier([1, 0], [0.8, 0.4]), 4)
    0.1
    """
    return float(((churn_risk - churned) ** 2).mean())


@metric(better="lower", perfect=0.0, constant=lambda churned: -sum(q * np.log(q) for q in (churned.mean(), 1 - churned.mean())))
def log_loss(churned: Array, churn_risk: Array) -> float:
    """Mean surprise, in nats, at what happened; a certain and wrong risk costs 34.5.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.8, 0.4]), 4)
    0.367
    """
    happened = np.where(churned == 1, churn_risk, 1 - churn_risk)
    return float(-np.log(np.clip(happened, 1e-15, 1)).mean())


@metric(better="lower", perfect=0.0, constant=0.0)
def ece(churned: Array, churn_risk: Array, bins: int = 10) -> float:
    """Expected calibration error: how far promised and observed shares lie apart, over ten groups of equal size by risk.

    Merchants with the same risk stay in one group.

    Examples
    --------
    >>> round(ece([0, 0, 1, 1], [0.2, 0.2, 0.6, 0.6], bins=2), 4)
    0.3
    """
    group = tenths(churn_risk, bins)
    gap = np.bincount(group, churned, bins) - np.bincount(group, churn_risk, bins)
    return float(np.abs(gap).sum() / len(churned))


@metric(better="lower", perfect=0.0, constant=0.0, slack=0.02)
def ece_floor(churn_risk: Array, draws: int = 50) -> float:
    """The `ece` that perfectly true risks would show on so few merchants, by chance alone.

    Examples
    --------
    >>> round(ece_floor([0.2, 0.8] * 500), 3)
    0.016
    """
    rng = np.random.default_rng(0)
    return float(np.mean([ece((rng.random(len(churn_risk)) < churn_risk).astype(float), churn_risk) for _ in range(draws)]))


@metric(better="higher", perfect=1.0, constant=np.mean)
def precision_at(churned: Array, churn_risk: Array, share: float = 0.1) -> float:
    """Share of leavers among the `share` of merchants with the highest risk; ties at the cut count in part.

    Examples
    --------
    >>> precision_at([1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1], share=0.5)
    0.75
    """
    weight = top_weights(churn_risk, list_length(share, len(churn_risk)))
    return float((weight * churned).sum() / weight.sum())


def _best_capture(lost: Array) -> float:
    weight = top_weights(lost, list_length(0.1, len(lost)))
    return float((weight * lost).sum() / lost.sum())


@metric(better="higher", perfect=_best_capture, constant=lambda lost: np.ceil(0.1 * len(lost)) / len(lost))
def value_captured_at(expected_loss: Array, lost: Array, share: float = 0.1) -> float:
    """Share of all lost GMV that sits in the merchants we would have called.

    Ranks by `expected_loss` and takes the first `share`, as a team with limited hours would.

    Parameters
    ----------
    expected_loss : (n,) currency over the horizon; higher is called first.
    lost : (n,) GMV that did go away in the horizon; zero for those who stayed.
    share : fraction of merchants that can be called, in (0, 1].

    Returns
    -------
    In [0, 1]; random calling scores `share`. Missing when nothing was lost.

    Examples
    --------
    >>> value_captured_at([9, 5, 1, 1], [100, 0, 20, 0], share=0.25)
    0.8333333333333334
    """
    weight = top_weights(expected_loss, list_length(share, len(lost)))
    return float((weight * lost).sum() / lost.sum()) if lost.sum() else float("nan")


def _call_everybody(churned: Array) -> float:
    rate = churned.mean()  # with equal values: worth calling everybody at the base rate, or nobody
    won, wasted = ACCEPT * (1 - INCENTIVE) - CONTACT, INCENTIVE + CONTACT
    return float(100 * max(rate * won - (1 - rate) * wasted, 0.0) / (rate * won))


@metric(better="higher", perfect=100.0, constant=_call_everybody)
def profit(
    churned: Array, churn_risk: Array, trailing: Array, accept: float = ACCEPT, incentive: float = INCENTIVE, contact: float = CONTACT
) -> float:
    """Realised profit of calling everybody with a positive expected one, in percent of what perfect knowledge would earn.

    A merchant's lifetime value is a tenth of its trailing GMV; a call costs `contact` of the median value, those who would have
    stayed take the `incentive` too, and a leaver accepts with chance `accept` (Verbraken et al. 2013, with the field's defaults).
    Missing when nobody worth calling left.

    Examples
    --------
    >>> round(profit([1, 0, 0], [0.9, 0.8, 0.1], [1000, 1000, 1000]), 1)
    80.4
    """
    won, wasted = margins(trailing, accept, incentive, contact)
    called = churn_risk * won - (1 - churn_risk) * wasted > 0
    best = (churned * np.maximum(won, 0)).sum()
    return float(100 * (churned * won - (1 - churned) * wasted)[called].sum() / best) if best else float("nan")


@metric(better="lower", perfect=0.0, constant=np.std)
def rmse(value: Array, expected_gmv: Array) -> float:
    """Root mean squared error of the expected GMV, in money.

    Examples
    --------
    >>> rmse([100, 0], [97, 4])
    3.5355339059327378
    """
    return float(np.sqrt(((expected_gmv - value) ** 2).mean()))


@metric(better="lower", perfect=0.0, constant=lambda value: np.abs(value - value.mean()).sum() / value.sum())
def wape(value: Array, expected_gmv: Array) -> float:
    """Absolute errors of the expected GMV as a share of all GMV that came.

    Examples
    --------
    >>> wape([100, 0], [90, 10])
    0.2
    """
    return float(np.abs(expected_gmv - value).sum() / value.sum()) if value.sum() else float("nan")


def _gini(value: Array, score: Array) -> float:
    order, n = np.argsort(-score, kind="stable"), len(value)
    return float((np.cumsum(value[order]).sum() / value.sum() - (n + 1) / 2) / n)


@metric(better="higher", perfect=1.0, constant=0.0, slack=0.1)
def ngini(value: Array, expected_gmv: Array) -> float:
    """Normalised Gini: how well expected GMV ranks the real one; 1 is its true order, 0 a random one.

    Examples
    --------
    >>> round(ngini([100, 10, 0], [50, 0, 20]), 4)
    0.9
    """
    if not value.sum() or value.min() == value.max():
        return float("nan")
    return _gini(value, expected_gmv) / _gini(value, value)


@metric(better="target", perfect=0.0, constant=0.0)
def bias(value: Array, expected_gmv: Array) -> float:
    """Total expected GMV against the total that came: +0.1 promises a tenth too much.

    Examples
    --------
    >>> round(bias([100, 0], [90, 20]), 4)
    0.1
    """
    return float(expected_gmv.sum() / value.sum() - 1) if value.sum() else float("nan")


@metric(better="target", perfect=0.8, constant=0.8, slack=0.05)
def cover(value: Array, expected_gmv_p10: Array, expected_gmv_p90: Array) -> float:
    """Share of merchants whose GMV fell between P10 and P90, edges included; 0.8 is what the two promise.

    Examples
    --------
    >>> cover([5, 0, 30, 8], [1, 0, 5, 9], [9, 3, 20, 12])
    0.5
    """
    return float(((value >= expected_gmv_p10) & (value <= expected_gmv_p90)).mean())
