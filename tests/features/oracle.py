"""What every feature means, worked out slowly from the raw rows: one merchant, one cutoff, one event at a time.

No tiles, no kernel, no SQL: an event is visible when it was known before the cutoff, a window counts the event's own day,
money is added as decimals. It reads the same declarations (streams and expression trees) and nothing else of the engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from features.declare import Feature, catalogue
from features.tables import ATTRIBUTES, SCALE, STREAMS, TABLES, Field, Stream
from features.verbs import Age, Ahead, Arithmetic, Attribute, Column, Condition, Constant, Edge, Entities, Gaps, Peers, Ref, Total

Row = Mapping[str, Any]
Value = float | str | None
EPOCH = date(1970, 1, 1).toordinal()
GAP_BINS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 25, 28, 35, 42, 49, 56, 70, 84, 98, 112, 140, 168, 196, 224, 280, 365]
HOLDS = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def day_number(day: str) -> int:
    """Days from 1970-01-01 to a date."""
    return date.fromisoformat(day).toordinal() - EPOCH


def is_missing(cell: object) -> bool:
    """Whether a cell of a raw table is empty."""
    return cell is None or cell == "" or (not isinstance(cell, str) and bool(pd.isna(cell)))


@dataclass(frozen=True)
class Event:
    """One event of a stream: its day, the day it was known, and its fields in the platform's own units."""

    day: int
    seen: int
    values: Mapping[str, Any]


