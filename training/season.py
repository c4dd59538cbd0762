"""The level of the season ahead: by how much everybody's risk will differ from what the members say, and how well that is known.

Members learn from past seasons and cannot know the one that comes. Forecasts of what they will miss are held against past windows
that were complete at the time, always by a small model fitted on what was known then; the first that has something to say is taken:

* the *season*: the churn rate of the same season of earlier years, taken as far as it told past windows' errors better than nothing
  did (half-way where there is no such window yet);
* the *recent* errors, where there is no earlier year: only if they helped on past windows, and then less the more they vary;
* the *steady* rate of past windows: while a platform is new, histories grow longer from cutoff to cutoff, which members take for
  safety, so that what they say falls although nobody stays longer; it is followed less the more past there is to learn from.

Rates are those of merchants active within the last `HISTORY_DAYS`: that cohort is whole from the first cutoff on, so years can be
compared even where the data begins in the middle of the trade.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.churn_model import logarithms, standardised
from features.settings import Settings
from features.trees import Array, log_odds, logistic
from training.labels import window_end
from training.logistic import ridge, shift_to
from training.timeline import HISTORY_DAYS

YEAR = 365
NEAR = 46
"""Days around the same date of an earlier year within which a cutoff says something about this season."""
FADE = 0.6
"""What a season one year older counts for."""
HALF_WAY = 0.5
DOUBT = 0.25
"""Pull of the season's share to half-way, in squared log-odds of past differences: about one window's."""
NOISE = 0.02
"""Squared log-odds by which past errors vary in any case."""
PRIOR_ERROR = 0.3
"""Error of the level, in log-odds, to reckon with before there are past forecasts to look at; counts as one window."""
HALF_LIFE = 180.0
LATEST = 12
COLUMNS = (
    "days_since_last_order",
    "days_since_first_order",
    "orders_28d",
    "orders_90d",
    "orders_180d",
    "orders_365d",
    "active_days_90d",
    "active_days_365d",
    "gap_mean",
    "silence_ratio",
    "gmv_90d",
    "gmv_365d",
)
"""What the small model looks at, as far as it is there."""


@dataclass(frozen=True)
class Level:
    """The forecast: a shift in log-odds with its standard error, and the words that the card says of it."""

    shift: float
    error: float
    how: str


@dataclass(frozen=True)
class Past:
    """What can be learnt from at past cutoffs: each row's cutoff (a day number), columns and label; only recently active merchants."""

    day: Array
    columns: Array
    churned: Array
    span: int

    @classmethod
    def of(cls, frame: pd.DataFrame, day: Array, churned: Array, settings: Settings) -> Past:
        """The rows of a dataset that are compared between years; `day` and `churned` are (n,)."""
        keep = recent(frame, settings)
        names = tuple(name for name in COLUMNS if name in frame)
        columns = logarithms(frame[keep], names, np.ones(len(names), bool))
        return cls(day[keep], columns, churned[keep], window_end(0, settings))

    def rates(self) -> tuple[Array, Array]:
        """The days, and each one's churn rate in log-odds, (k,) each."""
        days, place = np.unique(self.day, return_inverse=True)
        return days, log_odds(np.bincount(place, self.churned) / np.bincount(place), 0.005)


@dataclass(frozen=True)
class Window:
    """One past window: what a model of its time missed, what season, errors before it and steady rate would have said; NaN for nothing."""

    day: float
    missed: float
    season: float
    known: float
    """How well the season was known, in [0, 1]."""
    before: float
    steady: float


def recent(frame: pd.DataFrame, settings: Settings) -> np.ndarray:
    """Which rows are compared between years, (n,) of bool."""
    days = min(settings.churn.active_days, HISTORY_DAYS)
    return (frame["days_since_last_order"] <= days).to_numpy()


def windows(past: Past) -> list[Window]:
    """Every past window at which a model could have been fitted from windows that were complete by then."""
    days, rates = past.rates()
    found: list[Window] = []
    for day, rate in zip(days, rates, strict=True):
        learnt = past.day <= day - past.span
        if not learnt.any() or len(np.unique(past.churned[learnt])) < 2:
            continue
        raw = _predicted(past, learnt, past.day == day)
        known = days <= day - past.span
        season, weight = same_season(days[known], rates[known], day)
        errors = [window.missed for window in found if window.day <= day - past.span]
        steady = steady_shift(raw, days[known], rates[known], past.span)
        missed = shift_to(raw, float(logistic(rate)))
        expected = shift_to(raw, float(logistic(np.array(season)))) if weight else np.nan
        found.append(Window(float(day), missed, expected, weight, float(np.mean(errors[-3:])) if errors else np.nan, steady))
    return found


