"""Fits the churn model: its members, how they are weighed, and the level of the season ahead.

Features are chosen on windows later than those that were learnt from (`training.selection`), where the history is long enough for
that; the members then learn from everything, and are weighed by what they say of merchants that they had not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.btyd import NEEDS, History
from features.churn_model import CAUSES, Blend, ChurnModel, Linear, Rhythm, logarithms, standardised
from features.errors import DataRefused
from features.settings import Settings
from features.trees import Array, Head, log_odds, logistic
from training.btyd import likelier
from training.calibrate import FOLDS
from training.dataset import Dataset
from training.labels import window_end
from training.logistic import ridge, shift_to
from training.models import BAGGED, NEVER_LOWERS, Job, Matrix, boosted
from training.season import Past, level_ahead, recent
from training.selection import Forward, helpful, weights_of

PRIOR = (0.5, 0.25, 0.25)
"""Weights of the trees, the linear and the rhythm member before the rows have said better."""
PULL = 300.0
"""Strength with which the weights are held there, in units of information."""
SHRINKAGE = 30.0
"""Pull of the linear member's coefficients to zero."""
HEAVY = 3.0
"""A column that goes beyond it is taken in logarithms by the linear member."""
LEAST_ROWS = 2
"""Below it LightGBM's bagging draws no row at all."""
LEAST_HISTORIES = 20
"""Below it four parameters of the rhythm member are not worth fitting."""
ALL = slice(None)
"""All rows."""
ALWAYS = (*CAUSES, *NEVER_LOWERS)
"""Features that stay in the model whatever the sample says: its reasons stand on them."""


@dataclass(frozen=True)
class Now:
    """The day of training: the cohort's snapshot then, without labels, and the order histories of everybody who ever sold."""

    day: int
    cohort: pd.DataFrame
    everybody: pd.DataFrame


@dataclass(frozen=True)
class Fitted:
    """The churn model, and each learnt row's chance (n,) by members that had not seen its merchant."""

    model: ChurnModel
    unseen: Array
    left_out: tuple[str, ...]


def fit_churn(data: Dataset, settings: Settings, matrix: Matrix, fold: np.ndarray, now: Now) -> Fitted:
    """Fit the members on all rows and weigh them.

    Raises
    ------
    DataRefused
        When there are too few rows to learn from.
    """
    target = data.labels["churned"].to_numpy(float)
    horizon = settings.churn.horizon_days
    rhythm = fit_rhythm(now.everybody, data.features, horizon)
    day = days_of(data.features)
    split = Forward.of(day, target, window_end(0, settings))
    every = matrix.names
    matrix = helpful(matrix, split, fold, ALWAYS) if split else matrix
    left_out = tuple(name for name in every if name not in set(matrix.names))
    jobs = _jobs(data, fold)
    boosters = boosted(matrix, jobs)
    heads = {key: Head(booster.model_to_string()) for key, booster in boosters.items() if key[1] is None}
    numbers = Numbers.of(data.features, matrix.names)
    linear = numbers.fit(target)
    unseen = np.column_stack(
        [_unseen_trees(matrix, boosters, fold), numbers.unseen(target, fold, linear), rhythm.raw(data.features) if rhythm else np.zeros(len(fold))]
    )
    prior = np.array(PRIOR) if rhythm else np.array([PRIOR[0] + PRIOR[2], PRIOR[1], 0.0])
    weights = weights_of(unseen, day, target, prior, PULL)
    middle = _shift(unseen @ weights, target)
    blend = Blend(float(weights[0]), float(weights[1]), float(weights[2]), middle)
    trees = tuple(heads[head, None] for head in BAGGED)
    shorter = (heads["churn_two_thirds", None], heads["churn_third", None])
    model = ChurnModel(matrix.encoding, trees, shorter, horizon, blend, linear, rhythm)
    model = levelled(model, data, target, settings, now)
    return Fitted(model, logistic(unseen @ weights + middle), left_out)


def days_of(frame: pd.DataFrame) -> Array:
    """The cutoff of each row as a day number, (n,)."""
    moments = pd.DatetimeIndex(frame.index.get_level_values("cutoff"))
    return np.asarray((moments - pd.Timestamp(0)).days.to_numpy().astype(float))


def _shift(raw: Array, target: Array) -> float:
    return shift_to(raw, float(target.mean()))


# --- members


@dataclass(frozen=True)
class Numbers:
    """What the linear member learns from: every number among the columns, (n, k), in logarithms where `logs`."""

    names: tuple[str, ...]
    logs: np.ndarray
    columns: Array

    @classmethod
    def of(cls, frame: pd.DataFrame, names: tuple[str, ...]) -> Numbers:
        """The numbers among some columns of a snapshot."""
        numbers = tuple(name for name in names if pd.api.types.is_numeric_dtype(frame[name]))
        logs = np.array([np.nan_to_num(frame[name].abs().max()) > HEAVY for name in numbers])
        return cls(numbers, logs, logarithms(frame, numbers, logs))

    def fit(self, target: Array, rows: np.ndarray | slice = ALL, near: Linear | None = None) -> Linear:
        """The linear member on some rows (n,) of bool; longer silence never lowers the risk. `near` is one that is not far from it."""
        columns = self.columns[rows]
        given = np.isfinite(columns)
        count = np.maximum(given.sum(axis=0), 1)
        center = np.where(given, columns, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(given, np.square(columns - center), 0).sum(axis=0) / count)
        spread = np.where(spread > 1e-9, spread, 1.0)
        unit = standardised(columns, center, spread)
        begin = None if near is None else np.array([near.intercept, *near.weights])
        weights, intercept = _coefficients(unit, target[rows], np.array([name in NEVER_LOWERS for name in self.names]), begin)
        return Linear(
            self.names, tuple(self.logs.tolist()), tuple(center.tolist()), tuple(spread.tolist()), tuple(weights.tolist()), intercept
        )

    def unseen(self, target: Array, fold: np.ndarray, near: Linear) -> Array:
        """Log-odds (n,) by linear members that had not seen the merchant."""
        found = np.zeros(len(fold))
        for k in range(FOLDS):
            rows = fold == k
            if rows.any():
                member = self.fit(target, ~rows, near)
                unit = standardised(self.columns[rows], np.array(member.center), np.array(member.spread))
                found[rows] = unit @ np.array(member.weights) + member.intercept
        return found


