"""Benchmark merchants: who they are, and what sets them apart from another."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from features.errors import UsageRefused
from serving.benchmarks import apart, compared, every_group, exemplars, peers_of
from serving.run import Run


def market(rows: int = 40) -> pd.DataFrame:
    """Two industries; the points rise with the number; every fourth is likely to leave, every fifth declining."""
    number = np.arange(rows)
    columns = {
        "industry": np.where(number % 2, "bakery", "florist").astype(object),
        "points": number.astype(float),
        "tier": "C",
        "stage": np.where(number % 5 == 0, "declining", "mature").astype(object),
        "churn_risk": np.where(number % 4 == 0, 0.8, 0.05),
    }
    return pd.DataFrame(columns, index=pd.Index([f"m{row:02d}" for row in number], name="merchant_id"))


def test_exemplars_are_the_best_of_their_kind_that_are_settled_and_stay() -> None:
    peers, group = peers_of(market(), "m03")
    assert group == ("industry",) and set(peers["industry"]) == {"bakery"}
    assert exemplars(peers).index.tolist() == ["m39", "m37", "m33", "m31"]  # m35 declines


def test_a_small_group_borrows_from_a_wider_one() -> None:
    rows = market().assign(scale="small")
    rows.loc["m03", "scale"] = "large"
    assert peers_of(rows, "m03")[1] == ("industry",)
    rows.loc["m03", "industry"] = None
    assert peers_of(rows, "m03")[1] == ()


def test_what_sets_them_apart_is_the_widest_gap_in_their_favour() -> None:
    rows = market()
    number = np.arange(len(rows), dtype=float)
    traits = pd.DataFrame({"orders_90d": number, "refund_rate_90d": 0.5 - number / 100, "aov_90d": 7.0, "buyers_90d": -number}, rows.index)
    found = apart(traits, "m03", rows.index, exemplars(rows).index)
    assert [one.name for one in found] == ["orders_90d", "refund_rate_90d"]
    assert found[0].own == 3 and found[0].theirs > 30 and found[0].gap >= found[1].gap > 0.5
    assert (
        apart(traits, "m39", rows.index, exemplars(rows).index) == []
        or apart(traits, "m39", rows.index, exemplars(rows).index)[0].name == "buyers_90d"
    )


def test_what_is_not_known_of_a_merchant_is_not_compared() -> None:
    rows = market()
    traits = pd.DataFrame({"orders_90d": np.arange(len(rows), dtype=float)}, rows.index)
    traits.loc["m03"] = np.nan
    assert apart(traits, "m03", rows.index, exemplars(rows).index) == []


def test_every_group_has_its_own(run: Run) -> None:
    table = every_group(market(), most=2)
    assert table[["industry", "place"]].values.tolist() == [["bakery", 1], ["bakery", 2], ["florist", 1], ["florist", 2]]
    assert every_group(run.merchants.drop(columns=["industry", "scale"], errors="ignore"))["place"].is_monotonic_increasing


def test_a_merchant_of_a_run_is_compared_in_words(run: Run) -> None:
    found = compared(run, run.merchants.index[1], "zh")
    json.dumps(found, allow_nan=False)
    assert found["peers"] == len(run.merchants) and all(row["words"] for row in found["apart"])
    with pytest.raises(UsageRefused, match="is not in run"):
        compared(run, "nobody")
