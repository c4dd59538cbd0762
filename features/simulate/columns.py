"""From the simulation's arrays to contract columns: the types come from `features.tables`, so they cannot drift apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.simulate.clock import NOTHING, Anything, Ints
from features.tables import TABLES, Kind


class Coded(NamedTuple):
    """Text from a short list: `words[code]`, empty where the code is negative."""

    words: Sequence[str]
    code: Ints


class Named(NamedTuple):
    """Text made of a prefix and a number, empty where the number is negative."""

    prefix: str
    number: Ints


Columns = Mapping[str, Anything | Coded | Named | list[str]]
"""Columns of one table: times in UTC seconds (NOTHING: empty), money in cents (negative: empty), text coded or named."""

TYPES: dict[Kind, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "time": pa.timestamp("us"),
    "money": pa.float64(),
    "number": pa.float64(),
    "count": pa.int32(),
}


def merchant_ids(first: int, last: int) -> list[str]:
    """Ids of the merchants with codes in `[first, last)`."""
    return [f"m{code:06d}" for code in range(first, last)]


def rows(columns: Columns, keep: Anything) -> Columns:
    """The rows that `keep` (a mask or positions) selects."""
    return {name: _select(column, keep) for name, column in columns.items()}


def _select(column: Anything | Coded | Named | list[str], keep: Anything) -> Anything | Coded | Named:
    if isinstance(column, Coded):
        return Coded(column.words, column.code[keep])
    if isinstance(column, Named):
        return Named(column.prefix, column.number[keep])
    return np.asarray(column)[keep]


def schema(table: str, coded: Sequence[str]) -> pa.Schema:
    """Arrow schema of a contract table; the `coded` columns are dictionaries (strings for whoever reads the file)."""
    kinds = {name: column.kind for name, column in TABLES[table].columns.items()}
    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([(name, text if name in coded else TYPES[kind]) for name, kind in kinds.items()])


def record(table: str, columns: Columns) -> pa.Table:
    """One row group of a contract table, all of its columns in the contract's order."""
    coded = [name for name, column in columns.items() if isinstance(column, Coded)]
    arrays = [arrow(columns[name], column.kind) for name, column in TABLES[table].columns.items()]
    return pa.Table.from_arrays(arrays, schema=schema(table, coded))


def arrow(column: Anything | Coded | Named | list[str], kind: Kind) -> pa.Array:
    """One column of a given kind."""
    if isinstance(column, Coded):
        return pa.DictionaryArray.from_arrays(
            pa.array(column.code.astype(np.int32), mask=column.code < 0), pa.array(column.words, pa.string())
        )
    if isinstance(column, Named):
        digits = pa.array(column.number, mask=column.number < 0).cast(pa.string())
        return pc.binary_join_element_wise(pa.scalar(column.prefix), digits, pa.scalar(""))
    if isinstance(column, list):
        return pa.array(column, TYPES[kind])
    if kind == "time":
        return pa.array(np.where(column == NOTHING, 0, column) * 1_000_000, TYPES[kind], mask=column == NOTHING)
    if kind == "money":
        return pa.array(column / 100, TYPES[kind], mask=column < 0)
    if kind == "number":
        return pa.array(column.astype(np.float64), TYPES[kind], mask=np.isnan(column.astype(np.float64)))
    return pa.array(column.astype(np.int32), TYPES[kind])
