"""The rules file: what it refuses, and what scorecard, tiers, stages, warnings and plays make of merchants."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.declare import catalogue
from features.errors import UsageRefused
from features.tables import ATTRIBUTES
from serving.rules import grade, parse_rules, read_rules
from serving.rules.read import BUILT_IN

TEXT = BUILT_IN.read_text(encoding="utf-8")
SMALL = """
plays = [{ play = { words = { en = "wait", zh = "等" }, cost = 5, save_rate = 0.1 } }]
stages = [{ name = "mature", words = { en = "mature", zh = "成熟" } }]
tiers = [
    { name = "A", at_least = 50, words = { en = "a", zh = "甲" } },
    { name = "B", at_least = 0, below = 50, words = { en = "b", zh = "乙" } },
]
[scorecard]
missing = "redistribute"
explicit = [
    { name = "sales", op = ">=", value = 100, points = 60, words = { en = "much", zh = "多" } },
    { name = "sales", op = ">=", value = 10, points = 20, words = { en = "some", zh = "有" } },
]
potential = [{ name = "scale", op = "==", value = "large", points = 30, words = { en = "large", zh = "大" } }]
growth = [{ name = "change", op = ">", value = 0, points = 10, words = { en = "up", zh = "升" } }]
negative = [{ name = "refunds", op = ">=", value = 0.5, points = 25, words = { en = "refunds", zh = "退款" } }]
"""


def frame(**columns: list) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.Index([f"m{row}" for row in range(rows)], name="merchant_id"))


def test_the_built_in_rules_name_only_features_scores_and_attributes() -> None:
    assert read_rules(known={*catalogue(), *ATTRIBUTES}).hash == read_rules().hash


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('missing = "redistribute"', 'mising = "zero"', 'key "mising" is not known; did you mean "missing"?'),
        ('missing = "redistribute"', 'missing = "guess"', "scorecard, missing"),
        (
            "points = 60",
            "points = 61",
            "the most that can be earned is 101 points (explicit 61, potential 30, growth 10), expected 100",
        ),
        ('op = "=="', 'op = "="', 'operator "=" is not known; did you mean "=="?'),
        ('op = ">=", value = 100', 'op = "=>", value = 100', 'operator "=>" is not known; did you mean ">="?'),
        ("points = 60", 'points = "60"', 'points = "60" is not a number; write one, without quotes'),
        ("points = 60", "points = " + "9" * 400, "…"),
        ('zh = "等"', 'zh = " "', "the words are empty"),
        ("[scorecard]", "[[scorecard]]", "scorecard: this should be one table"),
        (
            'op = ">=", value = 100',
            'op = ">=", value = "actve_days"',
            'setting "actve_days" is not known; did you mean "active_days"?',
        ),
        ('op = ">", value = 0', 'op = ">"', 'operator ">" on change needs a value'),
        ('op = ">", value = 0', 'op = "known", value = 0', 'operator "known" on change takes no value'),
        ('op = ">", value = 0', 'op = ">", value = nan', "not a finite number"),
        ("points = 20", "points = 60", "two steps on sales in explicit have the same points"),
        ("below = 50", "below = 60", "tier A and B overlap between 50 and 60 points"),
        ("below = 50", "below = 40", "tier A and B leave a gap between 40 and 50 points"),
        ("at_least = 50", "at_least = 101", "tier A from 101 to inf points cannot be reached"),
        ("at_least = 0, below = 50", "at_least = 0, below = 0", "tier B from 0 to 0 points cannot be reached"),
        ('name = "B"', 'name = "A"', "a tier is given twice"),
        ('{ name = "A", at_least', '{ name = "C", at_least', "not in the order"),
        (
            'stages = [{ name = "mature",',
            'stages = [{ name = "mature", when = [{ name = "x", op = "known" }],',
            "some merchants would have none",
        ),
        ("stages = [", 'stages = [{ name = "lead", words = { en = "l", zh = "线" } }, ', "no stage behind it can be reached"),
        ('name = "mature"', 'name = "ripe"', "stages 1, name"),
        ("plays = [{ play", 'plays = [{ tier = "A", play', "some merchants would have no next action"),
        ("[scorecard]", "[scorecard", "is not valid TOML"),
        ('zh = "等"', 'cn = "等"', 'key "cn" is not known'),
    ],
)
def test_a_broken_rules_file_is_refused_in_one_sentence(old: str, new: str, said: str) -> None:
    assert old in SMALL
    with pytest.raises(UsageRefused) as refused:
        parse_rules(SMALL.replace(old, new, 1))
    sentence = str(refused.value)
    assert said in sentence
    assert sentence.startswith("rules.toml") and "\n" not in sentence and sentence[-1] in ".?" and len(sentence) < 300


def test_names_that_nothing_bears_are_refused() -> None:
    with pytest.raises(UsageRefused, match='no feature, score or attribute is called "change"; did you mean "changes"'):
        parse_rules(SMALL, known=["sales", "scale", "changes", "refunds"])


def test_a_misspelt_name_is_told_with_the_points_that_it_upsets() -> None:
    text = SMALL.replace('name = "sales", op = ">=", value = 10,', 'name = "saless", op = ">=", value = 10,')
    with pytest.raises(UsageRefused, match='is 120 points.*; no .* is called "saless"; did you mean "sales"'):
        parse_rules(text, known=["sales", "scale", "change", "refunds"])
    with pytest.raises(UsageRefused, match="until they total 100.$"):
        parse_rules(text)


def test_a_file_saved_by_an_editor_of_windows_holds_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert read_rules(path).hash == parse_rules(SMALL).hash


@pytest.mark.parametrize("text", ["", "# to be written\n"])
def test_a_file_without_rules_says_so(text: str) -> None:
    with pytest.raises(UsageRefused, match="holds no rules; copy"):
        parse_rules(text)


def test_two_warnings_of_one_kind_are_refused() -> None:
    with pytest.raises(UsageRefused, match='warning "silent" is given twice'):
        parse_rules(TEXT.replace('kind = "churn_risk"', 'kind = "silent"'))


@pytest.mark.parametrize("path", ["nowhere.toml", "."])
def test_a_file_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(UsageRefused, match="cannot be read"):
        read_rules(path)


def test_the_best_step_of_a_ladder_counts_once() -> None:
    graded = parse_rules(SMALL).apply(frame(sales=[5, 10, 100], scale=["small", "small", "large"], change=[-1, 0, 1], refunds=[0, 0, 0.5]))
    assert graded.table["points"].tolist() == [0, 20, 75]
    assert graded.table["tier"].tolist() == ["B", "B", "A"]


def test_points_of_missing_inputs_are_shared_out_or_lost() -> None:
    rows = frame(sales=[100.0, 100.0, np.nan], change=[1.0, np.nan, np.nan])
    shared = parse_rules(SMALL).apply(rows).table
    assert shared["points"].tolist()[:2] == [100, 100] and np.isnan(shared["points"].iloc[2])
    assert shared["points_known"].tolist() == [70, 60, 0]
    assert shared["tier"].tolist()[:2] == ["A", "A"] and shared["tier"].isna().iloc[2]
    lost = parse_rules(SMALL.replace("redistribute", "zero")).apply(rows).table
    assert lost["points"].tolist() == [70, 60, 0]


def test_sections_add_up_to_the_points() -> None:
    rows = frame(sales=[100.0, 20.0], scale=["large", None], change=[1.0, 1.0], refunds=[1.0, 0.0])
    table = parse_rules(SMALL).apply(rows).table
    sums = table["points_explicit"] + table["points_potential"] + table["points_growth"] - table["points_negative"]
    assert np.allclose(sums, table["points"], rtol=0, atol=1e-9)


def test_the_itemised_scorecard_says_what_was_met_and_what_is_missing() -> None:
    rules = parse_rules(SMALL)
    graded = rules.apply(frame(sales=[10.0], change=[np.nan], refunds=[0.6]))
    lines = {line.ladder.name: line for line in rules.card(graded.items.loc["m0"].to_dict())}
    assert {name: line.points for name, line in lines.items()} == {"sales": 33.3, "scale": 0, "change": 0, "refunds": -25}
    assert {name: line.known for name, line in lines.items()} == {"sales": True, "scale": False, "change": False, "refunds": True}
    assert {name: line.maximum for name, line in lines.items()} == {"sales": 100, "scale": 0, "change": 0, "refunds": 25}
    assert lines["sales"].step.words.zh == "有" and lines["sales"].missing == 66.7


def test_bounds_of_tiers_are_half_open_and_100_is_in_the_highest() -> None:
    rows = frame(sales=[100.0, 100.0, 10.0], scale=["large", "small", "large"], change=[1.0, -1.0, -1.0])
    assert parse_rules(SMALL).apply(rows).table[["points", "tier"]].values.tolist() == [[100, "A"], [60, "A"], [50, "A"]]


@pytest.mark.parametrize(
    ("columns", "stage"),
    [
        ({"tenure_days": np.nan, "days_since_last_order": np.nan}, "lead"),
        ({"tenure_days": 10, "days_since_last_order": np.nan}, "joined"),
        ({"tenure_days": 10, "days_since_last_order": 3}, "newcomer"),
        ({"tenure_days": 400, "days_since_last_order": 91}, "churned"),
        ({"tenure_days": 400, "days_since_last_order": 90, "silence_ratio": 9}, "dormant"),
        ({"tenure_days": 400, "days_since_last_order": 60, "silence_ratio": 1}, "mature"),
        ({"tenure_days": 400, "days_since_last_order": 3, "churn_risk": 0.7, "growth_potential": 0.9}, "declining"),
        ({"tenure_days": 400, "days_since_last_order": 3, "gmv_change_90d": -0.5}, "declining"),
        ({"tenure_days": 400, "days_since_last_order": 3, "gmv_change_90d": 0.5}, "growing"),
        ({"tenure_days": 400, "days_since_last_order": 3, "growth_potential": 0.9}, "growing"),
        ({"tenure_days": 400, "days_since_last_order": 3}, "mature"),
    ],
)
def test_stages(columns: dict[str, float], stage: str) -> None:
    assert grade(frame(**{name: [float(value)] for name, value in columns.items()}))["stage"].tolist() == [stage]


def test_settings_move_the_stages() -> None:
    rows = frame(tenure_days=[400.0], days_since_last_order=[60.0])
    assert grade(rows, settings={"active_days": 56.0})["stage"].tolist() == ["churned"]


def test_every_stage_and_kind_of_warning_can_be_reached() -> None:
    rng = np.random.default_rng(0)
    names = sorted(name for name in read_rules().names if not name.endswith("_rank"))
    rows = {name: rng.choice([-1, -0.5, -0.1, 0, 0.1, 0.3, 0.5, 0.9, 2, 10, 60, 85, 100, 500, np.nan], 60_000) for name in names}
    rows["scale"] = rng.choice(np.array(["large", "medium"], dtype=object), 60_000)
    graded = read_rules().apply(frame(**rows))
    rules = read_rules()
    assert set(graded.table["stage"]) == {stage.name for stage in rules.stages}
    assert set(graded.warnings["kind"]) == {kind.kind for kind in rules.warnings}
    assert not graded.inactive
    assert len(rules.warnings) >= 10


def test_warnings_are_long_form_with_the_most_severe_first() -> None:
    rows = frame(
        churn_risk=[0.9, 0.1],
        silence_ratio=[5.0, 1.0],
        days_since_last_order=[20.0, 2.0],
        tickets_open=[9.0, 3.0],
        tenure_days=[500.0, 500.0],
    )
    graded = read_rules().apply(rows)
    assert graded.warnings[["merchant_id", "kind"]].values.tolist() == [
        ["m0", "churn_risk"],
        ["m0", "silent"],
        ["m0", "open_tickets"],
        ["m1", "open_tickets"],
    ]
    assert graded.table["warnings"].tolist() == [3, 1]
    assert graded.table["main_reason"].tolist() == ["churn_risk", "open_tickets"]
    assert graded.table["action"].tolist() == ["A.any.churn_risk", "A.any.open_tickets"]
    assert graded.warnings["value"].round(3).tolist() == [0.9, 5.0, 9.0, 3.0]
    assert re.search(r"[\u4e00-\u9fff]", graded.warnings["words_zh"][0])


def test_kinds_without_their_columns_are_inactive_and_named() -> None:
    graded = read_rules().apply(frame(churn_risk=[0.9], days_since_last_order=[5.0], tenure_days=[400.0]))
    assert graded.inactive["contract_ending"] == ("contract_days_left",)
    assert "churn_risk" not in graded.inactive


def test_without_a_warning_the_play_is_that_of_tier_and_stage() -> None:
    graded = read_rules().apply(frame(churn_risk=[0.1], days_since_last_order=[5.0], tenure_days=[20.0]))
    assert graded.table["action"].tolist() == ["any.newcomer"]
    assert graded.table["action_cost"].tolist() == [15.0]


def test_no_warnings_and_no_merchants() -> None:
    empty = frame(churn_risk=[0.1], days_since_last_order=[5.0]).iloc[:0]
    graded = read_rules().apply(empty)
    assert len(graded.table) == len(graded.warnings) == 0
    assert {"merchant_id", "kind", "words_en", "play_zh", "value"} <= set(graded.warnings)


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    rows = frame(gmv_180d=rng.uniform(0, 9, 50).tolist(), tenure_days=[400.0] * 50, days_since_last_order=rng.uniform(1, 200, 50).tolist())
    shuffled = rows.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(grade(rows).loc[shuffled.index], grade(shuffled))


def test_a_rank_is_the_share_below_with_ties_half() -> None:
    ranked = SMALL.replace('"sales"', '"sales_rank"').replace("value = 100", "value = 0.75").replace("value = 10,", "value = 0.25,")
    rules = parse_rules(ranked)
    graded = rules.apply(frame(sales=[1.0, 1.0, 5.0, 9.0]))  # ranks .25 .25 .625 .875
    assert graded.items["explicit.sales_rank"].round(1).tolist() == [np.float32(33.3)] * 3 + [100]


def test_float32_columns_meet_thresholds_they_equal() -> None:
    rows = frame(refund_rate_28d=[0.2], refunds_count_28d=[3.0], days_since_last_order=[5.0]).astype(np.float32)
    assert read_rules().apply(rows).warnings["kind"].tolist() == ["refund_surge"]
