"""Who leaves, when and why: a hazard per merchant and day, made of causes, and the leaving that it draws.

A merchant can leave from the day after its first order. Hazards are rates a day, constant within a week: the chance
to leave on a day, for one still there, is `1 − exp(−rate)`. Day of leaving: the first day on which nothing is sold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.simulate import industry as industries
from features.simulate.clock import NEVER, Clock, Flags, Floats, Ints
from features.simulate.demand import GROWING_DAYS, Demand, ages, is_off_season
from features.simulate.market import Merchants
from features.simulate.trouble import Troubles

CAUSES = ("price", "service", "rival", "season", "business closed")
QUIET = {"price": 0.0004, "service": 0.0003, "rival": 0.0004, "business closed": 0.0014}
"""Chance a week to leave without any trouble, of a mature merchant."""
TROUBLED = {"price": 0.13, "service": 0.11, "rival": 0.15}
"""Chance a week at a trouble's full level, `PATIENCE` weeks ago; it grows with the level's square: signals come first."""
PATIENCE = 3
PAIN = 0.010
"""Chance a week added by each ticket of the last four weeks that took effort 7 (effort above 4 counts in part)."""
AFTER_CAMPAIGN, AFTER_SEASON, CHAIN_CLOSES = 0.03, 0.12, 0.30
CONTRACT_TERM = 365
RETURNS = 0.5
"""Share of those who leave at their season's end and come back with the next."""
EFFECT = {"price": 0.6, "service": 1.0, "rival": 0.25, "season": 0.1, "business closed": 0.0}
"""What a call achieves by cause, as a share of the planted effect of a call."""


@dataclass(frozen=True)
class Lives:
    """What became of each merchant; days from the start, NEVER where it did not happen."""

    rate: Floats  # (merchants, weeks) hazard a day
    left: Ints
    paused: Ints  # left at the season's end …
    returned: Ints  # … and came back
    cause: Ints  # index in CAUSES; -1: stayed
    exposed: Ints  # the cause, or for those who stayed the largest part of their hazard

    def sells(self, merchants: Merchants, row: Ints, day: Ints) -> Flags:
        """Whether merchants can have an order on a day."""
        return (day >= merchants.activated[row]) & self.is_there(row, day)

    def is_there(self, row: Ints, day: Ints) -> Flags:
        """Whether merchants have not left by a day (they may not have joined yet)."""
        return (day < self.left[row]) & ~((day >= self.paused[row]) & (day < self.returned[row]))


def lives(
    merchants: Merchants, troubles: Troubles, demand: Demand, pain: Floats, clock: Clock, rng: np.random.Generator
) -> Lives:
    """Draw leaving from the hazard; `pain` is the effort of tickets, (merchants, weeks)."""
    parts = _hazard(merchants, troubles, demand, pain, clock)
    rate = parts.sum(axis=0)
    started = np.minimum(merchants.activated, NEVER - 1) + 1
    first = _leaves(rate, started, clock, rng)
    cause = _cause(parts, first, clock, rng)
    back = np.where(
        (cause == CAUSES.index("season")) & (rng.random(len(merchants)) < RETURNS), _comes_back(merchants, first, clock), NEVER
    )
    second = _leaves(rate, back, clock, rng)
    again = back < NEVER
    left = np.where(again, second, first)
    cause = np.where(again, _cause(parts, second, clock, rng), cause)
    there = _exposure(started, clock) > 0
    exposed = np.where(cause >= 0, cause, (parts * there).sum(axis=2).argmax(axis=0))
    return Lives(rate, left, np.where(again, first, NEVER), back, cause, exposed)


