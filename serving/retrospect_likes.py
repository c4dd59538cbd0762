"""The active merchants that are most like a lost one before it fell, and whether they show the same signs; and stores of its chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from features.snapshot import Market
from serving.retrospect_causes import EVIDENCE, causes_of
from serving.retrospect_evidence import evidence, topics, with_topics
from serving.retrospect_past import ALIKE, Lost
from serving.retrospect_signs import CLOSED

LIKES = 3
CHAIN_DAYS = 56
"""Stores of a chain whose last orders lie so close together stopped together."""


def likes_of(market: Market, past: pd.DataFrame, chosen: list[str], found: Lost, end: int) -> dict[str, list[dict[str, Any]]]:
    """The active merchants most like each lost one before it fell, of its industry where there are, and the signs they show now."""
    frame = market.snapshot(end, only=[name for name in ALIKE if name in market.features] + ["days_since_last_order"])
    active = frame[frame["days_since_last_order"] <= market.settings.churn.active_days / 2]
    if not len(active) or not chosen:
        return {}
    names = [name for name in ALIKE if name in frame]
    there = pd.DataFrame(np.log1p(active[names].fillna(0).clip(lower=0).astype(float)), active.index, names)
    spread = there.std().replace(0, 1)
    industry = market.merchants.set_index("merchant_id").get("industry", pd.Series(dtype=object))
    before = past[past["day"] <= found.last.reindex(past.index) - 56].sort_values("day")
    before, wanted = before[~before.index.duplicated(keep="last")], set(chosen)
    own = np.log1p(before[names].astype(float).fillna(0).clip(lower=0)) / spread
    pools = _pools(there / spread, industry)
    near: dict[str, list[str]] = {}
    for name, place in zip(own.index, own.to_numpy(float), strict=True):
        if name in wanted:
            ids, places = pools.get(industry.get(name), pools[None])
            apart = ((places - place) ** 2).sum(axis=1)
            near[name] = [str(one) for one in ids[np.argsort(apart, kind="stable")[:LIKES]]]
    everyone = sorted({like for index in near.values() for like in index})
    if not everyone:
        return {}
    now = evidence(market, {end: everyone})
    signs = causes_of([replace(now, lost=with_topics(now.lost, topics(market)).assign(chain_stopped=0.0))], {}, without=(CLOSED,))
    told = signs[["cause", *EVIDENCE]].to_dict("index")
    return {name: [{"merchant_id": like, **{str(key): value for key, value in told[like].items()}} for like in index] for name, index in near.items()}


def _pools(there: pd.DataFrame, industry: pd.Series) -> dict[Any, tuple[Any, Any]]:
    """Ids and places of the active merchants of each industry that has enough of them; under None those of all."""
    groups: Any = there.groupby(industry.reindex(there.index).to_numpy(object)) if len(industry) else []
    pools = {name: (rows.index.to_numpy(object), rows.to_numpy(float)) for name, rows in groups if len(rows) >= LIKES}
    return pools | {None: (there.index.to_numpy(object), there.to_numpy(float))}


def chain_stopped(market: Market, found: Lost) -> pd.Series:
    """How many other stores of its chain stopped together with each merchant, where with it they are half of them or more; else 0."""
    known = market.merchants.set_index("merchant_id")
    nothing = pd.Series(0.0, found.last.index)
    if "parent_id" not in known:
        return nothing
    parent = known["parent_id"]
    stores, mine = parent.value_counts(), parent.reindex(found.last.index)
    for chain, last in found.last.groupby(mine):
        apart = np.abs(last.to_numpy(float)[:, None] - last.to_numpy(float)[None, :])
        together = (apart <= CHAIN_DAYS).sum(axis=1)
        nothing[last.index] = np.where(2 * together >= stores[chain], together - 1.0, 0.0)
    return nothing
