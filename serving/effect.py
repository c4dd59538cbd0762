"""The effect of acting, from merchants drawn at random: the difference of two adjusted means, with an interval that keeps its promise.

Within each arm the outcome is regressed on what was known at the decision (the predicted risk, the expected sales) and read off at the mean
of all decisions, each weighted by the inverse of its chance to be in its arm. That is as unbiased as the plain difference, because arms
were drawn at random, and narrower the better the predictions are (Lin 2013; CUPED is the same idea). Variances are HC3, summed within
merchants that were drawn more than once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

LEVEL = 0.95
LEAST = 20
"""Decisions in each arm below which nothing is estimated."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """An adjusted mean of one arm: its value, variance, degrees of freedom and the spread of one decision."""

    value: float
    variance: float
    freedom: int
    spread: float


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval is on one side of zero."""
        return self.low > 0 or self.high < 0

    def times(self, factor: float) -> Estimate:
        """In another unit; `factor` is above zero."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


def adjusted_mean(outcome: Floats, known: Floats, centre: Floats, weight: Floats, cluster: NDArray[np.int64]) -> Mean:
    """The mean outcome of an arm, had its merchants been like all.

    Parameters
    ----------
    outcome : (n,). known : (n, k) what was known at the decision. centre : (k,) its mean over all decisions.
    weight : (n,) the inverse of the chance to be in this arm. cluster : (n,) whole numbers from 0; the merchant.
    """
    design = np.column_stack([np.ones(len(outcome)), known - centre])
    spread = design.std(axis=0)
    design = design[:, (spread > 0) | (np.arange(design.shape[1]) == 0)]
    weighted = design * weight[:, None]
    inverse = np.linalg.pinv(weighted.T @ design)
    coefficients = inverse @ (weighted.T @ outcome)
    leverage = np.einsum("ij,jk,ik->i", weighted, inverse, design)
    residual = (outcome - design @ coefficients) / np.maximum(1 - leverage, 1e-6)
    influence = (weighted @ inverse[0]) * residual
    variance = float(np.square(np.bincount(cluster, influence)).sum())
    clusters = len(np.unique(cluster))
    return Mean(float(coefficients[0]), variance, max(clusters - design.shape[1], 1), float(np.sqrt(variance * len(outcome))))


@dataclass(frozen=True)
class Arms:
    """The adjusted means of those acted on and of those left alone."""

    act: Mean
    hold: Mean

    @classmethod
    def of(cls, outcome: Floats, known: Floats, is_held: NDArray[np.bool_], propensity: Floats, merchant: pd.Series) -> Arms:
        """Both arms; `propensity` is the chance to be left alone."""
        centre = known.mean(axis=0)
        cluster = pd.factorize(merchant)[0].astype(np.int64)
        weight = np.where(is_held, 1 / propensity, 1 / (1 - propensity))
        arms = [adjusted_mean(outcome[arm], known[arm], centre, weight[arm], cluster[arm]) for arm in (~is_held, is_held)]
        return cls(*arms)

    def difference(self) -> Estimate:
        """Left alone less acted on: with churn as outcome, the share of merchants that acting kept."""
        variance = self.act.variance + self.hold.variance
        parts = ((one.variance**2 / one.freedom) for one in (self.act, self.hold))
        total = sum(parts)
        freedom = variance**2 / total if total > 0 else 1.0
        return _interval(self.hold.value - self.act.value, variance, freedom)

    def saved(self) -> Estimate:
        """Of those who would have left, the share that acting kept: 1 − acted on / left alone, with the delta method's interval."""
        ratio = self.act.value / self.hold.value
        variance = (self.act.variance + ratio**2 * self.hold.variance) / self.hold.value**2
        return _interval(1 - ratio, variance, min(self.act.freedom, self.hold.freedom))


def _interval(value: float, variance: float, freedom: float) -> Estimate:
    reach = float(stdtrit(freedom, 0.5 + LEVEL / 2) * np.sqrt(variance))
    return Estimate(value, value - reach, value + reach)


def needed(hoped: float, act: float, hold: float, share: float, power: float) -> float:
    """How many decisions it takes to notice an effect, in both arms together; infinite for no effect.

    Parameters
    ----------
    hoped : the effect to notice. act, hold : the spread of one decision's outcome in each arm. share : left alone.

    Examples
    --------
    >>> round(needed(0.05, 0.45, 0.45, share=0.5, power=0.8), -1)  # about 1,300 in each arm, as textbooks have it
    2540.0
    """
    if hoped <= 0 or not 0 < share < 1:
        return float("inf")
    reach = float(ndtri(0.5 + LEVEL / 2) + ndtri(power))
    return float((reach / hoped) ** 2 * (hold**2 / share + act**2 / (1 - share)))
