"""Whom to call: who is left out, what calling so many catches and wastes, and when the order hangs on assumptions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from serving.calls import call_list, calling, cut_to, growth_list, sensitivity, worth_acting
from serving.lists import at_risk, growth
from serving.money import profit_of_acting
from serving.rules.team import Team
from serving.run import Run


def merchants(**columns: list) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    table = {
        "action": ["call"] * rows,
        "action_save_rate": 0.2,
        "action_cost": 10.0,
        "action_incentive": 0.0,
        "value_if_kept": 1000.0,
    } | columns
    frame = pd.DataFrame(table, index=pd.Index([f"m{row}" for row in range(rows)], name="merchant_id"))
    frame["value_at_risk"] = frame["churn_risk"] * frame["value_if_kept"]
    names = ("churn_risk", "value_if_kept", "action_save_rate", "action_cost", "action_incentive")
    return frame.assign(expected_profit=profit_of_acting(*(frame[name] for name in names)))


def test_sure_things_lost_causes_and_the_holdout_are_left_out_and_counted() -> None:
    rows = merchants(churn_risk=[0.1, 0.5, 0.6, 0.99, np.nan, 0.7], arm=["act", "hold", "act", None, None, None])
    found = call_list(rows, Team())
    assert found.rows.index.tolist() == ["m5", "m2"]
    assert (found.sure, found.lost, found.held_out) == (2, 1, 0)  # m1 is below the average, held out or not
    low = call_list(rows, Team(sure_below=0.5, lost_above=1))
    assert low.rows.index.tolist() == ["m3", "m5", "m2"] and (low.sure, low.lost, low.held_out) == (1, 0, 1)


def test_worth_acting_needs_profit_too() -> None:
    rows = merchants(churn_risk=[0.1, 0.6, 0.6, 0.99, np.nan], value_if_kept=[1000.0, 1000.0, 10.0, 1000.0, 1000.0])
    assert worth_acting(rows, Team(sure_below=0.9)).tolist() == [False, True, False, False, False]


def test_a_capacity_is_shared_among_owners() -> None:
    rows = merchants(churn_risk=[0.9, 0.8, 0.7, 0.6, 0.5], owner=["Ann", "Ann", "Ann", "Ben", None])
    assert cut_to(rows, 3, per_owner=2).index.tolist() == ["m0", "m1", "m3"]
    assert cut_to(rows, None, per_owner=2).index.tolist() == rows.index.tolist()
    assert cut_to(rows.drop(columns="owner"), 3, per_owner=2).index.tolist() == ["m0", "m1", "m2"]


def test_what_calling_so_many_catches_and_wastes() -> None:
    rows = call_list(merchants(churn_risk=[0.9, 0.6, 0.3, 0.2]), Team(sure_below=0)).rows
    table = calling(rows, expected_leavers=4.0, capacity=2).set_index("calls")
    assert table.index.tolist() == [2, 4]
    assert table.loc[2, ["leavers", "share_of_leavers", "wasted"]].round(9).tolist() == [1.5, 0.375, 0.5]
    assert table.loc[4, ["leavers", "wasted", "cost", "saved"]].round(9).tolist() == [2.0, 2.0, 40.0, 0.4]
    assert table.loc[4, "profit"] == rows["expected_profit"].sum()


def test_calling_nobody_is_an_empty_table() -> None:
    assert len(calling(merchants(churn_risk=[0.5]).iloc[:0], 3.0)) == 0


def test_one_play_for_all_does_not_hang_on_its_save_rate() -> None:
    rows = merchants(churn_risk=np.linspace(0.9, 0.1, 60).tolist())
    assert sensitivity(rows, 10) == (0, None)


def test_an_order_that_hangs_on_one_save_rate_is_told() -> None:
    play = ["visit" if row % 2 else "call" for row in range(60)]
    rate = [0.6 if row % 2 else 0.1 for row in range(60)]
    rows = merchants(churn_risk=np.linspace(0.9, 0.3, 60).tolist(), action=play, action_save_rate=rate)
    ranked = rows.sort_values("expected_profit", ascending=False)
    changed, _ = sensitivity(ranked, 10)
    assert changed >= 3
    assert sensitivity(ranked.assign(save_rate_measured=True), 10) == (0, None)


def test_who_grows_is_more_likely_to_than_the_average() -> None:
    rows = merchants(churn_risk=[0.1] * 3).assign(growth_potential=[0.05, 0.5, 0.4], growth_value=[900.0, 10.0, 20.0])
    assert growth_list(rows, Team()).index.tolist() == ["m2", "m1"]
    assert growth_list(rows, Team(grows_from=0)).index.tolist() == ["m0", "m2", "m1"]


def test_the_lists_say_what_calling_brings_and_always_give_a_reason(run: Run) -> None:
    listing = at_risk(run, capacity=4)
    assert listing.calling is not None and 4 in listing.calling["calls"].tolist()
    assert any("would leave" in note for note in listing.notes)
    for made in (listing, growth(run), at_risk(run, lang="zh"), growth(run, lang="zh")):
        assert all(isinstance(told, list) and told and all(told) for told in made.rows["reasons"])
        assert made.rows["stage"].isin(["joined", "newcomer", "growing", "mature", "declining", "dormant", "churned", "seasonal"]).all()
        assert {"stage", "stage_words"} <= {column.key for column in made.columns}


def test_a_merchant_without_told_reasons_gets_one_in_words(run: Run) -> None:
    from dataclasses import replace

    silent = replace(run, files={**run.files})
    vars(silent)["reasons"] = run.reasons.iloc[:0]
    told = growth(silent, capacity=1).rows["reasons"].iloc[0]
    assert told[0].startswith("A chance of ") and "on average" in told[0]
