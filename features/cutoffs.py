"""Cutoffs: the days from which a snapshot looks back, as whole numbers and as dates."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from features.errors import UsageRefused

Cutoff = date | str | pd.Timestamp | np.datetime64 | int
"""A day, whose midnight at its start is meant."""


def day_number(cutoff: Cutoff) -> int:
    """Days from 1970-01-01 to a cutoff, which is the midnight at the start of a day in the platform's time zone."""
    if isinstance(cutoff, int | np.integer):
        return int(cutoff)
    try:
        moment = pd.Timestamp(cutoff)
    except ValueError:
        raise UsageRefused(f"cutoff {cutoff!r} is not a date; write it as 2026-06-01.") from None
    if moment != moment.normalize() or moment is pd.NaT:
        raise UsageRefused(f"cutoff {cutoff} is not a midnight; give a date like {moment:%Y-%m-%d}.")
    return (moment.tz_localize(None) - pd.Timestamp(0)).days


def day_date(day: int) -> pd.Timestamp:
    """The date of a day number."""
    return pd.Timestamp(int(day), unit="D")
