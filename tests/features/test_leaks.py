"""Planted leaks: mistakes that look past the cutoff, each of them caught by the contract that every feature is held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markets import as_known_at, futures, leaks, write
from random_market import CUTOFF, Tables, made_up

from features import gaps, kernel, snapshot
from features.cells import Kernel
from features.declare import Feature, catalogue
from features.entities import entities
from features.holdings import Holdings
from features.program import Group
from features.snapshot import Market
from features.source import Source, read_source
from features.tables import STREAMS, TABLES, Field
from features.tiles import EntityDays, Tiles
from features.verbs import Ahead, Edge, Entities, Events, Peers, Total

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Leak:
    """A mistake to plant, and some of the features that it must be found in."""

    plant: Callable[[Patch], None]
    found_in: tuple[str, ...]
    reads_again: bool = False
    """Whether the mistake is made while the source is read."""
    features: dict[str, Feature] | None = None


def stream(name: str, **changes: object) -> Callable[[Patch], None]:
    """Declare a stream otherwise."""
    return lambda patch: patch.setitem(STREAMS, name, replace(STREAMS[name], **changes))


def meaning(node: type, wrong: Callable) -> Callable[[Patch], None]:
    """Give a node another meaning."""
    return lambda patch: patch.setitem(kernel.MEANING, node, kernel.each(wrong))


def the_cutoff_itself_counts(patch: Patch) -> None:
    right = Kernel.slots
    patch.setattr(Kernel, "slots", lambda self, days: right(self, days - 1))


def recency_of_the_last_event_overall(one: Kernel, node: Edge) -> np.ndarray:
    tiles = one.tiles[node.stream]
    last = np.full(one.merchants, -np.inf)
    np.maximum.at(last, tiles.merchant, tiles.day)
    return np.where(np.isinf(last), np.nan, one.cutoffs[0] - last)[None]


def values_on_their_last_day_only(one: Kernel, node: Entities) -> np.ndarray:
    """`SELECT merchant, buyer, max(day) … GROUP BY merchant, buyer`: who comes back later has left before."""
    if node.field == "week":
        return entities(one, node)
    rows = one.entities[node.stream, node.field]
    last = np.flatnonzero(np.append((np.diff(rows.merchant) != 0) | (np.diff(rows.code) != 0), True)) if len(rows.day) else []
    only = EntityDays(*(values[last] for values in (rows.merchant, rows.code, rows.day, rows.seen)))
    return entities(replace(one, entities={**one.entities, (node.stream, node.field): only}, memo={}), node)


def exits_before_they_happen(one: Kernel, node: Entities) -> np.ndarray:
    """A value enters and leaves by its own days, known or not."""
    if node.field == "week":
        return entities(one, node)
    rows = one.entities[node.stream, node.field]
    at_once = replace(rows, seen=rows.day)
    return entities(replace(one, entities={**one.entities, (node.stream, node.field): at_once}, memo={}), node)


right_totals = kernel.MEANING[Total]


def this_years_season(one: Kernel, group: Group, out: np.ndarray) -> None:
    """The season ahead with the wrong sign: read from the year that is to come."""
    right_totals(one, group, out)
    for place, node in enumerate(group.nodes):
        if node.skip == 275:
            tiles = one.tiles[node.stream]
            for slot, cutoff in enumerate(one.cutoffs):
                ahead = (tiles.day >= cutoff) & (tiles.day < cutoff + 90)
                out[place, slot] = np.bincount(tiles.merchant[ahead], tiles.measures[node.measure][ahead], one.merchants)


def attributes_as_they_stand_today(patch: Patch) -> None:
    patch.setattr(Holdings, "known", property(lambda self: np.zeros(len(self.ids), np.int64)))


def the_gap_that_is_still_open(patch: Patch) -> None:
    """Each gap counts from the day on which it began, so that the one after the cutoff is known before it."""
    right = gaps.known_days

    def begun(one: Kernel, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        merchant, day, gap = right(replace(one, cutoffs=one.cutoffs + 400, memo={}), name)
        return merchant, day - gap, gap

    patch.setattr(gaps, "known_days", begun)


def peers_who_are_not_here_yet(patch: Patch) -> None:
    right = snapshot.tables_at

    def everybody(columns: dict, groups: dict, wanted: tuple[Peers, ...]) -> dict:
        return right(columns, {by: np.where(codes < 0, 0, codes) if by is None else codes for by, codes in groups.items()}, wanted)

    patch.setattr(snapshot, "tables_at", everybody)


def peers_as_they_are_in_the_end(patch: Patch) -> None:
    right = Market._keep_peers

    def in_the_end(self: Market, days: np.ndarray, plan: object, done: object) -> None:
        right(self, days, plan, done)
        end = np.array([self.source.end_day])
        right(self, end, plan, None)
        for day in days:
            self._peers[int(day), plan.peer_key] = self._peers[int(end[0]), plan.peer_key]

    patch.setattr(Market, "_keep_peers", in_the_end)


def groups_of_today(patch: Patch) -> None:
    right = Holdings.groups
    patch.setattr(Holdings, "groups", lambda self, by, day, codes: right(self, by, 10**6, codes))


def late_rows_in_their_own_tile(patch: Patch) -> None:
    patch.setattr(Tiles, "is_prompt", property(lambda self: True))


def new_feature(name: str, tree: object) -> dict[str, Feature]:
    """The catalogue and one more."""
    return catalogue() | {name: Feature(name, "days", ("planted", "埋下"), "Planted.", "leak", (), tree)}


LEAKS: dict[str, Leak] = {
    "a window holds the cutoff's own day": Leak(the_cutoff_itself_counts, ("gmv_7d", "days_since_last_order", "buyers_28d")),
    "orders count before they are completed": Leak(
        stream("orders", seen=()), ("gmv_28d", "orders_ever", "buyers_90d", "days_since_last_order", "gap_p95"), reads_again=True
    ),
    "the kernel forgets the known day": Leak(late_rows_in_their_own_tile, ("gmv_90d", "orders_ever", "days_since_last_order")),
    "a ticket's resolution is read before it": Leak(
        stream("resolutions", day="opened_at"), ("effort_90d", "satisfaction_90d", "hours_to_resolve_90d"), reads_again=True
    ),
    "recency looks at the last event overall": Leak(
        meaning(Edge, recency_of_the_last_event_overall), ("days_since_last_order", "silence_ratio", "days_since_campaign_end")
    ),
    "a buyer is kept with the last day overall": Leak(meaning(Entities, values_on_their_last_day_only), ("buyers_90d", "active_users_28d")),
    "buyers enter and leave on days not yet known": Leak(
        meaning(Entities, exits_before_they_happen), ("buyers_90d", "repeat_buyers_90d", "new_buyers_28d", "buyer_concentration_90d")
    ),
    "peers are ranked with merchants who come later": Leak(peers_who_are_not_here_yet, ("gmv_90d_rank", "orders_90d_rank")),
    "peers are ranked by what they will sell": Leak(peers_as_they_are_in_the_end, ("gmv_90d_rank", "market_change_28d", "gap_vs_industry")),
    "peers are grouped by industries not yet known": Leak(groups_of_today, ("industry_change_90d", "gmv_rank_in_industry")),
    "attributes are read as they stand today": Leak(attributes_as_they_stand_today, ("industry", "tenure_days", "registered_capital")),
    "the gap that is still open is counted": Leak(the_gap_that_is_still_open, ("gap_mean", "gap_sd", "gap_p95", "silence_z")),
    "a campaign's end is known from its start": Leak(
        stream("campaigns", fields={**STREAMS["campaigns"].fields, "ends": Field("day", "ended_at")}),
        ("campaign_days_left",),
        reads_again=True,
        features=new_feature("campaign_days_left", Ahead("campaigns", "ends")),
    ),
    "orders are late before they are delivered": Leak(
        stream("deliveries", day="ordered_at"), ("late_delivery_share_28d", "late_delivery_change_28d"), reads_again=True
    ),
    "the season ahead is this year's": Leak(lambda patch: patch.setitem(kernel.MEANING, Total, this_years_season), ("gmv_season_ahead", "orders_season_ahead")),
    "a cancellation is known from the contract's start": Leak(
        stream("contracts", fields={**STREAMS["contracts"].fields, "cancelled": Field("day", "cancelled_at")}),
        ("was_cancelled",),
        reads_again=True,
        features=new_feature("was_cancelled", Events("contracts").mean("cancelled")),
    ),
}


@pytest.fixture(scope="module")
def worlds() -> dict[str, Tables]:
    """A market with the future that came, with none, and with another."""
    return futures(made_up(), CUTOFF)


@pytest.fixture(scope="module")
def configurations(worlds: dict[str, Tables], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Each of them written."""
    return [write(tables, tmp_path_factory.mktemp("world")) for tables in worlds.values()]


