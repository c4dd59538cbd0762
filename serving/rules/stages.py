"""Lifecycle stages: ordered rules, the first that holds names the stage, the last one holds always."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serving.rules.conditions import Columns, Condition, all_hold
from serving.rules.entry import Entry, Words

StageName = Literal["lead", "joined", "newcomer", "growing", "mature", "declining", "dormant", "churned"]


class Stage(Entry):
    """One rule for a stage; two rules for the same stage are an "or"."""

    name: StageName
    words: Words
    when: tuple[Condition, ...] = ()


def check_stages(stages: tuple[Stage, ...]) -> None:
    """Every merchant gets a stage, and no rule stands behind one that always holds.

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


def stage_of(columns: Columns, stages: tuple[Stage, ...]) -> NDArray[np.object_]:
    """The stage of each row of the run."""
    found = np.full(len(columns), len(stages) - 1)
    for position in range(len(stages) - 2, -1, -1):
        found[all_hold(stages[position].when, columns)] = position
    return np.array([stage.name for stage in stages], dtype=object)[found]
