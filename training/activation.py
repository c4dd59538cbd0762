"""Fits the chance of a first order, or says why there are too few examples for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.activation import Activation, without_order
from features.cutoffs import day_number
from features.snapshot import Market
from training.churn import fit_linear
from training.labels import ACTIVATION_DAYS, labels

LEAST_ROWS = 200
LEAST_EACH = 20
"""Merchants, counted once each, that must have come to a first order, and that must not."""


def fit_activation(market: Market, cutoffs: Sequence[int], as_of: int) -> Activation:
    """The chance of a first order, from merchants that had none at some cutoffs whose labels were complete at `as_of`."""
    waiting = _waiting(market, cutoffs)
    if waiting is None:
        return Activation(ACTIVATION_DAYS, refused="no merchant was known before its first order")
    activated = _activated(market, waiting, as_of)
    return fitted(waiting, activated)


def fitted(waiting: pd.DataFrame, activated: np.ndarray) -> Activation:
    """The model of merchants without an order, indexed by (`merchant_id`, `cutoff`), and whether one came, (n,); or a refusal."""
    merchants = waiting.index.get_level_values("merchant_id").to_numpy()
    came, stayed = (len(np.unique(merchants[activated == known])) for known in (1, 0))
    if len(waiting) < LEAST_ROWS or min(came, stayed) < LEAST_EACH:
        return Activation(
            ACTIVATION_DAYS,
            refused=f"only {len(waiting):,} rows of merchants without an order, of which {came:,} came to a first one and {stayed:,} did not; "
            f"{LEAST_ROWS:,} rows and {LEAST_EACH} of either kind are needed",
        )
    return Activation(ACTIVATION_DAYS, fit_linear(waiting, _told_apart(waiting), activated), refused="")


def _told_apart(waiting: pd.DataFrame) -> tuple[str, ...]:
    """Numbers that are known of most of these merchants and tell some of one cutoff apart."""
    numbers = waiting.select_dtypes("number")
    chosen = numbers.groupby(level="cutoff").nunique().gt(1).any() & (numbers.notna().mean() > 0.5)
    return tuple(map(str, numbers.columns[chosen.to_numpy()]))


def _waiting(market: Market, cutoffs: Sequence[int]) -> pd.DataFrame | None:
    """Snapshots of merchants that were known and had not ordered; None where there was nobody."""
    recency = market.snapshots(cutoffs, only=["days_since_last_order"])
    if not without_order(recency).any():
        return None
    frame = market.snapshots(cutoffs)
    return frame[without_order(frame)]


def _activated(market: Market, waiting: pd.DataFrame, as_of: int) -> np.ndarray:
    moments = [pd.Timestamp(moment) for moment in waiting.index.get_level_values("cutoff").unique()]
    parts = {moment: labels(market, day_number(moment), as_of)[["activated"]] for moment in moments}
    truth = pd.concat(parts, names=["cutoff"]).swaplevel()
    return np.asarray(truth.reindex(waiting.index)["activated"].to_numpy(float))
