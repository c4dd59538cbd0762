"""Ranges that hold four of five outcomes, learnt from what forecasts of unseen merchants missed.

Outcomes are compared with their own expectation, so ranges scale with the merchant (size-normalised conformal scores, Lei et al.
2018), separately for merchants of different size (Mondrian, Vovk et al. 2003); the chance of nothing at all comes from the churn
model, so ranges follow the season's churn. The whole is then widened or narrowed until it held what it claims.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from features.bands import Bands
from features.trees import Array

HELD = 0.8
LEVELS = tuple(np.linspace(0.01, 0.99, 50).round(4).tolist())
SHARES = (0.25, 0.5, 0.75, 0.95)
"""Where merchants are parted by size, as shares of all that sold."""
LEAST = 200
"""Merchants that sold, so many for each size."""
MOST_SPREAD = 0.3
WIDEST = 0.09
STEPS = 12
MOST_ROWS = 8000
"""Rows, evenly taken, by which the whole is widened or narrowed."""


def spread_levels(spread: float) -> tuple[float, ...]:
    """Three equally likely factors whose logarithms have this spread: what the season's level may turn out to be."""
    step = min(spread, MOST_SPREAD) * np.sqrt(1.5)
    return (float(np.exp(-step)), 1.0, float(np.exp(step)))


def bands(future: Array, expected: Array, base: Array, silent: Array, spread: float) -> Bands:
    """The range, from forecasts of merchants that were not learnt from.

    Parameters
    ----------
    future, expected, base, silent : (n,) actual and expected GMV, what was carried forward, chance of nothing; `expected` at the
        level that each season turned out to have.
    spread : of the logarithm of the level's forecast.
    """
    sold = future > 0
    factors = spread_levels(spread)
    ratio = (future * (1 - silent))[sold] / expected[sold]
    size = np.log(base[sold])
    edges = np.unique(np.quantile(size, SHARES[: max(sold.sum() // LEAST - 1, 0)])) if sold.any() else np.array([])
    place = np.searchsorted(edges, size, side="right")
    groups = [place == k for k in range(len(edges) + 1)]
    kept = [group for group in groups if group.any()]
    if not kept:
        return Bands((0.0,), (0.0, 1.0), ((0.0, 0.0),))
    table = tuple(_quantiles(np.concatenate([ratio[group] * factor for factor in factors])) for group in kept)
    found = Bands(tuple(float(np.median(size[group])) for group in kept), LEVELS, table)
    return replace(found, widen=_widening(found, future, expected, base, silent, factors))


def _quantiles(ratio: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in np.quantile(ratio, LEVELS))


def _widening(found: Bands, future: Array, expected: Array, base: Array, silent: Array, factors: tuple[float, ...]) -> float:
    """By how much the levels of both ends must move apart to hold `HELD` of these outcomes, found by halving."""
    some = np.linspace(0, len(base) - 1, min(len(base), MOST_ROWS)).astype(int)
    future, expected, base, silent = (values[some] for values in (future, expected, base, silent))
    narrow, wide = -WIDEST, WIDEST
    for _ in range(STEPS):
        middle = (narrow + wide) / 2
        tried = replace(found, widen=middle)
        held = np.mean([held_share(tried, future, expected / factor, base, silent) for factor in factors])
        narrow, wide = (middle, wide) if held < HELD else (narrow, middle)
    return round((narrow + wide) / 2, 6)


def held_share(found: Bands, future: Array, expected: Array, base: Array, silent: Array) -> float:
    """Share of outcomes within their range."""
    low, high = found.range(expected, base, silent)
    return float(((future >= low) & (future <= high)).mean())
