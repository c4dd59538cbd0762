"""Small markets for the tests of the feature layer: as known at a cutoff, with another future, opened, asked in every way.

A market is its contract tables as frames; times are UTC instants.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from random_market import ZONE, Tables, midnight

from features.holdings import Holdings
from features.snapshot import Market
from features.tables import TABLES
from features.tiles import EMPTY, Need, entities_of_rows, needed, tiles_of_rows

ARROW = {"id": pa.string(), "text": pa.string(), "time": pa.timestamp("us")}


FILLED_LATER = {
    "orders": {"delivered_at": ("delivered_at",)},
    "tickets": {"resolved_at": ("resolved_at", "effort_score", "satisfaction")},
    "campaigns": {"ended_at": ("ended_at",)},
    "leads": {"won_at": ("won_at",)},
    "contracts": {"cancelled_at": ("cancelled_at",)},
}
"""Per table, the times that are filled in when they have come, and the columns that are filled in then."""
ATTRIBUTES = [name for name in TABLES["merchants"].columns if name not in ("merchant_id", "joined_at", "known_at")]


def known(table: str, rows: pd.DataFrame) -> pd.Series:
    """The instant at which each row could first be known."""
    event = rows[TABLES[table].time]
    column = TABLES[table].known
    given = rows[column].astype(event.dtype).fillna(event) if column in rows else event
    return given if table == "merchants" else np.maximum(event, given)


def as_known_at(tables: Tables, cutoff: str, zone: str = ZONE) -> Tables:
    """The tables as somebody would have read them at the midnight of the cutoff: the future is not there."""
    end = midnight(cutoff, zone)
    past: Tables = {}
    for table, rows in tables.items():
        if table == "merchants":
            continue
        rows = rows[known(table, rows) < end].copy()
        for time, columns in FILLED_LATER.get(table, {}).items():
            if time in rows:
                rows.loc[~(rows[time] < end), [name for name in columns if name in rows]] = None
        past[table] = rows
    if "merchants" in tables:
        past["merchants"] = _merchants_known_at(tables["merchants"], end, set(past["orders"]["merchant_id"]))
    return past


def _merchants_known_at(merchants: pd.DataFrame, end: pd.Timestamp, sold: set[str]) -> pd.DataFrame:
    """Those known before `end`; of those who have sold but are not known yet nothing but the id."""
    here = known("merchants", merchants) < end
    rows = merchants[here | merchants["merchant_id"].isin(sold)].copy()
    unknown = ~here[rows.index]
    rows.loc[unknown, [name for name in ATTRIBUTES if name in rows]] = None
    rows.loc[unknown, [name for name in ("joined_at", "known_at") if name in rows]] = end + pd.Timedelta(days=100)
    return rows


def with_another_future(tables: Tables, cutoff: str, zone: str = ZONE, seed: int = 3) -> Tables:
    """The same past, and a future in which everything that was to come comes otherwise, and much more beside it.

    What was known later is multiplied, moved and renamed; every merchant has rows at the very midnight; orders of
    every past day arrive late; strangers join; whatever was still open is closed.
    """
    rng = np.random.default_rng(seed)
    end = midnight(cutoff, zone)
    past, other = as_known_at(tables, cutoff, zone), {}
    for table, rows in tables.items():
        if table != "merchants":
            later = rows[known(table, rows) >= end]
            other[table] = pd.concat([past[table], _wild(table, rows, later, end, rng)], ignore_index=True)
            _close(table, other[table], end, rng)
    if "merchants" in tables:
        rows = past["merchants"].copy()
        unknown = known("merchants", rows) >= end
        for name in set(ATTRIBUTES) & set(rows):
            values = tables["merchants"][name].dropna()
            if len(values):
                rows.loc[unknown, name] = values.iloc[-1]
        strangers = tables["merchants"].tail(6)
        strangers = strangers.assign(merchant_id=["a new 0", "m050", "z0", "a new 1", "m051", "z1"][: len(strangers)])
        strangers["joined_at"] = end + pd.to_timedelta(rng.integers(0, 50, len(strangers)), unit="D")
        if "known_at" in strangers:
            strangers["known_at"] = end
        missing = tables["merchants"][~tables["merchants"]["merchant_id"].isin(rows["merchant_id"])].copy()
        missing["joined_at"] = end
        other["merchants"] = pd.concat([rows, missing, strangers], ignore_index=True)
        for table in ("orders", "tickets"):
            if table in other:
                _move_in(table, other[table], list(strangers["merchant_id"]), end)
    return other


def _wild(table: str, rows: pd.DataFrame, later: pd.DataFrame, end: pd.Timestamp, rng: np.random.Generator) -> pd.DataFrame:
    """Rows that become known at or after `end`: altered ones of the old future, and copies of every past row."""
    contract = TABLES[table]
    moved = pd.concat([later, rows], ignore_index=True)
    days = np.where(rng.random(len(moved)) < 0.4, 0, rng.integers(0, 90, len(moved)))
    shift = end + pd.to_timedelta(days, unit="D") - moved[contract.time]
    late = table == "orders" and "completed_at" in moved
    stays = rng.random(len(moved)) < (0.5 if late else 0)  # the event is in the past, and only known later
    for name in moved:
        kind = contract.columns[name].kind
        if name == contract.known:
            moved[name] = end + pd.to_timedelta(days, unit="D")
        elif kind == "time":
            moved[name] = moved[name].where(stays, moved[name] + shift)
        elif kind == "money":
            moved[name] = moved[name] * 100 + 7
        elif name == contract.key:
            moved[name] = "new " + moved.index.astype(str)
        elif name in ("buyer_id", "user_id", "topic", "role", "function"):
            moved[name] = moved[name].where(rng.random(len(moved)) < 0.5, "somebody else")
    if late:
        moved["completed_at"] = np.maximum(moved["completed_at"], moved["ordered_at"])
        if "delivered_at" in moved:
            moved["delivered_at"] = moved["delivered_at"].where(moved["delivered_at"] >= moved["ordered_at"])
    return moved


def _close(table: str, rows: pd.DataFrame, end: pd.Timestamp, rng: np.random.Generator) -> None:
    for time, columns in FILLED_LATER.get(table, {}).items():
        if time not in rows:
            continue
        was_open = rows[time].isna()
        after = np.maximum(rows[TABLES[table].time], end) + pd.to_timedelta(rng.integers(0, 20, len(rows)), unit="D")
        rows.loc[was_open, time] = after[was_open]
        for name in set(columns) & set(rows) - {time}:
            rows.loc[was_open, name] = 6


def _move_in(table: str, rows: pd.DataFrame, strangers: list[str], end: pd.Timestamp) -> None:
    fresh = rows.index[rows[TABLES[table].time] >= end][: 4 * len(strangers)]
    rows.loc[fresh, "merchant_id"] = [strangers[place % len(strangers)] for place in range(len(fresh))]


def write(tables: Tables, home: Path, zone: str = ZONE) -> Path:
    """The tables as Parquet with the contract's types, and their `keepwell.toml`."""
    home.mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        columns = {
            name: pa.array(rows[name], type=ARROW.get(TABLES[table].columns[name].kind, pa.float64()), from_pandas=True) for name in rows
        }
        pq.write_table(pa.table(columns), home / f"{table}.parquet")
    lines = ["[source]", *(f'{table} = "{table}.parquet"' for table in tables), "[timeline]", f'timezone = "{zone}"']
    path = home / "keepwell.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def opened(tables: Tables, home: Path, zone: str = ZONE) -> Market:
    """The market of some tables."""
    return Market.open(write(tables, home, zone))


