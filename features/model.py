"""A fitted model as plain data: boosters as text, calibration and card as JSON, and the one way to score with them.

Backtests and publishing both score through `Model`, so what was measured is what is served.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.errors import ModelRefused

RISKS = ("churn_risk_third", "churn_risk_two_thirds", "churn_risk")
SCORES = (*RISKS, "expected_gmv", "expected_gmv_p10", "expected_gmv_p90", "growth_potential")
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

    def raw(self, rows: np.ndarray) -> np.ndarray:
        """Calibrated raw scores (n,) of encoded rows (n, features)."""
        score = self.booster.predict(rows, raw_score=True, num_threads=_threads(rows))
        return self.slope * np.asarray(score) + self.intercept

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        """Exact tree SHAP values (n, features + 1) of the calibrated raw score, the base last (Lundberg et al. 2018)."""
        parts = np.asarray(self.booster.predict(rows, pred_contrib=True, num_threads=_threads(rows))) * self.slope
        parts[:, -1] += self.intercept
        return parts


def _threads(rows: np.ndarray) -> int:
    return 1 if len(rows) <= FEW_ROWS else 0


def logistic(raw: np.ndarray) -> np.ndarray:
    """Log-odds to probability."""
    return 1 / (1 + np.exp(-raw))


@dataclass(frozen=True)
class Sizing:
    """How log ratios become money: the carried-forward base they are relative to, and the smearing that undoes the log's bias."""

    base: str
    factor: float
    edges: tuple[float, ...]
    smear: tuple[float, ...]
    low_shift: float
    high_shift: float
    silence_power: float

    def carried(self, frame: pd.DataFrame) -> np.ndarray:
        """GMV of the last horizon, carried forward, (n,)."""
        return frame[self.base].to_numpy(float) * self.factor

    def smearing(self, carried: np.ndarray) -> np.ndarray:
        """Mean of actual over naively retransformed value for merchants of this size, (n,) (Duan 1983, by size)."""
        return np.asarray(self.smear)[np.searchsorted(self.edges, carried, side="right")]


@dataclass(frozen=True)
class Model:
    """The heads of one training, with what is needed to encode a snapshot for them."""

    heads: Mapping[str, Head]
    sizing: Sizing
    card: Mapping[str, Any]

    @property
    def features(self) -> list[str]:
        """The columns it reads, in order."""
        return list(self.card["features"])

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
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
        return encoded(frame, self.features, self.card["categories"])

    def scores(self, frame: pd.DataFrame) -> pd.DataFrame:
        """All scores of a snapshot, one row each, columns `SCORES`."""
        rows = self.encode(frame)
        silent = logistic(self.heads["churn"].raw(rows))
        to_two_thirds = silent + (1 - silent) * logistic(self.heads["churn_two_thirds"].raw(rows))
        to_third = to_two_thirds + (1 - to_two_thirds) * logistic(self.heads["churn_third"].raw(rows))
        low, expected, high = self._money(frame, rows, silent)
        growth = logistic(self.heads["growth"].raw(rows))
        columns = dict(zip(SCORES, (to_third, to_two_thirds, silent, expected, low, high, growth), strict=True))
        return pd.DataFrame(columns, index=frame.index)

    def _money(self, frame: pd.DataFrame, rows: np.ndarray, silent: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        carried = self.sizing.carried(frame)
        size = np.log1p(carried)
        if_active = np.maximum(np.expm1(self.heads["value"].raw(rows) + size), 0)
        expected = (1 - silent**self.sizing.silence_power) * self.sizing.smearing(carried) * if_active
        low = np.maximum(np.expm1(self.heads["value_p10"].raw(rows) + size - self.sizing.low_shift), 0)
        high = np.maximum(np.expm1(self.heads["value_p90"].raw(rows) + size + self.sizing.high_shift), 0)
        return np.minimum(low, high), expected, np.maximum(low, high)

    def contributions(self, frame: pd.DataFrame, head: str = "churn") -> pd.DataFrame:
        """SHAP contributions in log-odds: one column per feature and `base`; rows add up to the head's log-odds."""
        parts = self.heads[head].contributions(self.encode(frame))
        return pd.DataFrame(parts, index=frame.index, columns=[*self.features, "base"])

    def to_files(self) -> dict[str, bytes]:
        """The model as files: JSON with sorted keys and LightGBM text; the same model gives the same bytes."""
        calibration = {name: {"slope": head.slope, "intercept": head.intercept} for name, head in self.heads.items()}
        files = {f"heads/{name}.txt": head.text.encode() for name, head in self.heads.items()}
        return files | {"calibration.json": _json({"heads": calibration, "sizing": vars(self.sizing)}), "card.json": _json(self.card)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Model:
        """The model that `to_files` wrote; the files must have been checked before."""
        calibration = json.loads(files["calibration.json"])
        heads = {name: Head(files[f"heads/{name}.txt"].decode(), **line) for name, line in calibration["heads"].items()}
        sizing: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in calibration["sizing"].items()}
        return cls(heads, Sizing(**sizing), json.loads(files["card.json"]))


def encoded(frame: pd.DataFrame, features: list[str], categories: Mapping[str, list[str]]) -> np.ndarray:
    """Float64 matrix (n, features); texts become their place in the saved list, unknown and missing ones NaN."""
    rows = np.empty((len(frame), len(features)))
    for place, name in enumerate(features):
        if name in categories:
            codes = pd.Index(categories[name]).get_indexer(pd.Index(frame[name], dtype=object))
            rows[:, place] = np.where(codes < 0, np.nan, codes)
        else:
            rows[:, place] = frame[name].to_numpy(float)
    return rows


def _json(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
