"""Stage one: from events to tiles, the only stage that touches raw events.

A tile is what one merchant did on one day, as integers that add up: sorted by merchant, day and the day it became known.
Buyers, users and the like have tiles of their own, one per value and day. The same declaration is compiled to SQL (plain
enough to give the same numbers on DuckDB and Spark) and to numpy, for events that arrive with a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from features.declare import CALENDAR, Feature, streams_of
from features.verbs import Ahead, Condition, Entities, Measure, Total, nodes

Rows = Mapping[str, np.ndarray]
EMPTY = -(2**62)
"""Stands for a missing value in integer rows given to numpy."""
OPERATORS = {"=": np.equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


@dataclass(frozen=True)
class Tiles:
    """What merchants did per day; all arrays have one entry per tile, sorted by (merchant, day, seen)."""

    merchant: np.ndarray
    day: np.ndarray
    seen: np.ndarray
    measures: Mapping[Measure, np.ndarray] = field(default_factory=dict)

    def of(self, low: int, high: int) -> Tiles:
        """The tiles of merchants `low` to `high - 1`, renumbered from zero."""
        part = _rows_of(self.merchant, low, high)
        measures = {measure: values[part] for measure, values in self.measures.items()}
        day = self.day[part].astype(np.int64)
        seen = day if self.seen is self.day else self.seen[part].astype(np.int64)
        return Tiles(self.merchant[part].astype(np.int64) - low, day, seen, measures)

    @classmethod
    def joined(cls, parts: Sequence[Tiles]) -> Tiles:
        """The tiles of ranges of merchants that follow each other."""
        day = np.concatenate([part.day for part in parts])
        seen = day if all(part.seen is part.day for part in parts) else np.concatenate([part.seen for part in parts])
        measures = {measure: np.concatenate([part.measures[measure] for part in parts]) for measure in parts[0].measures}
        return cls(np.concatenate([part.merchant for part in parts]), day, seen, measures)

    @cached_property
    def is_prompt(self) -> bool:
        """Whether every event was known on its own day."""
        return self.seen is self.day or bool(np.array_equal(self.seen, self.day))


@dataclass(frozen=True)
class EntityDays:
    """On which days a merchant had a value (a buyer, a user) of a field; sorted by (merchant, code, day)."""

    merchant: np.ndarray
    code: np.ndarray
    day: np.ndarray
    seen: np.ndarray

    def of(self, low: int, high: int) -> EntityDays:
        """The rows of merchants `low` to `high - 1`, renumbered from zero."""
        part = _rows_of(self.merchant, low, high)
        columns = (values[part].astype(np.int64) for values in (self.merchant, self.code, self.day, self.seen))
        merchant, code, day, seen = columns
        return EntityDays(merchant - low, code, day, seen)

    @classmethod
    def joined(cls, parts: Sequence[EntityDays]) -> EntityDays:
        """The value-days of ranges of merchants that follow each other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("merchant", "code", "day", "seen")))


def _rows_of(merchant: np.ndarray, low: int, high: int) -> slice:
    wanted = np.array([low, high], merchant.dtype)  # of another type, the search would convert all of them
    start, end = np.searchsorted(merchant, wanted)
    return slice(int(start), int(end))


@dataclass(frozen=True)
class Need:
    """What some features need of one stream."""

    measures: tuple[Measure, ...]
    entities: tuple[str, ...]


def needed(features: Iterable[Feature]) -> dict[str, Need]:
    """What the features need, stream by stream."""
    measures: dict[str, set[Measure]] = {}
    entities: dict[str, set[str]] = {}
    for one in features:
        for stream in streams_of(one.tree):
            measures.setdefault(stream, set())
        for node in nodes(one.tree):
            if isinstance(node, Total):
                measures[node.stream].add(node.measure)
            elif isinstance(node, Ahead):
                measures[node.stream].add(Measure(node.field, "max"))
            elif isinstance(node, Entities) and node.field not in CALENDAR:
                entities.setdefault(node.stream, set()).add(node.field)
    return {
        stream: Need(tuple(sorted(found, key=repr)), tuple(sorted(entities.get(stream, ()))))
        for stream, found in sorted(measures.items())
    }


def tile_sql(stream: str, measures: Iterable[Measure], low: int, high: int) -> str:
    """The one GROUP BY per stream over merchants `low` to `high - 1`, in the common subset of DuckDB and Spark."""
    sums = [f", {_sql(measure)} AS m{number}" for number, measure in enumerate(measures)]
    return (
        f"SELECT merchant, day, seen{''.join(sums)} FROM stream_{stream} WHERE merchant >= {low} AND merchant < {high} "
        "GROUP BY merchant, day, seen"
    )


