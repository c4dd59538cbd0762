"""Merchants without a first order: the chance that it comes in the next days."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from features.churn_model import Linear
from features.sheet import Frame, column
from features.trees import Array, logistic, plain_json

FILE = "activation.json"


@dataclass(frozen=True)
class Activation:
    """A regularised logistic regression on what is known before any order; without one, `refused` says why."""

    days: int = 30
    linear: Linear | None = None
    refused: str = "this model was trained without merchants that had no order yet"

    def chance(self, frame: Frame) -> Array:
        """Chance (n,) of a first order in the next `days` days; missing where it was refused, and for merchants that have ordered."""
        if self.linear is None:
            return np.full(len(frame), np.nan)
        return np.where(without_order(frame), logistic(self.linear.raw(frame)), np.nan)

    def to_files(self) -> dict[str, bytes]:
        """One JSON file."""
        return {FILE: plain_json(asdict(self))}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Activation:
        """What `to_files` wrote."""
        plain = json.loads(files[FILE])
        own: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in (plain["linear"] or {}).items()}
        linear = Linear(**own) if own else None
        return cls(plain["days"], linear, plain["refused"])


def without_order(frame: Frame) -> np.ndarray:
    """Whether each merchant of a snapshot has had no order yet, (n,)."""
    return np.isnan(column(frame, "days_since_last_order"))
