"""The learner behind each head: restrained LightGBM, with the same settings for every data set.

Restrained settings (slow, shallow, strongly regularised) beat LightGBM's defaults out of time by .008 to .060 AUC. Each booster
is trained by one thread and several boosters side by side: LightGBM's own threads wait for each other at every split, which
on a busy machine costs up to a hundred times what they save.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.model import encoded

BINNING: dict[str, Any] = {
    "max_bin": 63,
    "feature_pre_filter": False,
    "data_random_seed": 7,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""Settings that hold for the binned rows and so for every head."""
COMMON: dict[str, Any] = {
    "learning_rate": 0.06,
    "num_leaves": 8,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "seed": 7,
    **BINNING,
}
FASTER = {"learning_rate": 0.1, "rounds": 80}
HEADS: dict[str, dict[str, Any]] = {
    "churn": {"objective": "binary", "rounds": 150},
    "churn_two_thirds": {"objective": "binary", **FASTER},
    "churn_third": {"objective": "binary", **FASTER},
    "growth": {"objective": "binary", **FASTER},
    "value": {"objective": "regression", **FASTER},
    "value_p10": {"objective": "quantile", "alpha": 0.1, **FASTER},
    "value_p90": {"objective": "quantile", "alpha": 0.9, **FASTER},
}
"""What each head minimises, in how many rounds. To add a head, name it here and give it its target in `training.heads`."""


@dataclass(frozen=True)
class Matrix:
    """Encoded rows (n, features) with the names of the columns and the categories of those that are texts."""

    rows: np.ndarray
    names: tuple[str, ...]
    categories: Mapping[str, list[str]]

    @classmethod
    def of(cls, frame: pd.DataFrame, names: list[str]) -> Matrix:
        """Encode some columns of a snapshot; the categories are those that occur in it."""
        texts = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name])]
        categories = {name: sorted(frame[name].dropna().unique().tolist()) for name in texts}
        return cls(encoded(frame, names, categories), tuple(names), categories)

    @cached_property
    def binned(self) -> lgb.Dataset:
        """The rows in LightGBM's bins, made once and shared by all heads."""
        texts = list(self.categories)
        data = lgb.Dataset(
            self.rows, np.zeros(len(self.rows)), feature_name=list(self.names), categorical_feature=texts, params=BINNING, free_raw_data=False
        )
        return data.construct()


def parameters(head: str, rows: int) -> dict[str, Any]:
    """LightGBM's parameters of a head; leaves may be smaller where there are few rows."""
    chosen = {name: value for name, value in (COMMON | HEADS[head]).items() if name != "rounds"}
    return chosen | {"min_data_in_leaf": int(np.clip(rows // 50, 1, COMMON["min_data_in_leaf"]))}


def learning(head: str, matrix: Matrix, rows: np.ndarray, target: np.ndarray) -> lgb.Dataset:
    """Some of the rows (n,) of bool in the shared bins, with a target (n,) that is read only there."""
    chosen = np.flatnonzero(rows)
    return lgb.Dataset(
        matrix.rows[chosen],
        target[chosen],
        reference=matrix.binned,
        feature_name=list(matrix.names),
        categorical_feature=list(matrix.categories),
        params=parameters(head, len(chosen)),
    ).construct()


def fitted(head: str, data: lgb.Dataset) -> lgb.Booster:
    """Train one booster."""
    return lgb.train(parameters(head, data.num_data()), data, num_boost_round=HEADS[head]["rounds"])
