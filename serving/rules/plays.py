"""Plays: one next action for each tier, stage and main reason, with what it costs and the share of leavers it keeps.

The main reason of a merchant is its most severe warning. The first play of the file that names this reason and fits tier and stage is
taken; else the warning's own; without a warning the first play that names no reason and fits. The save rates are assumptions of the
file until they have been measured against a holdout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from features.errors import did_you_mean
from serving.rules.conditions import Columns
from serving.rules.entry import Entry, Words
from serving.rules.spread import spread
from serving.rules.stages import StageName
from serving.rules.tiers import TierName

MOST_MONEY = 1e15
"""What nothing costs: sums of what is below it stay finite."""


class Play(Entry):
    """What to do next.

    Attributes
    ----------
    cost : money of one contact.
    save_rate : share of those who would leave that it keeps.
    incentive : share of the value if kept that is given away to whoever stays, whether it would have left or not.
    """

    words: Words
    cost: float | Literal["contact_cost"]
    save_rate: float = Field(ge=0, le=1)
    incentive: float = Field(default=0, ge=0, lt=1)

    @field_validator("cost", mode="before")
    @classmethod
    def _is_money(cls, cost: Any) -> Any:
        is_amount = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < MOST_MONEY
        if not is_amount and cost != "contact_cost":
            shown = f'"{cost}"' if isinstance(cost, str) else cost
            raise ValueError(f'{shown} is not an amount of money; write zero or more, or "contact_cost"')
        return cost


class PlayRule(Entry):
    """A play and whom it is for; without tier, stage or reason it is for all of them."""

    tier: TierName | None = None
    stage: StageName | None = None
    reason: str | None = None
    play: Play

    @property
    def key(self) -> str:
        """Its name as an action, such as `A.growing` or `B.any.silent`."""
        return ".".join((self.tier or "any", self.stage or "any", *([self.reason] if self.reason else [])))

    def fits(self, tier: str | None, stage: str | None) -> bool:
        """Whether it is for merchants of this tier and stage."""
        return self.tier in (None, tier) and self.stage in (None, stage)


@dataclass(frozen=True)
class PlayBook:
    """Every play by its key, and which one each reason, tier and stage gets.

    Attributes
    ----------
    place : (reasons + 1, tiers + 1, stages) place among the plays; the last reason is none, the last tier none.
    """

    keys: tuple[str, ...]
    plays: tuple[Play, ...]
    place: NDArray[np.int64]

    def chosen(self, reason: NDArray[Any], tier: NDArray[Any], stage: NDArray[Any]) -> NDArray[np.int64]:
        """The place of each row's play; reasons, tiers and stages by their places, -1 for none."""
        return self.place[reason, tier, stage]

    def columns(self, chosen: NDArray[np.int64], columns: Columns, prefix: str, rates: Mapping[str, float]) -> dict[str, Any]:
        """Key, words, cost, save rate and incentive of the chosen plays."""
        rate = [rates.get(key, play.save_rate) for key, play in zip(self.keys, self.plays, strict=True)]
        return {
            prefix: spread(self.keys, chosen),
            f"{prefix}_en": spread([play.words.en for play in self.plays], chosen),
            f"{prefix}_zh": spread([play.words.zh for play in self.plays], chosen),
            f"{prefix}_cost": np.array([columns.number(play.cost) for play in self.plays], np.float64)[chosen],
            f"{prefix}_save_rate": np.array(rate, np.float64)[chosen],
            f"{prefix}_incentive": np.array([play.incentive for play in self.plays], np.float64)[chosen],
        }

    @property
    def dead(self) -> list[str]:
        """Keys of plays that nobody can ever get."""
        used = {*self.place.ravel().tolist()}
        return [key for place, key in enumerate(self.keys) if place not in used]


def play_book(rules: Sequence[PlayRule], own: Mapping[str, Play], tiers: Sequence[str], stages: Sequence[str]) -> PlayBook:
    """The plays of a file for every reason, tier and stage.

    Parameters
    ----------
    own : kind of warning → its own play, in the order of the file.
    """
    keys = [*own, *(rule.key for rule in rules)]
    place = np.empty((len(own) + 1, len(tiers) + 1, len(stages)), np.int64)
    for r, reason in enumerate([*own, None]):
        for t, tier in enumerate([*tiers, None]):
            for s, stage in enumerate(stages):
                fitting = (n for n, rule in enumerate(rules, len(own)) if rule.reason == reason and rule.fits(tier, stage))
                place[r, t, s] = next(fitting, r if reason else len(keys) - 1)
    return PlayBook(tuple(keys), (*own.values(), *(rule.play for rule in rules)), place)


def check_plays(rules: Sequence[PlayRule], kinds: Sequence[str]) -> None:
    """Everybody gets a next action, reasons are kinds of warning, and no play is given twice.

    Raises
    ------
    ValueError : which play is wrong and what to do.
    """
    if not rules or rules[-1].tier or rules[-1].stage or rules[-1].reason:
        raise ValueError("some merchants would have no next action; end `plays` with one without tier, stage and reason")
    for rule in rules:
        if rule.reason is not None and rule.reason not in kinds:
            raise ValueError(f'play {rule.key}: there is no warning "{rule.reason}"; {did_you_mean(rule.reason, kinds)}')
    for number, rule in enumerate(rules):
        for before in rules[:number]:
            if before.reason == rule.reason and before.tier in (None, rule.tier) and before.stage in (None, rule.stage):
                raise ValueError(
                    f"play {rule.key} (number {number + 1}) can never be reached: {before.key} above it takes the same merchants; "
                    "move it up or leave it out"
                )
