"""Few texts on many rows, and back: a million rows of text are taken by their places, never made one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray


def spread(texts: Sequence[str | None], places: NDArray[Any]) -> ExtensionArray:
    """The text at each place; missing at -1.

    Examples
    --------
    >>> list(spread(["a", "b"], np.array([1, 0, 1])))
    ['b', 'a', 'b']
    """
    few: Any = pd.array([*texts, None], dtype="str")  # one more: nothing can be taken of nothing
    return few.take(np.where(places < 0, len(texts), places))


def places(values: Any, texts: Sequence[str | None]) -> NDArray[np.int64]:
    """The place of each value among a few texts; -1 where it is missing or none of them.

    Examples
    --------
    >>> places(pd.Series(["b", None, "z", "a"]), ["a", "b"])
    array([ 1, -1, -1,  0])
    """
    codes, found = pd.factorize(values)
    where = {text: place for place, text in enumerate(texts)}
    return np.array([*(where.get(value, -1) for value in found), -1], np.int64)[codes]


def aligned(frame: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """The rows of a frame for the names of an index, in its order; missing where the frame has none."""
    if frame.index.equals(index):
        return frame
    row = pc.index_in(pa.array(index, pa.large_string()), value_set=pa.array(frame.index, pa.large_string()))
    row = row.fill_null(-1).to_numpy(zero_copy_only=False)
    taken = {name: pd.api.extensions.take(frame[name].array, row, allow_fill=True) for name in frame}
    return pd.DataFrame(taken, index=index, copy=False)
