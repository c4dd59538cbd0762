"""Row-level scope, in one place: a run in which nothing but the merchants that a caller may see is left.

Lists, details, search, exports, counts, averages and benchmark merchants are all computed of it, so none of them can tell of a merchant
outside: what a caller is told is the same whatever the others do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import pandas as pd
from pyarrow.parquet import read_schema

from features.errors import DataRefused
from serving.access.who import Who
from serving.run import HEADER, Run

RULES = "rules.toml"
TABLE = ".parquet"
TOLD = ("run_id", "previous", "cutoff", "model_version", "created_at", "rules_hash", "currency", "settings", "words", "team", "inactive_warnings")
"""The parts of the header that say nothing of any merchant; whatever is added to it stays hidden until it is named here."""


@dataclass(frozen=True)
class ScopedRun(Run):
    """A run without the merchants that a caller may not see; `whole` is all of it."""

    whole: Run
    who: Who

    @classmethod
    def of(cls, whole: Run, who: Who) -> ScopedRun:
        """The part of a run that a caller may see."""
        ids = whole.merchants.index[who.sees(whole.merchants)]
        header = _header(whole, ids)
        return cls(whole.run_id, whole.path, header, _Files(whole, ids, header), whole, who)

    @cached_property
    def merchants(self) -> pd.DataFrame:
        """One row a merchant that the caller may see, indexed by merchant_id."""
        return self.whole.merchants[self.who.sees(self.whole.merchants)]

    @cached_property
    def reasons(self) -> pd.DataFrame:
        """One row a merchant, head and reason, the strongest first."""
        return within(self.whole.reasons, self.merchants.index)

    @cached_property
    def warnings(self) -> pd.DataFrame:
        """One row a merchant and kind of warning, the most severe first."""
        return within(self.whole.warnings, self.merchants.index)

    def table(self, name: str) -> pd.DataFrame:
        """A table of the run, only the rows of these merchants."""
        return within(self.whole.table(name), self.merchants.index)


def within(table: pd.DataFrame, ids: pd.Index) -> pd.DataFrame:
    """The rows of a table that are of some merchants, in their order.

    Raises
    ------
    DataRefused : the rows are of nobody in particular, so it cannot be told who may see them.
    """
    if "merchant_id" not in table:
        raise DataRefused("a table without merchant_id is told to those only who see all merchants; ask with such a key.")
    return table[table["merchant_id"].isin(ids)].reset_index(drop=True)


class _Files(Mapping[str, bytes]):
    """The files of a scoped run: its tables hold its rows only; a table of nobody in particular is not there."""

    def __init__(self, whole: Run, ids: pd.Index, header: Mapping[str, Any]) -> None:
        self.whole, self.ids, self.header = whole, ids, header
        tables = (name for name in whole.files if name.endswith(TABLE))
        self.names = (RULES, HEADER, *(name for name in tables if "merchant_id" in read_schema(BytesIO(whole.files[name])).names))

    def __getitem__(self, name: str) -> bytes:
        if name not in self.names:
            raise KeyError(name)
        if name == RULES:
            return self.whole.files[RULES]
        if name == HEADER:
            return json.dumps(self.header, ensure_ascii=False, default=str).encode()
        return within(self.whole.table(name.removesuffix(TABLE)), self.ids).to_parquet(index=False)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _header(whole: Run, ids: pd.Index) -> Mapping[str, Any]:
    """The header with the counts of these merchants; a count that cannot be made of them is left out."""
    merchants, warnings = whole.merchants.loc[ids], within(whole.warnings, ids)
    counts = {
        "merchants": len(ids),
        "scored": int(merchants["no_score"].isna().sum()),
        "expected_leavers": round(float(merchants["churn_risk"].sum()), 1),
        "warnings": _counts(warnings["kind"]),
        **{f"{name}s": _counts(merchants[name]) for name in ("tier", "stage", "arm") if name in merchants},
    }
    told = {name: whole.header[name] for name in TOLD if name in whole.header}
    return {**told, "counts": {name: counts[name] for name in whole.header["counts"] if name in counts}}


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(name): int(number) for name, number in values.value_counts().sort_index().items()}
