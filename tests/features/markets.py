"""Small markets for the tests of the feature layer: made up at random, as known at a cutoff, with another future, opened.

A market is its contract tables as frames. Times are UTC instants, and days begin at midnight in `ZONE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.holdings import Holdings
from features.snapshot import Market
from features.tables import TABLES
from features.tiles import EMPTY, Need, entities_of_rows, needed, tiles_of_rows

Tables = dict[str, pd.DataFrame]
ZONE = "Europe/Berlin"
START, END = pd.Timestamp("2024-01-01"), pd.Timestamp("2025-10-31")
CUTOFF = "2025-06-30"
CUTOFFS = ("2024-03-31", "2025-02-01", CUTOFF)
"""The first is the day on which Berlin's clocks change, 90 days after the first event; the last sees a year and a half."""
ARROW = {"id": pa.string(), "text": pa.string(), "time": pa.timestamp("us")}


def midnight(cutoff: str, zone: str = ZONE) -> pd.Timestamp:
    """The UTC instant at which a local day begins."""
    return pd.Timestamp(cutoff, tz=zone).tz_convert("UTC").tz_localize(None)


def made_up(seed: int = 7, merchants: int = 24, per_merchant: int = 70) -> Tables:
    """Every table of the contract, with every column, late rows, missing values, and events around the midnight of each cutoff.

    Merchant 0 has no events, 1 a single order, 2 a single order that is known only after `CUTOFF`; 3 to 7 have none before they join.
    """
    rng = np.random.default_rng(seed)
    ids = np.array([f"m{number:02d}" for number in range(merchants)], object)
    busy = ids[3:]
    weights = rng.lognormal(0, 0.8, len(busy))

    def rows(times: float) -> tuple[np.ndarray, pd.Series]:
        count = int(times * len(busy))
        instants = pd.Series(START + pd.to_timedelta(rng.integers(0, (END - START) // pd.Timedelta("1s"), count), unit="s"))
        edges = [midnight(cutoff) + pd.Timedelta(seconds=shift) for cutoff in CUTOFFS for shift in (-86400, -1, 0, 86399)]
        instants[: len(edges)] = edges
        return rng.choice(busy, count, p=weights / weights.sum()), instants

    def some(values: Iterable, share: float = 0.8) -> pd.Series:
        filled = pd.Series(values)
        return filled.where(rng.random(len(filled)) < share, None if filled.dtype == object else np.nan)

    def later(instants: pd.Series, days: int, share: float) -> pd.Series:
        seconds = np.where(rng.random(len(instants)) < 0.3, 0, rng.integers(0, days * 86400, len(instants)))
        return (instants + pd.to_timedelta(seconds, unit="s")).where(rng.random(len(instants)) < share)

    def choice(values: Sequence[object], count: int) -> pd.Series:
        return pd.Series(rng.choice(np.array(values, object), count))

    def cents(high: int, count: int) -> pd.Series:
        return pd.Series(rng.integers(0, high, count) / 100)

    tables: Tables = {}
    joined = pd.Series(START + pd.to_timedelta(rng.integers(-100, 640, merchants), unit="D"))
    joined[:3] = START
    joined[3:8] = pd.to_datetime(["2025-06-20", "2025-06-29", "2025-07-01", "2025-08-09", "2025-01-25"])
    tables["merchants"] = pd.DataFrame(
        {
            "merchant_id": ids,
            "joined_at": joined,
            "name": some("shop " + pd.Series(ids)),
            "industry": some(choice(["food", "shoes", "toys"], merchants), 0.9),
            "region": some(choice(["north", "south"], merchants)),
            "scale": some(choice(["small", "large"], merchants)),
            "registered_capital": some(cents(10**9, merchants)),
            "founded_at": some(joined - pd.Timedelta(days=900)),
            "acquisition_channel": some(choice(["web", "fair"], merchants)),
            "acquisition_cost": some(cents(10**5, merchants)),
            "owner": some(choice(["ann", "bob"], merchants)),
            "parent_id": some(choice(["chain a", "chain b"], merchants), 0.5),
            "known_at": later(joined, 200, 0.5),
        }
    )
    who, when = rows(per_merchant)
    amount = cents(50_000, len(who))
    tables["orders"] = pd.DataFrame(
        {
            "merchant_id": who,
            "ordered_at": when,
            "amount": amount,
            "completed_at": later(when, 40, 0.7),
            "buyer_id": some(choice([f"buyer {n}" for n in range(12)], len(who))),
            "subsidy": some((amount * 100 * rng.choice([0, 0.1, 0.3], len(who))).round() / 100),
            "lines": some(pd.Series(rng.integers(0, 9, len(who)))),
            "promised_at": some(when + pd.Timedelta(days=5)),
            "delivered_at": later(when, 12, 0.8),
            "order_count": some(pd.Series(rng.integers(0, 4, len(who)))),
        }
    )
    single = tables["orders"].iloc[:1]
    early = single.assign(merchant_id=ids[1], ordered_at=midnight(CUTOFFS[0]) - pd.Timedelta(days=3), completed_at=pd.NaT)
    late = early.assign(merchant_id=ids[2], completed_at=midnight(CUTOFF) + pd.Timedelta(days=9), delivered_at=pd.NaT)
    tables["orders"] = pd.concat([tables["orders"], early.assign(delivered_at=pd.NaT), late], ignore_index=True)
    tables["orders"].insert(0, "order_id", [f"o{number}" for number in range(len(tables["orders"]))])
    who, when = rows(6)
    tables["refunds"] = pd.DataFrame({"merchant_id": who, "refunded_at": when, "amount": cents(9_000, len(who))})
    who, when = rows(10)
    tables["tickets"] = pd.DataFrame(
        {
            "ticket_id": [f"t{number}" for number in range(len(who))],
            "merchant_id": who,
            "opened_at": when,
            "resolved_at": later(when, 60, 0.8),
            "topic": some(choice(["price", "bug", "other"], len(who))),
            "effort_score": some(pd.Series(rng.integers(1, 8, len(who)))),
            "satisfaction": some(pd.Series(rng.integers(-20, 50, len(who)) / 10)),
        }
    )
    who, when = rows(20)
    tables["logins"] = pd.DataFrame(
        {
            "merchant_id": who,
            "occurred_at": when,
            "user_id": some(choice(["u1", "u2", "u3"], len(who))),
            "role": some(choice(["boss", "clerk"], len(who))),
            "function": some(choice(["list", "pay", "ads"], len(who))),
        }
    )
    who, when = rows(8)
    tables["reviews"] = pd.DataFrame({"merchant_id": who, "reviewed_at": when, "rating": rng.integers(2, 11, len(who)) / 2})
    who, when = rows(5)
    tables["campaigns"] = pd.DataFrame(
        {
            "merchant_id": who,
            "started_at": when,
            "ended_at": later(when, 45, 0.8),
            "kind": some(choice(["sale", "gift"], len(who))),
            "cost": some(cents(90_000, len(who))),
        }
    )
    who, when = rows(2)
    tables["leads"] = pd.DataFrame(
        {
            "lead_id": [f"l{number}" for number in range(len(who))],
            "contacted_at": when,
            "merchant_id": some(pd.Series(who), 0.9),
            "channel": some(choice(["web", "fair"], len(who))),
            "won_at": later(when, 60, 0.6),
            "cost": some(cents(9_000, len(who))),
        }
    )
    who, when = rows(4)
    tables["contracts"] = pd.DataFrame(
        {
            "merchant_id": who,
            "starts_at": when,
            "ends_at": when + pd.to_timedelta(rng.integers(1, 400, len(who)), unit="D"),
            "value": some(cents(900_000, len(who))),
            "plan": some(choice(["basic", "plus"], len(who))),
            "cancelled_at": later(when, 300, 0.4),
        }
    )
    newcomers = joined.set_axis(ids)[3:8]
    for table, event in ((name, TABLES[name].time) for name in tables if name != "merchants"):
        rows_of = tables[table]
        tables[table] = rows_of[~(rows_of[event] < rows_of["merchant_id"].map(newcomers))].reset_index(drop=True)
    return tables


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
    given = rows[column].fillna(event) if column in rows else event
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
        strangers = tables["merchants"].tail(6).assign(merchant_id=[f"{c}{n}" for n in range(2) for c in ("a new ", "m05", "z")][: len(rows.tail(6))])
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
            name: pa.array(rows[name], type=ARROW.get(TABLES[table].columns[name].kind, pa.float64()), from_pandas=True)
            for name in rows
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
    tiles = {stream: tiles_of_rows(rows[stream], need.measures) for stream, need in needs.items()}
    entities = {(stream, name): entities_of_rows(rows[stream], name) for stream, need in needs.items() for name in need.entities}
    return Market(market.source, market.features, Holdings(market.merchants, NoEngine(), tiles, entities))


def online(market: Market, merchant: str, cutoff: str) -> pd.DataFrame:
    """The merchant as if the source did not hold it and its events had come with a request."""
    code = int(np.flatnonzero(market.merchants["merchant_id"] == merchant)[0])
    profile = market.merchants.drop(columns=["merchant_id", "known"]).iloc[code]
    events = {}
    for stream in market.source.streams:
        rows = rows_of(market, stream)
        own = {name: values[rows["merchant"] == code] for name, values in rows.items()}
        events[stream] = own | {"merchant": np.zeros_like(own["merchant"])}
    given = {name: None if isinstance(value, str) is False and pd.isna(value) else value for name, value in profile.items()}
    given = {name: np.nan if value is None and market.merchants[name].dtype.kind == "f" else value for name, value in given.items()}
    return market.snapshot_of(cutoff, events, given, known=int(market.merchants["known"][code]))