def fit_linear(frame: pd.DataFrame, names: tuple[str, ...], target: Array) -> Linear:
    """The linear member on all rows of a snapshot."""
    return Numbers.of(frame, names).fit(target)


def _coefficients(unit: Array, target: Array, never_negative: np.ndarray, begin: Array | None = None) -> tuple[Array, float]:
    """Coefficients (k,) and intercept; those that must not be negative but are become zero, and the others are fitted again."""
    design = np.column_stack([np.ones(len(unit)), unit])
    pull, start = np.full(design.shape[1], SHRINKAGE), np.zeros(design.shape[1])
    start[0], pull[0] = log_odds(np.array(target.mean()), 0.005), 1e-3
    found, free = (start if begin is None else begin).copy(), np.ones(design.shape[1], bool)
    while True:
        found[free] = ridge(design if free.all() else design[:, free], target, pull[free], start[free], steps=12, begin=found[free])
        wrong = np.append(False, never_negative) & (found < 0)
        if not wrong.any():
            return found[1:], float(found[0])
        found[wrong], free = 0.0, free & ~wrong


def fit_rhythm(everybody: pd.DataFrame, frame: pd.DataFrame, horizon: int) -> Rhythm | None:
    """The buy-till-you-die member; None where the features or the merchants that it needs are not there."""
    if not set(NEEDS) <= set(everybody) or not set(NEEDS) <= set(frame):
        return None
    histories = History.of(everybody)
    sold = histories[histories.age > 0]
    if len(sold) < LEAST_HISTORIES or sold.repeats.sum() < LEAST_HISTORIES:
        return None
    own = History.of(frame)
    usual = (float(np.median(own.repeats)), float(np.median(own.age)), float(np.median(own.age - own.last)))
    return Rhythm(likelier(sold), horizon, usual)


# --- all rows

JobKey = tuple[str, int | None]
"""A head, and the fold whose merchants its booster does not see (None: it sees all)."""


def _jobs(data: Dataset, fold: np.ndarray) -> dict[JobKey, Job]:
    """Silence over the shorter span is learnt among those not silent over the longer: chances then never rise with the horizon."""
    whole, two_thirds, third = (data.labels[name].to_numpy(float) for name in ("churned", "churned_two_thirds", "churned_third"))
    everyone = np.ones(len(whole), bool)
    jobs: dict[JobKey, Job] = {(head, None): Job(head, everyone, whole) for head in BAGGED}
    jobs |= {(BAGGED[0], k): Job(BAGGED[0], fold != k, whole) for k in range(FOLDS)}
    jobs |= {("churn_two_thirds", None): Job("churn_two_thirds", whole == 0, two_thirds)}
    jobs |= {("churn_third", None): Job("churn_third", two_thirds == 0, third)}
    for (head, _), job in jobs.items():
        refuse_few(head, int(job.rows.sum()))
    return jobs


def refuse_few(head: str, count: int) -> None:
    """Refuse to fit a head on next to nothing.

    Raises
    ------
    DataRefused
        When there are fewer than `LEAST_ROWS` rows.
    """
    if count < LEAST_ROWS:
        raise DataRefused(
            f"the merchants of the training cutoffs are too few to learn from ({count} row{'s' * (count != 1)} for the head {head}). "
            "Add merchants or months of orders, or raise active_days in keepwell.toml."
        )


def _unseen_trees(matrix: Matrix, boosters: Mapping[JobKey, lgb.Booster], fold: np.ndarray) -> Array:
    """Log-odds (n,) by trees that had not seen the merchant."""
    found = np.zeros(len(fold))
    for k in range(FOLDS):
        rows = fold == k
        if rows.any():
            found[rows] = boosters[BAGGED[0], k].predict(matrix.rows[rows], raw_score=True, num_threads=1)
    return found


def levelled(model: ChurnModel, data: Dataset, target: Array, settings: Settings, now: Now) -> ChurnModel:
    """The model with the level of the season ahead, forecast for the day of training."""
    around = now.cohort[recent(now.cohort, settings)]
    raw = model.raw(around) if len(around) else np.zeros(0)
    level = level_ahead(Past.of(data.features, days_of(data.features), target, settings), raw, now.day)
    notes: dict[str, Any] = {"level": level.how, "weights": [round(value, 3) for value in (model.blend.trees, model.blend.linear, model.blend.rhythm)]}
    return replace(model, blend=replace(model.blend, level=level.shift, level_error=level.error), notes=notes)
