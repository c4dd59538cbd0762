"""Rows that come with a request to the integer streams that features count: in numpy what `features.streams` does in SQL.

Rows are checked by their schema already; here is what only a merchant's rows together tell. Who is refused gets a reason, the others go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from features.inline import Context, snapshot_of_rows
from features.refusals import AFTER
from features.tables import ATTRIBUTES, SCALE, STREAMS, TABLES, Field, Stream
from features.tiles import EMPTY

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
FOREVER = 2**31 - 1
MICROSECOND = timedelta(microseconds=1)


class Moment(NamedTuple):
    """A time as it was sent: microseconds since 1970 in UTC, and whether only its day is known."""

    micro: int
    is_day: bool


class Refusal(NamedTuple):
    """Why a merchant's rows cannot be used: a code, and a sentence in both languages."""

    reason: str
    en: str
    zh: str


@dataclass(frozen=True)
class Merchant:
    """A merchant of a request: its attributes, and by table its rows; times are moments."""

    merchant_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def moment(text: str) -> Moment:
    """A time as text: a day, or an instant (UTC where it names no other zone).

    Raises
    ------
    ValueError : it is neither, or not between 1000 and 2199.
    """
    is_day = len(text) <= len("2026-01-31")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a date or a time such as 2026-04-01T09:30:00Z") from None
    if not 1000 <= found.year < 2200 or (is_day and not text[4:5] == text[7:8] == "-"):
        raise ValueError(f"{text[:40]!r} is not a date or time of the years 1000 to 2199")
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return Moment((aware - EPOCH) // MICROSECOND, is_day)


def snapshot_of_sent(context: Context, merchants: Sequence[Merchant]) -> tuple[pd.DataFrame, dict[int, Refusal]]:
    """The snapshot of merchants that were sent with their rows, and why some are refused (by place).

    The snapshot has a row for each merchant that is not refused, in order.
    """
    refused: dict[int, Refusal] = {}
    tables = {name: _Table.of(name, context, merchants) for name in TABLES if name != "merchants"}
    for table in tables.values():
        table.refuse(refused)
    attributes, known = _attributes(context, merchants, tables["orders"])
    cutoff = date(1970, 1, 1) + timedelta(days=context.day)
    for place in np.flatnonzero(known >= context.day):
        late = f"not known before {cutoff}", f"{cutoff}之前尚无该商户"
        refused.setdefault(int(place), Refusal("too_new", *late))
    kept = np.array([place not in refused for place in range(len(merchants))], bool)
    if not kept.any():
        return pd.DataFrame(np.empty((0, len(context.names))), pd.Index([], dtype=object, name="merchant_id"), context.names), refused
    events = {name: _stream(name, tables, context, kept) for name in context.needs if name in context.streams}
    chosen = {name: values[kept] for name, values in attributes.items()}
    ids = [one.merchant_id for one, keep in zip(merchants, kept, strict=True) if keep]
    return snapshot_of_rows(context, events, chosen, known[kept], ids), refused


@dataclass(frozen=True)
class _Table:
    """The rows of a table of all merchants: whose they are, and their columns."""

    name: str
    context: Context
    merchant: np.ndarray
    rows: Sequence[Mapping[str, Any]]
    memo: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, context: Context, merchants: Sequence[Merchant]) -> _Table:
        given = [one.events.get(name, ()) for one in merchants]
        owner = np.repeat(np.arange(len(merchants)), [len(rows) for rows in given])
        return cls(name, context, owner, [row for rows in given for row in rows])

    def column(self, name: str) -> np.ndarray:
        """A column: times as microseconds, numbers as floats, ids and texts as objects; `EMPTY`, NaN or None where missing."""
        if name not in self.memo:
            kind, values = TABLES[self.name].columns[name].kind, [row.get(name) for row in self.rows]
            if kind == "time":
                self.memo[name] = np.array([EMPTY if one is None else one.micro for one in values], np.int64)
            elif kind in ("id", "text"):
                self.memo[name] = np.array([one or None for one in values], object)
            else:
                self.memo[name] = np.array([np.nan if one is None else one for one in values], np.float64)
        return self.memo[name]

    def is_given(self, name: str) -> np.ndarray:
        return self.column(name) != EMPTY

    def day(self, name: str) -> np.ndarray:
        """A time as local days; `EMPTY` where missing."""
        key = f"{name} day"
        if key not in self.memo:
            micro, zone = self.column(name), self.context.zone
            days = micro // DAY
            if zone != "UTC":
                local = [_local_day(at, zone) if at != EMPTY and not row[name].is_day else 0 for at, row in zip(micro.tolist(), self.rows, strict=True)]
                days = np.where(self.only_day(name), days, np.array(local, np.int64))
            self.memo[key] = np.where(micro == EMPTY, EMPTY, days)
        return self.memo[key]

    def only_day(self, name: str) -> np.ndarray:
        """Where only the day of a time is known."""
        return np.array([one is not None and one.is_day for one in (row.get(name) for row in self.rows)], bool)

    def later(self, first: str, second: str) -> np.ndarray:
        """Whether one time lies after another, in whole days where either is only known to the day; both are given."""
        whole = self.only_day(first) | self.only_day(second)
        found = np.where(whole, self.day(first) > self.day(second), self.column(first) > self.column(second))
        return found & self.is_given(first) & self.is_given(second)

    def refuse(self, refused: dict[int, Refusal]) -> None:
        """Note who has rows that nobody can be honest about; the first fault of each is told."""
        for bad, refusal in self._faults():
            for place in np.unique(self.merchant[bad]):
                row = self.rows[int(np.flatnonzero(bad & (self.merchant == place))[0])]
                key = TABLES[self.name].key
                which = f" {str(row[key])[:40]!r}" if key is not None else ""
                refused.setdefault(int(place), Refusal(refusal.reason, self.name + which + " " + refusal.en, self.name + which + refusal.zh))

    def _faults(self) -> Iterator[tuple[np.ndarray, Refusal]]:
        if not self.rows:
            return
        table, cutoff = TABLES[self.name], date(1970, 1, 1) + timedelta(days=self.context.day)
        if table.key is not None:
            codes = pd.factorize(self.column(table.key))[0]
            yield np.bincount(codes)[codes] > 1, Refusal("duplicate_id", f"has a {table.key} that occurs more than once", f"的{table.key}重复")
        for name, column in table.columns.items():
            if column.kind == "time" and name not in table.planned:
                late = self.is_given(name) & (self.day(name) >= self.context.day)
                words = f"has a {name} on or after the cutoff {cutoff}; leave out what is not past", f"的{name}不早于截止日{cutoff}"
                yield late, Refusal("event_in_future", *words)
        for after, before in AFTER.get(self.name, ()):
            words = f"has a {after} that lies before its {before}", f"的{after}早于{before}"
            yield self.later(before, after), Refusal("event_out_of_order", *words)


