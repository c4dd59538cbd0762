"""Look backs at merchants whose leaving was planted by hand: the cause, the timeline, warned or not, acted on or not, what would have caught it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lost_market import BRIEF, IDLE, KEEN, LOST, PEERS, SLEEPY, START, STOPPED, lost_market
from sqlalchemy import insert

from features.model import Model
from features.snapshot import Market
from serving.ledger import Ledger
from serving.ledger.schema import dispositions, runs, scores, warnings
from serving.retrospect import keep, kept, kept_of, look_back
from serving.retrospect_past import Lost, tier_before
from serving.retrospect_sums import sums_of
from serving.rules import Rules, read_rules
from serving.run import publish

LAST = (START + pd.Timedelta(days=STOPPED)).date()
LOST_ON = LAST + timedelta(days=90)
EVERY = ("A", "B", "C", "D", "E")
REASON = {"head": "churn", "direction": "raises", "group": "silence", "group_en": "silence", "group_zh": "沉默", "contribution": 1.0, "feature": "f"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The platform's tables."""
    return lost_market(tmp_path_factory.mktemp("lost")).parent


@pytest.fixture(scope="module")
def market(home: Path) -> Market:
    return Market.open(home / "keepwell.toml")


@pytest.fixture(scope="module")
def rules() -> Rules:
    return read_rules()


@pytest.fixture(scope="module")
def found(market: Market, rules: Rules) -> dict[str, Any]:
    """The look back of all tiers, without ledger and model."""
    return look_back(market, rules, tiers=EVERY)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.at(f"sqlite:///{tmp_path / 'ledger.db'}")) as opened:
        yield opened


def of(found: dict[str, Any], merchant: str, kind: str = "lost") -> dict[str, Any]:
    return next(row for row in found[kind] if row["merchant_id"] == merchant)


def ran(ledger: Ledger, *days: int, **tier_of: str) -> None:
    """Runs so many days before the last order, with a risk that grows, of some merchants and their tiers."""
    with ledger.writing() as connection:
        for number, before in enumerate(sorted(days, reverse=True), 1):
            cutoff = LAST - timedelta(days=before)
            entry = {"run_no": number, "run_id": f"{cutoff}-0000000{number}", "cutoff": cutoff, "model_version": "m", "rules_hash": "r"}
            connection.execute(insert(runs), [entry | {"created_at": f"{cutoff}T06:00:00Z", "merchants": 1}])
            rows = [{"run_no": number, "merchant_id": name, "churn_risk": 0.1 * number, "tier": tier} for name, tier in tier_of.items()]
            connection.execute(insert(scores), rows)


def warned(ledger: Ledger, merchant: str, on: date, kind: str = "churn_risk", closed: date | None = None) -> None:
    whole = {"severity": "high", "run_no": 1, "due_on": on, "turned_on": on, "is_holding": True, "recurrences": 0, "escalations": 0, "is_held_out": False}
    with ledger.writing() as connection:
        connection.execute(insert(warnings), [whole | {"merchant_id": merchant, "kind": kind, "opened_on": on, "closed_on": closed}])


def acted(ledger: Ledger, merchant: str, on: date, outcome: str = "attempted", note: str = "") -> None:
    row = {"key": f"{merchant}{on}", "digest": "d", "merchant_id": merchant, "done_on": on, "outcome": outcome, "note": note}
    with ledger.writing() as connection:
        connection.execute(insert(dispositions), [row | {"recorded_at": f"{on}T12:00:00Z"}])


@pytest.mark.parametrize(
    ("merchant", "cause", "sign_en", "sign_zh"),
    [
        ("price", "price", "subsidy rose by", "补贴占交易额上升"),
        ("service", "service", "late deliveries rose by", "延迟送达占比上升"),
        ("rival", "rival", "fewer functions than before", "使用的功能减少"),
        ("season", "season", "last year the coming eight weeks brought 0%", "去年同期未来八周"),
        ("closed", "business closed", "nobody cancelled it", "无人取消"),
    ],
)
def test_a_planted_cause_is_named_with_its_signs(found: dict[str, Any], merchant: str, cause: str, sign_en: str, sign_zh: str) -> None:
    row = of(found, merchant)
    assert row["cause"] == cause and row["cause_by"] == "signs" and row["confidence"] >= 0.9
    assert row["sure_en"] == "clear" and row["sure_zh"] == "明确"
    assert sign_en in " ".join(row["evidence_en"]) and sign_zh in " ".join(row["evidence_zh"])
    assert row["last_order"] == str(LAST) and row["lost_on"] == str(LOST_ON)


