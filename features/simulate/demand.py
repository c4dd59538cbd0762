"""What merchants would sell while they stay: orders a week from size, age, season, market, trouble and campaigns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.simulate import industry as industries
from features.simulate.clock import Clock, Flags, Floats
from features.simulate.market import Merchants
from features.simulate.trouble import Troubles

NEWCOMER_DAYS, GROWING_DAYS = 60, 240
FIRST_LEVEL = 0.35
"""A newcomer's orders, as a share of a mature merchant's."""
OFF_SEASON = 0.03
DROP = {"price": 0.45, "service": 0.45, "rival": 0.85}
"""Share of orders lost at a trouble's full level."""
BURSTS = 0.45
"""Shape of the weekly bursts: the smaller, the more weeks are silent by chance."""
REST_WEEKS = 6
"""Weeks between two campaigns of one merchant."""


@dataclass(frozen=True)
class Demand:
    """(merchants, weeks) grids: expected orders a week, whether a campaign runs, and the length of one that starts (else 0)."""

    orders: Floats
    in_campaign: Flags
    campaign_weeks: Floats
    kept: Floats  # share of orders that trouble has left


def demand(merchants: Merchants, troubles: Troubles, clock: Clock, rng: np.random.Generator) -> Demand:
    """Expected orders, per unit of `merchants.size`, of merchants that stay for ever."""
    in_campaign, campaign_weeks = _campaigns(merchants, clock, rng)
    kept = 1 - np.minimum(sum(DROP[kind] * getattr(troubles, kind) for kind in DROP), 0.95)
    lift = np.where(in_campaign, merchants.lift[:, None], np.where(merchants.is_dependent[:, None], 0.45, 1.0))
    orders = merchants.size[:, None] * maturity(merchants, clock) * _market(merchants, clock)
    return Demand(orders * _own_path(merchants, clock, rng) * kept * lift, in_campaign, campaign_weeks, kept)


def ages(merchants: Merchants, clock: Clock) -> Floats:
    """(merchants, weeks) days since the first order; negative before it."""
    return (clock.middles[None, :] - merchants.activated[:, None]).astype(np.float64)


def maturity(merchants: Merchants, clock: Clock) -> Floats:
    """Share of the mature level that age allows: from a third at the first order to one after eight months."""
    return np.clip(FIRST_LEVEL + (1 - FIRST_LEVEL) * ages(merchants, clock) / GROWING_DAYS, FIRST_LEVEL, 1)


def is_off_season(merchants: Merchants, clock: Clock) -> Flags:
    """(merchants, weeks) whether a merchant that sells in season only is out of season."""
    return merchants.is_seasonal[:, None] & ~industries.in_season(clock)[merchants.industry]


def _market(merchants: Merchants, clock: Clock) -> Floats:
    by_industry, by_region = industries.outlook(clock)
    around = (by_industry * industries.seasons(clock))[merchants.industry] * by_region[merchants.region]
    return around * np.where(is_off_season(merchants, clock), OFF_SEASON, 1.0)


def _own_path(merchants: Merchants, clock: Clock, rng: np.random.Generator) -> Floats:
    """A drift, ups and downs of about ten weeks, bursts of one week, and for some a take-off to two to four times the sales."""
    count, weeks = len(merchants), clock.weeks
    noise = rng.standard_normal((count, weeks)) * rng.uniform(0.08, 0.30, (count, 1))
    for week in range(1, weeks):
        noise[:, week] += 0.9 * noise[:, week - 1]
    starts = np.where(rng.random(count) < 0.08, rng.uniform(0, weeks, count), 4 * weeks)
    height = np.log(rng.uniform(2, 4, count))
    takes_off = height[:, None] * np.clip((np.arange(weeks) - starts[:, None]) / 16, 0, 1)
    return np.exp(merchants.drift[:, None] * (np.arange(weeks) / 52.18 - 1) + noise + takes_off) * rng.gamma(
        BURSTS, 1 / BURSTS, (count, weeks)
    )


def _campaigns(merchants: Merchants, clock: Clock, rng: np.random.Generator) -> tuple[Flags, Floats]:
    count, weeks = len(merchants), clock.weeks
    length = rng.integers(1, 4, (count, weeks))
    wanted = rng.random((count, weeks)) < merchants.campaigner[:, None]
    running = np.zeros((count, weeks), dtype=bool)
    started = np.zeros((count, weeks))
    until = np.full(count, -REST_WEEKS)
    for week in range(weeks):
        starts = wanted[:, week] & (week >= until + REST_WEEKS)
        until = np.where(starts, week + length[:, week], until)
        running[:, week] = week < until
        started[:, week] = np.where(starts, length[:, week], 0)
    return running, started
