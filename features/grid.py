"""The finished columns of a snapshot: numbers in one float32 block, then the texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from features.cells import FEW_CELLS
from features.kernel import Room
from features.program import Plan, Program


@dataclass(frozen=True)
class Grid:
    """The numbers of a plan, each of shape (cutoffs, merchants), by name."""

    numbers: np.ndarray
    places: Mapping[str, int]

    @classmethod
    def of(cls, plan: Plan, shape: tuple[int, int], room: Room | None = None) -> Grid:
        """A grid for all columns of a plan, not filled yet."""
        return cls((room or Room(np.float32)).of(len(plan.numbers), *shape), {name: place for place, name in enumerate(plan.numbers)})

    def __len__(self) -> int:
        return int(self.numbers.shape[2])

    def __getitem__(self, name: str) -> np.ndarray:
        return self.numbers[self.places[name]]

    def fill(self, rows: slice, values: np.ndarray, program: Program) -> None:
        """Store what a program computed for some of the merchants."""
        if 0 < values[:1].size <= FEW_CELLS:
            self.numbers[[self.places[name] for name in program.places], :, rows] = values.take(list(program.places.values()), axis=0)
            return
        for name, place in program.places.items():
            self.numbers[self.places[name], :, rows] = values[place]

    def cells(self, merchant: np.ndarray, slot: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """The numbers among the columns `names`, (columns, cells), of some cells (merchant, slot)."""
        numbers = [self.places[name] for name in names if name in self.places]
        block = self.numbers[: len(numbers)] if numbers == list(range(len(numbers))) else self.numbers[numbers]
        return block.reshape(len(block), math.prod(block.shape[1:])).take(slot * len(self) + merchant, axis=1)


def framed(cells: np.ndarray, texts: Mapping[str, np.ndarray], names: Sequence[str], index: pd.Index) -> pd.DataFrame:
    """Cells as rows with the columns `names`: numbers first, then texts, each kind in one block.

    Parameters
    ----------
    cells : (numbers, rows).
    texts : (rows,) by name.
    """
    words = tuple(name for name in names if name in texts)
    numbers = tuple(name for name in names if name not in texts)
    frame = pd.DataFrame(cells.T, index=index, copy=False)
    if words:
        block = np.array([texts[name] for name in words], object)
        frame = pd.concat([frame, pd.DataFrame(block.T, index=index, dtype=object)], axis=1, ignore_index=True)
    frame.columns = _labels(numbers + words)
    return frame


@cache
def _labels(names: tuple[str, ...]) -> pd.Index:
    return pd.Index(names, dtype=object)
