"""The learner behind each head: restrained LightGBM, with the same settings for every data set.

Restrained settings (slow, shallow, strongly regularised) beat LightGBM's defaults out of time by .008 to .060 AUC. Each booster
is trained by one thread: LightGBM's own threads wait for each other at every split, which on a busy machine costs up to a hundred
times what they save. What fills the processors is whole models side by side (`training.halves`) and, within one, its independent heads.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, TypeVar

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.trees import Array, Encoding

BINNING: dict[str, Any] = {
    "max_bin": 63,
    "feature_pre_filter": False,
    "enable_bundle": False,
    "is_enable_sparse": False,
    "data_random_seed": 7,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""Settings that hold for the binned rows and so for every head. Plain bins, one column each: LightGBM 4.7 crashes on subsets of others."""
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
    "churn_2": {"objective": "binary", "rounds": 220, "num_leaves": 4, "learning_rate": 0.07, "feature_fraction": 0.2, "seed": 17},
    "churn_two_thirds": {"objective": "binary", **FASTER},
    "churn_third": {"objective": "binary", **FASTER},
    "growth": {"objective": "binary", **FASTER},
    "decline": {"objective": "binary", **FASTER},
}
"""What each head minimises, in how many rounds. To add a head, name it here and give it its target where it is fitted."""
BAGGED = ("churn", "churn_2")
"""The churn heads whose log-odds are averaged: different shapes and seeds err differently."""
NEVER_LOWERS = ("days_since_last_order", "silence_ratio", "silence_over_p95", "silence_z")
"""The longer a merchant has been silent the likelier it has left: whatever the sample says, these never lower a churn risk."""
ONE_AT_A_TIME = Lock()
"""Held by whoever reads shared bins: LightGBM crashes where two do."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Matrix:
    """Encoded rows (n, features) with the names of the columns and the categories of those that are texts."""

    rows: Array
    names: tuple[str, ...]
    categories: Mapping[str, list[str]]
    tuned: Mapping[str, Any] = field(default_factory=dict)
    """What a search found better than the built-in settings of the bagged churn heads."""

    @classmethod
    def of(cls, frame: pd.DataFrame, names: Sequence[str], tuned: Mapping[str, Any] | None = None) -> Matrix:
        """Encode some columns of a snapshot; the categories are those that occur in it."""
        texts = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name])]
        encoding = Encoding(tuple(names), {name: sorted(frame[name].dropna().unique().tolist()) for name in texts})
        return cls(encoding.rows(frame), encoding.features, encoding.categories, tuned or {})

    @property
    def encoding(self) -> Encoding:
        """How other snapshots become such rows."""
        return Encoding(self.names, self.categories)

    def only(self, names: Sequence[str]) -> Matrix:
        """The same rows with some of the columns."""
        places = [self.names.index(name) for name in names]
        kept = {name: values for name, values in self.categories.items() if name in set(names)}
        return Matrix(self.rows[:, places], tuple(names), kept, self.tuned)

    @cached_property
    def binned(self) -> lgb.Dataset:
        """The rows in LightGBM's bins, made once and shared by all heads."""
        texts = list(self.categories)
        data = lgb.Dataset(
            self.rows, np.zeros(len(self.rows)), feature_name=list(self.names), categorical_feature=texts, params=BINNING, free_raw_data=False
        )
        return data.construct()


def parameters(head: str, rows: int, matrix: Matrix) -> dict[str, Any]:
    """LightGBM's parameters of a head and its `rounds`; leaves may be smaller where there are few rows."""
    chosen = COMMON | HEADS[head] | (dict(matrix.tuned) if head in BAGGED else {})
    if head.startswith("churn"):
        chosen["monotone_constraints"] = [int(name in NEVER_LOWERS) for name in matrix.names]
    return chosen | {"min_data_in_leaf": int(np.clip(rows // 50, 1, chosen["min_data_in_leaf"]))}


@dataclass(frozen=True)
class Job:
    """A booster to train: its head, and the rows (n,) of bool and the target (n,), read only there, that it learns from."""

    head: str
    rows: np.ndarray
    target: Array
    start: Array | None = None
    """Log-odds (n,) that the trees need not learn any more."""


def boosted(matrix: Matrix, jobs: Mapping[Key, Job]) -> dict[Key, lgb.Booster]:
    """Train several boosters on the rows of one matrix, in the shared bins."""

    def trained(job: Job) -> lgb.Booster:
        with ONE_AT_A_TIME:
            data = _learning(job, matrix)
        given = parameters(job.head, data.num_data(), matrix)
        rounds = given.pop("rounds")
        return lgb.train(given, data, num_boost_round=rounds)

    return {key: trained(job) for key, job in jobs.items()}


def _learning(job: Job, matrix: Matrix) -> lgb.Dataset:
    """The job's rows, which takes a tenth of binning them again."""
    chosen = np.flatnonzero(job.rows)
    data = matrix.binned.subset(chosen.tolist())
    data.free_raw_data = True  # bins are copied, raw rows are not
    data.construct()
    data.set_label(job.target[chosen])
    if job.start is not None:
        data.set_init_score(job.start[chosen])
    return data
