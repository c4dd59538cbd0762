"""Counting by cells: which cutoffs see an event, and what they see of all events together.

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

from features.program import DAYS
from features.tiles import EntityDays, Tiles
from features.verbs import Measure

NEVER = 2**40
"""A day that no cutoff reaches."""


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

    def window(self, stream: str, measure: Measure, days: int | None, skip: int) -> np.ndarray:
        """Sum of a measure over `[cutoff - skip - days, cutoff - skip)`, or over all the past."""
        sums = self.aged(stream, measure, skip)
        return sums if days is None else sums - self.aged(stream, measure, skip + days)

    def _by_age(self, stream: str, measure: Measure) -> dict[int, np.ndarray]:
        """The sums for all ages that the program asks for, in one count."""
        ages, width = self.ages[stream][measure], self.merchants * (len(self.cutoffs) + 1)
        rows, cells = self._all_cells(stream)
        shifted = cells[[rows[age] for age in ages]] + np.arange(0, len(ages) * width, width)[:, None]
        weights = np.broadcast_to(self._weights(stream, measure), shifted.shape)
        sums = np.bincount(shifted.ravel(), weights.ravel(), len(ages) * width).reshape(len(ages), self.merchants, -1)
        return dict(zip(ages, np.cumsum(sums[:, :, :-1], axis=2), strict=True))

    def _weights(self, stream: str, measure: Measure) -> np.ndarray:
        tiles = self.tiles[stream]
        if measure == DAYS:  # a day counts once, from the tile of it that was known first
            return (np.diff(tiles.day, prepend=-1) != 0) | (np.diff(tiles.merchant, prepend=-1) != 0)
        return tiles.measures[measure]
