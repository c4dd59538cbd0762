"""A table's rows by merchant, as plain values."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from serving.explain import plain
from serving.rows import Rows
from serving.run import Run


@pytest.mark.parametrize("name", ["merchants", "reasons", "warnings", "scorecard", "traits"])
def test_every_table_of_a_run_reads_as_pandas_reads_it(run: Run, name: str) -> None:
    table, rows = run.table(name), run.rows(name)
    for merchant in run.merchants.index:
        own = table[table["merchant_id"] == merchant]
        expected = [{key: plain(value) for key, value in row.items()} for row in own.to_dict("records")]
        assert rows.of(merchant) == expected and (merchant in rows) == bool(expected)
    json.dumps([rows.of(merchant) for merchant in run.merchants.index], allow_nan=False)


def test_what_is_missing_is_none_whatever_the_column_holds() -> None:
    columns = {
        "text": pd.Series(["面包", None], dtype="str"),
        "number": np.array([1.5, np.nan], np.float32),
        "whole": np.array([7, 8]),
        "is_new": [True, False],
        "day": pd.Series(["2026-01-02", None]).astype("datetime64[ms]"),
        "none": [None, None],
        "several": [["a", "b"], None],
    }
    rows = Rows(pd.DataFrame({"merchant_id": ["a", "b"], **columns}))
    assert rows.one("a") == {
        "merchant_id": "a",
        "text": "面包",
        "number": 1.5,
        "whole": 7,
        "is_new": True,
        "day": "2026-01-02",
        "none": None,
        "several": ["a", "b"],
    }
    assert [value for name, value in rows.one("b").items() if name not in ("merchant_id", "whole", "is_new")] == [None] * 5


def test_only_what_is_wanted_is_read_and_a_stranger_has_no_rows() -> None:
    rows = Rows(pd.DataFrame({"merchant_id": ["b", "a", "b"], "kind": ["x", "y", "z"]}))
    assert rows.one("a", ("kind", "absent")) == {"kind": "y"}
    assert rows.of("b", {"what": "kind"}) == [{"what": "x"}, {"what": "z"}] and rows.of("nobody") == []
    with pytest.raises(KeyError):
        rows.one("nobody")


def test_a_table_without_rows_has_nobody() -> None:
    assert "a" not in Rows(pd.DataFrame({"merchant_id": pd.Series([], dtype="str"), "value": pd.Series([], dtype=float)}))
