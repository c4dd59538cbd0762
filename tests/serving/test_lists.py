"""The lists and the explanation of one merchant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from features.errors import UsageRefused
from serving.commands import of_earlier_day
from serving.explain import explain
from serving.lists import at_risk, check_lang, growth
from serving.rules import Rules
from serving.run import Run, publish
from serving.score import Scored


def test_the_at_risk_list_ranks_by_expected_profit_among_those_above_average_risk(run: Run) -> None:
    rows = at_risk(run).rows
    assert rows["expected_profit"].is_monotonic_decreasing
    assert rows["rank"].tolist() == [*range(1, len(rows) + 1)]
    assert (rows["churn_risk"] >= run.merchants["churn_risk"].mean()).all()
    assert 0 < len(rows) < len(run.merchants)


def test_capacity_tier_and_owner_cut_the_list(run: Run) -> None:
    whole = at_risk(run).rows
    assert at_risk(run, capacity=3).rows["merchant_id"].tolist() == whole["merchant_id"].tolist()[:3]
    tier = whole["tier"].iloc[0]
    assert at_risk(run, tier=tier).rows["merchant_id"].tolist() == whole[whole["tier"] == tier]["merchant_id"].tolist()
    assert set(at_risk(run, owner="Ann").rows["owner"]) == {"Ann"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tier": "Z"}, r"no merchant of run .* has tier 'Z'; there are \d, such as"),
        ({"tier": "a"}, 'has tier .a.; did you mean "A"'),
        ({"owner": "Anne"}, 'did you mean "Ann"'),
        ({"owner": " ann"}, 'did you mean "Ann"'),
        ({"capacity": 0}, "capacity 0 is less than one merchant"),
    ],
)
def test_what_no_merchant_has_is_refused(run: Run, given: dict, message: str) -> None:
    with pytest.raises(UsageRefused, match=message):
        at_risk(run, **given)


def test_a_list_with_nobody_on_it_says_so(run: Run) -> None:
    calm = replace(run, header=run.header)
    calm.__dict__["merchants"] = run.merchants.assign(churn_risk=0.3, worth_acting=False, growth_potential=0.2, expected_profit=-1.0, growth_value=0.0)
    calm.__dict__["merchants"].loc[run.merchants["tier"] != "A", ["churn_risk", "growth_potential"]] = 0.9
    empty = at_risk(calm, tier="A")
    assert empty.rows.empty and empty.notes[0].startswith("nobody to call here") and empty.notes[1].startswith("left out: ")
    assert at_risk(calm, tier="A", lang="zh").notes[0].startswith("此处无需联系任何商户")
    none = growth(calm, tier="A")
    assert none.rows.empty and none.notes[0] == "nobody here has more than the average chance to grow"
    assert not at_risk(run).notes[0].startswith("nobody") and len(growth(run).notes) == 1


def test_a_run_of_an_earlier_day_than_the_one_it_takes_the_place_of_says_so(run: Run) -> None:
    later = replace(run, run_id="later", header={**run.header, "cutoff": "2999-01-01"})
    assert of_earlier_day(run, later).startswith("It is of an earlier day than run later, and the lists show it from now on")
    assert of_earlier_day(later, run) == of_earlier_day(run, run) == of_earlier_day(run, None) == ""


def test_chinese_lists_are_chinese(run: Run) -> None:
    listing = at_risk(run, capacity=5, lang="zh")
    assert listing.title == "流失风险商户"
    assert [column.heading("zh") for column in listing.columns][:3] == ["序号", "商户", "名称"]
    told = run.reasons[(run.reasons["head"] == "churn") & (run.reasons["direction"] == "raises")].set_index("merchant_id")
    first = listing.rows.iloc[0]
    assert first["reasons"][0] == told.loc[[first["merchant_id"]], "sentence_zh"].iloc[0]
    with pytest.raises(UsageRefused, match="language 'fr' is not spoken"):
        check_lang("fr")


def test_every_list_carries_run_model_and_cutoff(run: Run) -> None:
    for listing in (at_risk(run), growth(run)):
        assert {name: listing.facts[name] for name in ("run_id", "model_version", "cutoff")} == {
            "run_id": run.run_id,
            "model_version": "abc123",
            "cutoff": "2026-01-01",
        }


def test_the_growth_list_ranks_by_growth_value(run: Run) -> None:
    ids = growth(run, capacity=10).rows["merchant_id"]
    assert run.merchants.loc[ids, "growth_value"].is_monotonic_decreasing


def test_a_scored_merchant_is_explained(run: Run) -> None:
    merchant = at_risk(run).rows["merchant_id"].iloc[0]
    told = explain(run, merchant)
    json.dumps(told, allow_nan=False)
    assert told["run_id"] == run.run_id and told["no_score"] is None
    assert 0 <= told["scores"]["churn_risk"] <= 1
    assert told["reasons"] and told["action"]
    counted = [line["points"] for line in told["scorecard"] if line["known"] and line["section"] == "negative"]
    assert -sum(counted) == told["points"]["points_negative"]


def test_a_merchant_without_score_is_explained_with_the_reason(run: Run) -> None:
    merchant = run.merchants.index[run.merchants["no_score"] == "inactive"][0]
    told = explain(run, merchant, lang="zh")
    assert told["no_score"] == "近90天没有订单"
    assert set(told["scores"].values()) == {None}
    assert told["reasons"] == []


def test_an_unknown_merchant_is_refused_with_the_closest(run: Run) -> None:
    with pytest.raises(UsageRefused, match=r"merchant 'm0001' is not in run .*; did you mean"):
        explain(run, "m0001")


def test_what_moved_since_the_run_before(run: Run, scored: Scored, rules: Rules, tmp_path: Path) -> None:
    merchant = at_risk(run).rows["merchant_id"].iloc[0]
    merchants = scored.tables["merchants"].copy()
    merchants.loc[merchants["merchant_id"] == merchant, ["churn_risk", "tier"]] = [0.01, "A"]
    before = publish(
        tmp_path,
        {**scored.header, "cutoff": "2025-12-01", "rules_hash": "old"},
        {**scored.tables, "merchants": merchants},
        rules.text,
    )
    moved = explain(run, merchant, previous=before)["moved"]
    assert moved["changes"]["churn_risk"]["from"] == 0.01
    assert moved["same_model"] and not moved["same_rules"]
    assert "stage" not in moved["changes"]
