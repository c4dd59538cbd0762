"""What holds for every market: of random small ones with all streams, and of random tables read from files."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import as_known_at, leaks, opened, same
from oracle import Oracle, agrees, day_number
from random_market import Tables

from features.cutoffs import day_date
from features.declare import catalogue
from features.engines import DuckEngine
from features.holdings import Holdings
from features.snapshot import Market
from features.source import Source
from features.tables import ATTRIBUTES, STREAMS

T = 20_000
PLANS: dict = {}
"""Plans depend on the catalogue alone and are made once for all examples."""
VALUES = {
    "money": st.integers(0, 3) | st.integers(0, 10**6),
    "count": st.integers(0, 3),
    "flag": st.integers(0, 1),
    "number": st.integers(-5000, 5000),
    "code": st.integers(0, 3),
    "day": st.integers(T - 50, T + 400),
    "seconds": st.integers(0, 10**6),
}
Row = tuple[int, ...]
bounded = settings(max_examples=25, deadline=None, database=None, derandomize=True)
fewer = settings(bounded, max_examples=12)


@dataclass(frozen=True)
class World:
    """Merchants (a row of attributes each) and, by stream, rows of merchant, day, seen and the stream's fields."""

    merchants: tuple[dict[str, Any], ...]
    rows: dict[str, tuple[Row, ...]]

    def market(self) -> Market:
        """The market of these streams, which stay in the connection until the next one is made."""
        frame = pd.DataFrame(self.merchants, columns=["merchant_id", *ATTRIBUTES, "joined", "known"])
        frame = frame.astype({name: object if kind in ("id", "text") else float for name, kind in ATTRIBUTES.items()})
        fields = {name: tuple(stream.fields) for name, stream in STREAMS.items()}
        for name, rows in self.rows.items():
            columns = [f"{column} {kind}" for column, kind in zip(("merchant", "day", "seen"), ("INTEGER",) * 3, strict=True)]
            columns += [f'"{column}" BIGINT' for column in fields[name]]
            connection().execute(f'CREATE OR REPLACE TABLE "stream_{name}" ({", ".join(columns)})')
            if rows:
                places = ", ".join(f"({', '.join('NULL' if cell is None else str(cell) for cell in row)})" for row in rows)
                connection().execute(f'INSERT INTO "stream_{name}" VALUES {places}')
        source = Source(None, connection(), frame, fields, 0, T, "", {})
        return Market(source, catalogue(), Holdings(frame, DuckEngine(connection()), 0), _plans=PLANS)

    def shifted(self) -> World:
        """The same with a stranger before all others, who joins at the cutoff: every code is another."""
        stranger = dict.fromkeys(ATTRIBUTES) | {"merchant_id": "a stranger", "joined": T, "known": T, "joined_at": T, "industry": "food"}
        rows = {name: tuple((row[0] + 1, *row[1:]) for row in given) for name, given in self.rows.items()}
        return World((stranger, *self.merchants), rows)


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """One database for all examples."""
    return duckdb.connect()


def merchant(number: int) -> st.SearchStrategy[dict[str, Any]]:
    """A merchant who joined within some days of the cutoff and was known then or later."""
    days = st.integers(T - 200, T + 2)
    attributes = {
        name: st.sampled_from(["x", "y", None])
        if kind in ("id", "text")
        else st.integers(0, T)
        if kind == "time"
        else st.none() | st.integers(0, 99)
        for name, kind in ATTRIBUTES.items()
    }
    lag = st.just(0) | st.integers(0, 300)

    def made(joined: int, late: int, values: dict[str, Any]) -> dict[str, Any]:
        return values | {"merchant_id": f"m{number}", "joined_at": joined, "joined": joined, "known": joined + late}

    return st.builds(made, days, lag, st.fixed_dictionaries(attributes))


