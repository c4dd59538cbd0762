"""Reasons: groups add up, and what is said is true of the merchant, in both languages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.declare import catalogue
from features.model import Model
from serving.reasons import GROUPS, group_sums, reasons
from serving.reasons.facts import Facts
from serving.reasons.groups import groups_of
from serving.reasons.numbers import Style, count, money
from serving.reasons.plain import declared_words, plain_sentence
from serving.reasons.surroundings import SENTENCES

CUTOFF = date(2025, 10, 31)


def told(contributions: dict[str, float], facts: dict[str, object], **more: object) -> pd.DataFrame:
    frame = pd.DataFrame({name: [value] for name, value in facts.items()}, index=["m"])
    table = pd.DataFrame({**{name: [value] for name, value in contributions.items()}, "base": [-1.0]}, index=["m"])
    return reasons(table, frame, cutoff=CUTOFF, currency="GBP", **more)  # type: ignore[arg-type]


def said(contributions: dict[str, float], facts: dict[str, object], **more: object) -> tuple[str, str]:
    row = told(contributions, facts, **more).iloc[0]
    return row["sentence_en"], row["sentence_zh"]


def test_every_feature_of_the_catalogue_has_a_business_group() -> None:
    groups = groups_of([*catalogue()])
    assert "other" not in groups.values()
    assert set(groups.values()) == set(GROUPS) - {"other"}


def test_group_sums_and_base_add_up_to_the_log_odds(model: Model, snapshot: pd.DataFrame) -> None:
    sums = group_sums(model.contributions(snapshot))
    risk = model.scores(snapshot)["churn_risk"]
    assert np.allclose(sums.sum(axis=1), np.log(risk / (1 - risk)), atol=1e-9)


@pytest.mark.parametrize(
    ("feature", "facts", "english", "chinese"),
    [
        (
            "orders_28d",
            {"orders_28d": 68.0, "orders_prior_28d": 168.0},
            "Orders fell from 42 to 17 a week since 3 Oct",
            "自10月3日以来，每周订单由42降至17",
        ),
        (
            "silence_ratio",
            {"silence_ratio": 3.8, "days_since_last_order": 34.0, "gap_mean": 9.0},
            "No order for 34 days; usually one every 9 days",
            "已34天没有订单；平常每9天一单",
        ),
        (
            "gmv_28d",
            {"gmv_28d": 770.0, "gmv_prior_28d": 1240.0, "orders_prior_28d": 9.0},
            "Sales are 38 % below the 28 days before (£1,240 → £770)",
            "交易额较此前28天下降38%（£1,240 → £770）",
        ),
        (
            "tickets_open",
            {"tickets_open": 1.0, "tickets_90d": 4.0},
            "1 ticket open; 4 opened in 90 days",
            "1个工单未解决；近90天新建4个",
        ),
        (
            "subsidised_gmv_share_90d",
            {"subsidised_gmv_share_90d": 0.62},
            "62 % of sales carried a subsidy in 90 days",
            "近90天62%的交易额带有补贴",
        ),
        (
            "contract_days_left",
            {"contract_days_left": 62.0},
            "The contract ends on 1 Jan 2026, in 62 days",
            "合同将于2026年1月1日到期，还剩62天",
        ),
        ("industry", {"industry": "bakery"}, "Industry: bakery", "行业：bakery"),
        ("gmv_365d", {"gmv_365d": 1240.0}, "Sales over the last 365 days: £1,240", "近365天交易额：£1,240"),
        ("buyers_change_28d", {"buyers_change_28d": -1 / 3}, "Change of buyers over 28 days: -50 %", "近28天买家数变化：-50%"),
        ("gap_sd", {"gap_sd": np.nan}, "Spread of the days between orders: unknown", "下单间隔的波动：未知"),
    ],
)
def test_reasons_are_told_with_the_merchants_own_numbers(feature: str, facts: dict[str, object], english: str, chinese: str) -> None:
    assert said({feature: 0.5}, facts) == (english, chinese)


def test_it_never_says_fell_when_it_rose() -> None:
    rose = {"orders_28d": 168.0, "orders_prior_28d": 68.0, "orders_90d": 300.0, "orders_prior_90d": 90.0}
    assert said({"orders_28d": 0.5}, rose)[0] == "Orders in the last 28 days: 168"
    assert said({"orders_28d": -0.5}, rose, direction="lowers")[0] == "Orders rose from 17 to 42 a week since 3 Oct"
    assert said({"orders_28d": 0.5}, rose, head="growth")[0] == "Orders rose from 17 to 42 a week since 3 Oct"


def test_what_lowers_the_risk_is_not_told_as_bad_news() -> None:
    silent = {"silence_ratio": 3.8, "days_since_last_order": 34.0, "gap_mean": 9.0}
    assert said({"silence_ratio": -0.5}, silent, direction="lowers")[0] == "Silence against the usual rhythm: 3.80"


def test_the_three_strongest_groups_that_push_that_way() -> None:
    pushes = {
        "orders_28d": 0.1,
        "gmv_28d": 0.2,
        "gmv_90d": 0.2,
        "tickets_open": -5.0,
        "buyers_90d": 0.3,
        "industry": 0.05,
        "region": 0.01,
    }
    facts: dict[str, object] = {**dict.fromkeys(pushes, 7.0), "industry": "bakery", "region": "north"}
    table = told(pushes, facts)
    assert table["group"].tolist() == ["sales", "buyers", "orders"]
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["contribution"].round(6).tolist() == [0.4, 0.3, 0.1]
    assert told(pushes, facts, direction="lowers")["group"].tolist() == ["service"]


def test_a_plain_reason_prefers_a_feature_whose_value_is_known() -> None:
    row = told({"gap_sd": 0.9, "gap_variation": 0.1}, {"gap_sd": np.nan, "gap_variation": 1.5}).iloc[0]
    assert (row["feature"], row["sentence_en"]) == ("gap_variation", "Irregularity of the order rhythm: 1.50")


def test_features_nobody_declared_are_told_by_their_name() -> None:
    row = told({"moon_phase": 0.5}, {"moon_phase": 3.0}).iloc[0]
    assert (row["group"], row["sentence_en"]) == ("other", "Moon_phase: 3.00")


def test_no_push_no_reason() -> None:
    assert told({"gap_sd": 0.0}, {"gap_sd": 1.0}).empty
    assert told({"gap_sd": -1.0}, {"gap_sd": 1.0}).empty


def test_money_is_written_with_its_currency_in_both_languages() -> None:
    assert [money(1240.4, currency) for currency in ("GBP", "USD", "EUR", "CNY", "SEK")] == [
        "£1,240",
        "$1,240",
        "€1,240",
        "¥1,240",
        "SEK 1,240",
    ]
    assert (money(99.999, "GBP"), money(0.5, "GBP"), money(-0.001, "GBP")) == ("£100", "£0.50", "£0.00")
    assert (count(9.96), count(9.94), count(1240)) == ("10", "9.9", "1,240")


def wild(merchants: int) -> pd.DataFrame:
    """Snapshots of every feature with all that may go wrong in them."""
    rng = np.random.default_rng(0)
    special = np.array([np.nan, 0, 1, -1, -400, -0.3, 0.98, 1e-3, 2, 7, 40, 1e6], np.float32)
    columns = {}
    for name, one in catalogue().items():
        if one.is_text:
            columns[name] = np.array(["{brace}", "=cmd", None], dtype=object)[rng.integers(0, 3, merchants)]
        else:
            columns[name] = np.where(rng.random(merchants) < 0.5, rng.choice(special, merchants), rng.gamma(1, 10, merchants)).astype(
                np.float32
            )
    return pd.DataFrame(columns, index=pd.Index([f"m{row}" for row in range(merchants)], name="merchant_id"))


@pytest.mark.parametrize(("head", "direction"), [("churn", "raises"), ("churn", "lowers"), ("growth", "raises")])
def test_wild_numbers_never_break_a_sentence(head: str, direction: str) -> None:
    frame = wild(1500)
    pushes = pd.DataFrame(np.random.default_rng(1).normal(0, 1, frame.shape), index=frame.index, columns=frame.columns).assign(base=0.0)
    table = reasons(pushes, frame, cutoff=CUTOFF, currency="EUR", head=head, direction=direction)  # type: ignore[arg-type]
    for lang in ("en", "zh"):
        texts = table[f"sentence_{lang}"]
        assert texts.notna().all()
        assert not texts.str.contains(r"\bnan\b|\binf\b|None", regex=True).any()
    assert table["sentence_zh"].str.contains(r"[\u4e00-\u9fff]", regex=True).all()


def test_five_thousand_merchants_are_told_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, asked = wild(5000), Counter[str]()
    pushes = pd.DataFrame(np.random.default_rng(1).normal(0, 1, frame.shape), index=frame.index, columns=frame.columns).assign(base=0.0)
    sentence = type(SENTENCES[0])
    for name in ("holds", "told"):
        monkeypatch.setattr(sentence, name, counted(name, getattr(sentence, name), asked))
    table = reasons(pushes, frame, cutoff=CUTOFF, currency="EUR", describe=counted("described", declared_words, asked))
    assert len(table) > 14_000
    assert 0 < asked["holds"] <= len(SENTENCES), "whether it is true is asked once for all merchants"
    assert 0 < asked["told"] <= 2 * len(SENTENCES), "and it is told once in each language"
    assert 0 < asked["described"] <= frame.shape[1]


def counted(name: str, work: Callable[..., Any], asked: Counter[str]) -> Callable[..., Any]:
    """`work`, with its calls counted."""

    def counting(*given: Any) -> Any:
        asked[name] += 1
        return work(*given)

    return counting


def test_every_sentence_can_be_told_and_speaks_both_languages() -> None:
    facts = Facts(wild(60_000))
    styles = [Style("en", "GBP", CUTOFF), Style("zh", "GBP", CUTOFF)]
    for sentence in SENTENCES:
        rows = np.flatnonzero(sentence.holds(facts))[:1]
        assert len(rows), sentence.en
        english, chinese = (sentence.told(facts, rows, style)[0] for style in styles)
        assert re.search(r"[\u4e00-\u9fff]", chinese) and not re.search(r"[\u4e00-\u9fff]", english)
        assert sorted(re.findall(r"{(\w+)", sentence.en)) == sorted(re.findall(r"{(\w+)", sentence.zh)), sentence.en
        assert sentence.group in GROUPS


def test_sentences_look_only_at_features_that_exist() -> None:
    class Seen(Facts):
        def __getattr__(self, name: str) -> np.ndarray:
            if not name.startswith("_"):
                assert name in catalogue(), name
            return super().__getattr__(name)

    for sentence in SENTENCES:
        sentence.holds(Seen(pd.DataFrame(index=range(2))))


def test_every_feature_can_be_told_plainly() -> None:
    for name, one in catalogue().items():
        value = "north" if one.is_text else 0.5
        for lang in ("en", "zh"):
            text = plain_sentence(name, value, declared_words(name), Style(lang, "GBP", CUTOFF))  # type: ignore[arg-type]
            assert one.reason[0 if lang == "en" else 1][1:] in text
