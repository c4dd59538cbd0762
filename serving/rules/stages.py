"""Lifecycle stages: ordered rules, the first that holds names the stage, the last one holds always.

A merchant is *stuck* in a stage when it has been there longer than nine in ten of the merchants that are in it now.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.rules.bounds import can_hold, implies
from serving.rules.conditions import Columns, Condition, all_hold
from serving.rules.entry import Entry, Words
from serving.rules.spread import places
from serving.rules.tiers import Days, dates

StageName = Literal["lead", "joined", "newcomer", "growing", "mature", "seasonal", "declining", "dormant", "churned"]
STAGE_HISTORY = ("stage", "stage_since")
STUCK_SHARE = 0.9
LEAST_PEERS = 20
"""With fewer merchants in a stage, nobody is said to be stuck."""
STILL = ("mature", "churned")
"""Stages that nobody is expected to move on from."""
BEGAN: dict[str, tuple[str, str | None]] = {
    "joined": ("tenure_days", None),
    "newcomer": ("days_since_first_order", None),
    "dormant": ("days_since_last_order", "half_active_days"),
    "churned": ("days_since_last_order", "active_days"),
}
"""Stages whose beginning is known without a history: so many days ago, less the days of a setting."""


class Stage(Entry):
    """One rule for a stage; two rules for the same stage are an "or"."""

    name: StageName
    words: Words
    when: tuple[Condition, ...] = ()


def check_stages(stages: tuple[Stage, ...]) -> None:
    """Every merchant gets a stage, and every rule can be reached.

    Raises
    ------
    ValueError : which rule is wrong and what to do.
    """
    if not stages or stages[-1].when:
        last = f'the last stage "{stages[-1].name}" has conditions' if stages else "there are no stages"
        raise ValueError(f"{last}, so some merchants would have none; end with a stage without `when`")
    for stage in stages[:-1]:
        if not stage.when:
            raise ValueError(
                f'stage "{stage.name}" has no `when`, so no stage behind it can be reached; give it conditions or move it to the end'
            )
    for position, stage in enumerate(stages):
        if not can_hold(stage.when):
            raise ValueError(f'the conditions of stage "{stage.name}" (rule {position + 1}) cannot all hold at once; correct one of them')
        for before in stages[:position]:
            if implies(stage.when, before.when):
                raise ValueError(
                    f'stage "{stage.name}" (rule {position + 1}) can never be reached: wherever it holds, "{before.name}" above it holds '
                    "already; move it up or leave it out"
                )


def stage_names(stages: tuple[Stage, ...]) -> list[str]:
    """The stages that the rules know, each once."""
    return [*dict.fromkeys(stage.name for stage in stages)]


def stage_of(columns: Columns, stages: tuple[Stage, ...]) -> NDArray[np.int64]:
    """The place of each row's stage among `stage_names`."""
    names = stage_names(stages)
    return np.array([names.index(stage.name) for stage in stages], np.int64)[stage_rule(columns, stages)]


def stage_rule(columns: Columns, stages: tuple[Stage, ...]) -> NDArray[np.int64]:
    """The place of the rule that names each row's stage."""
    found = np.full(len(columns), len(stages) - 1)
    for position in range(len(stages) - 2, -1, -1):
        found[all_hold(stages[position].when, columns)] = position
    return found


def stage_since(stage: NDArray[np.int64], names: list[str], columns: Columns, cutoff: date | None, previous: pd.DataFrame | None) -> Days:
    """Since when each merchant is in its stage: as before if it is the same; else since this cutoff, or where its beginning is known
    without a history, since then.

    Parameters
    ----------
    stage : places among `names`.
    previous : rows aligned with the run, columns `STAGE_HISTORY`.
    """
    since = np.full(len(columns), np.datetime64(cutoff or "NaT", "s"))
    for name, (measure, setting) in BEGAN.items():
        ago = columns.array(measure)
        here = np.flatnonzero(stage == (names.index(name) if name in names else -1))
        if ago is not None and len(here):
            days = np.nan_to_num(ago[here].astype(np.float64)) - (columns.number(setting) if setting else 0)
            since[here] -= np.maximum(days, 0).astype("timedelta64[D]")
    if previous is None:
        return since
    was_since = dates(previous["stage_since"])
    return np.where((places(previous["stage"], names) == stage) & ~np.isnat(was_since), was_since, since)


def time_in_stage(stage: NDArray[np.int64], names: list[str], since: Days, cutoff: date | None) -> dict[str, NDArray[np.generic]]:
    """`stage_days`, and `stuck`: longer in a stage than the 90th percentile of its peers."""
    days = (np.datetime64(cutoff or "NaT", "s") - since).astype("timedelta64[D]").astype(np.float64)
    days[np.isnat(since) | (cutoff is None)] = np.nan
    stuck = np.zeros(len(stage), bool)
    for place, name in enumerate(names):
        here = np.flatnonzero((stage == place) & ~np.isnan(days))
        if name not in STILL and len(here) >= LEAST_PEERS:
            stuck[here] = days[here] > np.quantile(days[here], STUCK_SHARE)
    return {"stage_days": days, "stuck": stuck}
