"""How sure a mean over cutoffs is: merchants are drawn again, with all their cutoffs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from training.ranks import Array

MEASURES = ("auc", "brier", "ece")
"""The metrics that get an interval."""


@dataclass(frozen=True)
class Sorted:
    """One cutoff, sorted by risk once, so that each draw is a few cumulative sums."""

    merchant: np.ndarray[Any, np.dtype[np.int64]]
    churned: Array
    risk: Array
    first_of_tie: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def of(cls, merchant: np.ndarray[Any, np.dtype[np.int64]], churned: Array, risk: Array) -> Sorted:
        """Sort one cutoff's rows by risk."""
        order = np.argsort(risk, kind="stable")
        ordered = risk[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        return cls(merchant[order], churned[order], ordered, starts)

    def measured(self, times_drawn: Array) -> tuple[float, float, float]:
        """AUC, Brier and ECE when each merchant counts as often as it was drawn; equal to repeating its rows."""
        weight = times_drawn[self.merchant]
        total = weight.sum()
        if not total:
            return (float("nan"),) * 3
        every = np.add.reduceat(weight, self.first_of_tie)
        left = np.add.reduceat(weight * self.churned, self.first_of_tie)
        stayed, risk = every - left, self.risk[self.first_of_tie]
        pairs = left.sum() * stayed.sum()
        auc = float((left * (np.cumsum(stayed) - stayed / 2)).sum() / pairs) if pairs else float("nan")
        brier = float((weight * (self.risk - self.churned) ** 2).sum() / total)
        middle = np.cumsum(every) - every + (every + 1) / 2
        group = np.clip((middle / total * 10 - 1e-9).astype(int), 0, 9)
        gap = np.bincount(group, left, 10) - np.bincount(group, every * risk, 10)
        return auc, brier, float(np.abs(gap).sum() / total)


def intervals(predictions: pd.DataFrame, resamples: int = 200, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % intervals of the mean over cutoffs of AUC, Brier and ECE.

    Merchants are resampled with replacement and keep all their cutoffs, so rows of one merchant are not taken for news. The
    interval is moved onto the estimate: resampling alone would inflate ECE, which grows with noise. It holds for these
    seasons; another season may lie outside.

    Parameters
    ----------
    predictions : one row per merchant_id and cutoff, with churned and churn_risk.

    Returns
    -------
    Low and high end per metric; both missing when no cutoff has churners and stayers.
    """
    merchant = pd.factorize(predictions["merchant_id"])[0]
    count = int(merchant.max()) + 1
    churned, risk = predictions["churned"].to_numpy(float), predictions["churn_risk"].to_numpy(float)
    cutoffs = [Sorted.of(merchant[rows], churned[rows], risk[rows]) for rows in predictions.groupby("cutoff").indices.values()]
    rng = np.random.default_rng(seed)
    estimate = _mean([cutoff.measured(np.ones(count)) for cutoff in cutoffs])
    draws = (np.bincount(rng.integers(0, count, count), minlength=count).astype(float) for _ in range(resamples))
    drawn = np.array([_mean([cutoff.measured(times) for cutoff in cutoffs]) for times in draws])
    return {name: _around(estimate[i], drawn[:, i]) for i, name in enumerate(MEASURES)}


def _mean(rows: list[tuple[float, float, float]]) -> list[float]:
    columns = [[value for value in column if np.isfinite(value)] for column in zip(*rows, strict=True)]
    return [float(np.mean(column)) if column else float("nan") for column in columns]


def _around(estimate: float, drawn: Array) -> tuple[float, float]:
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size or not np.isfinite(estimate):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [0.025, 0.975]) - drawn.mean() + estimate
    return float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))
