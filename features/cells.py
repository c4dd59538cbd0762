"""Counting by cells: which cutoffs see an event, and what they see of all events together.

Everything rests on one fact: an event of day `d` that became known on day `v` counts in the window
`[cutoff - skip - days, cutoff - skip)` exactly for the cutoffs after `max(v, d + skip)` up to and including
`max(v, d + skip + days)`. So a windowed sum is what was *added* before the cutoff minus what *expired* before it, late
arrivals included, and its cost hardly depends on the number of windows or cutoffs. All sums are of integers below 2**53
in float64, so they are exact and order-free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from features.program import DAYS, Windows
from features.tiles import EntityDays, Tiles
from features.verbs import Measure

FEW_CELLS = 512
"""Up to so many cells (merchant, cutoff) it is cheaper to compute several rows in one go than one by one."""


@dataclass(frozen=True)
class Late:
    """Tiles that a cutoff would count by their day but does not know yet, one row for each such age and cutoff."""

    age: np.ndarray
    tile: np.ndarray
    cell: np.ndarray
    """Flat position (cutoff, merchant)."""


@dataclass
class Kernel:
    """The columns of `merchants` merchants at the sorted day numbers `cutoffs`; every column has shape (cutoffs, merchants)."""

    merchants: int
    cutoffs: np.ndarray
    tiles: Mapping[str, Tiles]
    entities: Mapping[tuple[str, str], EntityDays]
    attributes: Mapping[str, np.ndarray]
    known: np.ndarray
    ages: Mapping[str, np.ndarray] = field(default_factory=dict)
    memo: dict[Any, Any] = field(default_factory=dict)

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
        """Flat positions (first cutoff that sees the day, merchant) in a table with one row more than there are cutoffs."""
        return self.slots(days) * self.merchants + merchant

    def before(self, cells: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Sum of the weights that each cutoff sees."""
        sums = np.bincount(cells, weights, minlength=(len(self.cutoffs) + 1) * self.merchants)
        return running(sums.reshape(-1, self.merchants)[:-1].astype(float, copy=False))

    def known_on(self, stream: str) -> np.ndarray:
        """Day on which each tile counts as known: never before its own day."""
        tiles = self.tiles[stream]
        return tiles.day if tiles.is_prompt else self.once(("known on", stream), lambda: np.maximum(tiles.seen, tiles.day))

    def visible_from(self, stream: str) -> np.ndarray:
        """The cells from which on the stream's tiles are known."""
        return self.once(("cells", stream), lambda: self.cells(self.tiles[stream].merchant, self.known_on(stream)))

    def has_events(self, stream: str) -> np.ndarray:
        """Whether each cutoff sees any event."""
        return self.before(self.visible_from(stream), None) > 0

    def windows(self, one: Windows, out: np.ndarray) -> None:
        """Sums of a measure over some windows, into `out` (windows, cutoffs, merchants), in the measure's own unit."""
        stream, weights = one.stream, self._weights(one.stream, one.measure)
        total = np.zeros(len(weights) + 1)
        np.cumsum(weights, out=total[1:])
        sums = _summed(total, self.once(("older", stream), partial(self._older, stream)), one.ages)
        if not self.tiles[stream].is_prompt:
            self._forget_unknown(one, weights, sums)
        if out[0].size <= FEW_CELLS:
            np.subtract(sums[one.near], sums[one.far], out=out)
        else:
            for window, near, far in zip(out, one.near, one.far, strict=True):
                np.subtract(sums[near], sums[far], out=window)
        if one.scale != 1:
            out /= one.scale

    def _aged(self, stream: str) -> np.ndarray:
        """The first cutoff that sees each tile at each age that bounds a window, known or not: (ages, tiles)."""
        return self.once(("aged", stream), lambda: self.slots(self.tiles[stream].day + self.ages[stream][:, None]))

    def _older(self, stream: str) -> np.ndarray:
        """How many tiles stand before the first one of each merchant that is younger than an age: (ages, cutoffs, merchants)."""
        merchant, ages = self.tiles[stream].merchant, len(self.ages[stream])
        shape = (ages, len(self.cutoffs) + 1, self.merchants)
        cells = self._aged(stream) * self.merchants
        cells += merchant
        cells += np.arange(0, math.prod(shape), shape[1] * shape[2])[:, None]
        counts = running(np.bincount(cells.ravel(), minlength=math.prod(shape)).reshape(shape)[:, :-1])
        counts += np.searchsorted(merchant, np.arange(self.merchants))
        return counts

    def _late(self, stream: str) -> Late:
        """At which ages and cutoffs a tile is old enough but not known; if so at any age, then at the youngest."""
        tiles, begin = self.tiles[stream], self._aged(stream)
        end = self.slots(tiles.seen)
        late = (begin[0] < end).nonzero()[0]
        age, which = (begin[:, late] < end.take(late)).nonzero()
        tile = late.take(which)
        first = begin[age, tile]
        times = end.take(tile) - first
        age, tile = age.repeat(times), tile.repeat(times)
        slot = np.arange(len(age)) - (times.cumsum() - times - first).repeat(times)
        return Late(age, tile, slot * self.merchants + tiles.merchant.take(tile))

    def _forget_unknown(self, one: Windows, weights: np.ndarray, sums: np.ndarray) -> None:
        """Take from the sums (ages, cutoffs, merchants) what was old enough but not known: little, so it is taken away cell by cell."""
        late = self.once(("late", one.stream), partial(self._late, one.stream))
        row = np.full(len(self.ages[one.stream]), -1)
        row[one.ages] = np.arange(len(one.ages))
        row = row.take(late.age)
        asked = (row >= 0).nonzero()[0]
        if len(asked):
            cells = row.take(asked) * sums[0].size + late.cell.take(asked)
            np.subtract.at(sums.reshape(-1), cells, weights.take(late.tile.take(asked)).astype(float))

    def _weights(self, stream: str, measure: Measure) -> np.ndarray:
        tiles = self.tiles[stream]
        if measure == DAYS:  # a day counts once, from the tile of it that was known first
            return first_of_day(tiles).astype(float)
        return tiles.measures[measure]


def _summed(total: np.ndarray, older: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """Running totals (tiles + 1,) where each cutoff stands at some of the ages of `older` (ages, cutoffs, merchants)."""
    if older[0].size <= FEW_CELLS:
        return total.take(older.take(ages, axis=0))
    sums = np.empty((len(ages), *older.shape[1:]))
    for row, age in enumerate(ages):
        total.take(older[age], out=sums[row], mode="clip")  # what is in bounds anyway: unchecked it needs no copy
    return sums


def first_of_day(tiles: Tiles) -> np.ndarray:
    """Whether each tile is the first of its merchant's day."""
    first = np.ones(len(tiles.day), bool)
    np.not_equal(tiles.day[1:], tiles.day[:-1], out=first[1:])
    first[1:] |= tiles.merchant[1:] != tiles.merchant[:-1]
    return first


def running(table: np.ndarray) -> np.ndarray:
    """Running sums over the slots of a table (…, slots, merchants), in place: row by row, as whole rows add fastest."""
    for slot in range(1, table.shape[-2]):
        table[..., slot, :] += table[..., slot - 1, :]
    return table