def test_who_sold_as_ever_and_cancelled_left_for_a_cause_that_nobody_knows(found: dict[str, Any]) -> None:
    row = of(found, "cancelled")
    assert row["cause"] == "unknown" and row["sure_en"] == "not known" and row["confidence"] < 0.5


def test_only_the_lost_are_looked_back_on(found: dict[str, Any]) -> None:
    assert {row["merchant_id"] for row in found["lost"]} == {*LOST, BRIEF}
    assert found["sums"]["lost"] == len(LOST) + 1 and found["sums"]["causes"]["price"] == 1


def test_its_tier_is_the_last_one_before_it_fell_silent(market: Market, rules: Rules, ledger: Ledger) -> None:
    ran(ledger, 60, 10, price="A", service="D")
    ran_after = {"run_no": 9, "run_id": "x", "cutoff": LAST + timedelta(days=40), "model_version": "m", "rules_hash": "r", "created_at": "t", "merchants": 1}
    with ledger.writing() as connection:
        connection.execute(insert(runs), [ran_after])
        connection.execute(insert(scores), [{"run_no": 9, "merchant_id": "price", "tier": "E"}])
    found = look_back(market, rules, ledger=ledger)
    assert of(found, "price")["tier"] == "A"
    assert "service" not in {row["merchant_id"] for row in found["lost"]}


def test_a_recomputed_tier_is_of_before_the_silence_too() -> None:
    found = Lost(pd.Series({"m": 100}), pd.Series({"m": 100}), pd.DataFrame())
    past = pd.DataFrame({"day": [73, 101, 102], "tier": ["A", "B", "E"]}, index=["m", "m", "m"])
    assert tier_before(past, {}, found) == {"m": "B"}


def test_the_timeline_tells_risk_reasons_warnings_and_actions(market: Market, rules: Rules, ledger: Ledger) -> None:
    ran(ledger, 50, 20, price="A")
    warned(ledger, "price", LAST - timedelta(days=20))
    acted(ledger, "price", LAST - timedelta(days=5), "identified")
    state = market.settings.state_dir
    told = pd.DataFrame([{**REASON, "merchant_id": "price", "rank": 1, "sentence_en": "it orders less", "sentence_zh": "订单减少"}])
    for before in (50, 20):
        header = {"cutoff": str(LAST - timedelta(days=before)), "model_version": "m", "created_at": "t", "rules_hash": "r"}
        publish(state, header, {"merchants": pd.DataFrame({"merchant_id": ["price"]}), "reasons": told})
    row = of(look_back(market, rules, ledger=ledger), "price")
    lines = [(line["on"], line["what"]) for line in row["timeline"]]
    days = [str(LAST - timedelta(days=before)) for before in (50, 50, 20, 20, 5)]
    assert lines == list(zip(days, ("risk", "reasons", "risk", "warning", "action"), strict=True))
    assert row["timeline"][1]["reasons_en"] == ["it orders less"] and row["timeline"][1]["reasons_zh"] == ["订单减少"]
    assert row["timeline"][4]["outcome"] == "identified" and not any(line["is_recomputed"] for line in row["timeline"])


def test_warned_and_acted_on_are_counted_up_to_the_loss(market: Market, rules: Rules, ledger: Ledger) -> None:
    ran(ledger, 50, price="A", service="A", rival="B", closed="B")
    warned(ledger, "price", LAST - timedelta(days=30))
    acted(ledger, "price", LAST - timedelta(days=25))
    warned(ledger, "service", LOST_ON)
    acted(ledger, "service", LOST_ON)
    warned(ledger, "rival", LAST + timedelta(days=60))
    found = look_back(market, rules, ledger=ledger)
    price, service, rival = (of(found, name) for name in ("price", "service", "rival"))
    assert (price["warned"], price["days_ahead"], price["days_before_last_order"], price["acted_on"], price["actions"]) == (True, 120, 30, True, 1)
    assert (service["warned"], service["days_ahead"], service["acted_on"], service["actions"]) == (False, None, False, 0)
    assert (rival["warned"], rival["days_ahead"], rival["days_before_last_order"]) == (True, 30, -60)
    sums = found["sums"]
    assert sums["covered"] == 4 and sums["missed_churn_rate"] == 0.5 and sums["median_days_ahead"] == 75 and sums["acted_on"] == 0.25


