"""`rules check` and `rules preview`: what rules are for nobody, and what a change would do."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from features.cutoffs import day_number
from features.errors import UsageRefused
from serving.rule_commands import past_weeks, preview_text, rules
from serving.rules import parse_rules, read_rules
from serving.rules.check import counted, dead
from serving.rules.preview import Rehearsal, preview
from tests.serving.test_rules import SMALL, frame
from tests.serving.test_rules_definitions import KIND

RULES = parse_rules(SMALL + KIND)
START = date(2026, 1, 1)


def days(changes: list[list[float]], step: int = 7) -> list[tuple[date, pd.DataFrame]]:
    """Weeks of merchants whose `change` is given, all selling 20."""
    return [(START + timedelta(days=step * week), frame(change=values, sales=[20.0] * len(values))) for week, values in enumerate(changes)]


def fired(changes: list[list[float]], step: int = 7) -> list[tuple[str, int]]:
    rehearsal = Rehearsal(RULES)
    for day, rows in days(changes, step):
        rehearsal.day(day, rows)
    table = rehearsal.table()
    return [(row.merchant_id, (row.opened_on.date() - START).days) for row in table.itertuples()]


def test_every_rule_is_counted_and_the_dead_are_named() -> None:
    counts = counted(RULES, frame(sales=[100.0, 20.0], change=[-0.9, 0.0], refunds=[0.0, 0.0]))
    told = counts.set_index(["part", "rule"])["merchants"].to_dict()
    assert told["step", "explicit: sales >= 100"] == 1 and told["step", "explicit: sales >= 10"] == 1
    assert told["tier", "A"] == 1 and told["stage", "mature: everyone else"] == 2
    assert told["warning", "drop"] == 1 and told["play", "drop"] == 1 and told["play", "any.any"] == 1
    assert counts[counts["lacks"] != ""][["part", "lacks"]].values.tolist() == [["step", "scale"]]
    assert dead(counts)["rule"].tolist() == ["growth: change > 0", "negative: refunds >= 0.5"]


def test_the_built_in_rules_are_all_counted(snapshot: pd.DataFrame) -> None:
    rules = read_rules()
    counts = counted(rules, snapshot)
    steps = sum(len(ladder.steps) for ladder in rules.scorecard.ladders)
    assert counts["part"].value_counts().to_dict() == {
        "step": steps,
        "tier": 5,
        "stage": len(rules.stages),
        "warning": len(rules.warnings),
        "play": len(rules.book.keys),
    }
    assert counts.loc[counts["part"] == "stage", "merchants"].sum() == len(snapshot)


def test_a_rehearsed_warning_fires_once_stays_and_cools_down() -> None:
    # opens in week 0, stays within the looser bound, closes in week 2, is quiet for 14 days, opens again in week 4
    assert fired([[-0.6], [-0.3], [0.0], [-0.6], [-0.6], [-0.6]]) == [("m0", 0), ("m0", 28)]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([-0.9, -0.4, 0.0, np.nan]), min_size=2, max_size=2), min_size=1, max_size=12),
    st.sampled_from([1, 5, 7]),
)
def test_no_kind_fires_twice_within_its_cool_down(changes: list[list[float]], step: int) -> None:
    for merchant in ("m0", "m1"):
        when = [day for name, day in fired(changes, step) if name == merchant]
        assert all(later - earlier > RULES.warnings[0].cooldown_days for earlier, later in pairwise(when))


def test_a_preview_says_who_changes_tier_and_what_would_fire() -> None:
    past = days([[-0.6, 0.0, 0.0], [-0.6, -0.45, 0.0], [-0.6, -0.45, 1.0]])
    new = parse_rules(
        (SMALL + KIND)
        .replace("value = -0.5 }", "value = -0.4 }")
        .replace("at_least = 50", "at_least = 40")
        .replace("below = 50", "below = 40")
    )
    found = preview(RULES, new, past)
    assert found.moved[["tier", "new_tier"]].values.tolist() == [["B", "A"]]
    assert found.matrix.to_dict() == {"A": {"B": 1}, "B": {"B": 2}}
    assert found.warnings[["kind", "fired", "new_fired"]].values.tolist() == [["drop", 1, 2]]
    assert found.warnings["new_a_day"].tolist() == [2 / 14]
    text = preview_text(found)
    assert "would change tier: 1;" in text and "m2: B → A" in text and "1 →       2" in text


def test_the_same_rules_change_nothing() -> None:
    found = preview(RULES, RULES, days([[-0.6, 0.0], [-0.6, -0.6]]))
    assert found.moved.empty and (found.warnings["fired"] == found.warnings["new_fired"]).all()


def test_a_preview_of_no_day_is_refused() -> None:
    with pytest.raises(ValueError, match="no day"):
        preview(RULES, RULES, [])


class FakeMarket:
    """Two merchants from 2025-10-01 on, snapshots on any day."""

    def __init__(self, days: int) -> None:
        first = day_number(date(2025, 10, 1))
        self.source = SimpleNamespace(first_day=first, end_day=first + days)
        self.settings = SimpleNamespace(churn=SimpleNamespace(active_days=90))
        self.merchants = pd.DataFrame({"merchant_id": ["a", "b"], "owner": ["Ann", None]})

    def snapshots(self, days: list[date]) -> pd.DataFrame:
        index = pd.MultiIndex.from_product([["a", "b"], pd.to_datetime(days)], names=["merchant_id", "cutoff"])
        return pd.DataFrame({"days_since_last_order": 5.0}, index=index)


MODEL = SimpleNamespace(
    scores=lambda frame: pd.DataFrame({"churn_risk": 0.5}, index=frame.index), activation_chance=lambda frame: np.full(len(frame), np.nan)
)


def test_past_weeks_end_today_and_begin_when_there_is_enough_past() -> None:
    found = list(past_weeks(FakeMarket(121), MODEL))
    assert [day for day, _ in found] == [date(2026, 1, 30) - timedelta(days=7 * back) for back in (4, 3, 2, 1, 0)]
    assert found[0][1].index.tolist() == ["a", "b"]
    assert found[0][1][["churn_risk", "owner"]].fillna("-").values.tolist() == [[0.5, "Ann"], [0.5, "-"]]
    assert len(list(past_weeks(FakeMarket(900), MODEL))) == 53


def test_check_on_the_command_line_refuses_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text(SMALL.replace("points = 60", "points = 59"), encoding="utf-8")
    (tmp_path / "unknown.toml").write_text(read_rules().text.replace('"gmv_change_28d"', '"gmv_chnge_28d"'), encoding="utf-8")
    with pytest.raises(UsageRefused, match="most that can be earned is 99 points"):
        CliRunner().invoke(rules, ["check", "bad.toml"], catch_exceptions=False)
    with pytest.raises(UsageRefused, match='no feature, score or attribute is called "gmv_chnge_28d"; did you mean "gmv_change_28d"'):
        CliRunner().invoke(rules, ["check", "unknown.toml"], catch_exceptions=False)
    told = CliRunner().invoke(rules, ["check", "--json"], catch_exceptions=False)
    assert json.loads(told.stdout) == {"hash": read_rules().hash, "tiers": 5, "stages": 13, "warnings": 16, "plays": 20}
