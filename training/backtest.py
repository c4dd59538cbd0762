"""Strictly out of time: at each test cutoff a model is trained from what was known then, and judged by what came after."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from features.errors import UsageRefused
from features.model import Model
from features.snapshot import Market, day_date
from training.dataset import Dataset, cohort_snapshots, labelled, refuse_empty
from training.heads import fit
from training.labels import window_end
from training.timeline import training_cutoffs

Progress = Callable[[str], None]


def about(market: Market, cutoffs: Sequence[int], as_of: int) -> dict:
    """What a model's card says of the data it was trained on."""
    return {
        "cutoffs": [f"{day_date(day):%Y-%m-%d}" for day in cutoffs],
        "as_of": f"{day_date(as_of):%Y-%m-%d}",
        "data": market.source.fingerprint,
    }


def trained(market: Market, as_of: int, snapshots: pd.DataFrame | None = None) -> tuple[Model, Dataset]:
    """The model that could be trained at `as_of`, and what it was trained on.

    Parameters
    ----------
    snapshots : the cohort's snapshots at (at least) the training cutoffs, when they are there already.
    """
    cutoffs = training_cutoffs(market, as_of)
    if snapshots is None:
        frame = cohort_snapshots(market, cutoffs)
    else:
        moments = [day_date(day) for day in cutoffs]
        frame = snapshots[snapshots.index.get_level_values("cutoff").isin(moments)]
        refuse_empty(frame, market.settings, cutoffs)
    data = labelled(market, frame, as_of)
    return fit(data, market.settings, about(market, cutoffs, as_of)), data


def backtest(market: Market, cutoffs: Sequence[int], progress: Progress = lambda _: None) -> tuple[pd.DataFrame, dict[int, Model]]:
    """Predictions and truth of the cohort at each test cutoff.

    Returns
    -------
    predictions : one row per (merchant, cutoff): the scores, the snapshot's features that lists and rules read, and the truth as
        columns `churned`, `value`, `grew`, `declined`, `trailing` (GMV of the last `active_days`).
    models : by cutoff.

    Raises
    ------
    UsageRefused
        When a cutoff's own label window is not complete, or it is given twice.
    DataRefused
        When there is too little history before a cutoff, nobody in its cohort, or nothing to learn from.
    """
    _check(market, cutoffs)
    training = sorted({day for cutoff in cutoffs for day in training_cutoffs(market, cutoff)})
    progress("features")
    snapshots = cohort_snapshots(market, sorted({*training, *cutoffs}))
    models: dict[int, Model] = {}
    parts = []
    for cutoff in cutoffs:
        progress(f"{day_date(cutoff):%Y-%m-%d}")
        models[cutoff], _ = trained(market, cutoff, snapshots)
        rows = snapshots[snapshots.index.get_level_values("cutoff") == day_date(cutoff)]
        refuse_empty(rows, market.settings, [cutoff])
        parts.append(models[cutoff].scores(rows).join(rows).join(_truth(market, rows)))
    return pd.concat(parts), models


def _truth(market: Market, rows: pd.DataFrame) -> pd.DataFrame:
    truth = labelled(market, rows, market.source.end_day).labels
    return truth.assign(trailing=trailing(market, rows))


def trailing(market: Market, rows: pd.DataFrame) -> pd.Series:
    """GMV of the last `active_days`, from the nearest window that features keep, scaled to that length."""
    days = market.settings.churn.active_days
    windows = [int(name[4:-1]) for name in rows.columns if name.startswith("gmv_") and name[4:-1].isdigit()]
    nearest = min(windows, key=lambda window: abs(window - days))
    return rows[f"gmv_{nearest}d"] * (days / nearest)


def _check(market: Market, cutoffs: Sequence[int]) -> None:
    if not cutoffs:
        raise UsageRefused("no cutoff was given; write --cutoffs 2011-05-01,2011-06-01.")
    for cutoff in cutoffs:
        if list(cutoffs).count(cutoff) > 1:
            raise UsageRefused(f"cutoff {day_date(cutoff):%Y-%m-%d} is given twice; give each cutoff once.")
        end, last = window_end(cutoff, market.settings), market.source.end_day
        if end > last:
            raise UsageRefused(
                f"cutoff {day_date(cutoff):%Y-%m-%d} has labels only until {day_date(last):%Y-%m-%d}, but the horizon ends on "
                f"{day_date(end):%Y-%m-%d}. Use a cutoff on or before {day_date(last - (end - cutoff)):%Y-%m-%d}, or shorten "
                "horizon_days in keepwell.toml."
            )