def futures(tables: Tables, cutoff: str, zone: str = ZONE) -> dict[str, Tables]:
    """The tables and two others that are the same to whoever stands at the cutoff."""
    return {
        "as it came": tables,
        "none": as_known_at(tables, cutoff, zone),
        "another": with_another_future(tables, cutoff, zone),
    }


def leaks(markets: Iterable[Market], cutoff: str, only: Iterable[str] | None = None) -> list[str]:
    """The columns of the snapshot that are not the same in markets that differ only in what was known at or after the cutoff.

    `merchant_id` is among them when not even the rows are; the other columns are then compared where both have a row.
    """
    first, *others = [market.snapshot(cutoff, only=only) for market in markets]
    assert others and all(list(first) == list(other) for other in others)
    found = [] if all(first.index.equals(other.index) for other in others) else ["merchant_id"]
    pairs = [(first.loc[both], other.loc[both]) for other in others for both in [first.index.intersection(other.index)]]
    return found + [name for name in first if not all(same(left[name], right[name]) for left, right in pairs)]


def same(left: pd.Series, right: pd.Series) -> bool:
    """Whether two columns are equal bit for bit; a missing value equals a missing one."""
    if left.dtype.kind != "f":
        a, b = (column.to_numpy(object) for column in (left, right))
        return left.dtype == right.dtype and bool(np.all((a == b) | (pd.isna(a) & pd.isna(b))))
    a, b = left.to_numpy(), right.to_numpy()
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True) and np.array_equal(np.signbit(a[a == 0]), np.signbit(b[b == 0]))


class NoEngine:
    """Answers nothing: whoever asks it has touched raw events again."""

    def columns(self, sql: str) -> dict[str, np.ndarray]:
        raise AssertionError(f"asked for {sql}")


def rows_of(market: Market, stream: str) -> dict[str, np.ndarray]:
    """A stream's rows as integers, in the order in which they lie, `EMPTY` where missing: what arrives with a request."""
    found = market.source.connection.execute(f"SELECT * FROM stream_{stream}").fetchnumpy()
    return {name: np.ma.filled(values.astype(np.int64), EMPTY) for name, values in found.items()}


def by_numpy(market: Market) -> Market:
    """The same market on tiles that numpy made of the raw events: the path of events that come with a request."""
    needs = {"orders": Need((), ())} | needed(market.features.values())  # orders say who is there, whatever is asked
    rows = {stream: rows_of(market, stream) for stream in needs}
    tiles = {stream: [tiles_of_rows(rows[stream], need.measures)] for stream, need in needs.items()}
    entities = {(stream, name): [entities_of_rows(rows[stream], name)] for stream, need in needs.items() for name in need.entities}
    return Market(market.source, market.features, Holdings(market.merchants, NoEngine(), 0, tiles, entities))


def online(market: Market, merchant: str, cutoff: str) -> pd.DataFrame:
    """The merchant as if the source did not hold it and its events had come with a request."""
    code = int(np.flatnonzero(market.merchants["merchant_id"] == merchant)[0])
    profile = market.merchants.drop(columns=["merchant_id", "known"]).iloc[code]
    events = {}
    for stream in market.source.streams:
        rows = rows_of(market, stream)
        own = {name: values[rows["merchant"] == code] for name, values in rows.items()}
        events[stream] = own | {"merchant": np.zeros_like(own["merchant"])}
    given = {name: None if market.merchants[name].dtype == object and pd.isna(value) else value for name, value in profile.items()}
    return market.snapshot_of(cutoff, events, given, known=int(market.merchants["known"][code]))
