"""The scorecard adds up by hand; the cheapest way to more points is the cheapest."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import UsageRefused
from serving.rules import parse_rules, read_rules
from serving.rules.card import cheapest_way
from serving.rules.conditions import Columns
from tests.serving.test_rules import SMALL, frame

BUILT_IN = read_rules()
NAMES = sorted({ladder.name for ladder in BUILT_IN.scorecard.ladders})
NUMBERS = st.sampled_from([None, -1.0, -0.1, 0.0, 0.07, 0.1, 0.2, 0.35, 0.5, 0.7, 0.95, 3.0, 5.0, 60.0, 200.0, 800.0, 2e6])


def one(values: list[float | None]) -> pd.DataFrame:
    row = {name: [np.nan if value is None else value] for name, value in zip(NAMES, values, strict=True)}
    row["scale"] = [None if values[0] is None else "large"]
    return frame(**row)


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS, min_size=len(NAMES), max_size=len(NAMES)))
def test_the_lines_add_up_to_the_points_and_the_maxima_to_100(values: list[float | None]) -> None:
    graded = BUILT_IN.apply(one(values))
    points = graded.table["points"].iloc[0]
    lines = BUILT_IN.card(graded.items.iloc[0].to_dict())
    if np.isnan(points):
        assert not any(line.known for line in lines if line.ladder.earns)
        return
    assert points == min(max(round(sum(line.points for line in lines), 1), 0), 100)
    assert round(sum(line.maximum for line in lines if line.ladder.earns), 1) == 100
    for line in lines:
        counted = line.points + line.missing if line.ladder.earns else line.missing + line.points
        assert round(counted, 1) == (line.maximum if line.ladder.earns else 0)
        assert line.step is None or line.step.holds(Columns(one(values)))[0]


def test_who_meets_everything_has_100_points_whatever_is_missing() -> None:
    rules = parse_rules(SMALL)
    rows = frame(sales=[100.0, 100.0, np.nan], scale=[None, "large", "large"], change=[1.0, np.nan, np.nan])
    assert rules.apply(rows).table["points"].tolist() == [100, 100, 100]


def test_points_with_two_decimals_are_refused() -> None:
    with pytest.raises(UsageRefused, match=r"20.25 points on sales have more than one decimal"):
        parse_rules(SMALL.replace("points = 20", "points = 20.25"))


def test_a_step_that_never_counts_is_refused() -> None:
    with pytest.raises(UsageRefused, match="the step for 20 points on sales in explicit never counts"):
        parse_rules(SMALL.replace("value = 10,", "value = 500,"))


EFFORTS = SMALL.replace("points = 60,", "points = 60, effort = 5,").replace("points = 20,", "points = 20, effort = 1,")
EFFORTS = EFFORTS.replace("points = 10,", "points = 10, effort = 3,").replace("points = 25,", "points = 25, effort = 2,")


def lines_of(**columns: list) -> list:
    rules = parse_rules(EFFORTS)
    graded = rules.apply(frame(**columns))
    return rules.card(graded.items.iloc[0].to_dict())


@pytest.mark.parametrize(
    ("need", "way"),
    [
        (0, []),
        (10, [("sales", 20)]),  # effort 1, though up is 3
        (25, [("refunds", 25)]),  # effort 2: less than sales and up together
        (26, [("refunds", 25), ("sales", 20)]),  # 3
        (61, [("sales", 60), ("refunds", 25)]),  # 8, where up would make it 9
        (60, [("sales", 60)]),  # both steps, 6, where refunds and sales would be 8
        (96, None),  # the firm will not become large
    ],
)
def test_the_cheapest_way(need: float, way: list | None) -> None:
    lines = lines_of(sales=[5.0], scale=["small"], change=[-1.0], refunds=[0.9])
    found = cheapest_way(lines, need)
    assert way == (found if found is None else [(move.line.ladder.name, move.points) for move in found])


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 95), st.sampled_from([5.0, 50.0, 500.0]), st.sampled_from([-1.0, 1.0]), st.sampled_from([0.0, 0.9]))
def test_no_other_way_is_cheaper(need: float, sales: float, change: float, refunds: float) -> None:
    lines = lines_of(sales=[sales], scale=["small"], change=[change], refunds=[refunds])
    found = cheapest_way(lines, need)
    sold = {5.0: [(0, 0), (20, 1), (60, 6)], 50.0: [(0, 0), (40, 5)], 500.0: [(0, 0)]}[sales]
    up = [(0, 0), (10, 3)] if change < 0 else [(0, 0)]
    calm = [(0, 0), (25, 2)] if refunds else [(0, 0)]
    ways = [sum(effort for _, effort in way) for way in product(sold, up, calm) if sum(points for points, _ in way) >= round(need, 1)]
    assert (sum(move.effort for move in found) if found is not None else None) == (min(ways) if ways else None)
