"""Episodes of trouble: the hidden causes that show in the data for weeks before they make a merchant leave, or pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.simulate.clock import Clock, Floats
from features.simulate.market import Merchants

EPISODES = 3
RAMP = 6.0
"""Weeks in which a trouble grows to its full severity."""
A_YEAR = {"price": 0.38, "service": 0.42, "rival": 0.44}
"""Episodes a merchant and year, on average; a merchant's own rate is spread around it."""


@dataclass(frozen=True)
class Troubles:
    """(merchants, weeks) levels in [0, 1]; zero is no trouble.

    price: the platform has become dear; it buys the merchant's sales with subsidies and baskets shrink.
    service: late deliveries, tickets that take effort, bad reviews.
    rival: sales move to another platform while the market grows; fewer functions are used.
    """

    price: Floats
    service: Floats
    rival: Floats


def troubles(merchants: Merchants, clock: Clock, rng: np.random.Generator) -> Troubles:
    """Draw each kind of trouble for every merchant and week."""
    return Troubles(**{kind: _levels(len(merchants), clock.weeks, rate, rng) for kind, rate in A_YEAR.items()})


def _levels(count: int, weeks: int, rate: float, rng: np.random.Generator) -> Floats:
    own = np.maximum(rate / 52 * rng.gamma(0.8, 1 / 0.8, count), 1e-6)
    week = np.arange(weeks, dtype=np.float64)
    level = np.zeros((count, weeks))
    onset = -26 + rng.exponential(1, count) / own
    for _ in range(EPISODES):
        length = 9 + rng.exponential(12, count)
        severity = rng.uniform(0.55, 1.0, count)
        rises = (week - onset[:, None]) / RAMP
        falls = ((onset + length)[:, None] - week) / (RAMP / 2)
        level = np.maximum(level, severity[:, None] * np.clip(np.minimum(rises, falls), 0, 1))
        onset = onset + length + rng.exponential(1, count) / own
    return level
