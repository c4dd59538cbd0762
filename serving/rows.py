"""The rows of a table by merchant, as plain values: in microseconds, where pandas takes milliseconds to put a row together.

An answer about one merchant reads a row or a few of each table of a run. The values stay where the table holds them, so this costs no
memory but the places of each merchant's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

ID = "merchant_id"


class Rows:
    """A table with a column `merchant_id`, any number of rows a merchant.

    Examples
    --------
    >>> rows = Rows(pd.DataFrame({"merchant_id": ["a", "b", "a"], "amount": [1.5, float("nan"), 2.5]}))
    >>> rows.one("b"), [row["amount"] for row in rows.of("a")]
    ({'merchant_id': 'b', 'amount': None}, [1.5, 2.5])
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.columns = {str(name): _held(table[name]) for name in table}
        codes, ids = pd.factorize(table[ID])
        self.numbers: Mapping[str, int] = dict(zip(ids.tolist(), range(len(ids)), strict=True))
        self.order = np.argsort(codes, kind="stable")
        self.starts = np.searchsorted(codes[self.order], np.arange(len(ids) + 1))

    def __contains__(self, merchant: str) -> bool:
        return merchant in self.numbers

    def one(self, merchant: str, names: Iterable[str] | None = None) -> dict[str, Any]:
        """The merchant's only row.

        Parameters
        ----------
        names : only these columns, as far as the table has them.

        Raises
        ------
        KeyError : the table has no row of it.
        """
        place = int(self.order[self.starts[self.numbers[merchant]]])
        chosen = self.columns if names is None else {name: self.columns[name] for name in names if name in self.columns}
        return {name: take(place) for name, take in chosen.items()}

    def of(self, merchant: str, fields: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """The merchant's rows, in the table's order.

        Parameters
        ----------
        fields : what each value is to be called, and its column; by default all columns by their own names.
        """
        chosen = self.columns if fields is None else {name: self.columns[column] for name, column in fields.items()}
        return [{name: take(place) for name, take in chosen.items()} for place in self._places(merchant)]

    def _places(self, merchant: str) -> list[int]:
        number = self.numbers.get(merchant)
        return [] if number is None else list(map(int, self.order[self.starts[number] : self.starts[number + 1]]))


def _held(column: pd.Series) -> Callable[[int], Any]:
    """What gives the value at a place of a column, as JSON has it: numbers out of numpy's memory, all others out of Arrow's."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
        return memoryview(np.ascontiguousarray(column).data).__getitem__
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        return partial(_number, memoryview(np.ascontiguousarray(column).data))
    values = pa.array(column, from_pandas=True)
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return partial(_value, pc.strftime(whole, "%Y-%m-%d") if pa.types.is_timestamp(whole.type) else whole)


def _number(held: memoryview, place: int) -> float | None:
    value: float = held[place]
    return value if value == value else None


def _value(held: pa.Array, place: int) -> Any:
    return held[place].as_py()
