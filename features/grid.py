"""The finished columns of a snapshot: numbers in one float32 block, texts beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

from features.program import Plan, Program


@dataclass
class Grid:
    """Columns of shape (merchants, cutoffs) by name."""

    numbers: np.ndarray
    texts: dict[str, np.ndarray]
    places: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, shape: tuple[int, int], texts: dict[str, np.ndarray]) -> Grid:
        """A grid for all columns of a plan, whose numbers are not filled yet."""
        numbers = [name for name in (*plan.first, *plan.second) if name not in texts]
        return cls(np.empty((len(numbers), *shape), np.float32), texts, {name: place for place, name in enumerate(numbers)})

    def __len__(self) -> int:
        return int(self.numbers.shape[1])

    def __getitem__(self, name: str) -> np.ndarray:
        return self.texts[name] if name in self.texts else self.numbers[self.places[name]]

    def fill(self, rows: slice, values: np.ndarray, program: Program) -> None:
        """Store what a program computed for some of the merchants."""
        for name, place in program.places.items():
            self.numbers[self.places[name], rows] = values[place]

    def frame(self, merchant: np.ndarray, slot: np.ndarray, index: pd.Index, names: Sequence[str]) -> pd.DataFrame:
        """The cells (merchant, slot) as rows, with the columns `names`: numbers first, each kind in one block."""
        numbers = [name for name in names if name in self.places]
        block = self.numbers if numbers == list(self.places) else self.numbers[[self.places[name] for name in numbers]]
        frame = pd.DataFrame(block[:, merchant, slot].T, index=index, columns=_labels(tuple(numbers)), copy=False)
        words = [name for name in names if name in self.texts]
        if not words:
            return frame
        block = np.array([self.texts[name][merchant, slot] for name in words], object)
        return pd.concat([frame, pd.DataFrame(block.T, index=index, columns=pd.Index(words, dtype=object), dtype=object)], axis=1)


@cache
def _labels(names: tuple[str, ...]) -> pd.Index:
    return pd.Index(names, dtype=object)
