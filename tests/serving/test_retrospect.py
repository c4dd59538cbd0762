"""Why a merchant left: signs of one cause name that cause, what is usual is learnt from others, and what a person said is believed."""

from __future__ import annotations

import math
import re
from string import Formatter

import numpy as np
import pandas as pd
import pytest

from serving.retrospect_causes import CAUSES, WELL, causes_of, sure
from serving.retrospect_causes import WORDS as CAUSE_WORDS
from serving.retrospect_evidence import Evidence
from serving.retrospect_signs import SIGNS
from serving.retrospect_weighing import AGAINST, FOR, Facts, Frame, Moves, Sign, surge, weighed
from serving.retrospect_words import DAY, WORDS, on_a_day, told

CALM = {"age": 900.0, "reach": 900.0, "year": 400.0, "ahead": 60.0, "year_ago": 60.0, "season": 150.0, "bursts": 0.4}
CALM |= {"orders_now": 45.0, "orders_late": 90.0, "orders_before": 195.0}
CALM |= {"gmv_now": 1350.0, "gmv_before": 5850.0, "subsidy_now": 0.03, "subsidy_before": 0.03}
CALM |= {"lines_now": 2.0, "lines_before": 2.0, "tickets_now": 0.0, "tickets_before": 2.0, "effort_now": math.nan, "resolved_now": 0.0}
CALM |= {"late_now": 0.05, "late_before": 0.05, "delivered_now": 45.0, "delivered_before": 195.0, "rating_now": 4.3, "rating_before": 4.3}
CALM |= {"reviews_now": 8.0, "reviews_before": 30.0, "refunds_now": 0.02, "refunds_before": 0.02, "logins_now": 20.0, "logins_before": 90.0}
CALM |= {"functions_now": 6.0, "functions_before": 6.0, "contract_days_left": 100.0, "cancelled": math.nan, "campaign_share_90d": 0.0}
ORDERS = (("orders_now", 4500.0), ("orders_late", 9000.0), ("orders_before", 19500.0))
CALM |= {f"{group}_{name}": value for group in ("industry", "region", "market") for name, value in ORDERS}
CALM |= {"industry_year": 40000.0, "industry_season": 15000.0, "industry_ahead": 6000.0, "days_since_campaign_end": math.nan}
TOPICS = {"about_fees": 0.0, "about_fees_before": 0.0, "about_rival": 0.0, "about_rival_before": 0.0, "chain_stopped": 0.0}


