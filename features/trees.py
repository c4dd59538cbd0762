"""A LightGBM booster as plain text, and the rows it reads: shared by all models that stand on trees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from multiprocessing import parent_process
from typing import Any

import lightgbm as lgb
import numpy as np

from features.errors import ModelRefused
from features.sheet import Frame, matrix

Array = np.ndarray[Any, np.dtype[np.float64]]
FEW_ROWS = 256
"""Up to so many rows one thread is faster than waking several (FACTS: 48 microseconds against 12 milliseconds for one row)."""


@dataclass(frozen=True)
class Head:
    """One booster; its raw score (log-odds or log ratio) is taken times `slope` plus `intercept`."""

    text: str
    slope: float = 1.0
    intercept: float = 0.0

    @cached_property
    def booster(self) -> lgb.Booster:
        """The booster, parsed once. Only for text that has been checked: LightGBM's parser kills the process on damage."""
        return lgb.Booster(model_str=self.text)

    def raw(self, rows: np.ndarray) -> Array:
        """Calibrated raw scores (n,) of encoded rows (n, features)."""
        score = self.booster.predict(rows, raw_score=True, num_threads=_threads(rows))
        return np.asarray(self.slope * np.asarray(score) + self.intercept)

    def contributions(self, rows: np.ndarray) -> Array:
        """Exact tree SHAP values (n, features + 1) of the calibrated raw score, the base last (Lundberg et al. 2018)."""
        parts = np.asarray(self.booster.predict(rows, pred_contrib=True, num_threads=_threads(rows))) * self.slope
        parts[:, -1] += self.intercept
        return np.asarray(parts)


def _threads(rows: np.ndarray) -> int:
    """One in a forked process too: OpenMP would wait there for threads that a fork does not copy."""
    return 1 if len(rows) <= FEW_ROWS or parent_process() is not None else 0


def logistic(raw: np.ndarray) -> Array:
    """Log-odds to probability."""
    return np.asarray(1 / (1 + np.exp(-raw)))


def log_odds(chance: np.ndarray, least: float = 1e-6) -> Array:
    """Probability, held within `[least, 1 - least]`, to log-odds."""
    held = np.clip(chance, least, 1 - least)
    return np.asarray(np.log(held / (1 - held)))


@dataclass(frozen=True)
class Encoding:
    """Which columns a model reads, in order, and the lists that turn texts into codes."""

    features: tuple[str, ...]
    categories: Mapping[str, list[str]]

    def rows(self, frame: Frame) -> Array:
        """Float64 matrix (n, features) of a snapshot; categories as their codes, unknown ones missing.

        Raises
        ------
        ModelRefused
            When the snapshot lacks a column.
        """
        lacking = [name for name in self.features if name not in frame]
        if lacking:
            raise ModelRefused(
                f"the model reads {len(lacking)} features that this data does not have, such as {lacking[0]!r}; train on this data, "
                "or restore the missing table."
            )
        return encoded(frame, list(self.features), self.categories)


def encoded(frame: Frame, features: list[str], categories: Mapping[str, list[str]]) -> Array:
    """Float64 matrix (n, features); texts become their place in the saved list, unknown and missing ones NaN."""
    rows = np.empty((len(frame), len(features)))
    numbers = [place for place, name in enumerate(features) if name not in categories]
    rows[:, numbers] = matrix(frame, [features[place] for place in numbers])
    for place, name in enumerate(features):
        if name in categories:
            codes = dict(zip(categories[name], range(len(categories[name])), strict=True))
            rows[:, place] = [*map(codes.get, np.asarray(frame[name], object), repeat(np.nan))]
    return rows


def plain_json(value: Any) -> bytes:
    """JSON with sorted keys: the same value gives the same bytes."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
