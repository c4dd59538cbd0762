"""The scorecard: 0–100 points a merchant, explicit + potential + growth value, less negative points.

Criteria of one section on the same name are the steps of a ladder: the best step that holds counts, once.
What can be earned must total 100. What a missing input does is said in the file:

* `redistribute`: its points are shared out over the inputs that are known, in proportion;
* `zero`: nothing is earned for it.

A missing input never costs negative points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from serving.rules.conditions import Columns, Condition
from serving.rules.entry import Entry, Words

EARNING = ("explicit", "potential", "growth")
SECTIONS = (*EARNING, "negative")


class Criterion(Condition):
    """A condition worth points."""

    points: float = Field(gt=0, le=100)
    words: Words


@dataclass(frozen=True)
class Ladder:
    """The steps on one name in one section."""

    section: str
    name: str
    steps: tuple[Criterion, ...]

    @property
    def maximum(self) -> float:
        """The most that can be earned, or lost, on this ladder."""
        return max(step.points for step in self.steps)

    @property
    def column(self) -> str:
        """Where its points stand in `Points.items`."""
        return f"{self.section}.{self.name}"

    def points(self, columns: Columns) -> NDArray[np.float32]:
        """The points of each row; NaN where the input is missing."""
        earned = np.zeros(len(columns), np.float32)
        for step in self.steps:
            np.maximum(earned, step.points, out=earned, where=step.holds(columns))
        return np.where(columns.known(self.name), earned, np.float32("nan"))

    def step(self, points: float) -> Criterion | None:
        """The step that these points came from."""
        return next((step for step in self.steps if step.points == points), None)


@dataclass(frozen=True)
class Points:
    """`total` in 0–100 with one column a section and `known` (of 100), and `items`: one column a ladder, as in the file."""

    table: pd.DataFrame
    items: pd.DataFrame


class Scorecard(Entry):
    """All criteria, by section."""

    missing: Literal["redistribute", "zero"]
    explicit: tuple[Criterion, ...]
    potential: tuple[Criterion, ...]
    growth: tuple[Criterion, ...]
    negative: tuple[Criterion, ...] = ()

    @property
    def ladders(self) -> tuple[Ladder, ...]:
        """Every ladder, in the order of the file."""
        found: dict[tuple[str, str], list[Criterion]] = {}
        for section in SECTIONS:
            for criterion in getattr(self, section):
                found.setdefault((section, criterion.name), []).append(criterion)
        return tuple(Ladder(*key, tuple(steps)) for key, steps in found.items())

    @model_validator(mode="after")
    def _adds_up(self) -> Scorecard:
        for ladder in self.ladders:
            points = [step.points for step in ladder.steps]
            if len(set(points)) < len(points):
                raise ValueError(f"two steps on {ladder.name} in {ladder.section} have the same points; give each step its own")
        parts = {name: sum(ladder.maximum for ladder in self.ladders if ladder.section == name) for name in EARNING}
        total = sum(parts.values())
        if abs(total - 100) > 1e-6:
            said = ", ".join(f"{name} {most:g}" for name, most in parts.items())
            raise ValueError(f"the most that can be earned is {total:g} points ({said}), expected 100; change points until they total 100")
        return self

    def score(self, columns: Columns) -> Points:
        """The points of each row of the run."""
        ladders = self.ladders
        items = pd.DataFrame({ladder.column: ladder.points(columns) for ladder in ladders}, index=columns.frame.index)
        known = np.zeros(len(columns))
        sums = {section: np.zeros(len(columns)) for section in SECTIONS}
        for ladder in ladders:
            values = items[ladder.column].to_numpy()
            sums[ladder.section] += np.nan_to_num(values)
            if ladder.section in EARNING:
                known += ladder.maximum * ~np.isnan(values)
        if self.missing == "redistribute":
            share = np.divide(100.0, known, out=np.full(len(columns), np.nan), where=known > 0)
            sums.update({section: sums[section] * share for section in EARNING})
        total = sum(sums[section] for section in EARNING) - sums["negative"]
        table = {"points": np.round(np.clip(total, 0, 100), 1)}
        table |= {f"points_{section}": np.round(sums[section], 1) for section in SECTIONS}
        return Points(pd.DataFrame(table | {"points_known": known}, index=columns.frame.index), items)
