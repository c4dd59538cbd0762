"""Expected GMV: levels, members, ranges and what a giant, a season or a lost member does to them; on small made-up markets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.bands import Bands
from features.lifetime import Lifetime
from features.settings import Churn, Growth, Settings
from features.value_model import Carry, Linear, Steady, ValueModel, rows_of
from training.calibrate import folds
from training.conformal import bands, held_share
from training.dataset import Dataset
from training.level import Anchor, Series, completeness, forecast, past_errors, seasonality, total_ahead
from training.models import Matrix
from training.value import Now, fit, of_their_season

DAYS = (28, 56, 90, 180, 365)
START = pd.Timestamp("2025-06-01")
RULES = Settings.model_construct(churn=Churn(), growth=Growth())


def made_up(merchants: int, seasons: list[float], seed: int = 1, giant: float = 1.0) -> Dataset:
    """Merchants that trade at paces of their own, over months whose GMV is as many times the usual as `seasons` says."""
    rng = np.random.default_rng(seed)
    pace = rng.lognormal(3, 1.5, merchants)
    pace[0] *= giant
    lasting = rng.uniform(0.3, 1.0, merchants)
    parts, truth = [], []
    for month, season in enumerate(seasons):
        noise = rng.lognormal(0, 0.2, (merchants, len(DAYS)))
        silence = rng.exponential(20, merchants) / lasting
        columns = {f"gmv_{days}d": pace * days * noise[:, place] for place, days in enumerate(DAYS)}
        columns |= {f"orders_{days}d": np.ceil(pace**0.5 * days / 20) for days in DAYS[:4]}
        columns |= {"days_since_last_order": silence, "days_since_first_order": np.full(merchants, 700.0 + 30 * month)}
        columns |= {"active_days_365d": np.ceil(pace**0.3 * 10), "gap_mean": np.full(merchants, 5.0)}
        index = pd.MultiIndex.from_product([[f"m{i:04d}" for i in range(merchants)], [START + pd.DateOffset(months=month)]])
        parts.append(pd.DataFrame(columns, index=index.set_names(["merchant_id", "cutoff"])).astype(np.float32))
        stays = rng.random(merchants) < lasting
        future = np.where(stays, 90 * pace * season * rng.lognormal(0, 0.4, merchants), 0)
        truth.append(pd.DataFrame({"value": future, "churned": (~stays).astype(float)}, index=parts[-1].index))
    return Dataset(pd.concat(parts), pd.concat(truth))


def learnt(data: Dataset, now: pd.DataFrame | None = None, risk: float = 0.35) -> ValueModel:
    """The model of a made-up market."""
    matrix = Matrix.of(data.features, list(data.features.columns))
    today = None if now is None else Now(now, matrix.encoding.rows(now), np.full(len(now), risk))
    return fit(data, RULES, matrix.rows, np.full(len(data.labels), risk), folds(data.merchants), now=today)


def forecasts(model: ValueModel, frame: pd.DataFrame, risk: float = 0.35) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected GMV and its range."""
    return model.expected(frame, Matrix.of(frame, list(frame.columns)).rows, np.full(len(frame), risk))


@pytest.fixture(scope="module")
def steady() -> tuple[Dataset, ValueModel]:
    """A market without seasons and its model."""
    data = made_up(300, [1.0, 1.0, 1.0, 1.0])
    return data, learnt(data)


# --- carrying forward


def test_windows_are_scaled_to_the_horizon_and_to_the_merchants_age() -> None:
    frame = pd.DataFrame({"gmv_28d": [28.0, 28.0], "gmv_90d": [90.0, 40.0], "gmv_180d": [180.0, 40.0], "days_since_first_order": [999, 10]})
    carry = Carry.of(list(frame), 90)
    assert carry.windows == (28, 90, 180)
    assert carry.averaged == (90, 180)
    assert carry.rates(frame).tolist() == [[90.0, 90.0, 90.0], [90.0, 40.0, 40 * 90 / 180]]
    assert carry.base(carry.rates(frame)).tolist() == [90.0, 30.0]


