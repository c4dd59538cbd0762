"""Expected GMV: log ratios to the carried-forward base, so that a few giants cannot blow the forecast up.

Trees on raw amounts fail where some merchants trade ten thousand times what others do. The head predicts
`log1p(future) - log1p(carried)`; what the logarithm takes away from the mean is given back by smearing factors per size
(Duan 1983). P10 and P90 are quantile heads, widened so that they held what they claim on merchants not trained on
(Romano et al. 2019).
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from features.model import Sizing
from features.settings import Settings

SIZES = 8
SHRINKAGE = 100.0
"""Rows' worth of pull of each size's smearing factor towards the overall one."""


def base_of(settings: Settings, names: list[str]) -> tuple[str, float]:
    """The GMV feature whose window is nearest to the value horizon, and what makes it that long."""
    windows = [int(found[1]) for name in names if (found := re.fullmatch(r"gmv_(\d+)d", name))]
    horizon = settings.growth.horizon_days
    nearest = min(windows, key=lambda days: (abs(days - horizon), days))
    return f"gmv_{nearest}d", horizon / nearest


def log_ratio(future: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """The target of the value heads, (n,)."""
    return np.log1p(future) - np.log1p(carried)


def smearing(future: np.ndarray, carried: np.ndarray, ratio: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Edges of the sizes and the factor of each: actual over naively retransformed totals of active merchants.

    Parameters
    ----------
    future, carried, ratio : (n,) of active merchants, `ratio` predicted without them.
    """
    naive = np.maximum(np.expm1(ratio + np.log1p(carried)), 0)
    edges = np.unique(np.quantile(carried, np.linspace(0, 1, SIZES + 1)[1:-1])) if len(carried) else np.array([])
    overall = _share(future.sum(), naive.sum())
    size = np.searchsorted(edges, carried, side="right")
    factors = [_factor(future[size == k], naive[size == k], overall) for k in range(len(edges) + 1)]
    return tuple(edges.tolist()), tuple(factors)


def _share(actual: float, predicted: float) -> float:
    return float(actual / predicted) if predicted > 0 else 1.0


def _factor(future: np.ndarray, naive: np.ndarray, overall: float) -> float:
    own = _share(future.sum(), naive.sum())
    return float((len(future) * own + SHRINKAGE * overall) / (len(future) + SHRINKAGE))


def widening(future: np.ndarray, carried: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """How far the log ratio's P10 must move down and its P90 up to be right on these merchants (conformalised quantiles)."""
    actual = log_ratio(future, carried)
    return float(np.quantile(low - actual, 0.9)), float(np.quantile(actual - high, 0.9))


def silence_power(settings: Settings) -> float:
    """Exponent that turns the chance of silence over the churn horizon into that over the value horizon (constant hazard)."""
    return settings.growth.horizon_days / settings.churn.horizon_days


def sizing(
    settings: Settings, frame: pd.DataFrame, future: np.ndarray, active: np.ndarray, unseen: dict[str, np.ndarray]
) -> Sizing:
    """Everything that turns the value heads' log ratios into money.

    Parameters
    ----------
    frame : (n, …) snapshots. future : (n,) GMV over the horizon. active : (n,) whether any came.
    unseen : by head, log ratios (n,) predicted without the merchant.
    """
    base, factor = base_of(settings, list(frame.columns))
    carried = frame[base].to_numpy(float) * factor
    edges, smear = smearing(future[active], carried[active], unseen["value"][active])
    low_shift, high_shift = widening(future, carried, unseen["value_p10"], unseen["value_p90"])
    return Sizing(base, factor, edges, smear, low_shift, high_shift, silence_power(settings))
