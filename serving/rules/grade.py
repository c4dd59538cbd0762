"""All rules together, and what they say of every merchant of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from serving.rules.card import Line, card
from serving.rules.conditions import Columns, Condition, Mask
from serving.rules.entry import Entry
from serving.rules.plays import PlayBook, PlayRule, check_plays, play_book
from serving.rules.scorecard import Scorecard
from serving.rules.spread import aligned, spread
from serving.rules.stages import STAGE_HISTORY, Stage, check_stages, stage_names, stage_of, stage_since, time_in_stage
from serving.rules.team import Holdout, Team, Watch
from serving.rules.tiers import TIER_HISTORY, Benefit, Tier, TierChanges, check_tiers, next_tier, regrade, rising
from serving.rules.warnings import WarningKind, main_kind, places_of, warned, warning_keys, warning_words

Places = NDArray[Any]
HISTORY = (*TIER_HISTORY, *STAGE_HISTORY)
"""What a run has to know of the run before, and hands on to the next."""


@dataclass(frozen=True)
class Graded:
    """What the rules say of a run.

    Attributes
    ----------
    table : one row a merchant: `points`, `points_<section>`, `points_known` (of 100), `HISTORY`, `next_tier`, `points_to_next`, `stage_days`,
        `stuck`, `warnings` (how many), `main_reason`, and the one next `action` (the key of a play) with `action_en`, `action_zh`,
        `action_cost`, `action_save_rate`, `action_incentive`,
        `save_rate_measured`.
    items : one column a scorecard ladder, `<section>.<name>`: the points that count; NaN where the input is missing.
    warnings : long form, one row a merchant and kind whose `when` holds, a merchant's most severe first.
    staying : `merchant_id`, `kind` and `value` of all that, once open, may stay open: these and those within the looser bound.
    inactive : kinds of warning that cannot hold on this data, and the names they lack.
    """

    table: pd.DataFrame
    items: pd.DataFrame
    warnings: pd.DataFrame
    staying: pd.DataFrame
    inactive: Mapping[str, tuple[str, ...]]

    @property
    def history(self) -> pd.DataFrame:
        """What the next run has to know, columns `HISTORY`."""
        return self.table[list(HISTORY)]


class Rules(Entry):
    """The scorecard, tiers, stages, warnings and plays of one rules file."""

    scorecard: Scorecard
    tiers: tuple[Tier, ...]
    tier_changes: TierChanges = TierChanges()
    benefits: tuple[Benefit, ...] = ()
    stages: tuple[Stage, ...]
    warnings: tuple[WarningKind, ...] = ()
    plays: tuple[PlayRule, ...]
    team: Team = Team()
    watch: Watch = Watch()
    holdout: Holdout = Holdout()
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
        conditions += [condition for kind in self.warnings for condition in (*kind.when, *kind.until)]
        return frozenset(condition.name for condition in conditions)

    @cached_property
    def book(self) -> PlayBook:
        """Which play each main reason, tier and stage gets."""
        own = {kind.kind: kind.play for kind in self.warnings}
        return play_book(self.plays, own, [tier.name for tier in rising(self.tiers)], stage_names(self.stages))

    @model_validator(mode="after")
    def _fit_together(self) -> Rules:
        check_tiers(self.tiers)
        narrowest = min(min(tier.upper, 100) - tier.at_least for tier in self.tiers)
        if self.tier_changes.margin > narrowest:
            raise ValueError(
                f"tier_changes, margin: {self.tier_changes.margin:g} points are more than the narrowest tier holds ({narrowest:g}), so a tier "
                f"next to it could be passed over; make it at most {narrowest:g}"
            )
        check_stages(self.stages)
        kinds = [kind.kind for kind in self.warnings]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f'warning "{kind}" is given twice; give each kind once')
        check_plays(self.plays, kinds)
        return self

    def apply(
        self,
        frame: pd.DataFrame,
        settings: Mapping[str, float] | None = None,
        *,
        cutoff: date | None = None,
        previous: pd.DataFrame | None = None,
        save_rates: Mapping[str, float] | None = None,
    ) -> Graded:
        """Grade the merchants of a run.

        Parameters
        ----------
        frame : a snapshot joined with the scores, one row each, indexed by merchant_id.
        cutoff : the day of the run; without it nothing is dated.
        previous : `Graded.history` of the run before, in any order; merchants without a row are new.
        save_rates : measured save rates by action, in place of those that the file assumes.
        """
        columns = Columns(frame, settings)
        previous = None if previous is None else aligned(previous[list(HISTORY)], frame.index)
        points = self.scorecard.score(columns)
        total, names = points.table["points"].to_numpy(), stage_names(self.stages)
        tier, tiers = regrade(total, self.tiers, self.tier_changes, cutoff, previous)
        stage = stage_of(columns, self.stages)
        columns.give("points", total)
        columns.give("tier", np.array([*(one.name for one in rising(self.tiers)), None], dtype=object)[tier])
        columns.give("stage", np.array(names, dtype=object)[stage])
        since = stage_since(stage, names, columns, cutoff, previous)
        masks, inactive = warned(self.warnings, columns)
        table: dict[str, Any] = {str(name): values.to_numpy() for name, values in points.table.items()}
        table |= tiers | next_tier(total, tier, self.tiers, self.tier_changes.margin)
        table |= {"stage": spread(names, stage), "stage_since": since, **time_in_stage(stage, names, since, cutoff)}
        table |= self._actions(columns, tier, stage, masks, save_rates or {})
        staying = {kind.kind: kind.stays(columns, masks[kind.kind]) for kind in self.warnings if kind.kind in masks}
        opened = self._warnings(masks, columns, tier, stage, save_rates or {})
        return Graded(pd.DataFrame(table, frame.index, copy=False), points.items, opened, self._staying(staying, columns), inactive)

    def card(self, items: Mapping[str, float]) -> list[Line]:
        """The scorecard of one merchant line by line, from its row of `Graded.items`."""
        return card(self.scorecard, items)

    def _actions(self, columns: Columns, tier: Places, stage: Places, masks: dict[str, Mask], rates: Mapping[str, float]) -> dict[str, Any]:
        """How many warnings hold, the main reason, and the play for it."""
        main = main_kind(self.warnings, masks, len(columns))
        chosen = self.book.chosen(main, tier, stage)
        count = np.zeros(len(columns), np.int64)
        for mask in masks.values():
            count += mask
        measured = np.array([key in rates for key in self.book.keys], bool)[chosen]
        plays = self.book.columns(chosen, columns, "action", rates)
        reason = spread([kind.kind for kind in self.warnings], main)
        return {"warnings": count, "main_reason": reason, **plays, "save_rate_measured": measured}

    def _warnings(self, masks: dict[str, Mask], columns: Columns, tier: Places, stage: Places, rates: Mapping[str, float]) -> pd.DataFrame:
        """Each warning with the play for it, in this tier and stage."""
        row, which = places_of(self.warnings, masks)
        table = warning_keys(self.warnings, row, which, columns) | warning_words(self.warnings, which)
        plays = self.book.columns(self.book.chosen(which, tier[row], stage[row]), columns, "play", rates)
        names = {"play_en": "play_en", "play_zh": "play_zh", "save_rate": "play_save_rate", "cost": "play_cost"}
        return pd.DataFrame(table | {name: plays[given] for name, given in names.items()}, copy=False)

    def _staying(self, masks: dict[str, Mask], columns: Columns) -> pd.DataFrame:
        row, which = places_of(self.warnings, masks)
        return pd.DataFrame(warning_keys(self.warnings, row, which, columns), copy=False)
