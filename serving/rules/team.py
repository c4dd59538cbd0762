"""What the team can do and leaves alone: capacity, whom not to call, the watch over warnings, the holdout."""

from __future__ import annotations

from pydantic import Field, field_validator

from serving.rules.entry import Entry


class Team(Entry):
    """Whom the call list is for.

    Attributes
    ----------
    capacity_per_owner : so many merchants of one account manager at most are on a list that is cut to a capacity.
    sure_below : sure things, left out: a risk below so many times the average of the run.
    lost_above : lost causes, left out: a risk above this.
    grows_from : on the growth list: a chance to grow of at least so many times the average.
    """

    capacity_per_owner: int = Field(default=40, ge=1)
    sure_below: float = Field(default=1.0, ge=0)
    lost_above: float = Field(default=0.95, gt=0, le=1)
    grows_from: float = Field(default=1.0, ge=0)


class Watch(Entry):
    """How warnings are kept.

    Attributes
    ----------
    per_owner_and_day : so many new ones for one account manager a day at most, the most severe and dearest first.
    wake_on_jump : a snoozed one wakes early when the churn risk has risen by so much.
    """

    per_owner_and_day: int = Field(default=20, ge=1)
    wake_on_jump: float = Field(default=0.15, gt=0, le=1)


class Holdout(Entry):
    """Whom to leave alone at random, to learn whether acting helps.

    Attributes
    ----------
    share : of those who would be acted on; 0 leaves nobody alone and proves nothing.
    power : the chance to notice the hoped-for effect that `keepwell proof` sizes its need by.
    """

    share: float = 0.1
    power: float = Field(default=0.8, gt=0, lt=1)

    @field_validator("share")
    @classmethod
    def _leaves_someone_to_act_on(cls, share: float) -> float:
        if not 0 <= share < 1:
            raise ValueError(
                f"{share:g} of the merchants would be left alone, so nobody could be acted on; write a small share such as 0.1"
            )
        return share
