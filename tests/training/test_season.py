"""The level of the season ahead: followed where years repeat, left alone where they do not, and honest about its error."""

from __future__ import annotations

import numpy as np
import pytest

from features.trees import Array, log_odds, logistic
from training.logistic import ridge, shift_to
from training.season import Past, Window, level_ahead, recent_share, same_season, season_share, windows

SPAN = 90
MONTHS = np.arange(0, 900, 30).astype(float)


def past_of(level: Array, merchants: int = 300, days: Array = MONTHS, seed: int = 5) -> Past:
    """Cutoffs whose merchants' log-odds are one column plus the cutoff's level."""
    rng = np.random.default_rng(seed)
    column = rng.normal(0, 1, (len(days), merchants))
    churned = rng.random(column.shape) < logistic(column + level[:, None])
    day = np.repeat(days, merchants)
    return Past(day, column.reshape(-1, 1), churned.ravel().astype(float), SPAN)


def seasonal(days: Array) -> Array:
    return np.asarray(0.9 * np.sin(2 * np.pi * days / 365))


def ahead(past: Past, day: float, merchants: int = 300) -> tuple[float, float, str]:
    """The level at a day for members that know the column and the mean level of what they learnt from."""
    known = past.day <= day - SPAN
    middle = shift_to(past.columns[known, 0], float(past.churned[known].mean()))
    column = np.random.default_rng(9).normal(0, 1, merchants)
    found = level_ahead(Past(past.day[known], past.columns[known], past.churned[known], SPAN), column + middle, day)
    return found.shift + middle, found.error, found.how


@pytest.mark.parametrize("day", [760.0, 840.0, 900.0])
def test_a_season_that_comes_back_is_followed(day: float) -> None:
    past = past_of(seasonal(MONTHS))
    level, error, how = ahead(past, day)
    alone = shift_to(past.columns[past.day <= day - SPAN, 0], float(past.churned[past.day <= day - SPAN].mean()))
    truth = float(seasonal(np.array(day)))
    assert abs(level - truth) < 0.3
    assert abs(level - truth) < 0.5 * abs(alone - truth) or abs(alone - truth) < 0.2
    assert "same season" in how
    assert error < 0.45


@pytest.mark.parametrize(("months", "way"), [(1, 1.0), (2, 0.75), (4, 0.5)])
def test_members_that_say_too_little_on_a_new_platform_are_moved_towards_the_rate_of_past_windows(months: int, way: float) -> None:
    days = MONTHS[:months]
    past = past_of(np.zeros(months), 3000, days)
    now = past.columns[past.day == days[-1], 0]
    found = level_ahead(past, now - 0.6, days[-1] + SPAN)
    assert found.shift == pytest.approx(0.6 * way, abs=0.1)
    assert "towards the rate of past windows; no season of an earlier year was known" in found.how
    assert level_ahead(past, now, days[-1] + SPAN).shift == pytest.approx(0, abs=0.1)
    assert 0 < found.error < 0.45


def test_with_nobody_to_compare_the_level_is_left_alone() -> None:
    days = np.arange(0, 220, 30).astype(float)
    found = level_ahead(past_of(np.zeros(len(days)), days=days), np.zeros(0), 300.0)
    assert found.shift == 0
    assert found.how.startswith("left alone")


def test_a_season_that_did_not_come_back_is_followed_less() -> None:
    rng = np.random.default_rng(3)
    wild, true = past_of(rng.normal(0, 0.6, len(MONTHS))), past_of(seasonal(MONTHS))
    assert season_share(windows(wild), SPAN) < 0.4 < 0.7 < season_share(windows(true), SPAN)


def window(missed: float, before: float = np.nan, season: float = np.nan, day: float = 0.0) -> Window:
    return Window(day, missed, season, float(np.isfinite(season)), before, 0.0)


def test_recent_errors_count_only_where_they_helped_before() -> None:
    steady = [window(0.5), window(0.5), window(0.45, 0.5), window(0.5, 0.5)]
    assert 0.15 < recent_share(steady) <= 0.25
    assert recent_share([window(0.5), window(0.5)]) == 0, "nothing to try it on"
    assert recent_share([window(0.5), window(0.6), window(-0.4, 0.5), window(0.1, 0.5)]) == 0, "it would have made matters worse"
    wild = [window(1.5), window(-0.5), window(1.2, 1.5), window(0.1, 0.5), window(1.0, 0.6)]
    assert abs(recent_share(wild)) < 0.25 * 0.66, "less the more they vary"


def test_half_way_without_any_window_to_ask() -> None:
    assert season_share([], SPAN) == 0.5
    assert season_share([window(0.3)], SPAN) == 0.5


def test_same_season_is_a_year_back_give_or_take_weeks() -> None:
    days = np.array([0.0, 30.0, 300.0])
    assert same_season(days, np.array([1.0, 9.0, 9.0]), 365.0)[0] < same_season(days, np.array([9.0, 1.0, 9.0]), 365.0)[0]
    assert same_season(days, np.zeros(3), 365.0)[1] == 1.0
    value, weight = same_season(days, np.zeros(3), 150.0)
    assert np.isnan(value)
    assert weight == 0


def test_windows_ask_only_what_was_complete_at_the_time() -> None:
    """Turning every label after a day around changes no window whose own labels were complete by then."""
    past = past_of(seasonal(MONTHS))
    turned = Past(past.day, past.columns, np.where(past.day > 500, 1 - past.churned, past.churned), SPAN)
    before, after = ([one for one in windows(each) if one.day <= 500] for each in (past, turned))
    assert before == after
    assert len(before) > 5
    assert windows(past)[-1] != windows(turned)[-1]


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 1.0])
def test_shift_to_meets_the_share(share: float) -> None:
    raw = np.random.default_rng(1).normal(0, 2, 500)
    assert logistic(raw + shift_to(raw, share)).mean() == pytest.approx(np.clip(share, 0.002, 0.998), abs=1e-6)


def test_ridge_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(2)
    columns = rng.normal(0, 1, (400, 3))
    target = (rng.random(400) < logistic(columns @ [1.0, -0.5, 0.0] + 0.3)).astype(float)
    theirs = LogisticRegression(C=1 / 4.0, tol=1e-10, max_iter=500).fit(columns, target)
    ours = ridge(np.column_stack([np.ones(400), columns]), target, np.array([1e-12, 4.0, 4.0, 4.0]), np.zeros(4))
    assert np.allclose(ours, [theirs.intercept_[0], *theirs.coef_[0]], atol=1e-5)


def test_log_odds_and_back() -> None:
    assert np.allclose(logistic(log_odds(np.array([0.1, 0.5, 0.9]))), [0.1, 0.5, 0.9])
