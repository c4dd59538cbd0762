"""From a dataset to a fitted `Model`: each head's rows and target, calibration and card."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.errors import DataRefused
from features.model import Head, Model
from features.settings import Settings
from training.calibrate import FOLDS, folds, platt
from training.dataset import Dataset
from training.labels import ACTIVATION_DAYS, DECLINE, GROWTH, third
from training.models import Matrix, fitted, learning
from training.value import base_of, log_ratio, sizing

Targets = Callable[[Dataset, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From the dataset and the carried-forward GMV to which rows a head learns from, (n,) of bool, and its target, (n,)."""


def _silent_until(label: str, later: str) -> Targets:
    """Silent over the shorter span, among those not silent over the longer: chances then never rise with the horizon."""
    return lambda data, _: (data.labels[later].to_numpy() == 0, data.labels[label].to_numpy())


TARGETS: dict[str, Targets] = {
    "churn": lambda data, _: (np.ones(len(data.labels), bool), data.labels["churned"].to_numpy()),
    "churn_two_thirds": _silent_until("churned_two_thirds", "churned"),
    "churn_third": _silent_until("churned_third", "churned_two_thirds"),
    "growth": lambda data, _: (np.ones(len(data.labels), bool), data.labels["grew"].to_numpy()),
    "value": lambda data, carried: (data.labels["value"].to_numpy() > 0, log_ratio(data.labels["value"].to_numpy(), carried)),
    "value_p10": lambda data, carried: (np.ones(len(carried), bool), log_ratio(data.labels["value"].to_numpy(), carried)),
    "value_p90": lambda data, carried: (np.ones(len(carried), bool), log_ratio(data.labels["value"].to_numpy(), carried)),
}
CALIBRATED = ("churn", "growth")
SIZED = ("value", "value_p10", "value_p90")
WORKERS = 2
LEAST_ROWS = 2
"""Below it LightGBM's bagging draws no row at all."""
Job = tuple[str, int | None]
"""A head, and the fold whose merchants its booster does not see (None: it sees all)."""


def fit(data: Dataset, settings: Settings, about: dict[str, Any]) -> Model:
    """Train every head.

    Parameters
    ----------
    data : snapshots and labels of at least one cutoff.
    about : what the card says beyond the model itself (cutoffs, fingerprint).

    Raises
    ------
    DataRefused
        When nobody, or everybody, churned at every training cutoff, or there are too few merchants to learn from.
    """
    _check_classes(data)
    names = useful(data.features)
    _check_useful(names)
    matrix = Matrix.of(data.features, names)
    base, factor = base_of(settings, list(data.features.columns))
    carried = data.features[base].to_numpy(float) * factor
    targets = {head: rule(data, carried) for head, rule in TARGETS.items()}
    boosters, unseen = _trained(matrix, targets, folds(data.merchants))
    lines = {head: platt(unseen[head], targets[head][1]) if head in CALIBRATED else (1.0, 0.0) for head in TARGETS}
    heads = {head: Head(booster.model_to_string(), *lines[head]) for head, booster in boosters.items()}
    future = data.labels["value"].to_numpy()
    money = sizing(settings, data.features, future, future > 0, unseen)
    return Model(heads, money, card(data, settings, names, matrix, about))


def _trained(
    matrix: Matrix, targets: dict[str, tuple[np.ndarray, np.ndarray]], fold: np.ndarray
) -> tuple[dict[str, lgb.Booster], dict[str, np.ndarray]]:
    """Each head's booster on all its rows, and raw scores (n,) of boosters that had not seen the merchant (NaN where none did)."""
    jobs = _jobs(targets, fold)
    one_at_a_time = Lock()  # of the shared bins' readers

    def trained(job: Job) -> lgb.Booster:
        with one_at_a_time:
            data = learning(job[0], matrix, jobs[job], targets[job[0]][1])
        return fitted(job[0], data)

    with ThreadPoolExecutor(WORKERS) as pool:
        found = dict(zip(jobs, pool.map(trained, jobs), strict=True))
    unseen = {head: np.full(len(fold), np.nan) for head in (*CALIBRATED, *SIZED)}
    for (head, k), booster in found.items():
        if k is not None:
            outside = targets[head][0] & (fold == k)
            unseen[head][outside] = booster.predict(matrix.rows[outside], raw_score=True, num_threads=1)
    return {head: found[head, None] for head in targets}, unseen


def _jobs(targets: dict[str, tuple[np.ndarray, np.ndarray]], fold: np.ndarray) -> dict[Job, np.ndarray]:
    """The rows (n,) of bool that each booster learns from; `(head, k)` does not see the merchants of fold k."""
    jobs: dict[Job, np.ndarray] = {(head, None): rows for head, (rows, _) in targets.items()}
    jobs |= {(head, k): targets[head][0] & (fold != k) for head in (*CALIBRATED, *SIZED) for k in range(FOLDS)}
    for (head, _), rows in jobs.items():
        if (count := int(rows.sum())) < LEAST_ROWS:
            raise DataRefused(
                f"the merchants of the training cutoffs are too few to learn from ({count} row{'s' * (count != 1)} for the head {head}). "
                "Add merchants or months of orders, or raise active_days in keepwell.toml."
            )
    return jobs


def _check_useful(names: list[str]) -> None:
    if not names:
        raise DataRefused(
            "the merchants of the training cutoffs cannot be told apart: no feature differs between any two at the same cutoff. "
            "Add merchants, or raise active_days in keepwell.toml."
        )


def _check_classes(data: Dataset) -> None:
    share = float(data.labels["churned"].mean())
    if share in (0.0, 1.0):
        raise DataRefused(
            f"{'nobody' if share == 0 else 'everybody'} churned at all {len(data.labels):,} rows of the training cutoffs: there is nothing "
            "to tell apart. Change active_days or horizon_days in keepwell.toml, or add months of orders."
        )


def useful(frame: pd.DataFrame) -> list[str]:
    """The columns that tell merchants of one cutoff apart; one that is the same for all of them cannot rank anybody.

    A column that only tells cutoffs apart would let trees remember the churn rate of each training month.
    """
    varies = frame.groupby(level="cutoff").nunique(dropna=False).gt(1).any()
    return [name for name in frame.columns if varies[name]]


def card(data: Dataset, settings: Settings, names: list[str], matrix: Matrix, about: dict[str, Any]) -> dict[str, Any]:
    """What the model is, in data: everything the model card and the checks at serving need."""
    churn, growth = settings.churn, settings.growth
    return {
        "features": names,
        "categories": {name: list(values) for name, values in matrix.categories.items()},
        "rows": len(data.labels),
        "merchants": len(np.unique(data.merchants)),
        "base_rate": float(data.labels["churned"].mean()),
        "active_days": churn.active_days,
        "gap_days": churn.gap_days,
        "horizon_days": churn.horizon_days,
        "horizons": [third(churn.horizon_days, 1), third(churn.horizon_days, 2), churn.horizon_days],
        "value_horizon_days": growth.horizon_days,
        "growth_factor": GROWTH,
        "decline_factor": DECLINE,
        "activation_days": ACTIVATION_DAYS,
        "currency": settings.timeline.currency,
    } | about
