"""Stage two: from tiles to windows, ratios and trends. One function for a batch, a training set and a single merchant.

Everything rests on one fact: an event of day `d` that became known on day `v` counts in the window
`[cutoff - skip - days, cutoff - skip)` exactly for the cutoffs after `max(v, d + skip)` up to and including
`max(v, d + skip + days)`. So a windowed sum is what was *added* before the cutoff minus what *expired* before it, late
arrivals included, and its cost hardly depends on the number of windows or cutoffs. All sums are of integers below 2**53
in float64, so they are exact and order-free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from features.declare import CALENDAR
from features.program import Program
from features.tables import SCALE, STREAMS
from features.tiles import EMPTY, EntityDays, Tiles
from features.verbs import (
    Age,
    Ahead,
    Arithmetic,
    Attribute,
    Column,
    Constant,
    Edge,
    Entities,
    Gaps,
    Measure,
    Total,
)

NEVER = 2**40
GAP_EDGES = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 25, 28, 35, 42, 49, 56, 70, 84, 98, 112, 140, 168, 196, 224, 280, 365])
"""Upper edges of the gap bins, in days; longer gaps count as the last edge."""


@dataclass
class Kernel:
    """The columns of `merchants` merchants at the sorted day numbers `cutoffs`; every column has shape (merchants, cutoffs)."""

    merchants: int
    cutoffs: np.ndarray
    tiles: Mapping[str, Tiles]
    entities: Mapping[tuple[str, str], EntityDays]
    attributes: Mapping[str, np.ndarray]
    known: np.ndarray
    ages: Mapping[str, Mapping[Measure, tuple[int, ...]]] = field(default_factory=dict)
    memo: dict[Any, Any] = field(default_factory=dict)

    def run(self, program: Program, given: Mapping[int, np.ndarray] | None = None) -> list[np.ndarray]:
        """The value of every step; those in `given`, by place, are not computed. Constants have shape (1, 1)."""
        self.ages = program.ages
        values: list[np.ndarray] = []
        with np.errstate(divide="ignore", invalid="ignore"):
            for place, step in enumerate(program.steps):
                if given is not None and place in given:
                    values.append(given[place])
                else:
                    values.append(MEANING[type(step.node)](self, step.node, *[values[operand] for operand in step.operands]))
        return values

    def once(self, key: Any, compute: Callable[[], Any]) -> Any:
        """`compute()`, remembered under `key`."""
        if key not in self.memo:
            self.memo[key] = compute()
        return self.memo[key]

    def slots(self, days: np.ndarray) -> np.ndarray:
        """Number of cutoffs on or before each day: the first cutoff that sees it."""
        first, last = int(self.cutoffs[0]), int(self.cutoffs[-1])
        if first == last:
            return (days >= first).astype(np.int64)
        table = self.once("slots", lambda: np.searchsorted(self.cutoffs, np.arange(first - 1, last + 1), side="right"))
        return table.take(days - (first - 1), mode="clip")

    def cells(self, merchant: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Flat positions (merchant, first cutoff that sees the day) in a table with one column more than there are cutoffs."""
        return merchant * (len(self.cutoffs) + 1) + self.slots(days)

    def before(self, cells: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Sum of the weights that each cutoff sees."""
        width = len(self.cutoffs) + 1
        sums = np.bincount(cells, weights, minlength=self.merchants * width).reshape(self.merchants, width)[:, :-1]
        return np.cumsum(sums, axis=1, dtype=float) if width > 2 else sums.astype(float)

    def has_events(self, stream: str) -> np.ndarray:
        """Whether each cutoff sees any event."""
        return self.before(self.cells_at(stream, 0), None) > 0

    def visible_from(self, stream: str, age: int | np.ndarray) -> np.ndarray:
        """Cells at which the stream's tiles reach an age in days and are known; a row for each of several ages (n, 1)."""
        tiles = self.tiles[stream]
        days = tiles.day + age if tiles.is_prompt else np.maximum(tiles.seen, tiles.day + age)
        return self.cells(tiles.merchant, days)

    def cells_at(self, stream: str, age: int) -> np.ndarray:
        """`visible_from` of one age."""
        rows, cells = self._all_cells(stream)
        return cells[rows[age]] if age in rows else self.visible_from(stream, age)

    def _all_cells(self, stream: str) -> tuple[dict[int, int], np.ndarray]:
        """The cells of every age that the program asks for, computed at once, and the row of each age."""
        def compute() -> tuple[dict[int, int], np.ndarray]:
            ages = sorted({0}.union(*self.ages.get(stream, {}).values()))
            return {age: row for row, age in enumerate(ages)}, self.visible_from(stream, np.array(ages)[:, None])

        return self.once(("cells", stream), compute)

    def aged(self, stream: str, measure: Measure, age: int) -> np.ndarray:
        """Sum of a measure over the tiles known before the cutoff whose day lies at least `age` days before its eve."""
        return self.once((stream, measure), lambda: self._by_age(stream, measure))[age]

    def _by_age(self, stream: str, measure: Measure) -> dict[int, np.ndarray]:
        """The sums for all ages that the program asks for, in one count."""
        ages, width = self.ages[stream][measure], self.merchants * (len(self.cutoffs) + 1)
        rows, cells = self._all_cells(stream)
        shifted = cells[[rows[age] for age in ages]] + np.arange(0, len(ages) * width, width)[:, None]
        weights = np.broadcast_to(self.tiles[stream].measures[measure], shifted.shape)
        sums = np.bincount(shifted.ravel(), weights.ravel(), len(ages) * width).reshape(len(ages), self.merchants, -1)
        return dict(zip(ages, np.cumsum(sums[:, :, :-1], axis=2), strict=True))


def _total(kernel: Kernel, node: Total) -> np.ndarray:
    sums = kernel.aged(node.stream, node.measure, node.skip)
    if node.days is not None:
        sums = sums - kernel.aged(node.stream, node.measure, node.skip + node.days)
    kind = STREAMS[node.stream].fields[node.measure.field].kind if node.measure.field else "count"
    return sums if node.measure.how == "given" else sums / SCALE[kind]


def _edge(kernel: Kernel, node: Edge) -> np.ndarray:
    tiles = kernel.tiles[node.stream]
    cells = kernel.cells_at(node.stream, 0)
    days = tiles.day
    if node.which == "first":
        return kernel.cutoffs + _furthest(kernel, cells[::-1], -days[::-1])
    return kernel.cutoffs - _furthest(kernel, cells, days)


def _ahead(kernel: Kernel, node: Ahead) -> np.ndarray:
    tiles = kernel.tiles[node.stream]
    values = tiles.measures[Measure(node.field, "max")]
    given = np.flatnonzero(values != EMPTY)
    given = given[np.argsort(values[given], kind="stable")]
    cells = kernel.cells(tiles.merchant[given], np.maximum(tiles.seen, tiles.day)[given])
    return _furthest(kernel, cells, values[given]) - kernel.cutoffs


def _furthest(kernel: Kernel, cells: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Largest value that each cutoff sees, of values that rise within a cell; missing when it sees none."""
    table = np.full(kernel.merchants * (len(kernel.cutoffs) + 1), -np.inf)
    table[cells] = values  # of several values for a cell the last one stays, and that is the largest
    largest = np.maximum.accumulate(table.reshape(kernel.merchants, -1)[:, :-1], axis=1)
    largest[np.isneginf(largest)] = np.nan
    return largest


def _value_days(kernel: Kernel, stream: str, name: str) -> EntityDays:
    if name not in CALENDAR:
        return kernel.entities[stream, name]
    tiles = kernel.tiles[stream]
    code = tiles.day if name == "day" else (tiles.day + 3) // 7  # weeks begin on Monday
    first = np.ones(len(code), bool)
    first[1:] = (tiles.day[1:] != tiles.day[:-1]) | (tiles.merchant[1:] != tiles.merchant[:-1])
    return EntityDays(tiles.merchant[first], code[first], tiles.day[first], tiles.seen[first])


DAY_BITS = 41


def _steps(kernel: Kernel, node: Entities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When value-days enter and leave the window: merchant, and two sorted lists of (group, day) packed in one integer.

    A group is a merchant's value. It enters as often as it leaves, so entry `j` and exit `j` of the lists are of the same group, and
    the value was in the window on as many days as `j` exceeds the number of exits up to entry `j`. Exits come before entries of the same day.
    """
    rows = kernel.once(("value days", node.stream, node.field), lambda: _value_days(kernel, node.stream, node.field))
    group = kernel.once(("groups", node.stream, node.field), lambda: _groups(rows) << DAY_BITS)
    start = np.maximum(rows.seen, rows.day + node.skip)
    end = np.maximum(start, rows.day + node.skip + node.days) if node.days is not None else np.full(len(start), NEVER)
    seen = np.flatnonzero(start < end)
    return rows.merchant[seen], np.sort((group + start)[seen]), np.sort((group + end)[seen])


def _groups(rows: EntityDays) -> np.ndarray:
    changed = np.zeros(len(rows.code), np.int64)
    changed[1:] = (rows.merchant[1:] != rows.merchant[:-1]) | (rows.code[1:] != rows.code[:-1])
    return np.cumsum(changed)


def _rises(how: str, enter: np.ndarray, leave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much the answer rises at each entry, and falls at each exit.

    `distinct` rises when the value was not in the window (the exit before this entry is over), `repeat` when it was on one day.
    """
    if how == "squares":
        place = np.arange(len(enter))
        level_in = place - np.searchsorted(leave, enter, side="right")
        level_out = np.searchsorted(enter, leave, side="left") - place
        return 2 * level_in + 1, 2 * level_out - 1
    none_before, none_after = np.ones(len(enter), bool), np.ones(len(enter), bool)
    np.greater_equal(enter[1:], leave[:-1], out=none_before[1:])
    np.greater_equal(enter[1:], leave[:-1], out=none_after[:-1])
    if how == "distinct":
        return none_before, none_after
    at_most_one_before, at_most_one_after = np.ones(len(enter), bool), np.ones(len(enter), bool)
    np.greater_equal(enter[2:], leave[:-2], out=at_most_one_before[2:])
    np.greater_equal(enter[2:], leave[:-2], out=at_most_one_after[:-2])
    return at_most_one_before & ~none_before, at_most_one_after & ~none_after


def _entities(kernel: Kernel, node: Entities) -> np.ndarray:
    if node.how == "new":
        return _new(kernel, node)
    if node.how == "days" or (node.how, node.field) == ("distinct", "day"):
        return _count(kernel, node)
    key = ("steps", node.stream, node.field, node.days, node.skip)
    merchant, enter, leave = kernel.once(key, lambda: _steps(kernel, node))
    up, down = _rises(node.how, enter, leave)
    day = (1 << DAY_BITS) - 1
    risen, fallen = (np.flatnonzero(each) for each in (up, down))
    gained = kernel.before(kernel.cells(merchant[risen], enter[risen] & day), up[risen])
    return gained - kernel.before(kernel.cells(merchant[fallen], leave[fallen] & day), down[fallen])


def _count(kernel: Kernel, node: Entities) -> np.ndarray:
    """Value-days in the window; a day is a value that occurs once, so its distinct values are its value-days."""
    rows = kernel.once(("value days", node.stream, node.field), lambda: _value_days(kernel, node.stream, node.field))

    def known_older_than(age: int) -> np.ndarray:
        days = kernel.cells(rows.merchant, np.maximum(rows.seen, rows.day + age))
        return kernel.once(("value days older", node.stream, node.field, age), lambda: kernel.before(days, None))

    return known_older_than(node.skip) - (0 if node.days is None else known_older_than(node.skip + node.days))


def _new(kernel: Kernel, node: Entities) -> np.ndarray:
    """Values first known, minus values known that also have an event older than the window."""
    rows = kernel.once(("value days", node.stream, node.field), lambda: _value_days(kernel, node.stream, node.field))
    if not len(rows.code):
        return np.zeros((kernel.merchants, len(kernel.cutoffs)))
    first = np.flatnonzero(np.diff(_groups(rows), prepend=-1))
    merchant = rows.merchant[first]

    def values_older_than(offset: int) -> np.ndarray:
        days = np.minimum.reduceat(np.maximum(rows.seen, rows.day + offset), first)
        return kernel.before(kernel.cells(merchant, days), None)

    return values_older_than(node.skip) - values_older_than(node.skip + (NEVER if node.days is None else node.days))


def _known_days(kernel: Kernel, stream: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merchant, day and gap of each day on which events became known, but the first one of a merchant."""
    tiles = kernel.tiles[stream]
    merchant, day = tiles.merchant, np.maximum(tiles.seen, tiles.day)
    if not tiles.is_prompt:
        order = np.lexsort((day, merchant))
        merchant, day = merchant[order], day[order]
    gap = np.diff(day, prepend=0)
    inner = np.flatnonzero((np.diff(merchant, prepend=-1) == 0) & (gap > 0))
    return merchant[inner], day[inner], gap[inner]


def _gaps(kernel: Kernel, node: Gaps) -> np.ndarray:
    merchant, day, gap = kernel.once(("gaps", node.stream), lambda: _known_days(kernel, node.stream))
    if node.how in ("p50", "p95"):
        return _gap_quantile(kernel, node)
    weights = {"count": None, "total": gap, "squares": gap * gap}[node.how]
    sums = kernel.before(kernel.cells(merchant, day), weights)
    return sums if node.days is None else sums - kernel.before(kernel.cells(merchant, day + node.days), weights)


def _gap_quantile(kernel: Kernel, node: Gaps) -> np.ndarray:
    counts = kernel.once(("gap bins", node.stream, node.days), lambda: _gap_bins(kernel, node))
    wanted = counts[:, :, -1:] * {"p50": 0.5, "p95": 0.95}[node.how]
    edge = GAP_EDGES[np.argmax(counts >= wanted, axis=2)].astype(float)
    edge[counts[:, :, -1] == 0] = np.nan
    return edge


def _gap_bins(kernel: Kernel, node: Gaps) -> np.ndarray:
    """Gaps in the window not longer than each edge: (merchants, cutoffs, edges)."""
    merchant, day, gap = kernel.once(("gaps", node.stream), lambda: _known_days(kernel, node.stream))
    bins = np.minimum(np.searchsorted(GAP_EDGES, gap), len(GAP_EDGES) - 1)
    shape = (kernel.merchants, len(kernel.cutoffs) + 1, len(GAP_EDGES))
    counts = np.zeros(shape, np.int64)
    for sign, days in ((1, day), (-1, day + (NEVER if node.days is None else node.days))):
        cells = kernel.cells(merchant, days) * len(GAP_EDGES) + bins
        counts += sign * np.bincount(cells, minlength=counts.size).reshape(shape)
    return counts[:, :-1].cumsum(axis=1).cumsum(axis=2)


def _attribute(kernel: Kernel, node: Attribute) -> np.ndarray:
    values = kernel.attributes[node.name]
    known = kernel.known[:, None] < kernel.cutoffs
    missing = np.array(np.nan if values.dtype.kind == "f" else None)
    return np.where(known, values[:, None], missing)


def _age(kernel: Kernel, node: Age) -> np.ndarray:
    known = kernel.known[:, None] < kernel.cutoffs
    return np.where(known, kernel.cutoffs - kernel.attributes[node.name][:, None], np.nan)


def _constant(kernel: Kernel, node: Constant) -> np.ndarray:
    return np.full((1, 1), node.value)


def _divide(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    quotient = left / right
    quotient[~np.isfinite(quotient)] = np.nan
    return quotient


def _log1p(value: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.log1p(np.where(value > -1, value, np.nan))


def _sqrt(value: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.sqrt(np.where(value >= 0, value, np.nan))


def _or_else(value: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(value), other, value)


OPERATION: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _divide,
    "min": np.minimum,
    "max": np.maximum,
    "log1p": _log1p,
    "sqrt": _sqrt,
    "or_else": _or_else,
}


def _arithmetic(kernel: Kernel, node: Arithmetic, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return OPERATION[node.op](left, right)


MEANING: dict[type[Column], Callable[..., np.ndarray]] = {
    Total: _total,
    Entities: _entities,
    Edge: _edge,
    Ahead: _ahead,
    Gaps: _gaps,
    Attribute: _attribute,
    Age: _age,
    Constant: _constant,
    Arithmetic: _arithmetic,
}
"""What each node computes; peer summaries are in `features.peers`."""
