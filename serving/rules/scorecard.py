"""The scorecard: 0–100 points a merchant, explicit + potential + growth value, less negative points.

Criteria of one section on the same name are the steps of a ladder: the best step that holds counts, once.
What can be earned must total 100. What a missing input does is said in the file:

* `redistribute`: its points are shared out over the inputs that are known, in proportion;
* `zero`: nothing is earned for it.

A missing input never costs negative points. Points are counted in whole tenths, so that the lines of a merchant's scorecard
add up by hand to its points; shared-out points are rounded by largest remainder, so that what can be earned stays exactly 100.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from serving.rules.bounds import implies
from serving.rules.conditions import Columns, Condition
from serving.rules.entry import Entry, Words

EARNING = ("explicit", "potential", "growth")
SECTIONS = (*EARNING, "negative")
WHOLE = 1000
"""100 points in tenths."""
Tenths = NDArray[np.int16]


class Criterion(Condition):
    """A condition worth points.

    `effort` is what it takes to help a merchant onto this step from the one below (for negative points: off this step), in any unit;
    without it nobody can change it.
    """

    points: float = Field(gt=0, le=100)
    words: Words
    effort: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _in_tenths(self) -> Criterion:
        if abs(self.points * 10 - round(self.points * 10)) > 1e-9:
            raise ValueError(f"{self.points} points on {self.name} have more than one decimal; round them to tenths")
        return self

    @property
    def tenths(self) -> int:
        """The points in tenths."""
        return round(self.points * 10)


@dataclass(frozen=True, eq=False)
class Ladder:
    """The steps on one name in one section, in rising order of points."""

    section: str
    name: str
    steps: tuple[Criterion, ...]

    @property
    def maximum(self) -> float:
        """The most that can be earned, or lost, on this ladder."""
        return self.steps[-1].points

    @property
    def earns(self) -> bool:
        """Whether its points are added."""
        return self.section in EARNING

    @property
    def column(self) -> str:
        """Where its points stand in `Points.items`."""
        return f"{self.section}.{self.name}"

    def reached(self, columns: Columns) -> NDArray[np.int8]:
        """The step of each row, from 1; 0 where none holds, -1 where the input is missing."""
        place = np.where(columns.known(self.name), np.int8(0), np.int8(-1))
        for number, step in enumerate(self.steps, 1):
            place[step.holds(columns)] = number
        return place

    def tenths(self, maximum: NDArray[np.int64]) -> Tenths:
        """What each step is worth where the ladder's maximum is scaled to this: (…, steps + 2), the last for a missing input."""
        share = np.array([0, *(step.tenths for step in self.steps), 0]) / self.steps[-1].tenths
        return np.rint(maximum[..., None] * share).astype(np.int16)


@dataclass(frozen=True)
class Points:
    """`table`: `points` in 0–100 with one column a section and `points_known` (of 100); `items`: what counted, one column a ladder."""

    table: pd.DataFrame
    items: pd.DataFrame