@pytest.fixture(scope="module")
def sources(configurations: list[Path]) -> list[Source]:
    """Each of them read without a mistake."""
    return [read_source(path) for path in configurations]


def test_without_a_mistake_nothing_leaks(sources):
    assert leaks([Market.of(source) for source in sources], CUTOFF) == []


def test_there_are_at_least_eight_leaks_in_different_rooms():
    assert len(LEAKS) >= 8


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_caught(name, sources, configurations, monkeypatch):
    leak = LEAKS[name]
    leak.plant(monkeypatch)
    if leak.reads_again:
        sources = [read_source(path) for path in configurations]
    found = leaks([Market.of(source, leak.features) for source in sources], CUTOFF)
    assert set(leak.found_in) <= set(found)
    assert "merchant_id" not in found or name == "a window holds the cutoff's own day"


@pytest.mark.parametrize("hidden", ["none", "another"])
@pytest.mark.parametrize("name", ["a window holds the cutoff's own day", "recency looks at the last event overall"])
def test_either_other_future_is_enough_for_the_plain_leaks(name, hidden, sources, worlds, monkeypatch):
    LEAKS[name].plant(monkeypatch)
    pair = [sources[0], sources[list(worlds).index(hidden)]]
    assert leaks([Market.of(source) for source in pair], CUTOFF)


def test_the_futures_differ_in_the_future_alone(worlds):
    for name, tables in worlds.items():
        for table, rows in as_known_at(tables, CUTOFF).items():
            columns = [column for column in rows if column != TABLES[table].key or table == "merchants"]
            past = worlds["none"][table].sort_values(columns, ignore_index=True)[columns]
            here = rows[rows[columns[0]].isin(past[columns[0]])] if table == "merchants" else rows
            pd.testing.assert_frame_equal(
                here.sort_values(columns, ignore_index=True)[columns], past, check_dtype=False, obj=f"{name} {table}"
            )
    sizes = {name: {table: len(rows) for table, rows in tables.items()} for name, tables in worlds.items()}
    for table in TABLES:
        assert sizes["none"][table] < sizes["as it came"][table] < sizes["another"][table]
