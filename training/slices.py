"""Slices of the cohort that a report tells apart: how long merchants have been here, and what they trade in."""

from __future__ import annotations

import numpy as np
import pandas as pd

TENURES = {0: "under 3 months", 90: "3 to 12 months", 365: "1 to 2 years", 730: "over 2 years"}
"""The first day of each band of tenure."""
MOST = 12
"""So many industries are shown; the smallest of more are put together."""


def tenure(days: pd.Series) -> pd.Series:
    """The band of each merchant's tenure, numbered so that bands sort by length.

    Examples
    --------
    >>> tenure(pd.Series([10.0, 365.0, float("nan")])).tolist()
    ['1. under 3 months', '3. 1 to 2 years', 'unknown']
    """
    names = np.array([f"{place}. {name}" for place, name in enumerate(TENURES.values(), 1)])
    band = np.searchsorted(list(TENURES), days.fillna(0).to_numpy(float), side="right") - 1
    return pd.Series(np.where(days.notna(), names[np.maximum(band, 0)], "unknown"), days.index)


def industry(values: pd.Series, most: int = MOST) -> pd.Series:
    """Each merchant's industry, all but the largest ones put together.

    Examples
    --------
    >>> industry(pd.Series(["food", "food", "toys", "books", None]), most=2).tolist()
    ['food', 'food', 'the 2 others', 'the 2 others', 'unknown']
    """
    sizes = values.value_counts()
    if len(sizes) > most:
        kept = set(sizes.index[: most - 1])
        values = values.where(values.isna() | values.isin(kept), f"the {len(sizes) - len(kept):,} others")
    return values.astype(object).where(values.notna(), "unknown")


def sliced(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its slices as columns; `industry` only where the data tells it."""
    frame = frame.assign(tenure=tenure(frame["tenure_days"])) if "tenure_days" in frame else frame
    if "industry" not in frame or not frame["industry"].notna().any():
        return frame.drop(columns="industry", errors="ignore")
    return frame.assign(industry=industry(frame["industry"]))