def _hazard(merchants: Merchants, troubles: Troubles, demand: Demand, pain: Floats, clock: Clock) -> Floats:
    """(causes, merchants, weeks) rates a day."""
    age = ages(merchants, clock)
    young = 1 + 1.2 * np.exp(-np.maximum(age, 0) / (GROWING_DAYS / 3))
    loyal = (1.3 - 0.6 * merchants.loyalty)[:, None]
    held = _contract_factor(merchants, clock)
    parts = {cause: QUIET[cause] * young * loyal for cause in QUIET}
    for kind, weight in TROUBLED.items():
        parts[kind] = (parts[kind] + weight * loyal * _before(getattr(troubles, kind)) ** 2) * held
    parts["service"] += PAIN * pain
    parts["price"] += AFTER_CAMPAIGN * (merchants.is_dependent[:, None] & _just_ended(demand.in_campaign, 8))
    parts["season"] = AFTER_SEASON * (is_off_season(merchants, clock) & _just_ended(~is_off_season(merchants, clock), 6))
    parts["business closed"] = parts["business closed"] * np.array([1.6, 1.0, 0.6, 0.3])[merchants.scale][:, None]
    parts["business closed"] += CHAIN_CLOSES * (np.abs(clock.middles[None, :] - merchants.chain_closes[:, None] - 28) <= 28)
    return np.stack([parts[cause] for cause in CAUSES]) / 7


def _before(level: Floats) -> Floats:
    """Levels `PATIENCE` weeks ago (the first week's, where that lies before the start)."""
    return np.concatenate([np.repeat(level[:, :1], PATIENCE, axis=1), level[:, :-PATIENCE]], axis=1)


def _contract_factor(merchants: Merchants, clock: Clock) -> Floats:
    """A contract halves the wish to leave, until three weeks before it ends: then the wish doubles for five weeks."""
    phase = (clock.middles[None, :] - merchants.joined[:, None]) % CONTRACT_TERM
    age = clock.middles[None, :] - merchants.joined[:, None]
    ends = (phase >= CONTRACT_TERM - 21) | ((phase < 14) & (age > CONTRACT_TERM))
    return np.where(merchants.has_contract[:, None], np.where(ends, 2.5, 0.6), 1.0)


def _just_ended(running: Flags, weeks: int) -> Flags:
    """Weeks in which something does not run that ran within the `weeks` before."""
    ended = np.zeros_like(running)
    for back in range(1, weeks + 1):
        ended[:, back:] |= running[:, :-back]
    return ended & ~running


def _exposure(started: Ints, clock: Clock) -> Ints:
    """(merchants, weeks) days of each week, within the simulation, on which a merchant that can leave since `started` could."""
    first = np.arange(clock.weeks) * 7
    days = np.minimum(first + 7, clock.days) - np.maximum(first, started[:, None])
    return np.maximum(days, 0)


def _leaves(rate: Floats, started: Ints, clock: Clock, rng: np.random.Generator) -> Ints:
    """Day on which the cumulated hazard since `started` passes a unit-exponential draw, or NEVER."""
    risk = np.cumsum(rate * _exposure(started, clock), axis=1)
    threshold = rng.exponential(1, len(started))
    week = (risk < threshold[:, None]).sum(axis=1)
    row, inside = np.arange(len(started)), np.minimum(week, clock.weeks - 1)
    before = np.where(inside > 0, risk[row, inside - 1], 0.0)
    into = (threshold - before) / np.maximum(rate[row, inside], 1e-12)
    day = np.maximum(inside * 7, started) + np.clip(into, 0, 6).astype(np.int64)
    return np.where(week < clock.weeks, day, NEVER)


def _cause(parts: Floats, left: Ints, clock: Clock, rng: np.random.Generator) -> Ints:
    """Which part of the hazard it was, drawn in proportion to the parts on the day of leaving; -1 for those who stayed."""
    week = np.minimum(left // 7, clock.weeks - 1)
    there = np.cumsum(parts[:, np.arange(len(left)), week], axis=0)
    drawn = (rng.random(len(left)) * there[-1] >= there[:-1]).sum(axis=0)
    return np.where(left < NEVER, drawn, -1)


def _comes_back(merchants: Merchants, left: Ints, clock: Clock) -> Ints:
    """First day of the next season after `left`, NEVER if that lies beyond the end."""
    selling = industries.in_season(clock)[merchants.industry]
    later = selling & (np.arange(clock.weeks)[None, :] > (left // 7)[:, None])
    day = later.argmax(axis=1) * 7
    return np.where(later.any(axis=1) & (day < clock.days), day, NEVER)
