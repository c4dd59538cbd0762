"""Tiers that do not flap, stages with a history."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.rules import parse_rules, read_rules
from serving.rules.grade import HISTORY
from tests.serving.test_rules import SMALL, frame

FLOW = SMALL + "\n[tier_changes]\nmargin = 5\nup_after_days = 7\ndown_after_days = 14\n"
FLOW = FLOW.replace("value = 100,", "value = 60,").replace("value = 10,", "value = 45,")
START = date(2026, 1, 1)


def weekly(points: list[float], text: str = FLOW) -> pd.DataFrame:
    """The history of one merchant whose points are given week by week (exactly these: one ladder of one-point steps)."""
    steps = ",".join(f'{{ name = "p", op = ">=", value = {n}, points = {n}, words = {{ en = "p", zh = "p" }} }}' for n in range(1, 101))
    head, tail = text.split("[scorecard]")
    rules = parse_rules(
        head
        + f'[scorecard]\nmissing = "zero"\nexplicit = [{steps}]\npotential = []\ngrowth = []\n'
        + tail[tail.index("\n[tier_changes]") :]
    )
    previous, rows = None, []
    for week, value in enumerate(points):
        day = START + timedelta(days=7 * week)
        graded = rules.apply(frame(p=[float(value)]), cutoff=day, previous=previous)
        previous = graded.history
        rows.append(graded.table.iloc[0])
    return pd.DataFrame(rows)


def day(week: int) -> pd.Timestamp:
    return pd.Timestamp(START) + pd.Timedelta(days=7 * week)


@pytest.mark.parametrize(
    ("points", "tiers"),
    [
        ([60, 48, 46, 45, 52, 46], "AAAAAA"),  # within the margin of 5
        ([60, 44, 44, 44], "AAAB"),  # below it for 14 days
        ([60, 44, 60, 44, 44, 44], "AAAAAB"),  # coming back begins anew
        ([60, 44, 47, 44, 44, 44], "AAAAAB"),  # within the margin is back too
        ([40, 54, 54, 54], "BBBB"),  # the margin above
        ([40, 55, 55, 40], "BBAA"),  # up after 7 days, then the margin and the grace hold it
    ],
)
def test_a_tier_changes_only_when_the_points_stay_beyond_the_margin(points: list[float], tiers: str) -> None:
    assert "".join(weekly(points)["tier"]) == tiers


def test_what_is_pending_and_since_when() -> None:
    table = weekly([60, 44, 43, 40])
    assert table["tier_pending"].fillna("-").tolist() == ["-", "B", "B", "-"]
    assert table["tier_pending_since"].tolist()[1:3] == [day(1), day(1)]
    assert table["tier_since"].tolist() == [day(0)] * 3 + [day(3)]


def test_without_margin_and_grace_the_tier_follows_the_points() -> None:
    plain = FLOW.replace("margin = 5", "margin = 0").replace("= 7", "= 0").replace("= 14", "= 0")
    assert "".join(weekly([60, 49, 50, 10], plain)["tier"]) == "ABAB"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 100), min_size=2, max_size=14))
def test_a_tier_never_changes_twice_within_its_grace(points: list[int]) -> None:
    table = weekly([float(value) for value in points])
    changed = [week for week in range(1, len(points)) if table["tier"].iloc[week] != table["tier"].iloc[week - 1]]
    assert all(later - earlier >= 1 for earlier, later in pairwise(changed))
    for week in changed:  # the points were beyond the margin on each day of the grace
        up = table["tier"].iloc[week] == "A"
        grace = table["points"].iloc[week - (1 if up else 2) : week + 1]
        assert (grace >= 55).all() if up else (grace < 45).all()


def test_the_distance_to_the_next_tier_includes_the_margin() -> None:
    table = weekly([40, 60])
    assert table[["next_tier", "points_to_next"]].iloc[0].tolist() == ["A", 15]
    top = weekly([60]).iloc[0]
    assert pd.isna(top["next_tier"]) and np.isnan(top["points_to_next"])


def test_the_same_day_again_changes_nothing() -> None:
    rows = frame(sales=[100.0, 20.0, 5.0], scale=["large", None, "small"], change=[1.0, 1.0, -1.0])
    rules = parse_rules(FLOW)
    first = rules.apply(rows, cutoff=START).history
    again = rules.apply(rows, cutoff=START, previous=first).history
    pd.testing.assert_frame_equal(first, again)


def test_previous_may_be_in_any_order_with_others_and_texts_for_dates() -> None:
    rules, rows = read_rules(), frame(tenure_days=[400.0] * 3, days_since_last_order=[5.0, 95.0, 5.0], gmv_change_90d=[0.0, 0.0, 0.5])
    before = rules.apply(rows, cutoff=START).history
    told = before.iloc[::-1].astype({"stage_since": str, "tier_since": str})
    told.loc["gone"] = ["A", "2025-01-01", None, None, "mature", "2025-01-01"]
    later = START + timedelta(days=7)
    pd.testing.assert_frame_equal(
        rules.apply(rows, cutoff=later, previous=told).history, rules.apply(rows, cutoff=later, previous=before).history
    )
    assert tuple(before.columns) == HISTORY


def test_time_in_stage_counts_from_its_beginning() -> None:
    rules = read_rules()
    rows = frame(tenure_days=[50.0, 400.0, 400.0], days_since_first_order=[40.0, 390.0, 390.0], days_since_last_order=[3.0, 100.0, 3.0])
    table = rules.apply(rows, cutoff=START).table
    assert table["stage"].tolist() == ["newcomer", "churned", "mature"]
    assert table["stage_days"].tolist() == [40, 10, 0]
    later = rules.apply(rows, cutoff=START + timedelta(days=30), previous=table).table
    assert later["stage_days"].tolist() == [70, 40, 30]


def test_a_new_stage_begins_on_the_day_it_is_seen() -> None:
    rules = read_rules()
    before = rules.apply(frame(tenure_days=[400.0], days_since_last_order=[3.0]), cutoff=START).history
    after = rules.apply(
        frame(tenure_days=[430.0], days_since_last_order=[3.0], gmv_change_90d=[-0.9]), cutoff=START + timedelta(days=30), previous=before
    ).table
    assert after["stage"].tolist() == ["declining"] and after["stage_days"].tolist() == [0]


def test_stuck_is_longer_than_nine_in_ten_of_the_peers() -> None:
    rules = read_rules()
    rows = frame(
        tenure_days=np.arange(1.0, 31).tolist(), days_since_first_order=np.arange(1.0, 31).tolist(), days_since_last_order=[1.0] * 30
    )
    assert rules.apply(rows, cutoff=START).table["stuck"].sum() == 3
    assert rules.apply(rows.iloc[:10], cutoff=START).table["stuck"].sum() == 0  # too few peers
    settled = frame(tenure_days=[400.0] * 30, days_since_last_order=np.arange(100.0, 130).tolist())
    assert rules.apply(settled, cutoff=START).table["stuck"].sum() == 0  # nobody moves on from churned


YEAR = {"tenure_days": 900, "days_since_first_order": 800}


@pytest.mark.parametrize(
    ("columns", "stage"),
    [
        ({**YEAR, "days_since_last_order": 150}, "seasonal"),  # silent a year ago too
        ({**YEAR, "days_since_last_order": 400}, "churned"),  # not a year ago: it missed a whole one
        ({**YEAR, "days_since_last_order": 150, "gmv_change_on_year_90d": -1}, "churned"),
        ({"tenure_days": 400, "days_since_first_order": 390, "days_since_last_order": 150}, "churned"),  # no year to compare with
        ({**YEAR, "days_since_last_order": 60, "silence_ratio": 9, "gmv_change_on_year_90d": 0}, "seasonal"),
        ({**YEAR, "days_since_last_order": 60, "silence_ratio": 9, "gmv_change_on_year_90d": -0.5}, "dormant"),
        ({**YEAR, "days_since_last_order": 9, "gmv_change_90d": -0.6, "gmv_change_on_year_90d": 0, "churn_risk": 0.2}, "seasonal"),
        ({**YEAR, "days_since_last_order": 9, "gmv_change_90d": -0.6, "gmv_change_on_year_90d": -0.6, "churn_risk": 0.2}, "declining"),
        ({**YEAR, "days_since_last_order": 9, "gmv_change_90d": -0.6, "gmv_change_on_year_90d": 0, "churn_risk": 0.7}, "declining"),
    ],
)
def test_expected_quiet_is_told_from_leaving(columns: dict[str, float], stage: str) -> None:
    rows = frame(**({name: [float(value)] for name, value in columns.items()} | {"x": [0.0]}))
    assert read_rules().apply(rows).table["stage"].tolist() == [stage]
