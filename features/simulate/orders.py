"""Orders one by one, and the refunds and reviews that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from features.simulate import industry as industries
from features.simulate.clock import NOTHING, Clock, Flags, Floats, Ints
from features.simulate.columns import Coded, Columns, Named
from features.simulate.demand import Demand
from features.simulate.life import Lives
from features.simulate.market import Merchants
from features.simulate.trouble import Troubles

PRICE_SHRINKS, PRICE_SUBSIDY = 0.30, 0.25
CAMPAIGN_SUBSIDY, DEPENDENT_SUBSIDY = 0.15, 0.30
LATE, LATE_IN_TROUBLE = 0.06, 0.45
REFUND, REFUND_IN_TROUBLE = 0.03, 0.10
REVIEW = 0.08
ONE_OFF = 5_000_000_000
"""Numbers of occasional buyers start here; a merchant's own regulars are numbered from its code."""


@dataclass(frozen=True)
class Sales:
    """One entry per completed order, sorted by time; money in cents, times in UTC seconds."""

    row: Ints
    ordered: Ints
    completed: Ints
    promised: Ints
    delivered: Ints
    amount: Ints
    subsidy: Ints
    buyer: Ints
    lines: Ints
    service: Floats  # level of service trouble

    def __len__(self) -> int:
        return len(self.row)

    def pick(self, keep: Flags | Ints) -> Sales:
        """The orders that `keep` selects."""
        return Sales(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})


def sales(
    merchants: Merchants,
    demand: Demand,
    troubles: Troubles,
    lives: Lives,
    clock: Clock,
    per_unit: float,
    buyers: int,
    rng: np.random.Generator,
) -> Sales:
    """Draw the orders; `per_unit` calibrates `merchants.size`, `buyers` is the number of occasional buyers in the market."""
    row, day = _moments(merchants, demand, lives, clock, per_unit, rng)
    week = day // 7
    ordered = clock.utc(day, _second(merchants.industry[row], rng))
    completed = ordered + _delay(len(row), rng)
    service, price, promoted = troubles.service[row, week], troubles.price[row, week], demand.in_campaign[row, week]
    amount = merchants.basket[row] * (1 - PRICE_SHRINKS * price) * np.exp(rng.normal(-0.125, 0.5, len(row)))
    amount = np.maximum(np.rint(amount * 100), 50)
    promised, delivered = _delivery(merchants.industry[row], day, service, clock, rng)
    made = Sales(
        row=row,
        ordered=ordered,
        completed=completed,
        promised=promised,
        delivered=clock.known(delivered),
        amount=amount.astype(np.int64),
        subsidy=np.rint(amount * _subsidy(merchants, row, promoted, price, rng)).astype(np.int64),
        buyer=_buyers(merchants, row, buyers, rng),
        lines=1 + rng.poisson(1.2, len(row)),
        service=service,
    )
    made = made.pick(completed < clock.end)
    return made.pick(np.argsort(made.ordered, kind="stable"))


