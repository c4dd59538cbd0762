"""Snapshots and labels side by side: one row per merchant of the cohort and cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.cutoffs import day_date
from features.errors import DataRefused
from features.settings import Settings
from features.snapshot import Market
from training.labels import labels


@dataclass(frozen=True)
class Dataset:
    """Features and labels with the same index (`merchant_id`, `cutoff`), rows sorted by it."""

    features: pd.DataFrame
    labels: pd.DataFrame

    def at(self, cutoffs: Sequence[int]) -> Dataset:
        """The rows of some cutoffs (day numbers)."""
        rows = self.features.index.get_level_values("cutoff").isin([day_date(day) for day in cutoffs])
        return Dataset(self.features[rows], self.labels[rows])

    @property
    def merchants(self) -> np.ndarray:
        """The merchant of each row."""
        return self.features.index.get_level_values("merchant_id").to_numpy()


def in_cohort(frame: pd.DataFrame, active_days: int) -> np.ndarray:
    """Whether each row has a completed order in `[cutoff - active_days, cutoff)`."""
    return (frame["days_since_last_order"] <= active_days).to_numpy()


def cohort_snapshots(market: Market, cutoffs: Sequence[int]) -> pd.DataFrame:
    """The snapshots of the cohort at some cutoffs.

    Raises
    ------
    DataRefused
        When nobody is in the cohort at any of them.
    """
    frame = market.snapshots(cutoffs)
    frame = frame[in_cohort(frame, market.settings.churn.active_days)]
    refuse_empty(frame, market.settings, cutoffs)
    return frame


def refuse_empty(frame: pd.DataFrame, settings: Settings, cutoffs: Sequence[int]) -> None:
    """Refuse a cohort without anybody.

    Raises
    ------
    DataRefused
        When the frame, the cohort at these cutoffs, has no rows.
    """
    if frame.empty:
        when = ", ".join(f"{day_date(day):%Y-%m-%d}" for day in cutoffs[:3])
        raise DataRefused(
            f"no merchant has a completed order in the {settings.churn.active_days} days before {when}; "
            "use other cutoffs or a larger active_days in keepwell.toml."
        )


def labelled(market: Market, frame: pd.DataFrame, as_of: int) -> Dataset:
    """A frame of snapshots with the labels that were complete at `as_of`."""
    moments = frame.index.get_level_values("cutoff")
    days = {moment: (moment - pd.Timestamp(0)).days for moment in moments.unique()}
    parts = {moment: labels(market, day, as_of) for moment, day in days.items()}
    truth = pd.concat(parts, names=["cutoff"]).swaplevel()
    return Dataset(frame, truth.reindex(frame.index))


def dataset(market: Market, cutoffs: Sequence[int], as_of: int) -> Dataset:
    """Snapshots of the cohort at the cutoffs, with labels as known at `as_of`."""
    return labelled(market, cohort_snapshots(market, cutoffs), as_of)
