"""A fitted model as plain data, boosters as text and all else as JSON, and the one way to score with it.

Backtests and publishing both score through `Model`, so what was measured is what is served. It composes who leaves
(`features.churn_model`), what they will sell (`features.value_model`) and the further heads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.activation import Activation
from features.churn_model import CHURN_SCORES, RANGE, RISKS, ChurnModel
from features.drift import Reference
from features.lifetime import Lifetime
from features.sheet import Frame
from features.trees import Array, Encoding, Head, encoded, logistic, plain_json
from features.value_model import ValueModel

MONEY = ("expected_gmv", "expected_gmv_p10", "expected_gmv_p90")
CHANCES = {"growth": "growth_potential", "decline": "decline_risk"}
"""The further heads and their scores."""
SCORES = (*CHURN_SCORES, *MONEY, *CHANCES.values(), "lifetime_value")
__all__ = ["RANGE", "RISKS", "SCORES", "Head", "Model", "encoded", "logistic"]


@dataclass(frozen=True, repr=False)
class Model:
    """What one training fitted, with what is needed to encode a snapshot for it."""

    churn: ChurnModel
    value: ValueModel
    heads: Mapping[str, Head]
    card: Mapping[str, Any]
    lifetime: Lifetime = field(default_factory=Lifetime)
    activation: Activation = field(default_factory=Activation)
    seen: Reference = field(default_factory=dict)
    """What the merchants that it learnt from looked like, features and scores."""

    @property
    def features(self) -> list[str]:
        """The columns it reads, in order."""
        return list(self.card["features"])

    def encode(self, frame: Frame) -> Array:
        """Float64 matrix (n, features) of a snapshot; categories as their codes, unknown ones missing.

        Raises
        ------
        ModelRefused
            When the snapshot lacks a column.
        """
        return Encoding(tuple(self.features), self.card["categories"]).rows(frame)

    def scores(self, frame: pd.DataFrame) -> pd.DataFrame:
        """All scores of a snapshot, one row each, columns `SCORES`."""
        return pd.DataFrame(self.columns(frame, self.encode(frame)), index=frame.index)

    def columns(self, frame: Frame, rows: Array) -> dict[str, Array]:
        """All scores by name, (n,) each, of a snapshot and the same encoded."""
        risks = self.churn.chances(frame, self._for_churn(frame, rows))
        money = self.value.expected(frame, rows, risks["churn_risk"])
        chances = {score: logistic(self.heads[head].raw(rows)) for head, score in CHANCES.items()}
        lifetime_value = self.lifetime.value(money[0], risks["churn_risk"])
        return {**risks, **dict(zip(MONEY, money, strict=True)), **chances, "lifetime_value": lifetime_value}

    def activation_chance(self, frame: Frame) -> Array:
        """Chance (n,) that a merchant without any order has its first one soon; missing for all others, and where it was refused."""
        return self.activation.chance(frame)

    def contributions(self, frame: pd.DataFrame, head: str = "churn") -> pd.DataFrame:
        """Contributions in log-odds: one column per feature and `base`; rows add up to the head's log-odds."""
        names, parts = self.pushes(frame, self.encode(frame), head)
        return pd.DataFrame(parts, index=frame.index, columns=list(names))

    def pushes(self, frame: Frame, rows: Array, head: str = "churn") -> tuple[tuple[str, ...], Array]:
        """The columns of `contributions`, the base last, and their values, (n, columns), of a snapshot and the same encoded."""
        if head != "churn":
            return (*self.features, "base"), self.heads[head].contributions(rows)
        columns, parts = self.churn.pushes(frame, self._for_churn(frame, rows))
        seen = {*self.features, "base"}
        told = (*self.features, *(name for name in columns if name not in seen), "base")
        if told == tuple(columns):
            return told, parts
        place = {name: number for number, name in enumerate(columns)}
        every = np.column_stack([parts, np.zeros(len(parts))])
        return told, every[:, [place.get(name, -1) for name in told]]

    def _for_churn(self, frame: Frame, rows: Array) -> Array:
        """The rows as encoded for who leaves, who need not read the same columns as the others."""
        same = self.churn.encoding.features == tuple(self.features) and self.churn.encoding.categories == self.card["categories"]
        return rows if same else self.churn.encoding.rows(frame)

    def to_files(self) -> dict[str, bytes]:
        """The model as files: JSON with sorted keys and LightGBM text; the same model gives the same bytes."""
        lines = {name: {"slope": head.slope, "intercept": head.intercept} for name, head in self.heads.items()}
        files = {f"heads/{name}.txt": head.text.encode() for name, head in self.heads.items()}
        files |= {"calibration.json": plain_json({"heads": lines, "lifetime": asdict(self.lifetime)}), "card.json": plain_json(self.card)}
        files |= {"seen.json": plain_json(self.seen)}
        return files | self.churn.to_files() | self.value.to_files() | self.activation.to_files()

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Model:
        """The model that `to_files` wrote; the files must have been checked before."""
        plain = json.loads(files["calibration.json"])
        heads = {name: Head(files[f"heads/{name}.txt"].decode(), **line) for name, line in plain["heads"].items()}
        parts = (ChurnModel.from_files(files), ValueModel.from_files(files), heads, json.loads(files["card.json"]))
        seen = json.loads(files["seen.json"]) if "seen.json" in files else {}
        return cls(*parts, Lifetime(**plain["lifetime"]), Activation.from_files(files), seen)
