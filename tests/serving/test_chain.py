"""Stores rolled up to their chain: its money is that of its stores, whoever stands alone is a row of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from features.errors import UsageRefused
from serving.chains import at_risk_by_chain, chain_of, growth_by_chain
from serving.export import to_csv, to_json, to_table, to_xlsx
from serving.lists import at_risk
from serving.run import Run
from tests.serving.hand import hand_run

LONELY = {"parent_id": None, "name": "Solo", "owner": "Ann", "churn_risk": 0.8, "value_at_risk": 100.0, "value_if_kept": 125.0, "expected_profit": 20.0}
MERCHANTS = {
    "s1": {"parent_id": "big", "name": "One", "owner": "Ann", "churn_risk": 0.7, "value_at_risk": 70.0, "value_if_kept": 100.0, "expected_profit": 9.0},
    "s2": {"parent_id": "big", "name": "Two", "owner": "Ann", "churn_risk": 0.6, "value_at_risk": 60.0, "value_if_kept": 100.0, "expected_profit": -3.0},
    "s3": {"parent_id": "big", "name": "Sure", "owner": "Ann", "churn_risk": 0.01, "value_at_risk": 2.0, "value_if_kept": 200.0, "expected_profit": 0.0},
    "s4": {"parent_id": "big", "name": "Gone", "owner": "Ann", "churn_risk": None, "value_at_risk": None, "value_if_kept": None, "expected_profit": None},
    "calm": {"parent_id": "quiet", "name": "Calm", "owner": "Ben", "churn_risk": 0.01, "value_at_risk": 500.0, "value_if_kept": 50_000.0},
    "solo": LONELY,
}
REASONS = [
    {"merchant_id": "s2", "head": "churn", "direction": "raises", "sentence_en": "second", "sentence_zh": "二", "contribution": 1.0},
    {"merchant_id": "s1", "head": "churn", "direction": "raises", "sentence_en": "first", "sentence_zh": "一", "contribution": 1.0},
]


@pytest.fixture
def chains(tmp_path: Path) -> Run:
    return hand_run(tmp_path, MERCHANTS, reasons=REASONS)


def test_a_chain_is_as_much_at_risk_as_the_money_in_its_stores(chains: Run) -> None:
    rows = at_risk_by_chain(chains).rows.set_index("chain")
    assert rows.index.tolist() == ["big", "solo"]  # 132 at risk against 100; "quiet" has no store worth calling
    big = rows.loc["big"]
    assert (big["stores"], big["stores_listed"]) == (4, 2)
    assert big["value_at_risk"] == 132.0 and big["share_at_risk"] == pytest.approx(132 / 400)
    assert big["expected_profit"] == 9.0  # nobody calls the store that costs more than it brings
    assert big["expected_leavers"] == pytest.approx(1.31)


def test_a_chain_tells_its_worst_stores_and_their_reasons_the_most_money_first(chains: Run) -> None:
    big, solo = at_risk_by_chain(chains).rows.to_dict("records")
    assert big["worst"] == ["One (s1): 70 %, €70", "Two (s2): 60 %, €60"]
    assert big["reasons"] == ["first", "second"]
    assert big["action"] == "call it" and at_risk_by_chain(chains, lang="zh").rows.iloc[0]["action"] == "致电"
    assert solo["name"] == "Solo" and solo["worst"] == [] and solo["stores"] == 1
    assert solo["reasons"] == ["A risk of 80 %, against 42 % on average"]


def test_money_of_all_stores_that_can_be_called_is_on_one_row_each(chains: Run) -> None:
    whole, rolled = at_risk(chains).rows, at_risk_by_chain(chains).rows
    assert len(whole) == 3 == rolled["stores_listed"].sum()
    assert rolled["expected_profit"].sum() == whole["expected_profit"].clip(lower=0).sum()


def test_capacity_owner_and_tier_cut_the_chains(chains: Run) -> None:
    assert at_risk_by_chain(chains, capacity=1).rows["chain"].tolist() == ["big"]
    assert set(growth_by_chain(chains, owner="Ben").rows["chain"]) == {"quiet"}
    with pytest.raises(UsageRefused, match="capacity 0"):
        at_risk_by_chain(chains, capacity=0)
    with pytest.raises(UsageRefused, match='did you mean "Ann"'):
        at_risk_by_chain(chains, owner="Anne")


def test_stores_of_the_holdout_are_not_told_to_be_called(tmp_path: Path) -> None:
    held = {name: given | {"arm": "hold" if name == "s1" else None} for name, given in MERCHANTS.items()}
    big = at_risk_by_chain(hand_run(tmp_path, held)).rows.set_index("chain").loc["big"]
    assert big["worst"] == ["Two (s2): 60 %, €60"] and big["value_at_risk"] == 132.0 and big["expected_profit"] == 0.0


def test_growth_of_a_chain_is_that_of_its_stores_on_the_growth_list(chains: Run) -> None:
    rows = growth_by_chain(chains).rows.set_index("chain")
    assert rows.loc["big", "growth_value"] == 20.0 and rows.loc["solo", "gmv_to_add"] == 50.0


def test_without_parents_there_are_no_chains(tmp_path: Path) -> None:
    alone = hand_run(tmp_path, {"m1": {}, "m2": {}})
    assert chain_of(alone.merchants).tolist() == ["m1", "m2"]
    with pytest.raises(UsageRefused, match="no parent_id, so there are no chains; leave out --by chain"):
        at_risk_by_chain(alone)


def test_a_list_of_chains_is_written_as_any_list(chains: Run) -> None:
    listing = at_risk_by_chain(chains)
    told = json.loads(to_json(listing))
    assert told["rows"][0]["chain"] == "big" and told["rows"][0]["worst"][0].startswith("One (s1)")
    assert to_csv(listing).decode("utf-8-sig").splitlines()[1].startswith("1,big,")
    assert to_xlsx(listing)[:2] == b"PK"
    console = Console(width=160, record=True)
    console.print(to_table(listing))
    text = console.export_text()
    assert "big" in text and "One (s1): 70 %, €70 · Two (s2)" in text and "Solo · solo" in text
