"""Benchmark merchants: who they are, and what sets them apart from another."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from features.errors import UsageRefused
from serving.benchmarks import TRAITS, Apart, Benchmarked, Peers, apart, compared, every_group, spread_of
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


def peers_of(rows: pd.DataFrame, merchant: str) -> Peers:
    return Benchmarked(rows).peers(rows.index.tolist().index(merchant))


def apart_of(rows: pd.DataFrame, traits: pd.DataFrame, merchant: str) -> list[Apart]:
    place, everyone = rows.index.tolist().index(merchant), Peers.of(rows, np.arange(len(rows)))
    return apart(traits.columns.tolist(), traits.to_numpy(np.float64), place, everyone.exemplars(), spread_of(traits))


def test_exemplars_are_the_best_of_their_kind_that_are_settled_and_stay() -> None:
    rows = market()
    peers = peers_of(rows, "m03")
    assert peers.shared == ("industry",) and set(rows["industry"].iloc[peers.places]) == {"bakery"}
    assert rows.index[peers.exemplars()].tolist() == ["m39", "m37", "m33", "m31"]  # m35 declines


def test_a_merchant_is_not_compared_with_itself_and_does_not_count_among_the_others() -> None:
    """As if it were not in the table: by the definition, computed the slow way, for every merchant."""
    rng = np.random.default_rng(0)
    rows = market(60)
    rows["points"], rows["churn_risk"] = rng.integers(0, 30, 60) / 2, rng.uniform(0, 1, 60)
    rows.loc[rows.index[::7], "churn_risk"], rows.loc[rows.index[::11], "points"] = np.nan, np.nan
    everyone = Peers.of(rows, np.arange(len(rows)))
    for place, name in enumerate(rows.index):
        others = rows.drop(index=name)
        least = others["points"][others["churn_risk"].notna()].quantile(0.75)
        best = others[others["stage"].eq("mature") & (others["churn_risk"] < others["churn_risk"].mean()) & (others["points"] >= least)]
        expected = sorted(best.index, key=lambda one: (-best["points"][one], one))[:5]
        found = everyone.exemplars(without=(place, rows["churn_risk"].iloc[place], rows["points"].iloc[place]))
        assert rows.index[found].tolist() == expected, name


def test_nobody_is_left_to_learn_from() -> None:
    alone = market(2).iloc[1:]
    assert Peers.of(alone, np.arange(1)).exemplars(without=(0, 0.05, 1.0)).tolist() == []
    assert Peers.of(market().iloc[:0], np.arange(0)).exemplars().tolist() == []


def test_a_small_group_borrows_from_a_wider_one() -> None:
    rows = market().assign(scale="small")
    rows.loc["m03", "scale"] = "large"
    assert peers_of(rows, "m03").shared == ("industry",)
    rows.loc["m03", "industry"] = None
    assert peers_of(rows, "m03").shared == ()


def test_what_sets_them_apart_is_the_widest_gap_in_their_favour() -> None:
    rows = market()
    number = np.arange(len(rows), dtype=float)
    traits = pd.DataFrame({"orders_90d": number, "refund_rate_90d": 0.5 - number / 100, "aov_90d": 7.0, "buyers_90d": -number}, rows.index)
    found = apart_of(rows, traits, "m03")
    assert [one.name for one in found] == ["orders_90d", "refund_rate_90d"]
    assert found[0].own == 3 and found[0].theirs > 30 and found[0].gap >= found[1].gap > 0.5
    assert [one.name for one in apart_of(rows, traits, "m39")] == []


def test_the_median_is_that_of_the_exemplars_whose_number_is_known() -> None:
    rows = market()
    traits = pd.DataFrame({"orders_90d": np.arange(40.0), "aov_90d": np.arange(40.0), "rating_90d": np.nan}, rows.index)
    best = rows.index[Peers.of(rows, np.arange(len(rows))).exemplars()]
    traits.loc[best[:2], "aov_90d"] = np.nan
    expected = traits.loc[best].median()
    found = {one.name: one.theirs for one in apart_of(rows, traits, "m01")}
    assert found == {name: expected[name] for name in ("orders_90d", "aov_90d")} and set(found) <= set(TRAITS)


def test_what_is_not_known_of_a_merchant_is_not_compared() -> None:
    rows = market()
    traits = pd.DataFrame({"orders_90d": np.arange(len(rows), dtype=float)}, rows.index)
    traits.loc["m03"] = np.nan
    assert apart_of(rows, traits, "m03") == []


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