def test_the_steady_member_carries_the_longest_window_forward_for_those_who_sell_at_all() -> None:
    frame = pd.DataFrame({"gmv_90d": [90.0, 40.0], "gmv_365d": [730.0, 40.0], "days_since_first_order": [999, 0]})
    rows = rows_of(Carry.of(list(frame), 90), frame, np.zeros((2, 1)), np.array([0.25, 0.5]))
    assert (Steady().ratio(rows) * rows.base).tolist() == pytest.approx([180 * 0.75, 20 * 0.5])


@pytest.mark.parametrize("unit", [0.01, 1e6])
def test_another_currency_gives_the_same_forecast_in_it(steady: tuple[Dataset, ValueModel], unit: float) -> None:
    data, model = steady
    money = [name for name in data.features if name.startswith("gmv_")]
    turned = Dataset(
        data.features.assign(**{name: data.features[name] * unit for name in money}), data.labels.assign(value=data.labels["value"] * unit)
    )
    rows = data.features.iloc[:100]
    expected, low, high = forecasts(model, rows)
    for found, known in zip(forecasts(learnt(turned), turned.features.iloc[:100]), (expected, low, high), strict=True):
        assert np.allclose(found / unit, known, rtol=0.15, atol=1e-6 * expected.max())


def test_a_giant_does_not_blow_the_forecast_up() -> None:
    """The largest merchant trades a hundred thousand times its usual; trees on raw amounts miss all others by such a lot."""
    data = made_up(300, [1.0, 1.0, 1.0, 1.0], giant=1e5)
    expected, _, _ = forecasts(learnt(data), data.features)
    small = data.merchants != "m0000"
    assert expected[small].sum() == pytest.approx(data.labels["value"][small].sum(), rel=0.2)
    assert expected[~small].sum() == pytest.approx(data.labels["value"][~small].sum(), rel=0.6)


def test_totals_are_right_for_small_and_for_large(steady: tuple[Dataset, ValueModel]) -> None:
    data, model = steady
    expected, _, _ = forecasts(model, data.features)
    size = pd.qcut(data.features["gmv_365d"], 4, labels=False).to_numpy()
    value = data.labels["value"].to_numpy()
    for part in range(4):
        assert expected[size == part].sum() == pytest.approx(value[size == part].sum(), rel=0.3)


# --- the level


def test_members_do_not_remember_months_by_features_that_tell_them_apart() -> None:
    """A column that names the month explains all of the past's ups and downs; the forecast must not stand on it."""
    seasons = [1.0, 2.0, 0.5, 1.0]
    data = made_up(300, seasons)
    month = data.features.index.get_level_values("cutoff").month.to_numpy().astype(np.float32)
    named = Dataset(data.features.assign(month=month + np.arange(len(month), dtype=np.float32) % 2 * 0.1), data.labels)
    model = learnt(named)
    last = named.features[month == month.max()]
    totals = [forecasts(model, last.assign(month=value))[0].sum() for value in np.unique(month)]
    assert max(totals) / min(totals) < 1.1


def test_the_total_of_the_day_of_training_sets_the_level() -> None:
    data = made_up(300, [1.0, 1.0, 1.0, 1.0])
    now = data.features[data.features.index.get_level_values("cutoff") == START].droplevel("cutoff")
    model = learnt(data, now)
    kept = data.labels["value"].sum() / 4
    assert forecasts(model, now)[0].sum() == pytest.approx(kept, rel=0.1)
    assert model.notes["blown_up"] == []


def yearly(months: int, swing: float, trend: float = 0.0) -> Series:
    """A series of months with a season and a trend."""
    days = np.arange(months) * 30.4
    return Series(days, swing * np.sin(2 * np.pi * days / 365) + trend * days / 365, np.ones(months), 90)


