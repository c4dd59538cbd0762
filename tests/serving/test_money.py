"""Money: what is at risk, what acting brings, and rankings that do not flicker."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from serving.money import money, profit_of_acting, ranked, trailing_gmv, value_if_kept


def test_value_if_kept_undoes_the_chance_of_leaving() -> None:
    assert value_if_kept([0.5], [1000], [1500], 0.05) == 100


def test_value_if_kept_is_held_at_twice_what_the_merchant_sold() -> None:
    assert value_if_kept([0.9], [1000], [1500], 0.1) == 300


def test_a_risk_of_one_stays_finite() -> None:
    assert value_if_kept([1.0], [10], [np.nan], 1.0).round(6) == 200


def test_value_if_kept_is_never_below_the_expectation() -> None:
    assert value_if_kept([0.0], [1000], [10], 1.0) == 1000


def test_no_score_gives_no_money() -> None:
    assert np.isnan(value_if_kept([np.nan], [np.nan], [100], 0.05)).all()
    assert np.isnan(profit_of_acting([np.nan], [np.nan], [0.2], [15])).all()


def test_acting_can_cost_more_than_it_brings() -> None:
    assert profit_of_acting([0.5, 0.5], [1000, 10], [0.2, 0.2], [15, 15]).tolist() == [85, -14]


def test_the_window_nearest_to_the_horizon_is_scaled_to_it() -> None:
    frame = pd.DataFrame({"gmv_28d": [28.0], "gmv_90d": [180.0], "gmv_change_90d": [0.1], "gmv_prior_90d": [7.0]})
    assert trailing_gmv(frame, 30) == 30
    assert trailing_gmv(frame, 180) == 360
    assert np.isnan(trailing_gmv(frame[["gmv_change_90d"]], 30)).all()


def test_the_money_of_a_run(settings: SimpleNamespace) -> None:
    columns = {
        "churn_risk": 0.5,
        "expected_gmv": 1000.0,
        "growth_potential": 0.2,
        "gmv_90d": 3000.0,
        "action_cost": 15.0,
        "action_save_rate": 0.4,
    }
    table = money(pd.DataFrame({name: [value] for name, value in columns.items()}), settings)
    expected = {"value_if_kept": 100, "value_at_risk": 50, "expected_profit": 5, "gmv_to_add": 300, "growth_value": 15}
    assert table.round(6).to_dict("records") == [expected]


def test_ranking_leaves_out_what_has_no_value_and_breaks_ties_by_name() -> None:
    frame = pd.DataFrame({"x": [1.0, 5.0, np.nan, 1.0]}, index=["b", "z", "n", "a"])
    assert ranked(frame, "x").index.tolist() == ["z", "a", "b"]
