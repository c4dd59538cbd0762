"""Who is on the market: each merchant's size, kind, place, chain and habits, drawn once for everybody."""

from __future__ import annotations

from dataclasses import dataclass, fields
from statistics import NormalDist

import numpy as np

from features.simulate import industry as industries
from features.simulate.clock import NEVER, Clock, Flags, Floats, Ints

SCALES = ("sole trader", "small", "medium", "large")
CHANNELS = ("organic", "referral", "search", "partner", "trade fair", "outbound")
CHANNEL_COST = np.array([15.0, 40.0, 120.0, 160.0, 300.0, 220.0])
ORDERS_SPREAD, BASKET_SPREAD = 1.06, 0.25
"""Standard deviations (in logs) of orders a week and of the basket: together the top fifth brings about 80 % of GMV."""
CHAIN_SHARE, CHAIN_LENGTH = 0.08, 8
JOINED_BEFORE = 0.5


@dataclass(frozen=True)
class Merchants:
    """One entry per merchant in every array; days count from the start of the simulation."""

    code: Ints
    industry: Ints
    region: Ints
    scale: Ints
    channel: Ints
    chain: Ints  # -1: none
    chain_closes: Ints  # day on which its chain decides to close, or NEVER
    joined: Ints
    activated: Ints  # day of the first order, or NEVER
    size: Floats  # orders a week when mature, before calibration
    basket: Floats  # EUR an order
    regulars: Ints  # loyal buyers
    loyalty: Floats  # share of orders from them
    drift: Floats  # own growth a year, in logs
    subsidy: Floats  # platform's money as a share of GMV, outside campaigns
    campaigner: Floats  # campaigns started a week
    lift: Floats  # factor on orders under a campaign
    is_dependent: Flags  # stays only for the subsidy
    is_seasonal: Flags  # sells in season only
    has_contract: Flags
    users: Ints
    logins: Floats  # a week
    breadth: Ints  # functions used

    def __len__(self) -> int:
        return len(self.code)

    def part(self, first: int, last: int) -> Merchants:
        """The merchants with codes in `[first, last)`."""
        return Merchants(**{field.name: getattr(self, field.name)[first:last] for field in fields(self)})


def merchants(count: int, clock: Clock, rng: np.random.Generator) -> Merchants:
    """Draw `count` merchants; sizes are stratified, so that the skew does not depend on luck."""
    rank = rng.permutation(count)
    latent = np.array([NormalDist().inv_cdf((place + 0.5) / count) for place in range(count)])[rank]
    scale = np.digitize(0.75 * latent + 0.66 * rng.standard_normal(count), [0.0, 0.85, 1.75])
    industry = rng.integers(0, len(industries.INDUSTRIES), count)
    chain, chain_closes = _chains(count, clock, industry, rng)
    size = np.exp(ORDERS_SPREAD * latent)
    joined = _joined(count, clock, rng)
    basket = np.exp(BASKET_SPREAD * (0.45 * latent + 0.9 * rng.standard_normal(count))) * industries.baskets()[industry]
    is_dependent = rng.random(count) < 0.07
    return Merchants(
        code=np.arange(count),
        industry=industry,
        region=rng.integers(0, len(industries.REGIONS), count),
        scale=scale,
        channel=rng.choice(len(CHANNELS), count, p=[0.3, 0.2, 0.2, 0.1, 0.08, 0.12]),
        chain=chain,
        chain_closes=chain_closes,
        joined=joined,
        activated=_activated(joined, industry, scale, clock, rng),
        size=size / size.mean(),
        basket=basket,
        regulars=np.minimum(2 + (6 * np.sqrt(size) * rng.uniform(0.4, 1.6, count)).astype(np.int64), 900),
        loyalty=rng.beta(2.5, 2.5, count),
        drift=rng.normal(0, 0.25, count),
        subsidy=rng.uniform(0.0, 0.06, count),
        campaigner=np.where(is_dependent, 0.11, np.where(rng.random(count) < 0.5, 0.05, 0.004)),
        lift=np.where(is_dependent, rng.uniform(3.5, 5.0, count), rng.uniform(1.2, 1.9, count)),
        is_dependent=is_dependent,
        is_seasonal=rng.random(count) < industries.seasonal_shares()[industry],
        has_contract=rng.random(count) < np.array([0.25, 0.55, 0.85, 0.95])[scale],
        users=1 + rng.poisson(np.array([0.1, 1.0, 3.0, 8.0])[scale]),
        logins=np.array([0.35, 0.6, 0.9, 1.4])[scale] * rng.gamma(3.0, 1 / 3, count),
        breadth=np.clip(2 + scale + rng.poisson(1.5, count), 2, 9),
    )


def _joined(count: int, clock: Clock, rng: np.random.Generator) -> Ints:
    """Half had joined in the three years before the start, the others join until two months before the end."""
    before = -rng.integers(1, 1100, count)
    during = rng.integers(0, max(clock.days - 60, 1), count)
    return np.where(rng.random(count) < JOINED_BEFORE, before, during)


def _activated(joined: Ints, industry: Ints, scale: Ints, clock: Clock, rng: np.random.Generator) -> Ints:
    """Day of the first order: about two weeks after joining on average; some never sell (joined, no order)."""
    count = len(joined)
    day = joined + 1 + np.minimum(rng.exponential(14, count), 400).astype(np.int64)
    weekend = np.maximum(clock.weekday(day) - 4, 0)
    day = np.where(industries.is_business()[industry] & (weekend > 0), day + 3 - weekend, day)
    return np.where(rng.random(count) < np.array([0.14, 0.09, 0.06, 0.03])[scale], NEVER, day)


def _chains(count: int, clock: Clock, industry: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Chain of each merchant (or -1) and the day its chain decides to close; a chain has one industry (set in place)."""
    number = max(1, round(count * CHAIN_SHARE / CHAIN_LENGTH))
    chain = np.where(rng.random(count) < CHAIN_SHARE, rng.integers(0, number, count), -1)
    industry[:] = np.where(chain >= 0, rng.integers(0, len(industries.INDUSTRIES), number)[chain], industry)
    closes = np.where(rng.random(number) < 0.12, rng.integers(clock.days // 4, clock.days + 1, number), NEVER)
    return chain, np.where(chain >= 0, closes[chain], NEVER)