def test_a_season_seen_before_is_expected_again() -> None:
    series = yearly(24, 0.5)
    day = series.days[-1] + 90
    assert forecast(series, day) == pytest.approx(0.5 * np.sin(2 * np.pi * day / 365), abs=0.12)
    errors, _ = past_errors(series)
    assert np.abs(errors[-6:]).mean() < 0.15 < np.abs(series.logs).mean()


def test_without_a_second_season_the_level_is_the_mean() -> None:
    series = yearly(8, 0.0, trend=0.0)
    assert forecast(series, series.days[-1] + 90) == pytest.approx(0.0, abs=1e-9)
    assert forecast(replace(series, logs=series.logs + 0.2), series.days[-1] + 90) == pytest.approx(0.2)


def test_a_straight_line_is_no_season() -> None:
    assert seasonality(yearly(14, 0.0, trend=1.0)) == 0.25
    assert seasonality(yearly(24, 0.5)) > 0.8


def test_a_young_platforms_cutoffs_count_less() -> None:
    assert completeness(np.array([90.0, 180.0, 400.0]), 0.0, 180).tolist() == [0.25, 1.0, 1.0]


def test_the_forecast_of_a_level_never_reads_a_window_that_was_not_complete() -> None:
    series = yearly(24, 0.5)
    later = replace(series, logs=np.where(series.days > series.days[12] - series.span, 99.0, series.logs))
    known = series.before(series.days[12])
    assert known.days.max() <= series.days[12] - series.span
    assert forecast(later.before(series.days[12]), series.days[12]) == forecast(known, series.days[12])


def test_the_anchor_that_was_right_before_counts_more() -> None:
    good, bad = yearly(12, 0.0), yearly(12, 0.0)
    bad = replace(bad, logs=np.tile([1.0, -1.0, 0.0], 4))
    both = {"good": Anchor(good, 100.0, 0.1), "bad": Anchor(bad, 1000.0, 0.1)}
    total, spread = total_ahead(both, good.days[-1] + 90)
    assert 100 < total < 200
    assert spread < total_ahead({"bad": both["bad"]}, good.days[-1] + 90)[1]


def test_risks_of_a_season_add_up_to_those_who_left() -> None:
    rng = np.random.default_rng(0)
    risk, day = rng.uniform(0.1, 0.9, 600), np.repeat([1.0, 2.0], 300)
    left = (rng.random(600) < np.where(day == 1, 0.2, 0.7)).astype(float)
    found = of_their_season(risk, left, day)
    for moment in (1, 2):
        assert found[day == moment].mean() == pytest.approx(left[day == moment].mean(), abs=1e-6)
        assert (np.argsort(found[day == moment]) == np.argsort(risk[day == moment])).all()


# --- ranges


@pytest.mark.parametrize("silent", [0.0, 0.08, 0.3, 0.7])
def test_the_range_holds_four_of_five(silent: float) -> None:
    rng = np.random.default_rng(3)
    base = rng.lognormal(5, 2, 4000)
    future = np.where(rng.random(4000) < silent, 0, base * rng.lognormal(0, 0.3 + 0.4 * (base < 100), 4000))
    expected, chance = base * (1 - silent), np.full(4000, silent)
    found = bands(future[::2], expected[::2], base[::2], chance[::2], 0.0)
    assert held_share(found, future[1::2], expected[1::2], base[1::2], chance[1::2]) == pytest.approx(0.8, abs=0.03)
    for some in (base < 100, base >= 100):
        assert held_share(found, future[some], expected[some], base[some], chance[some]) == pytest.approx(0.8, abs=0.06)


def test_an_uncertain_level_widens_the_range() -> None:
    rng = np.random.default_rng(3)
    base, chance = rng.lognormal(5, 1, 2000), np.full(2000, 0.02)
    future = base * rng.lognormal(0, 0.2, 2000)
    sure, unsure = (bands(future, base, base, chance, spread).range(base, base, chance) for spread in (0.0, 0.25))
    assert (unsure[1] - unsure[0]).sum() > 1.2 * (sure[1] - sure[0]).sum()


