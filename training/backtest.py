"""Strictly out of time: at each test cutoff a model is trained from what was known then, and judged by what came after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from features.btyd import NEEDS
from features.cutoffs import day_date
from features.errors import UsageRefused
from features.model import SCORES, Model
from features.snapshot import Market
from training.activation import fit_activation
from training.churn import Now
from training.dataset import Dataset, cohort_snapshots, in_cohort, labelled, refuse_empty
from training.halves import in_two
from training.heads import fit
from training.labels import refuse_incomplete
from training.leaks import questions
from training.timeline import training_cutoffs

Progress = Callable[[str], None]


def about(market: Market, cutoffs: Sequence[int], as_of: int) -> dict:
    """What a model's card says of the data it was trained on."""
    return {
        "cutoffs": [f"{day_date(day):%Y-%m-%d}" for day in cutoffs],
        "as_of": f"{day_date(as_of):%Y-%m-%d}",
        "data": market.source.fingerprint,
    }


def trained(
    market: Market, as_of: int, snapshots: pd.DataFrame | None = None, tuned: dict[str, Any] | None = None
) -> tuple[Model, Dataset]:
    """The model that could be trained at `as_of`, and what it was trained on.

    Parameters
    ----------
    snapshots : the cohort's snapshots at (at least) the training cutoffs, when they are there already.
    tuned : LightGBM settings that a search found on windows before `as_of`.
    """
    cutoffs = training_cutoffs(market, as_of)
    if snapshots is None:
        frame = cohort_snapshots(market, cutoffs)
    else:
        moments = [day_date(day) for day in cutoffs]
        frame = snapshots[snapshots.index.get_level_values("cutoff").isin(moments)]
        refuse_empty(frame, market.settings, cutoffs)
    data = labelled(market, frame, as_of)
    asked = questions(data)
    said = about(market, cutoffs, as_of) | ({"questions": asked} if asked else {})
    model = fit(data, market.settings, said, today(market, as_of), tuned)
    return replace(model, activation=fit_activation(market, cutoffs, as_of)), data


def today(market: Market, as_of: int) -> Now:
    """The cohort at a day, and everybody's histories, from nothing that was not known then."""
    frame = market.snapshot(as_of)
    cohort = frame[in_cohort(frame, market.settings.churn.active_days)]
    return Now(as_of, cohort, frame[[name for name in NEEDS if name in frame]])


Rivals = Callable[[Market, int, Dataset, pd.DataFrame], pd.DataFrame]
"""From a market, a cutoff, what was learnt from and the cohort's rows to further columns of predictions (see `training.peers`)."""


def backtest(
    market: Market,
    cutoffs: Sequence[int],
    progress: Progress = lambda _: None,
    rivals: Rivals | None = None,
    tuned: dict[str, Any] | None = None,
) -> tuple[pd.DataFrame, dict[int, Model]]:
    """Predictions and truth of the cohort at each test cutoff.

    Parameters
    ----------
    rivals : predicts the same rows from the same past, side by side with the model.
    tuned : LightGBM settings that a search found on windows before the first cutoff.

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
    predictions, models, _ = _fitted(market, cutoffs, [], progress, rivals, tuned)
    return predictions, models


def judged_and_trained(
    market: Market,
    cutoffs: Sequence[int],
    as_of: int,
    progress: Progress = lambda _: None,
    tuned: dict[str, Any] | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[pd.DataFrame, Model, Dataset]:
    """A backtest's predictions, the model that can be trained at `as_of`, and what that was trained on: on the same snapshots, side by side.

    Parameters
    ----------
    meanwhile : done beside the first fits; what it raises ends the training.
    """
    predictions, models, data = _fitted(market, cutoffs, [as_of], progress, None, tuned, meanwhile)
    return predictions, models[as_of], data[as_of]


def _fitted(
    market: Market,
    cutoffs: Sequence[int],
    further: Sequence[int],
    progress: Progress,
    rivals: Rivals | None,
    tuned: dict[str, Any] | None,
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[pd.DataFrame, dict[int, Model], dict[int, Dataset]]:
    """Predictions at the cutoffs, the models of these and of `further` days, and what the latter were trained on."""
    _check(market, cutoffs)
    days = [*cutoffs, *further]
    training = {day for moment in days for day in training_cutoffs(market, moment)}
    progress("features")
    snapshots = cohort_snapshots(market, sorted({*training, *cutoffs}))
    rows = {cutoff: snapshots[snapshots.index.get_level_values("cutoff") == day_date(cutoff)] for cutoff in cutoffs}
    truth = {cutoff: labelled(market, here, market.source.end_day).labels for cutoff, here in rows.items() if len(here)}

    def fitted(day: int) -> tuple[Model, Dataset | pd.DataFrame]:
        progress(f"{day_date(day):%Y-%m-%d}")
        model, data = trained(market, day, snapshots, tuned)
        if day not in rows:
            return model, data
        refuse_empty(rows[day], market.settings, [day])
        scores = model.scores(rows[day])
        return model, scores if rivals is None else scores.join(rivals(market, day, data, rows[day]))

    done = in_two(market, days, fitted, meanwhile) if rivals is None else {day: fitted(day) for day in days}
    scored = {day: scores for day, (_, scores) in done.items() if isinstance(scores, pd.DataFrame)}
    parts = [
        scores[list(SCORES)].join(rows[day]).join(truth[day]).join(scores.drop(columns=list(SCORES))) for day, scores in scored.items()
    ]
    data = {day: data for day, (_, data) in done.items() if isinstance(data, Dataset)}
    return pd.concat(parts), {day: model for day, (model, _) in done.items()}, data


def _check(market: Market, cutoffs: Sequence[int]) -> None:
    if not cutoffs:
        raise UsageRefused("no cutoff was given; write --cutoffs 2011-05-01,2011-06-01.")
    for cutoff in cutoffs:
        if list(cutoffs).count(cutoff) > 1:
            raise UsageRefused(f"cutoff {day_date(cutoff):%Y-%m-%d} is given twice; give each cutoff once.")
        refuse_incomplete(cutoff, market.source.end_day, market.settings)