class Scorecard(Entry):
    """All criteria, by section."""

    missing: Literal["redistribute", "zero"]
    explicit: tuple[Criterion, ...]
    potential: tuple[Criterion, ...]
    growth: tuple[Criterion, ...]
    negative: tuple[Criterion, ...] = ()

    @cached_property
    def ladders(self) -> tuple[Ladder, ...]:
        """Every ladder, in the order of the file."""
        found: dict[tuple[str, str], list[Criterion]] = {}
        for section in SECTIONS:
            for criterion in getattr(self, section):
                found.setdefault((section, criterion.name), []).append(criterion)
        return tuple(Ladder(*key, tuple(sorted(steps, key=lambda step: step.points))) for key, steps in found.items())

    @model_validator(mode="after")
    def _adds_up(self) -> Scorecard:
        for ladder in self.ladders:
            _check_steps(ladder)
        parts = {name: sum(ladder.maximum for ladder in self.ladders if ladder.section == name) for name in EARNING}
        total = sum(parts.values())
        if abs(total - 100) > 1e-6:
            said = ", ".join(f"{name} {most:g}" for name, most in parts.items())
            raise ValueError(f"the most that can be earned is {total:g} points ({said}), expected 100; change points until they total 100")
        return self

    def maxima(self, known: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The most each ladder counts, in tenths, where these inputs are known: (patterns, ladders) → the same."""
        raw = np.array([ladder.steps[-1].tenths for ladder in self.ladders])
        earns = np.array([ladder.earns for ladder in self.ladders])
        if self.missing == "zero":
            return np.broadcast_to(raw, known.shape).astype(np.int64)
        held = raw * (known & earns)
        total = held.sum(axis=1, keepdims=True)
        exact = np.divide(held * WHOLE, total, out=np.zeros(held.shape), where=total > 0)
        whole = np.floor(exact + 1e-9).astype(np.int64)
        left = np.where(total[:, 0] > 0, WHOLE - whole.sum(axis=1), 0)
        place = np.argsort(np.argsort(whole - exact, axis=1, kind="stable"), axis=1)
        return np.where(earns, whole + (place < left[:, None]), raw)

    def worths(self, known: tuple[bool, ...]) -> list[tuple[float, ...]]:
        """What each place on each ladder is worth, from no step at all, to a merchant of which these inputs are known."""
        if known not in self._worths:
            maxima = self.maxima(np.array([known]))[0]
            self._worths[known] = [tuple((ladder.tenths(most)[:-1] / 10).tolist()) for ladder, most in zip(self.ladders, maxima, strict=True)]
        return self._worths[known]

    @cached_property
    def _worths(self) -> dict[tuple[bool, ...], list[tuple[float, ...]]]:
        """Those that were asked for: whole runs know the same few inputs."""
        return {}

    def score(self, columns: Columns) -> Points:
        """The points of each row of the run."""
        reached = [ladder.reached(columns) for ladder in self.ladders]
        code = np.zeros(len(columns), np.int64)
        for number, steps in enumerate(reached):
            code |= (steps >= 0).astype(np.int64) << number
        row, codes = pd.factorize(code)
        known = ((codes[:, None] >> np.arange(len(reached))) & 1).astype(bool)
        maxima, items = self.maxima(known), {}
        sums = {section: np.zeros(len(columns), np.int32) for section in SECTIONS}
        for number, (ladder, steps) in enumerate(zip(self.ladders, reached, strict=True)):
            worth = ladder.tenths(maxima[:, number])
            shown = worth / np.float32(10)
            shown[:, -1] = np.nan
            width = worth.shape[1]
            place = row * width + np.where(steps < 0, width - 1, steps)
            sums[ladder.section] += worth.ravel().take(place)
            items[ladder.column] = shown.ravel().take(place)
        table = self._totals(sums, self._known(known)[row])
        index = columns.frame.index
        return Points(pd.DataFrame(table, index, copy=False), pd.DataFrame(items, index, copy=False))

    def _known(self, known: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Points whose input is known, of 100, before any are shared out."""
        return known @ np.array([ladder.maximum if ladder.earns else 0.0 for ladder in self.ladders])

    def _totals(self, sums: dict[str, NDArray[np.int32]], known: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        total = np.clip(sum(sums[section] for section in EARNING) - sums["negative"], 0, WHOLE) / 10
        scored = np.where(known > 0, total, np.nan) if self.missing == "redistribute" else total
        return {"points": scored, **{f"points_{section}": sums[section] / 10 for section in SECTIONS}, "points_known": known}


def _check_steps(ladder: Ladder) -> None:
    if len({step.points for step in ladder.steps}) < len(ladder.steps):
        raise ValueError(f"two steps on {ladder.name} in {ladder.section} have the same points; give each step its own")
    for number, step in enumerate(ladder.steps):
        for better in ladder.steps[number + 1 :]:
            if implies([step], [better]):
                raise ValueError(
                    f"the step for {step.points:g} points on {ladder.name} in {ladder.section} never counts: where it holds, the one for "
                    f"{better.points:g} holds too; swap their points or leave it out"
                )