@settings(deadline=None, max_examples=50)
@given(
    silent=st.floats(0, 0.998),
    base=st.floats(1e-9, 1e12),
    widen=st.floats(-0.09, 0.09),
    values=st.lists(st.floats(0, 50), min_size=4, max_size=4),
)
def test_a_range_is_never_upside_down(silent: float, base: float, widen: float, values: list[float]) -> None:
    found = Bands((0.0, 5.0), (0.1, 0.9), (tuple(sorted(values[:2])), tuple(sorted(values[2:]))), widen)
    low, high = found.range(np.array([base]), np.array([base]), np.array([silent]))
    assert 0 <= low[0] <= high[0] < np.inf
    assert low[0] == 0 or silent < 0.1 - widen


def test_where_no_order_was_ever_worth_anything_the_range_is_without_a_warning() -> None:
    low, high = Bands((0.0, 5.0), (0.0, 0.0), ((0.0, 0.0), (0.0, 0.0))).range(np.zeros(1), np.ones(1), np.array([0.2]))
    assert (low[0], high[0]) == (0.0, 0.0)


# --- what is kept, what is left out, what is refused


def test_it_comes_back_from_its_files_bit_for_bit(steady: tuple[Dataset, ValueModel]) -> None:
    data, model = steady
    files = model.to_files()
    again = ValueModel.from_files(files)
    assert again.to_files() == files
    rows = data.features.iloc[:50]
    for one, other in zip(forecasts(again, rows), forecasts(model, rows), strict=True):
        assert (one == other).all()
    assert set(model.members) == {"linear", "ratio", "size", "rhythm", "steady"}
    assert sum(model.weights.values()) == pytest.approx(1)


def test_a_member_that_blows_up_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from training import value_members

    def explosive(lessons: value_members.Lessons, chosen: np.ndarray) -> Linear:
        """Right on what it learns from; today, when nobody is younger than 900 days, e times too much."""
        found = value_members.linear(lessons, chosen)
        return replace(found, weights=(found.weights[0] + (1.0 if len(lessons.rows) == chosen.sum() else 0.0), *found.weights[1:]))

    monkeypatch.setitem(value_members.MEMBERS, "linear", explosive)
    data = made_up(300, [1.0, 1.0, 1.0, 1.0])
    now = data.features[data.features.index.get_level_values("cutoff") == START].droplevel("cutoff")
    model = learnt(data, now)
    assert model.notes["blown_up"] == ["linear"]
    assert model.weights["linear"] == 0
    assert forecasts(model, now)[0].sum() == pytest.approx(data.labels["value"].sum() / 4, rel=0.15)


def test_forty_merchants_get_a_modest_model() -> None:
    data = made_up(40, [1.0, 1.0])
    model = learnt(data)
    assert set(model.members) == {"linear"}
    expected, low, high = forecasts(model, data.features)
    assert np.isfinite([expected, low, high]).all()
    assert expected.sum() == pytest.approx(data.labels["value"].sum(), rel=0.3)


# --- lifetime


def test_lifetime_is_a_years_margin_less_what_leaves_and_what_waits() -> None:
    terms = Lifetime(take_rate=0.1, discount_rate=0.0, value_days=90, churn_days=90)
    assert terms.value(np.array([900.0]), np.array([0.0]))[0] == pytest.approx(0.1 * 900 * 365 / 90)
    with_risk = terms.value(np.full(3, 900.0), np.array([0.1, 0.5, 1.0]))
    assert (np.diff(with_risk) < 0).all()
    assert with_risk[2] == pytest.approx(90, rel=0.02)  # the forecast's own horizon is all that is left
    assert replace(terms, discount_rate=0.5).value(np.array([900.0]), np.array([0.0]))[0] < 0.1 * 3650
    assert replace(terms, beyond=2.0).value(np.array([900.0]), np.array([0.0]))[0] == pytest.approx(0.1 * (900 + 2 * 10 * 275))
