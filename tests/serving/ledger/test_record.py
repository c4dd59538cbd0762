"""What people tell the ledger: recorded once, closed what it settles, refused in one sentence with nothing half-applied."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_nightly import FIRST, SECOND, content, night, same, stage

from features.errors import UsageRefused
from serving.ledger import Ledger
from serving.ledger.acts import Disposition, Override
from serving.record import lifted, overruled, recorded, snoozed
from serving.run import Run

DAY = date.fromisoformat(FIRST)


@pytest.fixture
def run(ledger: Ledger, tmp_path: Path) -> Run:
    """A first night on the ledger."""
    return night(ledger, tmp_path, FIRST, *stage())


@pytest.fixture
def warned(run: Run) -> str:
    """A merchant with a churn warning."""
    return str(run.warnings.loc[run.warnings["kind"] == "churn_risk", "merchant_id"].iloc[0])


def deed(merchant: str, **given: Any) -> Disposition:
    return replace(Disposition("key 1", merchant, DAY, "resolved"), **given)


def test_a_resolved_warning_is_closed_with_what_was_done(ledger: Ledger, run: Run, warned: str) -> None:
    answer = recorded(ledger, run, deed(warned, offer="rebate", cost=20.0, actor="Ann"), "noon")
    assert answer["is_new"] and "churn_risk" in answer["closed"]
    history = ledger.history(warned)
    row = history["dispositions"].iloc[0]
    assert (row["outcome"], row["offer"], row["cost"], row["actor"]) == ("resolved", "rebate", 20.0, "Ann")
    assert set(history["warnings"]["closed_why"]) == {"resolved"}
    assert history["audit"]["what"].tolist()[-2:] == ["disposition", "closed"] or "disposition" in history["audit"]["what"].tolist()


def test_an_attempt_closes_nothing(ledger: Ledger, run: Run, warned: str) -> None:
    assert recorded(ledger, run, deed(warned, outcome="attempted"), "noon")["closed"] == []


@pytest.mark.parametrize("outcome", ["business-closed", "business_closed", "business closed"])
def test_outcomes_are_understood_however_they_are_joined(ledger: Ledger, run: Run, warned: str, outcome: str) -> None:
    assert recorded(ledger, run, deed(warned, outcome=outcome), "noon")["outcome"] == "business closed"


def test_the_same_key_twice_adds_nothing(ledger: Ledger, run: Run, warned: str) -> None:
    first = recorded(ledger, run, deed(warned), "noon")
    before = content(ledger)
    again = recorded(ledger, run, deed(warned), "later")
    assert (again["disposition_no"], again["is_new"], again["closed"]) == (first["disposition_no"], False, [])
    assert same(content(ledger), before)


def test_the_same_key_for_something_else_is_refused(ledger: Ledger, run: Run, warned: str) -> None:
    recorded(ledger, run, deed(warned), "noon")
    before = content(ledger)
    with pytest.raises(UsageRefused, match=r"key 'key 1' was already used for another disposition .* nothing was recorded"):
        recorded(ledger, run, deed(warned, cost=5.0), "noon")
    assert same(content(ledger), before)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"merchant_id": "m0001"}, r'merchant \'m0001\' is not in run .* did you mean "m001"'),
        ({"outcome": "resolvd"}, r'outcome \'resolvd\' is not known, so nothing was recorded; did you mean "resolved"'),
        ({"cost": -1.0}, "cost -1.0 is not an amount"),
        ({"cost": float("nan")}, "cost nan is not an amount"),
        ({"kind": "churn_rsk"}, r'has had no warning \'churn_rsk\', so nothing was recorded; did you mean "churn_risk"'),
        ({"key": " "}, "the key is empty"),
    ],
)
def test_what_cannot_be_recorded_is_refused_and_nothing_is(ledger: Ledger, run: Run, warned: str, given: dict[str, Any], said: str) -> None:
    before = content(ledger)
    with pytest.raises(UsageRefused, match=said):
        recorded(ledger, run, replace(deed(warned), **given), "noon")
    assert same(content(ledger), before)


def test_acting_on_one_who_was_to_be_left_alone_is_said(ledger: Ledger, run: Run) -> None:
    held = run.merchants.index[run.merchants["arm"] == "hold"][0]
    assert recorded(ledger, run, deed(held, outcome="attempted"), "noon")["is_held_out"]


def test_a_snoozed_warning_is_out_of_the_next_list(ledger: Ledger, run: Run, warned: str, tmp_path: Path) -> None:
    kinds = snoozed(ledger, run, warned, date(2026, 2, 1), "closed for holidays", kind=None, actor="Ann", at="noon")
    assert "churn_risk" in kinds
    later = night(ledger, tmp_path, SECOND, *stage())
    shown = later.warnings.loc[later.warnings["merchant_id"] == warned, "kind"]
    assert not set(shown) & set(kinds), "only what is new since then may show"
    assert set(kinds) <= set(ledger.open_warnings().query("merchant_id == @warned")["kind"])


@pytest.mark.parametrize(
    ("until", "reason", "kind", "said"),
    [
        (date(2026, 2, 1), " ", None, "a snooze needs a reason"),
        (DAY, "holiday", None, "ends before it begins"),
        (date(2026, 2, 1), "holiday", "churn_rsk", 'no open warning \'churn_rsk\'; did you mean "churn_risk"'),
    ],
)
def test_a_snooze_that_makes_no_sense_is_refused(
    ledger: Ledger, run: Run, warned: str, until: date, reason: str, kind: str | None, said: str
) -> None:
    with pytest.raises(UsageRefused, match=said):
        snoozed(ledger, run, warned, until, reason, kind=kind, actor=None, at="noon")
    assert ledger.open_warnings()["snoozed_until"].isna().all()


def given(run: Run, merchant: str, **more: Any) -> Override:
    tier = "A" if run.merchants.loc[merchant, "tier"] != "A" else "E"
    return replace(Override(merchant, "tier", tier, "signed a frame contract", date.fromisoformat(run.cutoff)), **more)


def test_an_override_holds_for_this_cutoff_and_lapses_at_the_next(ledger: Ledger, run: Run, warned: str, tmp_path: Path) -> None:
    one = given(run, warned)
    overruled(ledger, run, one, "noon")
    again = night(ledger, tmp_path, FIRST, *stage())
    assert again.merchants.loc[warned, "tier"] == one.value
    assert again.merchants.loc[warned, "tier_by_rules"] == run.merchants.loc[warned, "tier"]
    assert again.merchants.loc[warned, "override_reason"] == "signed a frame contract"
    later = night(ledger, tmp_path, SECOND, *stage())
    assert later.merchants.loc[warned, "tier"] == later.merchants.loc[warned, "tier_by_rules"]
    assert ledger.table("overrides")["lapsed_on"].tolist() == [pd.Timestamp(SECOND)]


def test_a_locked_override_stays_until_it_is_lifted(ledger: Ledger, run: Run, warned: str, tmp_path: Path) -> None:
    one = given(run, warned, is_locked=True)
    overruled(ledger, run, one, "noon")
    later = night(ledger, tmp_path, SECOND, *stage())
    assert later.merchants.loc[warned, "tier"] == one.value
    lifted(ledger, later, warned, "tier", at="now")
    assert ledger.table("overrides")["lapsed_on"].notna().all()
    with pytest.raises(UsageRefused, match="is not overridden"):
        lifted(ledger, later, warned, "tier", at="now")


def test_the_rules_own_tier_is_what_the_ledger_scores_and_the_next_run_start_from(
    ledger: Ledger, run: Run, warned: str, tmp_path: Path
) -> None:
    overruled(ledger, run, given(run, warned, is_locked=True), "noon")
    night(ledger, tmp_path, SECOND, *stage())
    assert set(ledger.history(warned)["scores"]["tier"]) == {run.merchants.loc[warned, "tier"]}


@pytest.mark.parametrize(
    ("more", "said"),
    [({"value": "F"}, "tier 'F' is not in the rules"), ({"reason": ""}, "needs a reason"), ({"merchant_id": "nobody"}, "is not in run")],
)
def test_an_override_that_makes_no_sense_is_refused(ledger: Ledger, run: Run, warned: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageRefused, match=said):
        overruled(ledger, run, given(run, warned, **more), "noon")
    assert ledger.table("overrides").empty


def test_nothing_that_trains_knows_of_a_ledger(pytestconfig: pytest.Config) -> None:
    found = [
        path
        for package in ("features", "training")
        for path in (pytestconfig.rootpath / package).rglob("*.py")
        if re.search(r"import serving|from serving|sqlalchemy|overrid", path.read_text(encoding="utf-8"))
    ]
    assert found == []
