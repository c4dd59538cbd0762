"""Who will grow and who will decline: two calibrated heads whose level follows the season.

Trees learn within cutoffs (each cutoff's own log-odds are given to them), and the level is forecast apart, as for the value model.
It is used only where such forecasts beat the mean of past cutoffs on windows that were complete.
"""

from __future__ import annotations

import numpy as np

from features.trees import Array, Head, log_odds
from training.calibrate import FOLDS, platt
from training.churn import days_of, refuse_few
from training.dataset import Dataset
from training.level import Series, completeness, forecast, past_errors
from training.logistic import shift_to
from training.models import Job, Matrix, boosted

HEADS = {"growth": "grew", "decline": "declined"}
"""Each head's label."""
LEAST_SHARE = 0.002


def fit_outlook(data: Dataset, matrix: Matrix, fold: Array, day: int, span: int, active_days: int) -> dict[str, Head]:
    """The heads.

    Parameters
    ----------
    fold : (n,) of the rows' merchants. day : of training. span : days from a cutoff to the end of its labels.

    Raises
    ------
    DataRefused
        When there are too few rows to learn from.
    """
    days = days_of(data.features)
    moments, place = np.unique(days, return_inverse=True)
    targets = {head: data.labels[label].to_numpy(float) for head, label in HEADS.items()}
    starts = {head: own_level(target, place)[place] for head, target in targets.items()}
    rows = {k: np.ones(len(fold), bool) if k is None else fold != k for k in (None, *range(FOLDS))}
    jobs = {(head, k): Job(head, chosen, targets[head], starts[head]) for head in HEADS for k, chosen in rows.items()}
    for (head, _), job in jobs.items():
        refuse_few(head, int(job.rows.sum()))
    found = boosted(matrix, jobs)
    age = np.nan_to_num(data.features["days_since_first_order"].to_numpy(float)) if "days_since_first_order" in data.features else days * 0
    complete = completeness(moments, float((days - age).min()), active_days)
    heads = {}
    for head, target in targets.items():
        unseen = np.zeros(len(fold))
        for k in range(FOLDS):
            unseen[fold == k] = found[head, k].predict(matrix.rows[fold == k], raw_score=True, num_threads=1)
        shifts = np.array([shift_to(unseen[place == k], float(target[place == k].mean())) for k in range(len(moments))])
        slope, intercept = platt(unseen + shifts[place], target)
        level = level_of(Series(moments, shifts, complete, span), day)
        heads[head] = Head(found[head, None].model_to_string(), slope, intercept + slope * level)
    return heads


def own_level(target: Array, place: np.ndarray) -> Array:
    """Log-odds of each cutoff's share, (cutoffs,); `place` (n,) is each row's cutoff."""
    return log_odds(np.bincount(place, target) / np.bincount(place), LEAST_SHARE)


def level_of(series: Series, day: float) -> float:
    """The level of the season ahead, in log-odds: forecast where that beat the plain mean on past windows, or could not be tried."""
    errors, weight = past_errors(series)
    plain = np.array(
        [series.logs[place] - series.before(moment).logs.mean() for place, moment in enumerate(series.days) if len(series.before(moment))]
    )
    if len(errors) and (weight * errors**2).sum() > (weight * plain**2).sum():
        return float(np.average(series.logs, weights=series.complete))
    return forecast(series, day)