@dataclass
class Oracle:
    """Answers for a market's raw tables, whose days begin at midnight in `zone`."""

    tables: Mapping[str, pd.DataFrame]
    zone: str = "UTC"
    features: Mapping[str, Feature] = field(default_factory=catalogue)
    _events: dict[tuple[str, str], list[Event]] = field(default_factory=dict)
    _past: dict[tuple[str, str, int], list[Event]] = field(default_factory=dict)
    _values: dict[tuple[str, str, int], Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = {table: frame.to_dict("records") for table, frame in self.tables.items()}
        spans = self._campaign_days(rows.get("campaigns", []))
        for name, stream in STREAMS.items():
            for row in rows.get(stream.table, []):
                if not is_missing(row.get(stream.day)) and not is_missing(row.get("merchant_id")):
                    who = str(row["merchant_id"])
                    self._events.setdefault((name, who), []).append(self._event(stream, row, spans.get(who, [])))
        self.attributes: dict[str, Row] = {str(row["merchant_id"]): row for row in rows.get("merchants", [])}
        if "merchants" not in rows:
            for (name, who), events in self._events.items():
                if name == "orders":
                    first = min(events, key=lambda event: (event.seen, event.day))
                    self.attributes[who] = {"joined_at": first.day, "known_at": first.seen}

    # --- raw rows to events

    def day(self, cell: Any) -> int:
        """The local day of a raw time: a text without a time of day is a day already."""
        if isinstance(cell, int):
            return cell
        if isinstance(cell, str) and len(cell) <= 10:
            return day_number(cell)
        return self._instant(cell).tz_convert(ZoneInfo(self.zone)).toordinal() - EPOCH

    def _instant(self, cell: Any) -> pd.Timestamp:
        moment = pd.Timestamp(cell)
        return moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")

    def _event(self, stream: Stream, row: Row, spans: list[tuple[int, float]]) -> Event:
        day = self.day(row[stream.day])
        own = row[TABLES[stream.table].time]
        known = [row[name] if not is_missing(row.get(name)) else own for name in stream.seen]
        values = {name: self._field(one, row) for name, one in stream.fields.items()}
        if "in_campaign" in values:
            values["in_campaign"] = int(any(first <= day <= last for first, last in spans))
        return Event(day, max([day, *(self.day(cell) for cell in known)]), values)

    def _field(self, one: Field, row: Row) -> Any:
        if any(is_missing(row.get(name)) for name in (one.source, one.since, one.after) if name):
            return one.default
        cell = row[one.source]
        if one.since:
            return int((self._instant(cell) - self._instant(row[one.since])).total_seconds() // 1)
        if one.after:
            return int(self._later(cell, row[one.after]))
        if one.kind == "day":
            return self.day(cell)
        return str(cell) if one.kind == "code" else Decimal(str(cell))

    def _later(self, cell: Any, other: Any) -> bool:
        if any(isinstance(one, str) and len(one) <= 10 for one in (cell, other)):
            return self.day(cell) > self.day(other)
        return self._instant(cell) > self._instant(other)

    def _campaign_days(self, rows: Iterable[Row]) -> dict[str, list[tuple[int, float]]]:
        spans: dict[str, list[tuple[int, float]]] = {}
        for row in rows:
            last = math.inf if is_missing(row.get("ended_at")) else self.day(row["ended_at"])
            spans.setdefault(str(row["merchant_id"]), []).append((self.day(row["started_at"]), last))
        return spans

    # --- a snapshot

    def past(self, stream: str, merchant: str, cutoff: int) -> list[Event]:
        """The merchant's events that were known before the cutoff."""
        key = (stream, merchant, cutoff)
        if key not in self._past:
            self._past[key] = [event for event in self._events.get((stream, merchant), []) if event.seen < cutoff]
        return self._past[key]

    def merchants(self, cutoff: int) -> list[str]:
        """Those that have a row: an order was known before the cutoff, or the merchant had joined and was known."""
        return sorted(who for who in self.attributes if self.past("orders", who, cutoff) or self._has_joined(who, cutoff))

    def _has_joined(self, merchant: str, cutoff: int) -> bool:
        return self._known(merchant) < cutoff and self.day(self.attributes[merchant]["joined_at"]) < cutoff

    def _known(self, merchant: str) -> int:
        row = self.attributes[merchant]
        return self.day(row["joined_at"] if is_missing(row.get("known_at")) else row["known_at"])

    def frame(self, cutoff: str, names: Iterable[str]) -> pd.DataFrame:
        """The snapshot of some features, in float64."""
        day = day_number(cutoff)
        index = pd.Index(self.merchants(day), name="merchant_id", dtype=object)
        return pd.DataFrame({name: [self.value(name, who, day) for who in index] for name in names}, index=index)

    def value(self, name: str, merchant: str, cutoff: int) -> Value:
        """One feature of one merchant; None where it is missing."""
        key = (name, merchant, cutoff)
        if key not in self._values:
            self._values[key] = self._of(self.features[name].tree, merchant, cutoff)
        return self._values[key]

    # --- expression trees

    def _of(self, node: Column, who: str, at: int) -> Value:
        match node:
            case Constant():
                return node.value
            case Ref():
                return self.value(node.name, who, at)
            case Arithmetic():
                return _arithmetic(node.op, self._of(node.left, who, at), self._of(node.right, who, at))
            case Attribute():
                cell = self._attribute(node.name, who, at)
                return cell if cell is None or ATTRIBUTES[node.name] in ("text", "id") else float(cell)
            case Age():
                cell = self._attribute(node.name, who, at)
                return None if cell is None else at - self.day(cell)
            case Peers():
                return self._peers(node, who, at)
            case Total():
                return self._total(node, who, at)
            case Entities():
                return self._entities(node, who, at)
            case Edge():
                days = [event.day for event in self.past(node.stream, who, at)]
                return at - (min(days) if node.which == "first" else max(days)) if days else None
            case Ahead():
                dates = [event.values[node.field] for event in self.past(node.stream, who, at)]
                return max((one - at for one in dates if one is not None), default=None)
            case Gaps():
                return self._gaps(node, who, at)
        raise AssertionError(f"the oracle has no meaning for {type(node).__name__}")

    def _attribute(self, name: str, who: str, at: int) -> Any:
        cell = self.attributes[who].get(name)
        return None if is_missing(cell) or self._known(who) >= at else cell

    def _window(self, node: Total | Entities, who: str, at: int) -> list[Event]:
        end = at - node.skip
        start = -math.inf if node.days is None else end - node.days
        return [event for event in self.past(node.stream, who, at) if start <= event.day < end]

    def _total(self, node: Total, who: str, at: int) -> float:
        name = node.measure.field
        events = [event for event in self._window(node, who, at) if all(_meets(event, node.stream, one) for one in node.measure.where)]
        if name is None:
            return len(events)
        values = [event.values[name] for event in events if event.values[name] is not None]
        return len(values) if node.measure.how == "given" else float(sum(values))

    def _entities(self, node: Entities, who: str, at: int) -> float:
        days_of: dict[Any, set[int]] = {}
        for event in self._window(node, who, at):
            if (value := _entity(event, node.field)) is not None:
                days_of.setdefault(value, set()).add(event.day)
        if node.how == "new":
            start = -math.inf if node.days is None else at - node.skip - node.days
            before = {_entity(event, node.field) for event in self.past(node.stream, who, at) if event.day < start}
            return len(set(days_of) - before)
        counts = [len(days) for days in days_of.values()]
        return {
            "distinct": len(counts),
            "repeat": sum(count >= 2 for count in counts),
            "days": sum(counts),
            "squares": sum(count**2 for count in counts),
        }[node.how]

    def _gaps(self, node: Gaps, who: str, at: int) -> float | None:
        days = sorted({event.seen for event in self.past(node.stream, who, at)})
        start = -math.inf if node.days is None else at - node.days
        gaps = sorted(day - before for before, day in pairwise(days) if day >= start)
        if node.how in ("count", "total", "squares"):
            return {"count": len(gaps), "total": sum(gaps), "squares": sum(gap**2 for gap in gaps)}[node.how]
        if not gaps:
            return None
        wanted = {"p50": 0.5, "p95": 0.95}[node.how] * len(gaps)
        gap = gaps[math.ceil(wanted) - 1]  # the shortest that at least this share does not exceed
        return next((edge for edge in GAP_BINS if edge >= gap), GAP_BINS[-1])

    def _peers(self, node: Peers, who: str, at: int) -> float | None:
        """Among the values as the snapshot shows them, which is in float32."""
        assert isinstance(node.of, Ref)
        mine = None if node.by is None else self._attribute(node.by, who, at)
        if node.by is not None and mine is None:
            return None
        group = [one for one in self.merchants(at) if node.by is None or self._attribute(node.by, one, at) == mine]
        shown = {one: self.value(node.of.name, one, at) for one in group}
        values = [float(np.float32(value)) for value in shown.values() if value is not None]
        own = self.value(node.of.name, who, at)
        if not values or (own is None and node.how == "rank"):
            return None
        if node.how == "rank":
            own = float(np.float32(own))
            return (sum(value < own for value in values) + sum(value == own for value in values) / 2) / len(values)
        return math.fsum(values) if node.how == "total" else median(values)


def _meets(event: Event, stream: str, condition: Condition) -> bool:
    name, op, number = condition
    return event.values[name] is not None and HOLDS[op](event.values[name] * SCALE[STREAMS[stream].fields[name].kind], number)


def _entity(event: Event, name: str) -> Any:
    if name == "day":
        return event.day
    return date.fromordinal(event.day + EPOCH).isocalendar()[:2] if name == "week" else event.values[name]


def _arithmetic(op: str, left: Value, right: Value) -> float | None:
    if op == "or_else":
        return right if left is None else left
    if left is None or right is None:
        return None
    if op == "/":
        return None if right == 0 else left / right
    if op == "sqrt":
        return math.sqrt(left) if left >= 0 else None
    if op == "log1p":
        return math.log1p(left) if left > -1 else None
    return {"+": left + right, "-": left - right, "*": left * right, "min": min(left, right), "max": max(left, right)}[op]


def agrees(shown: pd.Series, true: Iterable[Value]) -> bool:
    """Whether a column of a snapshot is what the oracle says, to the precision of float32."""
    if shown.dtype.kind != "f":
        return all(is_missing(a) == is_missing(b) and (is_missing(a) or a == b) for a, b in zip(shown, true, strict=True))
    wanted = np.array([np.nan if value is None else value for value in true], float)
    return np.allclose(shown.to_numpy(float), wanted, rtol=1e-6, atol=3e-7, equal_nan=True)
