"""Warnings, plays, the team: what a rules file may say of them, and what they make of merchants."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import UsageRefused
from serving.rules import parse_rules, read_rules
from serving.rules.bounds import can_hold, implies
from serving.rules.conditions import COMPARE, Columns, Condition
from serving.rules.plays import PlayRule
from tests.serving.test_rules import SMALL, TEXT, frame

KIND = """
[[warnings]]
kind = "drop"
severity = "high"
words = { en = "drop", zh = "降" }
when = [{ name = "change", op = "<=", value = -0.5 }, { name = "sales", op = ">=", value = 10 }]
until = [{ name = "change", op = ">", value = -0.2 }]
play = { words = { en = "call", zh = "电" }, cost = "contact_cost", save_rate = 0.2 }
"""
SECOND = KIND.replace('"drop"', '"low"').replace('severity = "high"', 'severity = "critical"').replace("value = 10", "value = 50")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value = -0.2 }]", "value = -0.6 }]", 'warning "drop" ends at change > -0.6, which is tighter than its `when`'),
        ('until = [{ name = "change", op = ">"', 'until = [{ name = "refunds", op = ">"', "which its `when` does not look at"),
        ("value = 10 }]", 'value = 10 }, { name = "sales", op = "<", value = 10 }]', "cannot all hold at once, so it would never open"),
        ('cost = "contact_cost", ', "", "a play without `cost` cannot be weighed against what it saves"),
        ('cost = "contact_cost", save_rate = 0.2', "cost = 5", "a play without `save_rate`"),
        ('cost = "contact_cost"', "cost = -1", "play, cost: -1 is not an amount of money; write zero or more"),
        ('cost = "contact_cost"', "cost = inf", "play, cost: inf is not an amount of money"),
        ('cost = "contact_cost"', 'cost = "contact_kost"', 'play, cost: "contact_kost" is not an amount of money; write zero or more, or "contact_cost"'),
        ('when = [{ name = "change", op = "<=", value = -0.5 }, { name = "sales", op = ">=", value = 10 }]', "when = []", "when: nothing is given"),
        ('kind = "drop"', 'kind = "sales drop"', "kind: 'sales drop' should be small letters, digits and _"),
        ("[scorecard]", "[team]\nsure_below = inf\n[scorecard]", "sure_below: inf should be a finite number"),
        ("[scorecard]", '[holdout]\nshare = "0.1"\n[scorecard]', 'holdout: share = "0.1" is not a number; write one, without quotes'),
        ("[scorecard]", "[team]\ncapacity_per_owner = true\n[scorecard]", "team: capacity_per_owner = true is not a number"),
        ("save_rate = 0.2", "save_rate = 1.2", "less than or equal to 1"),
        ('severity = "high"', 'severity = "huge"', "severity"),
        ("plays = [", 'plays = [{ reason = "dorp", play = { words = { en = "x", zh = "x" }, cost = 1, save_rate = 0.1 } }, ', 'did you mean "drop"?'),
        (
            "plays = [",
            'plays = [{ play = { words = { en = "x", zh = "x" }, cost = 1, save_rate = 0.1 } }, ',
            "play any.any (number 2) can never be reached",
        ),
        ("[scorecard]", "[team]\ncapacity_per_owner = 0\n[scorecard]", "team, capacity_per_owner: 0 should be greater than or equal to 1"),
        ("[scorecard]", "[team]\nlost_above = 0.0\n[scorecard]", "lost_above"),
        ("[scorecard]", "[holdout]\nshare = 1.0\n[scorecard]", "nobody could be acted on"),
        ("[scorecard]", "[watch]\nper_owner_and_day = 0\n[scorecard]", "per_owner_and_day"),
        ("[scorecard]", "[tier_changes]\nmargin = 49\nup_afterdays = 3\n[scorecard]", 'did you mean "up_after_days"?'),
    ],
)
def test_wrong_definitions_are_refused_in_one_sentence(old: str, new: str, said: str) -> None:
    text = SMALL + KIND
    assert old in text
    with pytest.raises(UsageRefused) as refused:
        parse_rules(text.replace(old, new, 1))
    sentence = str(refused.value)
    assert said in sentence
    assert "\n" not in sentence and sentence[-1] in ".?"


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (
            '[{ name = "dormant", words = W, when = [{ name = "x", op = ">", value = 5 }] },'
            '{ name = "churned", words = W, when = [{ name = "x", op = ">", value = 9 }] }, { name = "mature", words = W }]',
            'stage "churned" (rule 2) can never be reached: wherever it holds, "dormant" above it holds already',
        ),
        (
            '[{ name = "dormant", words = W, when = [{ name = "x", op = ">", value = 5 }, { name = "x", op = "missing" }] },'
            '{ name = "mature", words = W }]',
            'the conditions of stage "dormant" (rule 1) cannot all hold at once',
        ),
    ],
)
def test_stages_that_cannot_be_reached_are_refused(stages: str, said: str) -> None:
    line = next(line for line in SMALL.splitlines() if line.startswith("stages"))
    with pytest.raises(UsageRefused) as refused:
        parse_rules(SMALL.replace(line, f"stages = {stages}".replace("W", '{ en = "w", zh = "字" }')))
    assert said in str(refused.value)


def test_a_warning_opens_by_when_and_stays_by_until() -> None:
    rules = parse_rules(SMALL + KIND)
    rows = frame(change=[-0.6, -0.4, -0.1, np.nan, -0.6], sales=[20.0, 20.0, 20.0, 20.0, 5.0])
    graded = rules.apply(rows)
    assert graded.warnings["merchant_id"].tolist() == ["m0"]
    assert graded.staying["merchant_id"].tolist() == ["m0", "m1", "m4"]  # not what cannot be measured any more


def test_without_until_it_stays_as_long_as_it_opens() -> None:
    rules = parse_rules(SMALL + "\n".join(line for line in KIND.splitlines() if not line.startswith("until")))
    graded = rules.apply(frame(change=[-0.6, -0.4], sales=[20.0, 20.0]))
    assert graded.staying["merchant_id"].tolist() == graded.warnings["merchant_id"].tolist() == ["m0"]


def test_due_days_follow_the_severity_unless_given() -> None:
    assert parse_rules(SMALL + KIND).warnings[0].due_days == 7
    assert parse_rules(SMALL + KIND.replace("[[warnings]]", "[[warnings]]\ndue_days = 1")).warnings[0].due_days == 1


def test_a_condition_if_known_is_left_out_where_the_number_is_missing() -> None:
    text = KIND.replace('{ name = "sales", op = ">=", value = 10 }', '{ name = "sales", op = ">=", value = 10, if_known = true }')
    rules = parse_rules(SMALL + text)
    assert rules.apply(frame(change=[-0.6] * 3, sales=[20.0, np.nan, 5.0])).warnings["merchant_id"].tolist() == ["m0", "m1"]
    without = rules.apply(frame(change=[-0.6]))
    assert not without.inactive and len(without.warnings) == 1


RISKY = KIND.replace('{ name = "sales", op = ">=", value = 10 }', '{ name = "risk", op = ">=", value = 0.4, if_known = true }').replace(
    "value = -0.2 }]", 'value = -0.2 }, { name = "risk", op = "<", value = 0.3, if_known = true }]'
)


def test_a_bound_if_known_closes_only_what_is_known_to_be_over_it() -> None:
    rules = parse_rules(SMALL + RISKY)
    graded = rules.apply(frame(change=[-0.6, -0.4, -0.4, -0.4, -0.1], risk=[0.5, 0.35, 0.2, np.nan, 0.5]))
    assert graded.warnings["merchant_id"].tolist() == ["m0"]
    assert graded.staying["merchant_id"].tolist() == ["m0", "m1", "m3"]
    without = rules.apply(frame(change=[-0.6, -0.4, -0.1]))
    assert not without.inactive and without.staying["merchant_id"].tolist() == ["m0", "m1"]


def test_a_bound_if_known_may_be_no_tighter_where_it_is_known() -> None:
    with pytest.raises(UsageRefused, match=r"ends at risk < 0.5, which is tighter than its `when`"):
        parse_rules(SMALL + RISKY.replace('op = "<", value = 0.3', 'op = "<", value = 0.5'))


def test_warnings_may_look_at_the_stage() -> None:
    quiet = {"tenure_days": [900.0] * 2, "days_since_first_order": [800.0] * 2, "days_since_last_order": [60.0] * 2, "silence_ratio": [9.0] * 2}
    graded = read_rules().apply(frame(**quiet, gmv_change_on_year_90d=[0.0, -0.9]))
    assert graded.table["stage"].tolist() == ["seasonal", "dormant"]
    assert graded.warnings["merchant_id"].tolist() == ["m1"]


PLAYS = """plays = [
    { reason = "drop", tier = "A", play = { words = { en = "visit", zh = "访" }, cost = 60, save_rate = 0.4 } },
    { tier = "B", stage = "mature", play = { words = { en = "write", zh = "信" }, cost = 1, save_rate = 0.1, incentive = 0.05 } },
    { play ="""


def test_the_play_is_that_of_reason_tier_and_stage() -> None:
    rules = parse_rules((SMALL + KIND + SECOND).replace("plays = [{ play =", PLAYS))
    scale = ["large", "small", "small", "large", "large"]
    rows = frame(sales=[30.0, 20.0, 20.0, 100.0, 100.0], change=[-0.9, -0.9, 0.0, 0.0, -0.9], scale=scale)
    table = rules.apply(rows).table
    assert table["tier"].tolist() == ["A", "B", "B", "A", "A"]
    assert table["main_reason"].fillna("-").tolist() == ["drop", "drop", "-", "-", "low"]
    assert table["action"].tolist() == ["A.any.drop", "drop", "B.mature", "any.any", "low"]
    assert table["action_cost"].tolist() == [60, 15, 1, 5, 15]
    assert table["action_incentive"].tolist() == [0, 0, 0.05, 0, 0]
    assert rules.book.dead == []


def test_a_warning_is_told_with_the_play_of_its_merchant() -> None:
    rules = parse_rules((SMALL + KIND).replace("plays = [{ play =", PLAYS))
    graded = rules.apply(frame(sales=[30.0, 20.0], change=[-0.9, -0.9], scale=["large", "small"]))
    assert graded.warnings["play_en"].tolist() == ["visit", "call"]
    assert graded.warnings["cost"].tolist() == [60, 15]


def test_measured_save_rates_replace_the_assumed_ones() -> None:
    rules = parse_rules(SMALL + KIND)
    table = rules.apply(frame(sales=[20.0, 20.0], change=[-0.9, 0.0]), save_rates={"drop": 0.05}).table
    assert table["action_save_rate"].tolist() == [0.05, 0.1]
    assert table["save_rate_measured"].tolist() == [True, False]


def test_every_tier_stage_and_reason_of_the_built_in_rules_has_one_play() -> None:
    rules = read_rules()
    kinds = [kind.kind for kind in rules.warnings]
    book = rules.book
    assert book.place.shape == (len(kinds) + 1, len(rules.tiers) + 1, 9)
    assert book.dead == [] and len({*book.keys}) == len(book.keys)
    assert book.place.min() >= 0
    assert all(isinstance(rule, PlayRule) for rule in rules.plays)
    assert {kind.cause for kind in rules.warnings} >= {"price", "service", "product fit", "rival"}
    assert "contact_cost" in TEXT and {tier for benefit in rules.benefits for tier in "ABCDE" if getattr(benefit, tier)} == {*"ABCDE"}


NAMES = st.sampled_from(["x", "y"])
CONDITIONS = st.builds(
    lambda name, op, value: Condition(name=name, op=op, value=None if op in ("missing", "known") else value),
    NAMES,
    st.sampled_from([*COMPARE, "missing", "known"]),
    st.sampled_from([0.0, 1.0, 2.0]),
)
GRID = [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, np.nan]


@settings(max_examples=300, deadline=None)
@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.lists(CONDITIONS, min_size=1, max_size=2))
def test_what_conditions_say_of_each_other_is_true_of_merchants(first: list[Condition], second: list[Condition]) -> None:
    x, y = (values.ravel().tolist() for values in np.meshgrid(GRID, GRID))
    columns = Columns(frame(x=x, y=y))
    one, other = (np.logical_and.reduce([condition.holds(columns) for condition in given]) for given in (first, second))
    assert can_hold(first) == bool(one.any())
    if implies(first, second):
        assert not (one & ~other).any()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("churn_risk", 60, "the value 60 of churn_risk lies outside 0 to 1, where chances and ranks are; write 0.6 for 60 %"),
        ("sales_rank", 1.5, "write 0.015 for 1.5 %"),
        ("growth_potential", -0.1, "the value -0.1 of growth_potential lies outside 0 to 1, where chances and ranks are; write a share"),
        ("churn_risk", 1, None),
        ("sales_rank", 0, None),
        ("sales", 60, None),
    ],
)
def test_a_chance_in_percent_is_refused_instead_of_never_being_reached(name: str, value: float, said: str | None) -> None:
    if said is None:
        assert Condition(name=name, op=">=", value=value).value == value
        return
    with pytest.raises(ValueError, match=re.escape(said)):
        Condition(name=name, op=">=", value=value)
