"""What was planted: each merchant's hazard and stage by day, and when, why and how avoidably it left. No model may read it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from features.simulate.clock import Clock, Flags, Floats, Ints
from features.simulate.columns import Coded, arrow
from features.simulate.demand import GROWING_DAYS, NEWCOMER_DAYS, Demand
from features.simulate.life import CAUSES, EFFECT, Lives
from features.simulate.market import Merchants

STAGES = ("no order", "newcomer", "growing", "mature", "declining", "left")
DECLINING = 0.8
"""Below this share of orders that trouble has left, a merchant is declining."""

TEXT = pa.dictionary(pa.int32(), pa.string())
DAILY = pa.schema(
    [("merchant_id", TEXT), ("day", pa.date32()), ("hazard", pa.float32()), ("is_alive", pa.bool_()), ("stage", TEXT)]
)
MERCHANTS = pa.schema(
    [
        ("merchant_id", pa.string()),
        ("activated_on", pa.date32()),
        ("left_on", pa.date32()),
        ("cause", TEXT),
        ("exposed_to", TEXT),
        ("is_unavoidable", pa.bool_()),
        ("response_to_call", pa.float64()),
        ("paused_on", pa.date32()),
        ("returned_on", pa.date32()),
        ("is_seasonal", pa.bool_()),
        ("is_subsidy_dependent", pa.bool_()),
        ("campaign_lift", pa.float64()),
    ]
)


def truth(
    merchants: Merchants, lives: Lives, ids: list[str], clock: Clock, effect_of_call: float, rng: np.random.Generator
) -> pa.Table:
    """One row per merchant.

    `left_on` is the first day without the merchant, `cause` why (both empty: it stayed); `exposed_to` is the cause, or the
    largest part of the hazard of one who stayed. `response_to_call` is the share of its chance to leave that a call would remove.
    """
    share = np.array([EFFECT[cause] for cause in CAUSES])[lives.exposed]
    response = np.clip(effect_of_call * share * rng.uniform(0.7, 1.3, len(merchants)), 0, 1)
    columns = {
        "merchant_id": pa.array(ids),
        "activated_on": _dates(merchants.activated, clock),
        "left_on": _dates(lives.left, clock),
        "cause": arrow(Coded(CAUSES, lives.cause), "text"),
        "exposed_to": arrow(Coded(CAUSES, lives.exposed), "text"),
        "is_unavoidable": pa.array(lives.cause == CAUSES.index("business closed")),
        "response_to_call": pa.array(response),
        "paused_on": _dates(lives.paused, clock),
        "returned_on": _dates(lives.returned, clock),
        "is_seasonal": pa.array(merchants.is_seasonal),
        "is_subsidy_dependent": pa.array(merchants.is_dependent),
        "campaign_lift": pa.array(merchants.lift),
    }
    return pa.Table.from_pydict(columns, schema=MERCHANTS)


def _dates(day: Ints, clock: Clock) -> pa.Array:
    is_known = day < clock.days
    return pa.array((np.where(is_known, day, 0) + clock.origin).astype(np.int32), mask=~is_known).cast(pa.date32())


def truth_daily(merchants: Merchants, demand: Demand, lives: Lives, ids: list[str], clock: Clock) -> pa.Table:
    """One row per merchant and day since it joined.

    `hazard` is the chance to leave on that day for one still there at its start (`is_alive`); zero before the day after the first
    order and while it is gone. On `left_on` itself a merchant is still alive: the sum of hazards expects the number who leave.
    """
    row = np.repeat(np.arange(len(merchants), dtype=np.int32), clock.days - np.maximum(merchants.joined, 0))
    day = np.concatenate([np.arange(first, clock.days, dtype=np.int32) for first in np.maximum(merchants.joined, 0)])
    gone = (day > lives.left[row]) | ((day > lives.paused[row]) & (day < lives.returned[row]))
    chance = (-np.expm1(-lives.rate)).astype(np.float32)[row, day // 7]
    chance[gone | (day <= merchants.activated[row])] = 0
    return pa.Table.from_arrays(
        [
            arrow(Coded(ids, row), "id"),
            pa.array(day + np.int32(clock.origin)).cast(pa.date32()),
            pa.array(chance),
            pa.array(~gone),
            arrow(Coded(STAGES, _stage(merchants, demand.kept, row, day, gone)), "text"),
        ],
        schema=DAILY,
    )


def _stage(merchants: Merchants, kept: Floats, row: Ints, day: Ints, gone: Flags) -> Ints:
    age = day - merchants.activated.astype(np.int32)[row]
    stage = np.searchsorted(np.array([0, NEWCOMER_DAYS, GROWING_DAYS], dtype=np.int32), age, side="right").astype(np.int8)
    stage[(stage > 0) & (kept < DECLINING)[row, day // 7]] = STAGES.index("declining")
    stage[gone] = STAGES.index("left")
    return stage
