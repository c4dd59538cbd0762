"""From a dataset to a fitted `Model`: who leaves, what they will sell, who will grow, and the card."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.btyd import NEEDS
from features.drift import reference
from features.errors import DataRefused
from features.lifetime import Lifetime
from features.model import Model
from features.settings import Settings
from features.value_model import ValueModel
from training import value
from training.calibrate import folds
from training.churn import Fitted, Now, days_of, fit_churn, refuse_few
from training.dataset import Dataset
from training.labels import ACTIVATION_DAYS, DECLINE, GROWTH, third, window_end
from training.models import Matrix
from training.outlook import fit_outlook


def fit(data: Dataset, settings: Settings, about: dict[str, Any], now: Now | None = None, tuned: dict[str, Any] | None = None) -> Model:
    """Train everything.

    Parameters
    ----------
    data : snapshots and labels of at least one cutoff.
    about : what the card says beyond the model itself (cutoffs, fingerprint).
    now : the day of training; by default the day on which the last labels were complete, with the last cutoff's cohort.
    tuned : LightGBM settings of the churn trees that a search found.

    Raises
    ------
    DataRefused
        When nobody, or everybody, churned at every training cutoff, or there are too few merchants to learn from.
    """
    _check_classes(data)
    names = useful(data.features)
    _check_useful(names)
    refuse_few("churn", len(data.labels))
    now = now or last_day(data, settings)
    matrix = Matrix.of(data.features, names, tuned)
    fold = folds(data.merchants)
    # the outlook needs nothing of the others, so it fills what they leave of the processors; threads of matrix products would wait for each other
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(1) as pool:
        outlook = pool.submit(fit_outlook, data, matrix, fold, now.day, window_end(0, settings), settings.churn.active_days)
        churn = fit_churn(data, settings, matrix, fold, now)
        today = value.Now(now.cohort, matrix.encoding.rows(now.cohort), churn.model.risks(now.cohort)["churn_risk"].to_numpy())
        orders = churn.model.rhythm.model if churn.model.rhythm else None
        money = value.fit(data, settings, matrix.rows, churn.unseen, fold, now.day, today, orders)
        heads = outlook.result()
    terms = lifetime(settings, money)
    seen = reference(data.features[list(matrix.names)].assign(churn_risk=churn.unseen))
    return Model(churn.model, money, heads, card(data, settings, matrix, churn) | about, terms, seen=seen)


def lifetime(settings: Settings, money: ValueModel) -> Lifetime:
    """The terms of lifetime value: beyond the forecast's horizon, GMV is at its usual level again."""
    own = settings.economics
    return Lifetime(own.take_rate, own.discount_rate, settings.growth.horizon_days, settings.churn.horizon_days, money.usual / money.level)


def last_day(data: Dataset, settings: Settings) -> Now:
    """The day on which the last cutoff's labels were complete, with that cutoff's cohort in place of the day's own."""
    day = days_of(data.features)
    last = data.features[day == day.max()].droplevel("cutoff")
    return Now(int(day.max()) + window_end(0, settings), last, last[[name for name in NEEDS if name in last]])


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


def card(data: Dataset, settings: Settings, matrix: Matrix, churn: Fitted) -> dict[str, Any]:
    """What the model is, in data: everything the model card and the checks at serving need."""
    own, growth = settings.churn, settings.growth
    return {
        "features": list(matrix.names),
        "categories": {name: list(values) for name, values in matrix.categories.items()},
        "left_out": list(churn.left_out),
        "weights": dict(zip(("trees", "linear", "rhythm"), churn.model.notes["weights"], strict=True)),
        "level": churn.model.notes["level"],
        "tuned": dict(matrix.tuned),
        "rows": len(data.labels),
        "merchants": len(np.unique(data.merchants)),
        "base_rate": float(data.labels["churned"].mean()),
        "active_days": own.active_days,
        "gap_days": own.gap_days,
        "horizon_days": own.horizon_days,
        "horizons": [third(own.horizon_days, 1), third(own.horizon_days, 2), own.horizon_days],
        "value_horizon_days": growth.horizon_days,
        "growth_factor": GROWTH,
        "decline_factor": DECLINE,
        "activation_days": ACTIVATION_DAYS,
        "currency": settings.timeline.currency,
    }