def test_a_warning_of_something_else_or_long_closed_is_none_of_this_loss(market: Market, rules: Rules, ledger: Ledger) -> None:
    ran(ledger, 200, price="A", service="A", rival="A")
    warned(ledger, "price", LAST - timedelta(days=30), "late_delivery_surge")
    warned(ledger, "service", LAST - timedelta(days=150), closed=LAST - timedelta(days=120))
    warned(ledger, "rival", LAST - timedelta(days=150), closed=LAST + timedelta(days=5))
    found = look_back(market, rules, ledger=ledger)
    told = {name: (of(found, name)["warned"], of(found, name)["warned_by"]) for name in ("price", "service", "rival")}
    assert told == {"price": (False, []), "service": (False, []), "rival": (True, ["churn_risk"])}
    assert of(found, "rival")["days_ahead"] == 240
    assert [line["kind"] for line in of(found, "price")["timeline"] if line["what"] == "warning"] == ["late_delivery_surge"]


def test_without_a_run_from_before_nothing_counts_as_warned(found: dict[str, Any], market: Market, rules: Rules, ledger: Ledger) -> None:
    row = of(found, "service")
    assert row["warned"] is None and row["days_ahead"] is None and not row["is_covered"]
    assert all(line["is_recomputed"] for line in row["timeline"])
    assert "no run is in the ledger yet" in found["notes_en"][0] and "台账中尚无运行记录" in found["notes_zh"][0]
    ran(ledger, -30, service="A")
    late = of(look_back(market, rules, ledger=ledger, tiers=EVERY), "service")
    assert late["warned"] is None


def test_the_rule_that_held_is_named_and_how_early(found: dict[str, Any]) -> None:
    row = of(found, "service")
    held = {one["kind"]: one["days_ahead"] for one in row["rules_that_held"]}
    assert held["late_delivery_surge"] > 90
    assert str(max(held.values())) in row["caught_en"] and str(max(held.values())) in row["caught_zh"]


def test_reasons_of_back_then_are_worked_out_where_no_run_told_them(market: Market, rules: Rules, model: Model) -> None:
    row = of(look_back(market, rules, model=model, tiers=EVERY), "rival")
    risks = [line["risk"] for line in row["timeline"] if line["what"] == "risk"]
    told = [line for line in row["timeline"] if line["what"] == "reasons"]
    assert any(risk is not None for risk in risks) and told and all(line["is_recomputed"] for line in told)
    assert told[-1]["reasons_en"] and len(told[-1]["reasons_zh"]) == len(told[-1]["reasons_en"])


def test_a_threshold_is_proposed_only_if_it_is_no_alarm_for_all(market: Market, rules: Rules, model: Model) -> None:
    rows = look_back(market, rules, model=model, tiers=EVERY)["lost"]
    proposed = [row["rule_change"] for row in rows if row["rule_change"] is not None]
    assert all(change["flags"] <= 0.3 and change["days_ahead"] >= 21 for change in proposed)
    assert all(row["caught_en"] and row["caught_zh"] for row in rows)


def test_what_a_person_recorded_is_believed(market: Market, rules: Rules, ledger: Ledger) -> None:
    acted(ledger, "price", LAST, "business closed")
    acted(ledger, "service", LAST, "lost", "went to a competitor")
    found = look_back(market, rules, ledger=ledger, tiers=EVERY)
    assert of(found, "price")["cause"] == "business closed" and of(found, "service")["cause"] == "rival"
    assert of(found, "price")["cause_by"] == "person" and of(found, "price")["confidence"] is None
    assert of(found, "price")["sure_en"] == "recorded by a person"


def test_its_likes_sell_on_and_nobody_says_that_they_closed(found: dict[str, Any]) -> None:
    for row in (row for row in found["lost"] if row["merchant_id"] != BRIEF):
        likes = [like["merchant_id"] for like in row["likes"]]
        assert len(likes) == 3 and all(name.startswith("peer") for name in likes)
        assert "business closed" not in {like["cause"] for like in row["likes"]}


