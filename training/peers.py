"""What the field would do instead: rules, formulas and learners that a backtest sets beside the model, on the same rows.

Each peer gets what was known at the cutoff (`Past`) and predicts the cohort's rows. It returns `churn_risk`, `expected_gmv`
or both. To add one, write the function here under `@peer` and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.btyd import NEEDS, History
from features.cutoffs import day_date
from features.settings import Settings
from features.snapshot import Market
from training.btyd import fit_bg_nbd, fit_gamma_gamma
from training.dataset import Dataset


@dataclass(frozen=True)
class Past:
    """What was known at a cutoff: labelled rows of earlier cutoffs, and the histories of all merchants, also those long silent."""

    data: Dataset
    everybody: pd.DataFrame
    settings: Settings

    @property
    def latest(self) -> Dataset:
        """The newest slice whose labels were complete."""
        moments = self.data.features.index.get_level_values("cutoff")
        newest = moments == moments.max()
        return Dataset(self.data.features[newest], self.data.labels[newest])


Predicted = Mapping[str, np.ndarray]
Predict = Callable[[Past, pd.DataFrame], Predicted]


@dataclass(frozen=True)
class Peer:
    """One entry of `PEERS`: how it predicts, its description, and the package it needs beyond Keepwell's own."""

    predict: Predict
    description: str
    package: str | None = None

    @property
    def available(self) -> bool:
        """Whether its package is installed."""
        return self.package is None or find_spec(self.package) is not None


PEERS: dict[str, Peer] = {}
"""Every peer by its name in the report."""


def peer(name: str, package: str | None = None) -> Callable[[Predict], Predict]:
    """Register a peer under the name that reports show."""

    def register(predict: Predict) -> Predict:
        PEERS[name] = Peer(predict, (predict.__doc__ or "").strip(), package)
        return predict

    return register


def _fitted_chance(past: pd.DataFrame, churned: pd.Series, now: pd.DataFrame) -> np.ndarray:
    """A logistic regression on the logarithms of some columns; missing counts as zero."""
    learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    learner.fit(_logs(past), churned.to_numpy())
    return np.asarray(learner.predict_proba(_logs(now))[:, 1])


def _logs(frame: pd.DataFrame) -> np.ndarray:
    return np.log1p(np.maximum(np.nan_to_num(frame.to_numpy(float)), 0))


@peer("recency rule")
def recency_rule(past: Past, rows: pd.DataFrame) -> Predicted:
    """The longer silent, the likelier gone: days since the last order alone, as a chance by a logistic regression."""
    days = ["days_since_last_order"]
    return {"churn_risk": _fitted_chance(past.data.features[days], past.data.labels["churned"], rows[days])}


@peer("RFM logistic")
def rfm_logistic(past: Past, rows: pd.DataFrame) -> Predicted:
    """Logistic regression on recency, frequency and monetary value, on many cutoffs."""
    known = ["days_since_last_order", "orders_365d", "gmv_365d"]
    return {"churn_risk": _fitted_chance(past.data.features[known], past.data.labels["churned"], rows[known])}


@peer("BG/NBD + Gamma-Gamma")
def buy_till_you_die(past: Past, rows: pd.DataFrame) -> Predicted:
    """BG/NBD for orders and Gamma-Gamma for spend, fitted on every merchant that ever ordered; no labels, no other features."""
    seen, now = History.of(past.everybody), History.of(rows)
    orders, spend = fit_bg_nbd(seen), fit_gamma_gamma(seen)
    churn, growth = past.settings.churn, past.settings.growth
    risk = orders.silent(now, churn.gap_days + churn.horizon_days)
    return {"churn_risk": risk, "expected_gmv": orders.expected(now, growth.horizon_days) * spend.expected(now)}