def rows_of(stream: str, merchants: int, days: st.SearchStrategy[int], lag: st.SearchStrategy[int]) -> st.SearchStrategy[Row]:
    """A row of a stream."""
    fields = STREAMS[stream].fields.values()
    values = [VALUES[one.kind] if one.default is not None or one.kind == "flag" else VALUES[one.kind] | st.none() for one in fields]

    def made(who: int, day: int, late: int, cells: tuple) -> Row:
        return (who, day, day + (late if STREAMS[stream].seen else 0), *cells)

    return st.builds(made, st.integers(0, merchants - 1), days, lag, st.tuples(*values))


DAYS = st.integers(T - 130, T - 1) | st.sampled_from([T - 7, T - 8, T - 28, T - 29, T - 90, T - 91, T - 1, T, T + 1])
LAG = st.just(0) | st.integers(0, 60)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few merchants, with up to eight orders and five rows of everything else."""
    merchants = draw(st.integers(1, 4))
    rows = {name: tuple(draw(st.lists(rows_of(name, merchants, DAYS, LAG), max_size=8 if name == "orders" else 4))) for name in STREAMS}
    return World(tuple(draw(merchant(number)) for number in range(merchants)), rows)


@st.composite
def other_futures(draw: st.DrawFn) -> tuple[World, World]:
    """A world, and the same with other rows, and other words about merchants, known at the cutoff or later."""
    world = draw(worlds())
    late, at_once = st.integers(1, 99), st.just(0)
    others = {}
    for name, rows in world.rows.items():
        fresh = [rows_of(name, len(world.merchants), st.integers(T, T + 9), at_once)]
        if STREAMS[name].seen:
            fresh.append(rows_of(name, len(world.merchants), st.integers(T - 99, T - 1), late))
        more = [(row[0], row[1], max(row[2], T), *row[3:]) for row in draw(st.lists(st.one_of(fresh), max_size=5))]
        others[name] = tuple(row for row in rows if row[2] < T) + tuple(more)
    people = [one if one["known"] < T else _otherwise(one) for one in world.merchants]
    return world, replace(world, merchants=tuple(people), rows=others).shifted()


def _otherwise(one: dict[str, Any]) -> dict[str, Any]:
    """A merchant of whom nothing was known yet, with other words and numbers for everything."""
    other = {name: {"x": "y", "y": "x", None: "x"}[one[name]] if kind in ("id", "text") else 7 for name, kind in ATTRIBUTES.items()}
    return one | other | {"known": max(one["joined"], T) + 3}


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    assert list(left.index) == list(right.index) and list(left) == list(right)
    assert [name for name in left if not same(left[name], right[name])] == []


@bounded
@given(other_futures())
def test_what_is_known_only_at_or_after_the_cutoff_changes_nothing(futures):
    one, other = futures
    assert_same(one.market().snapshot(T), other.market().snapshot(T))


@fewer
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_codes_of_names_change_nothing(world, random):
    codes = [[7, 5, 3, 1][code] for code in range(4)]
    shuffled = {}
    for name, rows in world.rows.items():
        kinds = [field.kind for field in STREAMS[name].fields.values()]
        recoded = [
            (*row[:3], *(codes[cell] if kind == "code" and cell is not None else cell for cell, kind in zip(row[3:], kinds, strict=True)))
            for row in rows
        ]
        shuffled[name] = tuple(random.sample(recoded, len(recoded)))
    assert_same(world.market().snapshot(T), replace(world, rows=shuffled).market().snapshot(T))


@fewer
@given(worlds())
def test_alone_is_as_in_a_batch_and_at_many_cutoffs_as_at_one(world):
    batch = world.market().snapshot(T)
    alone = world.market()
    for who in batch.index:
        assert_same(alone.snapshot(T, merchants=[who]), batch.loc[[who]])
    passed = world.market().snapshots([T - 60, T - 1, T, T + 1, T + 45]).reset_index("cutoff")
    assert_same(passed[passed["cutoff"] == day_date(T)].drop(columns="cutoff"), batch)


@fewer
@given(worlds())
def test_everything_a_week_later_is_the_same_a_week_later(world):
    def moved(row: Row, kinds: list[str]) -> Row:
        cells = (cell + 7 if kind == "day" and cell is not None else cell for cell, kind in zip(row[3:], kinds, strict=True))
        return (row[0], row[1] + 7, row[2] + 7, *cells)

    kinds = {name: [field.kind for field in stream.fields.values()] for name, stream in STREAMS.items()}
    rows = {name: tuple(moved(row, kinds[name]) for row in given) for name, given in world.rows.items()}
    times = [name for name, kind in ATTRIBUTES.items() if kind == "time"]
    people = tuple(one | {name: one[name] + 7 for name in (*times, "joined", "known")} for one in world.merchants)
    assert_same(world.market().snapshot(T), World(people, rows).market().snapshot(T + 7))


# --- tables, read from files

CUTOFF = "2025-03-30"  # the clocks change on this day
INSTANTS = st.datetimes(pd.Timestamp("2025-01-20").to_pydatetime(), pd.Timestamp("2025-04-05").to_pydatetime())
EDGES = st.sampled_from([pd.Timestamp(f"2025-03-29 {hour}").to_pydatetime() for hour in ("22:59:59", "23:00:00", "23:59:59")])
WHO = st.sampled_from(["ann", "bob"])


def maybe_later(instants: st.SearchStrategy) -> st.SearchStrategy:
    """An instant, and none, the same or a later one."""
    hours = st.none() | st.integers(0, 900)
    return st.tuples(instants, hours).map(lambda pair: (pair[0], None if pair[1] is None else pair[0] + pd.Timedelta(hours=pair[1])))


@st.composite
def tables(draw: st.DrawFn) -> Tables:
    """Orders and tickets of two merchants, each with a row long before the cutoff."""
    old = (pd.Timestamp("2024-12-01").to_pydatetime(), None)
    orders = [old, *draw(st.lists(maybe_later(INSTANTS | EDGES), max_size=12))]
    tickets = [old, *draw(st.lists(maybe_later(INSTANTS | EDGES), max_size=5))]
    text = {"order_id": [f"o{n}" for n in range(len(orders))], "merchant_id": [draw(WHO) for _ in orders]}
    money = [draw(st.integers(0, 10**5)) / 100 for _ in orders]
    bought = pd.DataFrame(text | dict(zip(("ordered_at", "completed_at"), map(list, zip(*orders, strict=True)), strict=True)))
    bought = bought.assign(amount=money, buyer_id=[draw(st.sampled_from(["x", "y", None])) for _ in orders])
    asked = pd.DataFrame(dict(zip(("opened_at", "resolved_at"), map(list, zip(*tickets, strict=True)), strict=True)))
    asked = asked.assign(ticket_id=[f"t{n}" for n in range(len(tickets))], merchant_id=[draw(WHO) for _ in tickets])
    asked["effort_score"] = [draw(st.none() | st.integers(1, 7)) for _ in tickets]
    return {"orders": _times(bought), "tickets": _times(asked)}


def _times(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**{name: pd.to_datetime(rows[name]) for name in rows if name.endswith("_at")})


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory):
    """Directories, one for each market."""
    home = tmp_path_factory.mktemp("properties")
    return (home / str(number) for number in itertools.count())


@settings(bounded, max_examples=8)
@given(tables())
def test_tables_are_read_as_they_were_known_and_as_the_oracle_reads_them(homes, made):
    market = opened(made, next(homes))
    frame, oracle, day = market.snapshot(CUTOFF), Oracle(made, "Europe/Berlin"), day_number(CUTOFF)
    assert list(frame.index) == oracle.merchants(day)
    assert [name for name in frame if not agrees(frame[name], [oracle.value(name, who, day) for who in frame.index])] == []
    assert leaks([market, opened(as_known_at(made, CUTOFF), next(homes))], CUTOFF) == []
    assert np.isfinite(frame["orders_ever"]).all()
