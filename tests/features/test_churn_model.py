"""The churn model's arithmetic: exact reasons, consistent horizons, ranges, the last order, and its way to files and back."""

from __future__ import annotations

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.btyd import NEEDS, BgNbd, ParetoNbd
from features.churn_model import CAUSES, CHURN_SCORES, FARTHEST, Blend, ChurnModel, Linear, Rhythm, standardised
from features.trees import Encoding, Head, log_odds, logistic

NUMBERS = ("days_since_last_order", "orders_90d", "gmv_90d")
FEATURES = (*NUMBERS, "industry")
MODELS = (BgNbd(0.5, 10.0, 0.8, 2.4), ParetoNbd(0.55, 10.6, 0.6, 11.7))


def frame_of(merchants: int = 80, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    repeats = rng.poisson(4, merchants)
    columns = {
        "days_since_last_order": rng.integers(1, 90, merchants),
        "days_since_first_order": rng.integers(90, 300, merchants),
        "active_days_365d": repeats + 1,
        "gap_mean": np.where(repeats > 0, rng.integers(1, 30, merchants), np.nan),
        "orders_90d": rng.poisson(3, merchants),
        "gmv_90d": rng.lognormal(4, 2, merchants),
        "gmv_365d": rng.lognormal(5, 2, merchants),
    }
    frame = pd.DataFrame(columns).astype(np.float32)
    frame.loc[::7, "gmv_90d"] = np.nan
    return frame.assign(industry=np.array(["bakery", "florist", None], dtype=object)[rng.integers(0, 3, merchants)])


def head(seed: int) -> Head:
    rng = np.random.default_rng(seed)
    rows = rng.normal(20, 20, (300, len(FEATURES)))
    rows[:, -1] = rng.integers(0, 2, 300)
    target = (rows[:, seed % 3] + rng.normal(0, 5, 300) > 20).astype(float)
    given = {"objective": "binary", "num_leaves": 5, "verbose": -1, "num_threads": 1, "seed": seed}
    data = lgb.Dataset(rows, target, feature_name=list(FEATURES), categorical_feature=["industry"])
    return Head(lgb.train(given, data, 5).model_to_string())


LINEAR = Linear(NUMBERS, (True, True, True), (3.0, 1.0, 4.0), (1.0, 0.8, 2.0), (0.7, -0.4, -0.1), -0.3)
BLEND = Blend(0.6, 0.3, 0.2, -0.1, 0.25, 0.3)


@pytest.fixture(scope="module", params=MODELS, ids=["BgNbd", "ParetoNbd"])
def model(request: pytest.FixtureRequest) -> ChurnModel:
    rhythm = Rhythm(request.param, 60, (3.0, 120.0, 20.0))
    trees = (head(0), head(1))
    return ChurnModel(Encoding(FEATURES, {"industry": ["bakery", "florist"]}), trees, (head(2), head(3)), 60, BLEND, LINEAR, rhythm, {"how": "so"})


def test_log_odds_are_the_weighted_sum_of_the_members_and_the_level(model: ChurnModel) -> None:
    frame = frame_of()
    rows = model.encoding.rows(frame)
    trees = np.mean([tree.raw(rows) for tree in model.trees], axis=0)
    assert model.linear and model.rhythm
    expected = 0.6 * trees + 0.3 * model.linear.raw(frame) + 0.2 * model.rhythm.raw(frame) - 0.1 + 0.25
    assert np.allclose(model.raw(frame), expected)
    assert np.allclose(log_odds(model.risks(frame)["churn_risk"].to_numpy()), expected)


def test_contributions_add_up_and_the_base_is_the_same_for_all(model: ChurnModel) -> None:
    frame = frame_of()
    parts = model.contributions(frame)
    assert np.allclose(parts.sum(axis=1), model.raw(frame), atol=1e-9)
    assert np.ptp(parts["base"]) < 1e-9
    assert set(parts) == {*FEATURES, *CAUSES, "base"}


def test_the_rhythm_member_blames_silence_for_silence_and_frequency_for_frequency(model: ChurnModel) -> None:
    assert model.rhythm
    frame = frame_of()
    silence, frequency, usual = model.rhythm.contributions(frame).T
    assert np.allclose(silence + frequency + usual, model.rhythm.raw(frame))
    as_usual = frame.assign(days_since_last_order=20.0, gap_mean=np.float32(100 / 3), active_days_365d=4.0)
    assert np.allclose(model.rhythm.contributions(as_usual)[:, :2], 0, atol=1e-9)
    longer = model.rhythm.contributions(as_usual.assign(days_since_last_order=60.0))[:, 0]
    assert (longer > 0.1).all()


def test_the_longer_silence_is_never_likelier_and_the_range_holds_the_risk(model: ChurnModel) -> None:
    risks = model.risks(frame_of())
    assert list(risks) == list(CHURN_SCORES)
    third, two_thirds, whole, low, high, days = risks.to_numpy().T
    assert (third >= two_thirds).all()
    assert (two_thirds >= whole).all()
    assert (low < whole).all()
    assert (whole < high).all()
    assert ((days > 0) & (days < FARTHEST)).all()


def test_the_range_is_the_levels_error_where_members_agree_and_wider_where_they_do_not(model: ChurnModel) -> None:
    agreed, apart = model.error(np.array([[1.0, 1, 1, 1], [1, 1, -3, 1]]))
    assert agreed == pytest.approx(0.3)
    assert apart > 0.4
    surer = replace(model, blend=replace(model.blend, level_error=0.0))
    width = [one.risks(frame_of()).eval("churn_risk_high - churn_risk_low").mean() for one in (surer, model)]
    assert width[0] < width[1]


@given(st.floats(0.001, 0.999), st.integers(7, 365))
def test_the_last_order_is_the_mean_of_a_constant_hazard_within_the_year(risk: float, horizon: int) -> None:
    found = ChurnModel(Encoding((), {}), (), (Head(""), Head("")), horizon).last_order(np.array([risk]))[0]
    days = (np.arange(FARTHEST * 20) + 0.5) / 20
    assert found == pytest.approx(((1 - risk) ** (days / horizon)).sum() / 20, rel=1e-3)


def test_the_last_order_of_those_who_never_leave_is_a_year_away() -> None:
    model = ChurnModel(Encoding((), {}), (), (Head(""), Head("")), 90)
    never, soon, at_once = model.last_order(np.array([0.0, 0.5, 1.0]))
    assert never == pytest.approx(FARTHEST, rel=1e-3)
    assert 100 < soon < 130
    assert at_once < 10


def test_a_missing_value_counts_as_average_and_a_giant_as_four_spreads() -> None:
    columns = np.array([[np.nan, 1e12], [1.0, -1e12]])
    assert standardised(columns, np.array([1.0, 0.0]), np.array([2.0, 1.0])).tolist() == [[0.0, 4.0], [0.0, -4.0]]


def test_it_comes_back_from_its_files(model: ChurnModel) -> None:
    files = model.to_files()
    again = ChurnModel.from_files(files)
    assert again.to_files() == files
    pd.testing.assert_frame_equal(again.risks(frame_of()), model.risks(frame_of()), check_exact=True)
    assert set(files) == {"churn.json", *(f"heads/churn{end}.txt" for end in ("", "_2", "_two_thirds", "_third"))}


def test_trees_alone_make_a_model_too() -> None:
    model = ChurnModel(Encoding(FEATURES, {"industry": ["bakery"]}), (head(0),), (head(2), head(3)), 60)
    frame = frame_of()
    assert ChurnModel.from_files(model.to_files()).linear is None
    assert np.allclose(model.contributions(frame.drop(columns=[name for name in NEEDS if name not in FEATURES])).sum(axis=1), model.raw(frame))
    assert np.allclose(model.raw(frame), head(0).raw(model.encoding.rows(frame)))
    assert np.allclose(logistic(model.raw(frame)), model.risks(frame)["churn_risk"])
