"""Tickets and logins: how hard the platform is for a merchant, and how much the merchant uses it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.simulate.clock import NOTHING, Clock, Floats, Ints
from features.simulate.columns import Coded, Columns, Named
from features.simulate.demand import Demand
from features.simulate.life import Lives
from features.simulate.market import Merchants
from features.simulate.trouble import Troubles

TOPICS = ("delivery", "payout", "fees", "catalogue", "app", "other")
ROLES = ("owner", "sales", "stock", "finance")
FUNCTIONS = ("orders", "catalogue", "messages", "payouts", "inventory", "reports", "pricing", "returns", "advertising")
WEEKLY = 0.015
"""Tickets a week of a quiet merchant of average size."""
IN_TROUBLE = 0.55
MEMORY = 4
"""Weeks for which a ticket's effort is resented."""


@dataclass(frozen=True)
class Tickets:
    """One entry per ticket, drawn as if nobody left."""

    row: Ints
    day: Ints
    effort: Ints
    topic: Ints


def tickets(merchants: Merchants, demand: Demand, troubles: Troubles, clock: Clock, rng: np.random.Generator) -> Tickets:
    """Draw tickets and the effort (1–7) that each takes: many and hard ones in service trouble, about fees in price trouble."""
    often = WEEKLY * (0.5 + 0.5 * demand.orders**0.6) + troubles.service * IN_TROUBLE + troubles.price * 0.06
    counts = rng.poisson(often)
    cell = np.repeat(np.arange(counts.size), counts.ravel())
    row, week = cell // clock.weeks, cell % clock.weeks
    service, price = troubles.service[row, week], troubles.price[row, week]
    effort = np.clip(np.rint(rng.normal(2.8 + 2.9 * service, 1.2)), 1, 7).astype(np.int64)
    topic = rng.integers(0, len(TOPICS), len(row))
    topic = np.where(rng.random(len(row)) < 0.6 * service, 0, topic)
    topic = np.where(rng.random(len(row)) < 0.8 * price, 2, topic)
    return Tickets(row, week * 7 + rng.integers(0, 7, len(row)), effort, topic)


def pain(made: Tickets, count: int, clock: Clock) -> Floats:
    """(merchants, weeks) effort above 4, in units of the hardest ticket, over this and the three weeks before."""
    weight = np.maximum(made.effort - 4, 0) / 3
    week = np.bincount(made.row * clock.weeks + made.day // 7, weights=weight, minlength=count * clock.weeks)
    total = np.cumsum(week.reshape(count, clock.weeks), axis=1)
    total[:, MEMORY:] -= total[:, :-MEMORY].copy()
    return np.maximum(total, 0)


def tickets_table(
    made: Tickets, merchants: Merchants, lives: Lives, ids: list[str], clock: Clock, rng: np.random.Generator
) -> Columns:
    """Tickets of merchants that were there; what resolving fills in is empty while a ticket is open."""
    row, day = made.row, made.day
    keep = lives.is_there(row, day) & (day > merchants.joined[row]) & (day < clock.days)
    row, day, effort = row[keep], day[keep], made.effort[keep].astype(np.float64)
    opened = clock.utc(day, rng.integers(8 * 3600, 20 * 3600, len(row)))
    hours = np.exp(rng.normal(2.0 + 0.45 * effort, 0.9, len(row)))
    resolved = clock.known(opened + (hours * 3600).astype(np.int64))
    is_open = resolved == NOTHING
    satisfaction = np.clip(np.rint(5.4 - 0.6 * effort + rng.normal(0, 0.6, len(row))), 1, 5)
    number = merchants.code[row] * 1000 + _running(row)
    return {
        "ticket_id": Named("t", number),
        "merchant_id": Coded(ids, row),
        "opened_at": opened,
        "resolved_at": resolved,
        "topic": Coded(TOPICS, made.topic[keep]),
        "effort_score": np.where(is_open | (rng.random(len(row)) < 0.15), np.nan, effort),
        "satisfaction": np.where(is_open | (rng.random(len(row)) < 0.40), np.nan, satisfaction),
    }


def _running(row: Ints) -> Ints:
    """Position of each entry within its run of equal rows (rows are sorted)."""
    first = np.searchsorted(row, row, side="left")
    return np.arange(len(row)) - first


def logins_table(
    merchants: Merchants, demand: Demand, troubles: Troubles, lives: Lives, ids: list[str], clock: Clock, rng: np.random.Generator
) -> Columns:
    """Logins by user, role and function; they fade with what trouble takes from sales, and a rival narrows the functions."""
    weekly = merchants.logins[:, None] * (0.4 + 0.6 * demand.kept)
    counts = rng.poisson(weekly * (np.arange(clock.weeks) * 7 < np.minimum(lives.left, clock.days)[:, None]))
    cell = np.repeat(np.arange(counts.size), counts.ravel())
    row, week = cell // clock.weeks, cell % clock.weeks
    day = week * 7 + rng.integers(0, 7, len(row))
    keep = lives.is_there(row, day) & (day > merchants.joined[row]) & (day < clock.days)
    row, week, day = row[keep], week[keep], day[keep]
    user = (merchants.users[row] * rng.random(len(row)) ** 1.6).astype(np.int64)
    broad = np.maximum(merchants.breadth[row] * (1 - 0.7 * troubles.rival[row, week]), 1)
    return {
        "merchant_id": Coded(ids, row),
        "occurred_at": clock.utc(day, rng.integers(7 * 3600, 22 * 3600, len(row))),
        "user_id": Named("u", merchants.code[row] * 100 + user),
        "role": Coded(ROLES, user % len(ROLES)),
        "function": Coded(FUNCTIONS, (broad * rng.random(len(row))).astype(np.int64)),
    }
