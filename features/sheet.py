"""Rows of a snapshot as plain arrays: what models and reasons read, where a data frame would take longer to give a column than to score it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, np.dtype[np.float64]]
NUMERIC = "fiub"
FEW_ROWS = 256
"""Up to so many rows are added up in one go; of more every column apart, which takes less memory, and the same order."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """Numbers (columns, n) in one block, and texts (n,) by name; read like a data frame, a column at a time or as a matrix.

    Examples
    --------
    >>> sheet = Sheet.of(pd.DataFrame({"orders_90d": [3, 5], "industry": ["bakery", "florist"]}))
    >>> len(sheet), sheet["orders_90d"].tolist(), sheet["industry"].tolist(), "region" in sheet
    (2, [3.0, 5.0], ['bakery', 'florist'], False)
    """

    names: tuple[str, ...]
    numbers: np.ndarray
    texts: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Sheet:
        """The rows of a data frame; numbers that are float32 all stay so, others become float64."""
        numeric = np.array([dtype.kind in NUMERIC for dtype in frame.dtypes], bool)
        split = int(numeric.sum())  # a snapshot's numbers stand before its texts, and can be had without a copy
        in_order = bool(numeric[:split].all())
        numbers, words = (frame.iloc[:, :split], frame.iloc[:, split:]) if in_order else (frame.loc[:, numeric], frame.loc[:, ~numeric])
        width = np.float32 if all(dtype == np.float32 for dtype in numbers.dtypes) else np.float64
        texts = dict(zip(map(str, words.columns), words.to_numpy(object).T, strict=True))
        return cls(tuple(map(str, numbers.columns)), numbers.to_numpy(width).T, texts)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place of each number in the block."""
        return _places(self.names)

    def __len__(self) -> int:
        return int(self.numbers.shape[1])

    def __contains__(self, name: object) -> bool:
        return name in self.places or name in self.texts

    def __getitem__(self, name: str) -> np.ndarray:
        place = self.places.get(name)
        return self.texts[name] if place is None else np.asarray(self.numbers[place])

    def part(self, rows: np.ndarray) -> Sheet:
        """Some of the rows."""
        return Sheet(self.names, self.numbers[:, rows], {name: values[rows] for name, values in self.texts.items()})

    def matrix(self, names: Sequence[str]) -> Array:
        """Some of the numbers, (n, names)."""
        return np.asarray(self.numbers.take(_chosen(self.names, tuple(names)), axis=0).T.astype(np.float64))

    def known(self, names: Sequence[str]) -> np.ndarray:
        """Whether each value is there, (n, names); never in a column that is not."""
        found = np.zeros((len(self), len(names)), bool)
        here = [place for place, name in enumerate(names) if name in self.places]
        found[:, here] = ~np.isnan(self.matrix([names[place] for place in here]))
        for place, name in enumerate(names):
            if name in self.texts:
                found[:, place] = pd.notna(self.texts[name])
        return found


Frame = pd.DataFrame | Sheet
"""The rows of a snapshot, either way."""


def column(frame: Frame, name: str) -> Array:
    """A column of numbers, (n,)."""
    return np.asarray(frame[name], np.float64)


def matrix(frame: Frame, names: Sequence[str]) -> Array:
    """Columns of numbers, (n, names)."""
    return frame.matrix(names) if isinstance(frame, Sheet) else frame[list(names)].to_numpy(np.float64)


def weighted(columns: Array, weights: Array) -> Array:
    """The weighted sum of each row of columns (n, k), (n,).

    Added one column after the other: a library's product of matrices adds one row in another order than many, and a merchant scored
    alone would differ from itself in a batch, if only in the last bit.
    """
    if len(columns) <= FEW_ROWS:
        return np.asarray(np.add.accumulate(columns * weights, axis=1)[:, -1]) if len(weights) else np.zeros(len(columns))
    total = np.zeros(len(columns))
    for place, weight in enumerate(weights):
        total += columns[:, place] * weight
    return total


@lru_cache(maxsize=64)
def _places(names: tuple[str, ...]) -> Mapping[str, int]:
    return {name: place for place, name in enumerate(names)}


@lru_cache(maxsize=64)
def _chosen(names: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    places = _places(names)
    return np.array([places[name] for name in wanted], np.intp)