def _moments(
    merchants: Merchants, demand: Demand, lives: Lives, clock: Clock, per_unit: float, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Merchant row and day of each order; each merchant that ever sells has one on the day of its first order."""
    week = np.arange(clock.weeks) * 7
    there = (week < lives.left[:, None]) & (week + 7 > merchants.activated[:, None])
    counts = rng.poisson(demand.orders * per_unit * there)
    cell = np.repeat(np.arange(counts.size), counts.ravel())
    row = cell // clock.weeks
    slot = rng.integers(0, industries.SLOTS, len(row))
    day = cell % clock.weeks * 7 + industries.weekday_slots(clock)[merchants.industry[row], slot]
    keep = lives.sells(merchants, row, day) & (day < clock.days)
    first = np.flatnonzero((merchants.activated >= 0) & (merchants.activated < clock.days))
    return np.concatenate([row[keep], first]), np.concatenate([day[keep], merchants.activated[first]])


def _second(industry: Ints, rng: np.random.Generator) -> Ints:
    """Second of the day: 08:00 to 24:00 with a hump, in office hours for firms."""
    business = industries.is_business()[industry]
    spread = (rng.random(len(industry)) + rng.random(len(industry))) / 2
    return np.where(business, 7 * 3600 + spread * 11 * 3600, 8 * 3600 + spread * 16 * 3600).astype(np.int64)


def _delay(count: int, rng: np.random.Generator) -> Ints:
    """Seconds until an order is complete: mostly minutes, for 6 % one to five days, for 1.5 % ten to sixty days."""
    kind = np.searchsorted([0.80, 0.925, 0.985], rng.random(count), side="right")
    low, high = np.array([60, 7200, 86400, 864000]), np.array([5400, 72000, 432000, 5184000])
    return (low[kind] + rng.random(count) * (high - low)[kind]).astype(np.int64)


def _delivery(industry: Ints, day: Ints, service: Floats, clock: Clock, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Promised until 20:00 of a day; delivered that day or the day before, or some days late."""
    promised = day + industries.delivery_days()[industry]
    is_late = rng.random(len(day)) < LATE + LATE_IN_TROUBLE * service
    late = 1 + rng.geometric(0.4, len(day))
    delivered = promised + np.where(is_late, late, -rng.integers(0, 2, len(day)))
    return clock.utc(promised, np.full(len(day), 20 * 3600)), clock.utc(delivered, rng.integers(9 * 3600, 18 * 3600, len(day)))


def _subsidy(merchants: Merchants, row: Ints, promoted: Flags, price: Floats, rng: np.random.Generator) -> Floats:
    """Share of each order that the platform pays."""
    extra = np.where(merchants.is_dependent, DEPENDENT_SUBSIDY, CAMPAIGN_SUBSIDY)[row] * promoted
    return np.minimum((merchants.subsidy[row] + extra + PRICE_SUBSIDY * price) * rng.uniform(0.5, 1.5, len(row)), 0.8)


def _buyers(merchants: Merchants, row: Ints, buyers: int, rng: np.random.Generator) -> Ints:
    """A merchant's own regulars, some far more loyal than others, else somebody of the whole market."""
    regular = (merchants.regulars[row] * rng.random(len(row)) ** 2).astype(np.int64)
    is_regular = rng.random(len(row)) < merchants.loyalty[row]
    return np.where(is_regular, merchants.code[row] * 1000 + regular, ONE_OFF + rng.integers(0, buyers, len(row)))


def orders_table(made: Sales, first_number: int, ids: list[str]) -> Columns:
    """The contract's columns; order ids count up from `first_number`."""
    return {
        "order_id": Named("o", first_number + np.arange(len(made))),
        "merchant_id": Coded(ids, made.row),
        "ordered_at": made.ordered,
        "amount": made.amount,
        "completed_at": made.completed,
        "buyer_id": Named("b", made.buyer),
        "subsidy": made.subsidy,
        "lines": made.lines,
        "promised_at": made.promised,
        "delivered_at": made.delivered,
        "order_count": np.ones(len(made), dtype=np.int64),
    }


def refunds_table(made: Sales, first_number: int, ids: list[str], clock: Clock, rng: np.random.Generator) -> Columns:
    """Refunds one to twenty days after completion, 70 % of them in full; three times as many in service trouble."""
    number = np.flatnonzero(rng.random(len(made)) < REFUND + REFUND_IN_TROUBLE * made.service)
    at = made.completed[number] + rng.integers(86400, 21 * 86400, len(number))
    part = np.where(rng.random(len(number)) < 0.7, 1.0, rng.uniform(0.1, 0.9, len(number)))
    keep = at < clock.end
    number, at, part = number[keep], at[keep], part[keep]
    return {
        "merchant_id": Coded(ids, made.row[number]),
        "refunded_at": at,
        "amount": np.rint(made.amount[number] * part).astype(np.int64),
        "order_id": Named("o", first_number + number),
    }


def reviews_table(made: Sales, ids: list[str], clock: Clock, rng: np.random.Generator) -> Columns:
    """Ratings 1 to 5 of delivered orders, up to a week later; late delivery and service trouble lower them."""
    number = np.flatnonzero((rng.random(len(made)) < REVIEW) & (made.delivered != NOTHING))
    at = made.delivered[number] + rng.integers(3600, 7 * 86400, len(number))
    is_late = made.delivered[number] > made.promised[number]
    mood = 4.5 - 0.9 * is_late - 1.8 * made.service[number] + rng.normal(0, 0.8, len(number))
    keep = at < clock.end
    return {
        "merchant_id": Coded(ids, made.row[number][keep]),
        "reviewed_at": at[keep],
        "rating": np.clip(np.rint(mood[keep]), 1, 5),
    }
