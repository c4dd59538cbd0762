"""How a model did on dates that it had not seen, from the predictions kept beside its bundle: calibration and lift."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CLASSES = 10
POINTS = 100


@dataclass(frozen=True)
class Judged:
    """Calibration by class of risk and the curve of gains.

    Attributes
    ----------
    told, happened, sizes : (classes,) mean risk, share that left, and number of merchants.
    caught : (101,) share of all who left among the first percent, two percent … of the list.
    """

    told: NDArray[np.float64]
    happened: NDArray[np.float64]
    sizes: NDArray[np.int64]
    caught: NDArray[np.float64]


def judged(state_dir: Path, model_version: str) -> Judged | None:
    """What is known of a model's out-of-time predictions; None where they are not kept."""
    path = state_dir / "judged" / f"{model_version}.parquet"
    try:
        return _judged(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=4)
def _judged(path: Path, changed: int) -> Judged:
    table = pd.read_parquet(path, columns=["churn_risk", "churned"])
    return judgement(table["churn_risk"].to_numpy(np.float64), table["churned"].to_numpy(np.float64))


def judgement(risk: NDArray[np.float64], left: NDArray[np.float64]) -> Judged:
    """Calibration and gains of some predictions; ties of risk stand in no order of what happened.

    Examples
    --------
    >>> float(judgement(np.array([0.1, 0.9]), np.array([0.0, 1.0])).caught[50])
    1.0
    """
    order = np.lexsort((np.arange(len(risk)), -risk))
    classes = np.array_split(order[::-1], min(CLASSES, len(order)))
    told = np.array([risk[one].mean() for one in classes])
    happened = np.array([left[one].mean() for one in classes])
    running = np.concatenate([[0.0], np.cumsum(left[order])])
    places = np.linspace(0, len(order), POINTS + 1).round().astype(int)
    caught = running[places] / max(running[-1], 1.0)
    return Judged(told, happened, np.array([len(one) for one in classes]), caught)