@peer("plain LightGBM")
def plain_lightgbm(past: Past, rows: pd.DataFrame) -> Predicted:
    """LightGBM as it comes, default settings, all features, the newest complete slice alone; for money its regressor on raw sales."""
    latest = past.latest
    known, now = _numbers(latest.features, rows)
    settings: dict[str, Any] = {"random_state": 7, "n_jobs": 1, "verbosity": -1, "deterministic": True, "force_col_wise": True}
    money = lgb.LGBMRegressor(**settings).fit(known, latest.labels["value"].to_numpy())
    found = {"expected_gmv": np.asarray(money.predict(now))}
    churned = latest.labels["churned"].to_numpy()
    if churned.min() == churned.max():
        return found | {"churn_risk": np.full(len(rows), churned[0])}
    risk = lgb.LGBMClassifier(**settings).fit(known, churned)
    return found | {"churn_risk": np.asarray(risk.predict_proba(now))[:, 1]}


@peer("restrained CatBoost", package="catboost")
def restrained_catboost(past: Past, rows: pd.DataFrame) -> Predicted:
    """CatBoost slow, shallow and strongly regularised, all features, many cutoffs: the best single learner we know of."""
    from catboost import CatBoostClassifier

    known, now = _numbers(past.data.features, rows)
    learner = CatBoostClassifier(
        iterations=500,
        learning_rate=0.04,
        depth=4,
        l2_leaf_reg=30,
        rsm=0.2,
        bootstrap_type="Bernoulli",
        subsample=0.7,
        border_count=63,
        random_seed=7,
        thread_count=1,
        allow_writing_files=False,
        verbose=False,
    )
    learner.fit(known, past.data.labels["churned"].to_numpy())
    return {"churn_risk": np.asarray(learner.predict_proba(now))[:, 1]}


@peer("carry-forward")
def carry_forward(past: Past, rows: pd.DataFrame) -> Predicted:
    """The sales of the last period of equal length, once more."""
    return {"expected_gmv": gmv_over(rows, past.settings.growth.horizon_days)}


def gmv_over(rows: pd.DataFrame, days: int) -> np.ndarray:
    """GMV of the last `days`, (n,), from the nearest window that features keep, scaled to that length."""
    windows = [int(found[1]) for name in rows.columns if (found := re.fullmatch(r"gmv_(\d+)d", str(name)))]
    nearest = min(windows, key=lambda window: (abs(window - days), window))
    return rows[f"gmv_{nearest}d"].to_numpy(float) * (days / nearest)


def _numbers(known: pd.DataFrame, now: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """All features that differ between any two merchants, as float matrices; texts as their place in the alphabet, new ones missing."""
    columns = []
    for name in known.columns[known.nunique(dropna=False) > 1]:
        if pd.api.types.is_numeric_dtype(known[name]):
            columns.append((known[name].to_numpy(float), now[name].to_numpy(float)))
        else:
            names = pd.Index(sorted(known[name].dropna().unique()))
            codes = [names.get_indexer(pd.Index(frame[name])).astype(float) for frame in (known, now)]
            columns.append((np.where(codes[0] < 0, np.nan, codes[0]), np.where(codes[1] < 0, np.nan, codes[1])))
    past, present = zip(*columns, strict=True)
    return np.column_stack(past), np.column_stack(present)


def beside(market: Market, cutoff: int, data: Dataset, rows: pd.DataFrame) -> pd.DataFrame:
    """All available peers' predictions of some rows of one cutoff: columns `churn_risk of NAME` and `expected_gmv of NAME`.

    Parameters
    ----------
    data : what the model of this cutoff was trained on.
    """
    everybody = market.snapshot(day_date(cutoff), only=list(NEEDS))
    past = Past(data, everybody[everybody["days_since_first_order"].notna()], market.settings)
    columns: dict[str, np.ndarray] = {}
    for name, one in PEERS.items():
        if one.available:
            columns |= {f"{score} of {name}": values for score, values in one.predict(past, rows).items()}
    return pd.DataFrame(columns, index=rows.index)


def absent() -> list[str]:
    """A sentence for each peer whose package is not installed."""
    missing = [(name, one.package) for name, one in PEERS.items() if not one.available]
    return [f"The {name} is not beside it, because the package {package} is not installed: uv sync --extra peers." for name, package in missing]