def test_likes_are_of_its_industry(found: dict[str, Any], market: Market) -> None:
    industry = market.merchants.set_index("merchant_id")["industry"]
    row = of(found, "closed")
    assert {industry[like["merchant_id"]] for like in row["likes"]} == {row["industry"]}


def test_newcomers_that_never_sold_tell_their_last_step_and_what_was_missing(found: dict[str, Any]) -> None:
    idle, sleepy, keen = (of(found, name, "newcomers") for name in (IDLE, SLEEPY, KEEN))
    assert (idle["last_step"], idle["missing"]) == ("joined", ["never logged in", "campaign"])
    assert (sleepy["last_step"], sleepy["missing"]) == ("logged in", ["logins stopped", "set-up", "campaign"])
    assert "1 functions, those that sell use 6" in sleepy["missing_en"][1] and "2025-02-2" in sleepy["missing_en"][0]
    assert (keen["last_step"], keen["missing"]) == ("set up", ["first order"])
    assert all(row["first_order"] is None and row["cause"] is None and row["lost_on"] == "2025-05-05" for row in (idle, sleepy, keen))
    assert len(idle["missing_zh"]) == 2 and idle["last_step_zh"] == "已入驻"


def test_newcomers_that_sold_for_weeks_only_have_theirs(found: dict[str, Any]) -> None:
    brief = of(found, BRIEF, "newcomers")
    assert brief["days_of_sales"] <= 21 and brief["first_order"] < brief["last_order"] < brief["lost_on"] and brief["cause"] == "unknown"
    assert found["sums"]["newcomers"] == 4 and found["sums"]["never_sold"] == 3
    assert found["sums"]["never_sold_by_last_step"] == {"joined": 1, "signed": 0, "logged in": 1, "set up": 1}


def test_nobody_lost_is_an_answer(market: Market, rules: Rules) -> None:
    found = look_back(market, rules, since=date(2025, 12, 31))
    assert found["lost"] == found["newcomers"] == [] and found["sums"]["lost"] == 0
    assert found["sums"]["missed_churn_rate"] is None and sums_of([])["median_days_ahead"] is None


def test_what_is_kept_is_plain_json_and_found_by_merchant(found: dict[str, Any], tmp_path: Path) -> None:
    assert kept(tmp_path) is None and kept_of(tmp_path, "price") is None
    keep(tmp_path / "new", found)
    again = kept(tmp_path / "new")
    assert again == json.loads(json.dumps(found, allow_nan=False))
    assert kept_of(tmp_path / "new", "price") == of(found, "price") and kept_of(tmp_path / "new", KEEN) == of(found, KEEN, "newcomers")
    assert kept_of(tmp_path / "new", "peer00") is None
    keep(tmp_path / "new", {**found, "lost": []})
    assert kept_of(tmp_path / "new", "price") is None


def test_on_orders_alone_causes_are_named_as_far_as_orders_tell(home: Path, rules: Rules, tmp_path: Path) -> None:
    orders = pd.read_parquet(home / "orders.parquet")[["merchant_id", "order_id", "ordered_at", "amount"]]
    late = pd.DataFrame({"merchant_id": ["late"], "order_id": ["x"], "ordered_at": [pd.Timestamp("2025-07-01 12:00")], "amount": [9.0]})
    orders = pd.concat([orders, late]).assign(completed_at=lambda rows: rows["ordered_at"])
    orders.loc[orders["merchant_id"] == "late", "completed_at"] = pd.Timestamp("2025-08-01 12:00")  # known a month later, so in no week before
    orders.to_parquet(tmp_path / "orders.parquet")
    (tmp_path / "keepwell.toml").write_text('[source]\norders = "orders.parquet"\n')
    found = look_back(Market.open(tmp_path / "keepwell.toml"), rules, tiers=EVERY)
    causes = {row["merchant_id"]: row["cause"] for row in found["lost"]}
    expected = {"season": "season", "rival": "rival", "price": "price", "closed": "unknown", "cancelled": "unknown", "service": "unknown"}
    assert {name: causes[name] for name in expected} == expected
    assert of(found, "late", "newcomers")["cause"] == "unknown" and found["sums"]["never_sold"] == 0


def test_peers_are_many_enough_to_learn_from() -> None:
    assert PEERS > 30
