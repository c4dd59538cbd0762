"""What is agreed and paid for: leads before joining, the merchants' register, contracts and campaigns."""

from __future__ import annotations

import numpy as np

from features.simulate import industry as industries
from features.simulate.clock import NOTHING, Clock, Ints
from features.simulate.columns import Coded, Columns, Named
from features.simulate.demand import Demand
from features.simulate.life import CAUSES, CONTRACT_TERM, Lives
from features.simulate.market import CHANNEL_COST, CHANNELS, SCALES, Merchants
from features.simulate.naming import MANAGERS, names

CAMPAIGNS = ("flash sale", "coupon", "banner", "free shipping")
PLANS = ("basic", "plus", "premium")
PLAN_PRICE = np.array([24_000, 90_000, 300_000])
LOST_LEADS = 1.5
"""Leads that never joined, for each merchant that did."""


def merchants_table(merchants: Merchants, ids: list[str], clock: Clock, rng: np.random.Generator) -> Columns:
    """The register; a tenth of the entries become known some days after joining."""
    count = len(merchants)
    joined = clock.utc(merchants.joined, rng.integers(8 * 3600, 18 * 3600, count))
    entered = np.where(rng.random(count) < 0.1, rng.integers(3600, 5 * 86400, count), 0)
    age = (rng.exponential(np.array([1200.0, 2000.0, 4000.0, 7000.0])[merchants.scale]) + 20).astype(np.int64)
    capital = np.array([0.5, 3.0, 25.0, 400.0])[merchants.scale] * np.exp(rng.normal(0, 0.7, count))
    managed = rng.random(count) < np.array([0.45, 0.75, 0.95, 1.0])[merchants.scale]
    manager = np.where(merchants.chain >= 0, merchants.chain, rng.integers(0, len(MANAGERS), count)) % len(MANAGERS)
    return {
        "merchant_id": ids,
        "joined_at": joined,
        "name": names(merchants.industry, rng),
        "industry": Coded([industry.name for industry in industries.INDUSTRIES], merchants.industry),
        "region": Coded(list(industries.REGIONS), merchants.region),
        "scale": Coded(SCALES, merchants.scale),
        "registered_capital": np.rint(capital * 10) * 100_000,
        "founded_at": joined - age * 86400,
        "acquisition_channel": Coded(CHANNELS, merchants.channel),
        "acquisition_cost": np.rint(CHANNEL_COST[merchants.channel] * np.exp(rng.normal(0, 0.4, count)) * 100),
        "owner": Coded(MANAGERS, np.where(managed, manager, -1)),
        "parent_id": Named("chain-", merchants.chain),
        "known_at": np.minimum(joined + entered, clock.end - 1),
    }


def leads_table(merchants: Merchants, ids: list[str], clock: Clock, rng: np.random.Generator) -> Columns:
    """A lead is contacted, won and joins within some weeks; the lost ones were contacted within the simulation."""
    count, lost = len(merchants), round(len(merchants) * LOST_LEADS)
    won = merchants.joined - rng.integers(0, 10, count)
    contacted = won - rng.integers(1, 60, count)
    second = rng.integers(8 * 3600, 18 * 3600, count + lost)
    channel = np.concatenate([merchants.channel, rng.integers(0, len(CHANNELS), lost)])
    day = np.concatenate([contacted, rng.integers(0, clock.days, lost)])
    won_at = clock.utc(won, np.full(count, 7 * 3600))
    return {
        "lead_id": Named("l", merchants.code[0] * 10 + np.arange(count + lost)),
        "contacted_at": clock.utc(day, second),
        "merchant_id": Coded(ids, np.concatenate([np.arange(count), np.full(lost, -1)])),
        "channel": Coded(CHANNELS, channel),
        "won_at": np.concatenate([won_at, np.full(lost, NOTHING)]),
        "cost": np.rint(CHANNEL_COST[channel] * np.exp(rng.normal(-1.0, 0.5, count + lost)) * 100),
    }


def contracts_table(merchants: Merchants, lives: Lives, ids: list[str], clock: Clock, rng: np.random.Generator) -> Columns:
    """Terms of a year from joining on, renewed while the merchant stays, and up to a month ahead.

    Two thirds of those who leave (not those whose business closed) cancel, up to three weeks before they are gone.
    """
    held = np.flatnonzero(merchants.has_contract)
    terms = (clock.days + 30 - merchants.joined[held]) // CONTRACT_TERM + 1
    row = np.repeat(held, terms)
    starts = merchants.joined[row] + (np.arange(len(row)) - np.repeat(np.cumsum(terms) - terms, terms)) * CONTRACT_TERM
    left = np.minimum(lives.left, lives.paused)
    row, starts = row[starts < left[row]], starts[starts < left[row]]
    notice = left - rng.integers(0, 22, len(merchants))
    gives_notice = (rng.random(len(merchants)) < 0.67) & (lives.cause != CAUSES.index("business closed")) & (left < clock.days)
    is_last = (left[row] <= starts + CONTRACT_TERM) & gives_notice[row]
    cancelled = np.where(is_last, np.maximum(notice[row], starts + 1), 0)
    plan = np.minimum(merchants.scale, rng.integers(0, 3, len(merchants)))[row]
    return {
        "merchant_id": Coded(ids, row),
        "starts_at": clock.utc(starts, np.full(len(row), 7 * 3600)),
        "ends_at": clock.utc(starts + CONTRACT_TERM, np.full(len(row), 7 * 3600)),
        "value": PLAN_PRICE[plan],
        "plan": Coded(PLANS, plan),
        "cancelled_at": np.where(is_last, clock.known(clock.utc(cancelled, np.full(len(row), 9 * 3600))), NOTHING),
    }


def campaigns_table(
    merchants: Merchants, demand: Demand, lives: Lives, ids: list[str], clock: Clock, rng: np.random.Generator
) -> Columns:
    """Campaigns of one to three weeks of merchants that were there when they began; they may end after the simulation."""
    row, week = np.nonzero(demand.campaign_weeks)
    day = week * 7
    keep = lives.is_there(row, day) & (day > merchants.joined[row])
    row, week, day = row[keep], week[keep], day[keep]
    length: Ints = demand.campaign_weeks[row, week].astype(np.int64)
    cost = 40 * length * np.sqrt(merchants.size[row]) * np.where(merchants.is_dependent[row], 2, 1)
    return {
        "merchant_id": Coded(ids, row),
        "started_at": clock.utc(day, np.full(len(row), 6 * 3600)),
        "ended_at": clock.utc(day + length * 7 - 1, np.full(len(row), 23 * 3600)),
        "kind": Coded(CAMPAIGNS, rng.integers(0, len(CAMPAIGNS), len(row))),
        "cost": np.rint(cost * np.exp(rng.normal(0, 0.3, len(row))) * 100),
    }
