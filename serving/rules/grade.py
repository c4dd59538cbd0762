"""All rules together, and what they say of every merchant of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from features.errors import did_you_mean
from serving.rules.conditions import RANK, Columns, Condition
from serving.rules.entry import Entry
from serving.rules.scorecard import SECTIONS, Scorecard
from serving.rules.stages import Stage, check_stages, stage_of
from serving.rules.tiers import Tier, check_tiers, tier_of
from serving.rules.warnings import DefaultPlay, Play, WarningKind, warned, warning_table


@dataclass(frozen=True)
class Graded:
    """What the rules say of a run.

    Attributes
    ----------
    table : one row a merchant: `points`, `points_<section>`, `points_known` (of 100), `tier`, `stage`, `warnings` (how many), and the one
        next `action` (a kind of warning, or the default play's place) with `action_en`, `action_zh`, `action_cost`, `action_save_rate`.
    items : one column a scorecard ladder, `<section>.<name>`; NaN where the input is missing.
    warnings : long form, one row a merchant and kind.
    inactive : kinds of warning that cannot hold on this data, and the names they lack.
    """

    table: pd.DataFrame
    items: pd.DataFrame
    warnings: pd.DataFrame
    inactive: Mapping[str, tuple[str, ...]]


class Rules(Entry):
    """The scorecard, tiers, stages, warnings and plays of one rules file."""

    scorecard: Scorecard
    tiers: tuple[Tier, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[WarningKind, ...] = ()
    plays: tuple[DefaultPlay, ...]
    text: str = Field(default="", repr=False)

    @property
    def hash(self) -> str:
        """Twelve hex digits of the file's content."""
        return sha256(self.text.encode()).hexdigest()[:12]

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that a condition looks at."""
        conditions: list[Condition] = [step for ladder in self.scorecard.ladders for step in ladder.steps]
        conditions += [condition for stage in self.stages for condition in stage.when]
        conditions += [condition for kind in self.warnings for condition in kind.when]
        return frozenset(condition.name for condition in conditions)

    def check_names(self, known: Iterable[str]) -> None:
        """Refuse a name that no feature, score or attribute bears.

        Raises
        ------
        ValueError : the name, and the closest one that is known.
        """
        known = frozenset(known)
        for name in sorted(self.names):
            if name not in known and name.removesuffix(RANK) not in known:
                raise ValueError(f'no feature, score or attribute is called "{name}"; {did_you_mean(name, known)}')

    @model_validator(mode="after")
    def _fit_together(self) -> Rules:
        check_tiers(self.tiers)
        check_stages(self.stages)
        kinds = [kind.kind for kind in self.warnings]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f'warning "{kind}" is given twice; give each kind once')
        if not self.plays or self.plays[-1].tier or self.plays[-1].stage:
            raise ValueError("some merchants would have no next action; end `plays` with one without tier and stage")
        return self

    def apply(self, frame: pd.DataFrame, settings: Mapping[str, float] | None = None) -> Graded:
        """Grade the merchants of a run: a snapshot joined with the scores, one row each, indexed by merchant_id."""
        columns = Columns(frame, settings)
        points = self.scorecard.score(columns)
        masks, inactive = warned(self.warnings, columns)
        table = points.table
        table["tier"] = tier_of(table["points"].to_numpy(), self.tiers)
        table["stage"] = stage_of(columns, self.stages)
        table["warnings"] = np.sum([*masks.values(), np.zeros(len(columns), int)], axis=0)
        plays, chosen = self._actions(columns, table, masks)
        for name, values in _play_columns(plays, columns).items():
            table[name] = values[chosen]
        return Graded(table, points.items, warning_table(self.warnings, masks, columns), inactive)

    def items(self, graded: Graded, merchant: str) -> pd.DataFrame:
        """The scorecard of one merchant line by line: section, name, points, maximum, whether known, words of the step met."""
        points = graded.items.loc[[merchant]].iloc[0].to_dict()
        return pd.DataFrame([self.item_line(ladder.column, points[ladder.column]) for ladder in self.scorecard.ladders])

    def item_line(self, column: str, points: float) -> dict[str, object]:
        """One line of a scorecard, from a column of `Graded.items` and its points."""
        ladder = next(ladder for ladder in self.scorecard.ladders if ladder.column == column)
        step = ladder.step(points)
        shown = step or ladder.steps[0]
        return {
            "section": ladder.section,
            "name": ladder.name,
            "points": 0.0 - points if ladder.section == SECTIONS[-1] else 0.0 + points,
            "maximum": ladder.maximum,
            "known": not np.isnan(points),
            "met": step is not None,
            "words_en": shown.words.en,
            "words_zh": shown.words.zh,
        }

    def _actions(
        self, columns: Columns, table: pd.DataFrame, masks: Mapping[str, NDArray[np.bool_]]
    ) -> tuple[dict[str, Play], NDArray[np.int64]]:
        """All plays by their key, and the place of each merchant's play among them: the first of its most severe warning wins."""
        active = sorted((kind for kind in self.warnings if kind.kind in masks), key=lambda kind: -kind.level)
        tests = [(kind.kind, kind.play, masks[kind.kind]) for kind in active]
        tier, stage = table["tier"].to_numpy(object), table["stage"].to_numpy(object)
        for default in self.plays:
            here = np.ones(len(columns), bool)
            here &= (tier == default.tier) if default.tier else True
            here &= (stage == default.stage) if default.stage else True
            tests.append((f"{default.tier or 'any'}.{default.stage or 'any'}", default.play, here))
        chosen = np.full(len(columns), len(tests) - 1)
        for position in range(len(tests) - 1, -1, -1):
            chosen[tests[position][2]] = position
        return {key: play for key, play, _ in tests}, chosen


def _play_columns(plays: Mapping[str, Play], columns: Columns) -> dict[str, NDArray[np.generic]]:
    return {
        "action": np.array([*plays], dtype=object),
        "action_en": np.array([play.words.en for play in plays.values()], dtype=object),
        "action_zh": np.array([play.words.zh for play in plays.values()], dtype=object),
        "action_cost": np.array([columns.number(play.cost) for play in plays.values()], np.float64),
        "action_save_rate": np.array([play.save_rate for play in plays.values()], np.float64),
    }
