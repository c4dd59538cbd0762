"""Ranges of expected GMV: four of five outcomes lie between their ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.trees import Array


@dataclass(frozen=True)
class Bands:
    """The range that holds four of five outcomes: the chance of nothing at all, and how sales of the others spread around their mean.

    `quantiles` (sizes, levels) are of actual over expected GMV of merchants that sold, at `levels`, around `centers` of log size.
    """

    centers: tuple[float, ...]
    levels: tuple[float, ...]
    quantiles: tuple[tuple[float, ...], ...]
    widen: float = 0.0

    def range(self, expected: Array, base: Array, silent: Array) -> tuple[Array, Array]:
        """Lower and upper end, (n,) each, in currency.

        Where nothing at all is likelier than one in ten, the lower end is zero and cannot be missed: the upper end then moves from
        the 90th to the 80th percentile.
        """
        if_active = expected / (1 - silent)
        upper = 0.9 - 0.1 * np.clip((silent - 0.05) / 0.1, 0, 1)
        low = self._quantile(np.full(len(base), 0.1 - self.widen), base, silent)
        high = self._quantile(upper + self.widen, base, silent)
        return low * if_active, np.maximum(low, high) * if_active

    def _quantile(self, level: Array, base: Array, silent: Array) -> Array:
        """Quantile of actual over expected GMV if active, where a share `silent` brings nothing."""
        inner = (level - silent) / (1 - silent)
        table, levels = np.array(self.quantiles), np.array(self.levels)
        place = np.clip(np.interp(inner, levels, np.arange(len(levels))), 0, len(levels) - 1)
        size = np.interp(np.log(base), self.centers, np.arange(len(self.centers)))
        found = _between(table, size, place)
        reached = inner / levels[0] if levels[0] > 0 else np.ones_like(inner)  # zero where no order was ever worth anything
        return np.where(inner <= 0, 0.0, found * np.clip(reached, 0, 1))


def _between(table: Array, row: Array, column: Array) -> Array:
    """Bilinear interpolation in a table at fractional rows and columns."""
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    bottom, right = np.minimum(top + 1, len(table) - 1), np.minimum(left + 1, table.shape[1] - 1)
    down, along = row - top, column - left
    upper = table[top, left] * (1 - along) + table[top, right] * along
    return np.asarray(upper * (1 - down) + (table[bottom, left] * (1 - along) + table[bottom, right] * along) * down)