def entity_sql(stream: str, name: str, low: int, high: int) -> str:
    """The rows of which `entities_from` keeps each merchant's values of a field, once a day."""
    return (
        f"SELECT merchant, {name} AS code, day, seen FROM stream_{stream} "
        f"WHERE merchant >= {low} AND merchant < {high} AND {name} IS NOT NULL"
    )


def _sql(measure: Measure) -> str:
    value = "1" if measure.field is None else measure.field
    tests = [f"{name} {op} {number}" for name, op, number in measure.where]
    if measure.how == "given":
        tests, value = [*tests, f"{measure.field} IS NOT NULL"], "1"
    inner = f"CASE WHEN {' AND '.join(tests)} THEN {value} END" if tests else value
    function = "MAX" if measure.how == "max" else "SUM"
    return f"{function}(CAST({inner} AS DOUBLE))"


def tiles_from(columns: Rows, measures: Iterable[Measure]) -> Tiles:
    """Tiles from the answer to `tile_sql`."""
    keys = {name: columns[name].astype(np.int32) for name in ("merchant", "day", "seen")}
    order = _sorted(keys["merchant"], keys["day"], keys["seen"] - keys["day"])
    merchant, day, seen = (values[order] for values in keys.values())
    seen = day if np.array_equal(day, seen) else seen
    sums = {measure: _small(_filled(columns[f"m{number}"], measure))[order] for number, measure in enumerate(measures)}
    return Tiles(merchant, day, seen, sums)


def _filled(values: np.ndarray, measure: Measure) -> np.ndarray:
    return np.ma.filled(values, EMPTY if measure.how == "max" else 0.0)


def _small(values: np.ndarray) -> np.ndarray:
    """The same whole numbers in half the memory, where they fit."""
    return values.astype(np.int32) if np.abs(values).max(initial=0) < 2**31 else values


def _sorted(high: np.ndarray, middle: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Positions in the order of three columns of whole numbers >= 0: one sort of a packed key where it fits 63 bits."""
    widths = [int(values.max(initial=0)).bit_length() for values in (high, middle, low)]
    if sum(widths) > 63:
        return np.lexsort((low, middle, high))
    return np.argsort((((high.astype(np.int64) << widths[1]) | middle) << widths[2]) | low)


def entities_from(columns: Rows) -> EntityDays:
    """Value-days from the answer to `entity_sql`."""
    merchant, day, seen = (columns[name].astype(np.int32) for name in ("merchant", "day", "seen"))
    if not len(merchant):
        return EntityDays(merchant, columns["code"], day, seen)
    code = _small(columns["code"])
    order = _sorted(merchant - merchant.min(), code, day)
    first = np.flatnonzero(_changes(merchant[order]) | _changes(code[order]) | _changes(day[order]))
    kept = order[first]
    return EntityDays(merchant[kept], code[kept], day[kept], np.minimum.reduceat(seen[order], first))


def tiles_of_rows(rows: Rows, measures: Iterable[Measure]) -> Tiles:
    """What `tile_sql` answers, computed by numpy from a stream's integer rows (`EMPTY` where missing)."""
    order = np.lexsort((rows["seen"], rows["day"], rows["merchant"]))
    merchant, day, seen = (rows[name][order] for name in ("merchant", "day", "seen"))
    first = np.flatnonzero(_changes(merchant) | _changes(day) | _changes(seen))
    sums = {measure: _measured(rows, measure, order, first) for measure in measures}
    return Tiles(merchant[first], day[first], seen[first], sums)


def entities_of_rows(rows: Rows, name: str) -> EntityDays:
    """What `entity_sql` answers, computed by numpy."""
    given = {key: values[rows[name] != EMPTY] for key, values in rows.items()}
    order = np.lexsort((given["seen"], given["day"], given[name], given["merchant"]))
    merchant, code, day, seen = (given[key][order] for key in ("merchant", name, "day", "seen"))
    first = _changes(merchant) | _changes(code) | _changes(day)
    return EntityDays(merchant[first], code[first], day[first], seen[first])


def _changes(values: np.ndarray) -> np.ndarray:
    changed = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return changed


def _measured(rows: Rows, measure: Measure, order: np.ndarray, first: np.ndarray) -> np.ndarray:
    if not len(order):
        return np.zeros(0)
    counts = np.ones(len(order), bool) if measure.field is None else rows[measure.field] != EMPTY
    for condition in measure.where:
        counts = counts & _holds(rows, condition)
    if measure.how == "max":
        values = np.where(counts, rows[str(measure.field)], EMPTY)
        return np.maximum.reduceat(values[order], first).astype(float)
    values = counts if measure.field is None or measure.how == "given" else np.where(counts, rows[measure.field], 0)
    return np.add.reduceat(values[order].astype(np.int64), first).astype(float)


def _holds(rows: Rows, condition: Condition) -> np.ndarray:
    name, op, value = condition
    return (rows[name] != EMPTY) & OPERATORS[op](rows[name], value)
