"""Growth, decline and first orders: calibrated, in season, and refused where there is too little to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.activation import Activation
from features.simulate import simulate
from features.snapshot import Market
from features.trees import log_odds, logistic
from training.activation import LEAST_EACH, LEAST_ROWS, fit_activation, fitted
from training.calibrate import folds
from training.dataset import Dataset
from training.level import Series
from training.models import Matrix
from training.outlook import HEADS, fit_outlook, level_of
from training.timeline import training_cutoffs


def made_up(shares: list[float], merchants: int = 1500, seed: int = 2) -> Dataset:
    """Merchants of whom such shares grow at each cutoff, more of those with a high `x`; the month is in a column."""
    rng = np.random.default_rng(seed)
    frames, truth = [], []
    for month, share in enumerate(shares):
        x = rng.normal(0, 1, merchants)
        index = pd.MultiIndex.from_product(
            [[f"m{i:04d}" for i in range(merchants)], [pd.Timestamp("2025-01-01") + pd.DateOffset(months=month)]]
        )
        index = index.set_names(["merchant_id", "cutoff"])
        month_ish = month + rng.uniform(0, 0.5, merchants)
        frames.append(
            pd.DataFrame({"x": x, "month": month_ish, "days_since_first_order": 400.0 + 30 * month}, index=index).astype(np.float32)
        )
        grew = (rng.random(merchants) < logistic(log_odds(np.array(share)) + 1.5 * x)).astype(float)
        truth.append(pd.DataFrame({"grew": grew, "declined": 1 - grew}, index=index))
    return Dataset(pd.concat(frames), pd.concat(truth))


def test_heads_are_calibrated_at_the_level_ahead() -> None:
    data = made_up([0.2, 0.2, 0.2, 0.2])
    matrix = Matrix.of(data.features, list(data.features))
    heads = fit_outlook(data, matrix, folds(data.merchants), 20500, 90, 180)
    for head, label in HEADS.items():
        chance = logistic(heads[head].raw(matrix.rows))
        assert chance.mean() == pytest.approx(data.labels[label].mean(), abs=0.02)
        order = np.argsort(chance)
        for tenth in (order[: len(order) // 5], order[-len(order) // 5 :]):
            assert chance[tenth].mean() == pytest.approx(data.labels[label].to_numpy()[tenth].mean(), abs=0.06)


def test_heads_do_not_remember_the_months() -> None:
    data = made_up([0.1, 0.4, 0.1, 0.4])
    matrix = Matrix.of(data.features, list(data.features))
    head = fit_outlook(data, matrix, folds(data.merchants), 20500, 90, 180)["growth"]
    chance = pd.Series(logistic(head.raw(matrix.rows)), index=data.features.index).groupby(level="cutoff").mean()
    actual = data.labels["grew"].groupby(level="cutoff").mean()
    assert chance.max() - chance.min() < (actual.max() - actual.min()) / 3


def test_a_forecast_level_is_used_only_where_it_beat_the_mean() -> None:
    rng = np.random.default_rng(0)
    days = np.arange(30) * 30.4
    season = Series(days, np.sin(2 * np.pi * days / 365), np.ones(30), 90)
    noise = Series(days, rng.normal(0, 1, 30) + 0.3, np.ones(30), 90)
    day = days[-1] + 90
    assert level_of(season, day) == pytest.approx(np.sin(2 * np.pi * day / 365), abs=0.25)
    assert level_of(noise, day) == pytest.approx(noise.logs.mean(), abs=1e-9)


def waiting(rows: int, came: float, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Merchants without an order; those who log in more come sooner."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([[f"m{i}" for i in range(rows)], [pd.Timestamp("2025-01-01")]], names=["merchant_id", "cutoff"])
    logins = rng.poisson(5, rows).astype(float)
    frame = pd.DataFrame({"logins_28d": logins, "days_since_last_order": np.nan}, index=index)
    return frame, (rng.random(rows) < came * logins / 5).astype(float)


def test_a_first_order_is_likelier_for_those_who_log_in() -> None:
    frame, activated = waiting(1000, 0.3)
    model = fitted(frame, activated)
    chance = model.chance(frame)
    assert chance.mean() == pytest.approx(activated.mean(), abs=0.02)
    assert np.corrcoef(chance, frame["logins_28d"])[0, 1] > 0.9
    assert np.isnan(model.chance(frame.assign(days_since_last_order=3.0))).all()
    again = Activation.from_files(model.to_files())
    assert again == model


@pytest.mark.parametrize(("rows", "came"), [(LEAST_ROWS - 1, 0.3), (400, 0.0)])
def test_too_few_first_orders_are_refused_with_the_reason(rows: int, came: float) -> None:
    frame, activated = waiting(rows, came)
    model = fitted(frame, activated)
    assert np.isnan(model.chance(frame)).all()
    assert f"only {rows:,} rows" in model.refused
    assert f"{LEAST_EACH} of either kind are needed" in model.refused


def test_on_a_market_the_chance_is_that_of_merchants_still_waiting(tmp_path: Path) -> None:
    market = Market.open(simulate(tmp_path / "made", 400, seed=3, days=450, orders_per_merchant=40))
    cutoffs = training_cutoffs(market, market.source.end_day)
    model = fit_activation(market, cutoffs, market.source.end_day)
    frame = market.snapshot(market.source.end_day)
    chance = model.chance(frame)
    none = frame["days_since_last_order"].isna().to_numpy()
    assert np.isnan(chance[~none]).all()
    assert np.isfinite(chance[none]).all() == (model.refused == "")