def peers(number: int = 200, wild: float = 1.0) -> pd.DataFrame:
    """Others, whose numbers go up and down a little, or as much more as the market is wild."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame([CALM] * number)
    frame["orders_late"] *= np.exp(rng.normal(0, 0.1 * wild, number))
    for name, spread in (("orders_now", 0.15), ("gmv_now", 0.2), ("subsidy_now", 0.3), ("late_now", 0.5), ("refunds_now", 0.5), ("lines_now", 0.1)):
        frame[name] *= np.exp(rng.normal(0, spread * wild, number))
    frame["rating_now"] += rng.normal(0, 0.2 * wild, number)
    frame["effort_now"], frame["resolved_now"] = rng.normal(3, 0.7, number), 1.0
    frame["functions_now"] = 6 - rng.integers(0, 2, number)
    frame["ahead"] *= np.exp(rng.normal(0, 0.3, number))
    frame["industry_ahead"] *= np.exp(rng.normal(0, 0.3, number))
    return frame


def named(others: pd.DataFrame | None = None, said: dict[str, str] | None = None, without: tuple[str, ...] = (), **signs: float) -> pd.Series:
    frame = pd.DataFrame([CALM | TOPICS | signs], index=pd.Index(["m"], name="merchant_id"))
    return causes_of([Evidence(frame, peers() if others is None else others)], said or {}, without).loc["m"]


LEFT = {"cancelled": 10.0}
"""It gave notice, so it has not closed."""


@pytest.mark.parametrize(
    ("cause", "signs"),
    [
        ("service", {"tickets_now": 8.0, "effort_now": 6.0, "resolved_now": 8.0, "late_now": 0.5}),
        ("price", {"about_fees": 3.0, "subsidy_now": 0.25, "gmv_now": 900.0}),
        ("price", {"campaign_share_90d": 1.0, "days_since_campaign_end": 10.0, "subsidy_now": 0.2}),
        ("rival", {"orders_now": 9.0, "gmv_now": 270.0, "functions_now": 1.0}),
        ("rival", {"about_rival": 1.0, "orders_now": 15.0, "gmv_now": 450.0}),
        ("season", {"ahead": 0.0, "season": 390.0}),
        ("product fit", {"refunds_now": 0.4, "lines_now": 1.0}),
        ("business closed", {"chain_stopped": 2.0}),
        ("business closed", {}),
        ("unknown", LEFT),
    ],
)
def test_the_signs_of_a_cause_name_it(cause: str, signs: dict[str, float]) -> None:
    found = named(**signs)
    assert found["cause"] == cause
    assert len(found["evidence_en"]) == len(found["evidence_zh"])
    assert bool(found["evidence_en"]) == (cause != "unknown")
    assert (found["confidence"] >= 0.5) == (cause != "unknown")


@pytest.mark.parametrize("name", [name for name in SIGNS if name not in ("contract", "chain")])
def test_a_sign_that_is_missing_says_nothing(name: str) -> None:
    nothing = Frame(pd.DataFrame(index=["m"]))
    assert weighed(SIGNS[name], nothing, Frame(peers())).weight.tolist() == [0.0]


def test_who_has_no_table_but_orders_is_not_said_to_have_closed() -> None:
    bare = {name: value for name, value in CALM.items() if not name.startswith(("late", "tickets", "rating", "functions", "subsidy"))}
    frame = pd.DataFrame([{**bare, "orders_now": math.nan, "chain_stopped": 0.0, "contract_days_left": math.nan}], index=["m"])
    assert causes_of([Evidence(frame, peers())], {}).loc["m", "cause"] == "unknown"


def test_what_is_usual_is_learnt_from_the_others() -> None:
    signs = {"gmv_now": 900.0, "subsidy_now": 0.10, "refunds_now": 0.02, **LEFT}
    assert named(**signs)["cause"] == "price"
    assert named(peers(wild=6), **signs)["cause"] == "unknown"


def test_the_same_fall_is_a_rival_only_where_the_others_go_on() -> None:
    fall = {"orders_now": 12.0, "gmv_now": 360.0, "functions_now": 2.0, **LEFT}
    everywhere = {f"{group}_orders_now": 1200.0 for group in ("industry", "region", "market")}
    assert named(**fall)["cause"] == "rival"
    assert named(**fall)["rival"] > named(**fall, **everywhere)["rival"] + 1


def test_a_fall_that_service_explains_is_no_rival() -> None:
    assert named(orders_now=15.0, gmv_now=450.0, tickets_now=12.0, effort_now=6.0, resolved_now=12.0, late_now=0.4)["cause"] == "service"


def test_a_cancelled_contract_excludes_closing_and_an_open_one_speaks_for_it() -> None:
    none = named(contract_days_left=math.nan)["business closed"]
    assert named()["business closed"] > none > named(**LEFT)["business closed"] + 2
    assert named()["evidence_en"][-1].startswith("its contract ran on for 100 days")


def test_a_contract_that_runs_on_says_the_more_the_more_of_the_others_cancel() -> None:
    def weight(cancelled: int, kept: int) -> float:
        frame = pd.DataFrame({"contract_days_left": 100.0, "cancelled": [math.nan] * (1 + kept) + [10.0] * cancelled})
        return float(weighed(SIGNS["contract"], Frame(frame), Frame(frame)).weight[0])

    assert weight(0, 0) == pytest.approx(math.log(2)), "as if half did, where nothing is known"
    assert weight(60, 40) > weight(40, 60) > weight(10, 90) > weight(0, 100) > 0
    assert weight(0, 500) < 0.01, "nobody ever cancels here"


def test_fewer_functions_speak_for_a_rival_but_not_once_more_against_closing() -> None:
    few = named(functions_now=2.0)
    assert few["rival"] > named()["rival"] + 1
    frame = Frame(pd.DataFrame([CALM | {"functions_now": 2.0}]))
    assert weighed(SIGNS["present"], frame, Frame(peers())).weight.tolist() == [0.0]


def test_who_sold_less_for_three_months_did_not_sell_as_ever() -> None:
    assert named(orders_late=30.0)["business closed"] < named()["business closed"] - 1


def test_who_still_sells_has_not_closed() -> None:
    assert named()["cause"] == "business closed" and named(without=("business closed",))["cause"] == "unknown"


def test_what_a_person_recorded_is_believed_before_the_signs() -> None:
    found = named(said={"m": "business closed"}, tickets_now=12.0, late_now=0.6)
    assert (found["cause"], found["by"]) == ("business closed", "person") and math.isnan(found["confidence"])
    assert sure(None) == sure(found["confidence"]) == ("recorded by a person", "人工记录")


def test_a_later_view_adds_what_was_heard_after_the_last_order() -> None:
    index = pd.Index(["m"], name="merchant_id")
    first, second = (pd.DataFrame([CALM | TOPICS | more], index=index) for more in ({}, {"tickets_now": 9.0, "effort_now": 6.5, "resolved_now": 9.0}))
    found = causes_of([Evidence(first, peers()), Evidence(second, peers())], {}).loc["m"]
    assert found["cause"] == "service" and "9 tickets in six weeks" in found["evidence_en"][0]


def move(moved: float, error: float, others: list[float], **sizes: float) -> float:
    """What one move weighs against those of others, which have an error of one."""

    def read(frame: Frame) -> Moves:
        return Moves(frame["x"], frame["x"], frame["e"])

    one = Sign("x", ("price",), "", "", read, **sizes)  # type: ignore[arg-type]
    frames = [Frame(pd.DataFrame({"x": values, "e": errors})) for values, errors in (([moved], [error]), (others, [1.0] * len(others)))]
    return float(weighed(one, *frames).weight[0])


def test_a_move_weighs_as_the_ratio_of_chances_says() -> None:
    normal = list(np.random.default_rng(0).normal(0, 1, 20_000))
    assert move(1.5, 1.0, normal) == pytest.approx(1.0, abs=0.05)  # ln of N(1.5; 1, 1) / N(1.5; 0, 1)
    assert move(0.5, 1.0, normal) == pytest.approx(0.0, abs=0.05)
    assert move(1.5, 0.5, normal) > move(1.5, 2.0, normal) > 0  # the better known, the more it says
    assert move(9.0, 0.1, normal) == FOR and move(-9.0, 0.1, normal) == AGAINST


def test_a_move_weighs_no_more_than_it_is_rare() -> None:
    heavy = [0.0, 0.001, -0.001] * 300 + [50.0] * 100
    assert move(20.0, 1.0, heavy) == pytest.approx(-math.log(101 / 1001))


def test_few_others_teach_nothing_and_the_declared_spread_counts() -> None:
    assert move(1.0, 1.0, [0.0] * 5, usual=1.0) == pytest.approx(0.5)
    assert move(1.0, 1.0, [0.0] * 5, usual=2.0) == pytest.approx(0.125)


def test_a_surge_is_a_ratio_of_poisson_chances() -> None:
    counts, usual = np.array([0.0, 4.0]), np.array([0.5, 0.5])
    plain = 2 * usual + 2
    expected = np.log(plain / usual) * counts - (plain - usual)
    assert surge(counts, usual, 2.0) == pytest.approx(expected)
    assert isinstance(SIGNS["tickets"].read(Frame(pd.DataFrame([CALM]))), Facts)


@pytest.mark.parametrize("one", [*SIGNS.values(), WELL], ids=lambda one: one.name)
def test_every_sign_has_words_in_both_languages_and_known_causes(one: Sign) -> None:
    assert set(one.causes) <= set(CAUSES) - {"unknown"}
    assert re.search("[一-鿿]", one.zh) and not re.search("[一-鿿]", one.en)
    assert places(one.en) == places(one.zh) <= {"value"}
    assert one.plain > 0 and one.usual > 0 and one.least <= 0 < one.most


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("texts", [*WORDS.values(), *DAY.values(), *CAUSE_WORDS.values()], ids=lambda texts: texts[0][:30])
def test_both_languages_say_the_same(texts: tuple[str, str]) -> None:
    assert places(texts[0]) == places(texts[1]) and re.search("[一-鿿]", texts[1])


LOST = {"kind": "lost", "last_order": "2025-08-13", "lost_on": "2025-11-11", "warned": True, "days_ahead": 120, "acted_on": True, "actions": 2}
LOST |= {"cause": "price", "cause_en": "price", "cause_zh": "价格", "sure_en": "clear", "sure_zh": "明确", "evidence_en": ["a"], "evidence_zh": ["甲"]}
LOST |= {"caught_en": "x held", "caught_zh": "x已成立", "likes": [{"merchant_id": "p"}, {"merchant_id": "q"}], "likes_with_same_signs": ["q"]}
RISK = {"on": "2025-07-01", "what": "risk", "risk": 0.62, "tier": "A", "is_recomputed": False}
REASONS = {"on": "2025-07-01", "what": "reasons", "reasons_en": ["slow"], "reasons_zh": ["慢"], "is_recomputed": False}


def test_a_look_back_is_told_in_sentences_of_either_language() -> None:
    row = LOST | {"timeline": [RISK, REASONS]}
    english, chinese = " ".join(told(row, "en")), "".join(told(row, "zh"))
    for part in ("First warned 120 days", "Acted on 2 times", "62 of 100", "Reasons told for it: slow", "price (clear)", "Signs: a", "x held", "p, q", "show at q"):
        assert part in english
    for part in ("提前", "首次预警", "此前共行动2次", "每100家62家", "价格（明确）", "迹象：甲"):
        assert part in chinese or part == "提前"
    assert not re.search("[A-Za-z]{3,}", chinese)


def test_who_may_not_see_a_merchant_is_not_told_of_it() -> None:
    row = LOST | {"timeline": []}
    text = " ".join(told(row, "en", seen={"p"}))
    assert "most like it: p." in text and not re.search(r"\bq\b", text)


def test_what_is_not_known_is_said_so() -> None:
    row = LOST | {"warned": None, "acted_on": None, "days_ahead": None, "cause": "unknown", "cause_en": "unknown", "timeline": [RISK | {"is_recomputed": True}]}
    text = " ".join(told(row, "en"))
    assert "is not known: no run is from before" in text and "Why it left is not known." in text and "By today's model" in text
    told_now = " ".join(told(row | {"timeline": [REASONS | {"is_recomputed": True}]}, "en"))
    assert "By today's model, for these reasons: slow." in told_now and "Reasons told" not in told_now
    assert "Acted" not in text and "Nobody acted" not in text


def test_the_days_of_a_timeline_are_told() -> None:
    assert on_a_day(RISK, "en") == "risk 62 of 100, tier A" and on_a_day(REASONS, "zh") == "原因：慢"
    assert on_a_day(RISK | {"risk": None, "is_recomputed": True}, "en") == "no score, tier A (recomputed)"
    assert on_a_day({"what": "action", "outcome": "resolved", "is_recomputed": False}, "en") == "action: resolved"
    assert on_a_day({"what": "warning", "kind": "silent", "is_recomputed": False}, "zh") == "预警silent"