def _stream(name: str, tables: Mapping[str, _Table], context: Context, kept: np.ndarray) -> dict[str, np.ndarray]:
    """A stream of those who are kept, who are counted anew."""
    stream = STREAMS[name]
    table = tables[stream.table]
    here = table.is_given(stream.day) & kept[table.merchant]
    columns = {"merchant": table.merchant, "day": table.day(stream.day), "seen": _seen(table, stream)}
    columns |= {one: _value(one, stream.fields[one], table, tables) for one in context.streams[name]}
    found = {one: values[here] for one, values in columns.items()}
    return found | {"merchant": (np.cumsum(kept) - 1)[found["merchant"]]}


def _seen(table: _Table, stream: Stream) -> np.ndarray:
    """The day on which a row could first be known: where its known column is empty, that of the table's event."""
    found, event = table.day(stream.day), table.day(TABLES[table.name].time)
    for name in stream.seen:
        found = np.maximum(found, np.where(table.is_given(name), table.day(name), event))
    return found


def _value(name: str, one: Field, table: _Table, tables: Mapping[str, _Table]) -> np.ndarray:
    if name == "in_campaign":
        return _in_campaign(table, tables["campaigns"])
    if one.kind == "code":
        codes = pd.factorize(table.column(one.source))[0].astype(np.int64)
        return np.where(codes < 0, EMPTY, codes)
    if one.kind == "day":
        return table.day(one.source)
    if one.since:
        both = table.is_given(one.source) & table.is_given(one.since)
        return np.where(both, (table.column(one.source) - table.column(one.since)) // 1_000_000, EMPTY)
    if one.after:
        both = table.is_given(one.source) & table.is_given(one.after)
        return np.where(both, table.later(one.source, one.after), EMPTY).astype(np.int64)
    return _scaled(table.column(one.source) * SCALE[one.kind], EMPTY if one.default is None else one.default)


def _scaled(values: np.ndarray, missing: int) -> np.ndarray:
    """Rounded to whole numbers, halves away from zero."""
    given = np.where(np.isnan(values), 0.0, values)
    whole = np.trunc(given)
    whole += np.sign(given) * (np.abs(given - whole) >= 0.5)
    return np.where(np.isnan(values), missing, whole.astype(np.int64))


def _in_campaign(orders: _Table, campaigns: _Table) -> np.ndarray:
    """Whether each order lies on a day under a campaign of its merchant."""
    day, found = orders.day("ordered_at"), np.zeros(len(orders.rows), bool)
    ends = np.where(campaigns.is_given("ended_at"), campaigns.day("ended_at"), FOREVER) if campaigns.rows else ()
    for merchant, first, last in zip(campaigns.merchant, campaigns.day("started_at") if campaigns.rows else (), ends, strict=True):
        found |= (orders.merchant == merchant) & (day >= first) & (day <= last)
    return found.astype(np.int64)


def _attributes(context: Context, merchants: Sequence[Merchant], orders: _Table) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Attributes (n,) by name, and the days (n,) on which the merchants became known; who never was is known after the cutoff."""
    found: dict[str, np.ndarray] = {}
    for name in context.attributes:
        if name in ("joined", "known", "joined_at"):
            continue
        kind, values = ATTRIBUTES[name], [one.attributes.get(name) for one in merchants]
        if kind in ("id", "text"):
            found[name] = np.array([one or None for one in values], object)
        else:
            found[name] = np.array([np.nan if one is None else _number(one, context.zone) for one in values], np.float64)
    joined, known = _joined(context, merchants, orders)
    return found | {"joined_at": joined.astype(float), "joined": joined.astype(float), "known": known.astype(float)}, known


def _joined(context: Context, merchants: Sequence[Merchant], orders: _Table) -> tuple[np.ndarray, np.ndarray]:
    """When merchants joined and when that was known: by their attributes, or by the first order that became known."""
    joined = np.full(len(merchants), context.day, np.int64)
    known = joined.copy()
    seen = _seen(orders, STREAMS["orders"]) if orders.rows else np.zeros(0, np.int64)
    for place, one in enumerate(merchants):
        given = one.attributes.get("joined_at")
        if given is not None:
            joined[place] = _number(given, context.zone)
            later = one.attributes.get("known_at")
            known[place] = joined[place] if later is None else _number(later, context.zone)
        elif (mine := orders.merchant == place).any():
            days = orders.day("ordered_at")[mine]
            joined[place] = days[np.lexsort((days, seen[mine]))[0]]
            known[place] = int(seen[mine].min())
    return joined, known


def _number(value: Any, zone: str) -> float:
    """An attribute as a number; a time as its local day."""
    if isinstance(value, Moment):
        return value.micro // DAY if value.is_day else _local_day(value.micro, zone)
    return float(value)


def _local_day(micro: int, zone: str) -> int:
    if zone == "UTC":
        return micro // DAY
    return (EPOCH + micro * MICROSECOND).astimezone(_zone(zone)).date().toordinal() - date(1970, 1, 1).toordinal()


@lru_cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