def _predicted(past: Past, learnt: np.ndarray, rows: np.ndarray) -> Array:
    columns = past.columns[learnt]
    with np.errstate(invalid="ignore"):
        given = np.isfinite(columns)
        count = np.maximum(given.sum(axis=0), 1)
        center = np.where(given, columns, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(given, (columns - center) ** 2, 0).sum(axis=0) / count)
    spread = np.where(spread > 1e-9, spread, 1.0)
    design, target = _with_one(standardised(columns, center, spread)), past.churned[learnt]
    start = np.zeros(design.shape[1])
    start[0] = log_odds(np.array(target.mean()), 0.005)
    pull = np.full(len(start), 5.0)
    pull[0] = 1e-3
    return np.asarray(_with_one(standardised(past.columns[rows], center, spread)) @ ridge(design, target, pull, start, steps=8))


def _with_one(columns: Array) -> Array:
    return np.column_stack([np.ones(len(columns)), columns])


def same_season(days: Array, rates: Array, day: float) -> tuple[float, float]:
    """Mean rate around the same date of earlier years, and how well it is known, in [0, 1] (0: not at all)."""
    weight = np.zeros(len(days))
    for years in range(1, 4):
        weight += np.maximum(0, 1 - np.abs(days - (day - YEAR * years)) / NEAR) * FADE ** (years - 1)
    total = float(weight.sum())
    return (float((weight * rates).sum() / total), min(1.0, total)) if total > 0.05 else (np.nan, 0.0)


def steady_shift(raw: Array, days: Array, rates: Array, span: int) -> float:
    """The shift of log-odds (m,) towards the mean rate of past windows: all the way after the first, half-way when they reach a span back."""
    rate = np.asarray(np.average(rates, weights=0.5 ** ((days[-1] - days) / HALF_LIFE)))
    return float(span / (span + days[-1] - days[0]) * shift_to(raw, float(logistic(rate))))


def level_ahead(past: Past, raw: Array, day: float) -> Level:
    """The level at a day.

    Parameters
    ----------
    raw : (m,) the members' log-odds, without any level, of the merchants active recently at that day.
    """
    done = windows(past)
    days, rates = past.rates()
    complete = days <= day - past.span
    season, known = same_season(days[complete], rates[complete], day)
    share = season_share(done, past.span)
    lately = recent_share(done)
    shift, how = 0.0, "left alone: there is nobody to compare with past windows"
    if known and len(raw):
        shift = known * share * shift_to(raw, float(logistic(np.array(season))))
        how = f"moved {known * share:.0%} of the way to the same season of earlier years"
    elif lately:
        shift, how = lately, "moved by what recent windows missed; no season of an earlier year was known"
    elif complete.any() and len(raw):
        shift = steady_shift(raw, days[complete], rates[complete], past.span)
        how = "moved towards the rate of past windows; no season of an earlier year was known"
    error = level_error(done, share, day, past.span)
    return Level(float(shift), error, f"{how} ({shift:+.2f} in log-odds, give or take {error:.2f})")


def season_share(done: list[Window], span: int) -> float:
    """How far to follow the season, in [0, 1]: the share that would have told past errors best, held at half-way by doubt."""
    seen = [window for window in done if window.known > 0]
    step = _spacing(done, span)
    weight = np.array([step * window.known for window in seen])
    season, missed = np.array([w.season for w in seen]), np.array([w.missed for w in seen])
    above, below = HALF_WAY * DOUBT + (weight * season * missed).sum(), DOUBT + (weight * season**2).sum()
    return float(np.clip(above / below, 0, 1))


def recent_share(done: list[Window]) -> float:
    """The shift that recent errors advise: half of their mean, less the more they vary, and nothing if it would not have helped."""
    if len(done) < 2:
        return 0.0
    errors = np.array([window.missed for window in done[-LATEST:]])
    tried = [window for window in done if np.isfinite(window.before)]
    alone, moved = (sum((window.missed - part * window.before) ** 2 for window in tried) for part in (0.0, 0.5))
    if not tried or moved >= alone:
        return 0.0
    middle = float(errors.mean())
    return 0.5 * middle * middle**2 / (middle**2 + 2 * float(errors.var()) + NOISE)


def level_error(done: list[Window], share: float, day: float, span: int) -> float:
    """Standard error of the level, from what such forecasts missed on past windows, late ones counting more."""
    step = _spacing(done, span)
    weight = np.array([step * 0.5 ** ((day - window.day - span) / HALF_LIFE) for window in done])
    squares = np.array([(window.missed - _said(window, share)) ** 2 for window in done])
    return float(np.sqrt(((weight * squares).sum() + PRIOR_ERROR**2) / (weight.sum() + 1)))


def _said(window: Window, share: float) -> float:
    if window.known > 0:
        return share * window.season
    return HALF_WAY * window.before if np.isfinite(window.before) else window.steady


def _spacing(done: list[Window], span: int) -> float:
    """How much of an independent window each counts for: windows closer together than they are long overlap."""
    days = np.array([window.day for window in done])
    return float(min(1.0, np.median(np.diff(days)) / span)) if len(days) > 1 else 1.0
