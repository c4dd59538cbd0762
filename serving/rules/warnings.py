"""Warnings: calls to act. A kind opens where all of `when` holds and may stay open until one of `until` does.

`until` is looser than `when`, so that a warning does not open and close with every small move. What can no longer be measured closes.
How open warnings are kept from run to run, cooled down and escalated is the watch's; here is only what each kind says of one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from serving.rules.bounds import can_hold
from serving.rules.conditions import COMPARE, Columns, Condition, Mask, all_hold
from serving.rules.entry import Entry, Words
from serving.rules.plays import Play
from serving.rules.spread import spread

SEVERITIES = ("low", "medium", "high", "critical")
Severity = Literal["low", "medium", "high", "critical"]
Cause = Literal["price", "service", "product fit", "rival", "season", "contract", "people", "onboarding", "unknown"]
DUE = {"critical": 3, "high": 7, "medium": 14, "low": 30}
"""Days until somebody should have acted, where a kind does not say."""


class WarningKind(Entry):
    """A kind of warning.

    Attributes
    ----------
    when : it opens where all of these hold; the first is the measure that is shown.
    until : it closes once one of these holds; without any, once `when` does not hold.
    cooldown_days : so long after it closed it does not open again for the same merchant.
    escalate : the value at risk grown to so many times what it was makes it one level more severe.
    due_days : days to act in; by severity if not given.
    cause : what it hints at, for looking back at a merchant that was lost.
    """

    kind: str = Field(pattern="^[a-z][a-z0-9_]*$")
    severity: Severity
    words: Words
    when: tuple[Condition, ...] = Field(min_length=1)
    until: tuple[Condition, ...] = ()
    cooldown_days: int = Field(default=14, ge=0, le=730)
    escalate: float = Field(default=1.5, gt=1)
    due_days: int = Field(default=0, ge=0, le=365)
    cause: Cause = "unknown"
    play: Play

    @model_validator(mode="before")
    @classmethod
    def _due_by_severity(cls, given: object) -> object:
        if isinstance(given, dict) and "due_days" not in given:
            return {**given, "due_days": DUE.get(str(given.get("severity")), 0)}
        return given

    @model_validator(mode="after")
    def _opens_and_stays(self) -> WarningKind:
        if not can_hold(self.when):
            raise ValueError(
                f'the conditions of warning "{self.kind}" cannot all hold at once, so it would never open; correct one of them'
            )
        bounded = {condition.name for condition in self.when}
        for condition in self.until:
            if condition.name not in bounded:
                raise ValueError(
                    f'warning "{self.kind}" ends on {condition.name}, which its `when` does not look at, so it could close as it opens; '
                    f"give `until` a bound on {' or '.join(sorted(bounded))}"
                )
            if self.is_tighter(condition):
                raise ValueError(
                    f'warning "{self.kind}" ends at {condition}, which is tighter than its `when` and would close it as it opens; '
                    "give `until` a looser bound"
                )
        return self

    def is_tighter(self, condition: Condition) -> bool:
        """Whether a bound of `until` can hold where the warning opens; one that is left out where the number is missing only where it is known."""
        same = [_known(one) if condition.if_known and one.name == condition.name else one for one in self.when]
        return can_hold((*same, _known(condition) if condition.if_known else condition))

    @property
    def level(self) -> int:
        """0 for low to 3 for critical."""
        return SEVERITIES.index(self.severity)

    @property
    def names(self) -> tuple[str, ...]:
        """The names it cannot do without."""
        return tuple(dict.fromkeys(condition.name for condition in (*self.when, *self.until) if not condition.if_known))

    def absent(self, columns: Columns) -> tuple[str, ...]:
        """Names the warning needs and the data does not have."""
        return tuple(name for name in self.names if columns.array(name) is None)

    def stays(self, columns: Columns, holds: Mask) -> Mask:
        """Where it may stay open: all that `until` looks at is known (or `if_known`) and none of it holds; always where it would open."""
        if not self.until:
            return holds
        stays = np.ones(len(columns), bool)
        for condition in self.until:
            if condition.if_known:
                stays &= ~_known(condition).holds(columns)
                continue
            stays &= ~condition.holds(columns)
            if condition.op in COMPARE:
                stays &= columns.known(condition.name)
        return stays | holds

    def measured(self, columns: Columns) -> NDArray[np.float64]:
        """The number that its first condition looks at; NaN where that is a text."""
        values = columns.array(self.when[0].name)
        if values is None or values.dtype == object:
            return np.full(len(columns), np.nan)
        return values.astype(np.float64)


def _known(condition: Condition) -> Condition:
    """The condition where its number is known."""
    return condition.model_copy(update={"if_known": False})


def warned(kinds: tuple[WarningKind, ...], columns: Columns) -> tuple[dict[str, Mask], dict[str, tuple[str, ...]]]:
    """Which rows each kind holds for, and the kinds that cannot hold with the names they lack."""
    inactive = {kind.kind: kind.absent(columns) for kind in kinds if kind.absent(columns)}
    return {kind.kind: all_hold(kind.when, columns) for kind in kinds if kind.kind not in inactive}, inactive


def main_kind(kinds: tuple[WarningKind, ...], masks: dict[str, Mask], rows: int) -> NDArray[np.int64]:
    """The place of each row's main warning, the most severe and among those the first in the file; -1 where none holds."""
    main = np.full(rows, -1)
    for place in sorted(range(len(kinds)), key=lambda place: (kinds[place].level, -place)):
        if kinds[place].kind in masks:
            main[masks[kinds[place].kind]] = place
    return main


def places_of(kinds: Sequence[WarningKind], masks: dict[str, Mask]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and place of the kind of everything that holds, a row's most severe first."""
    order = sorted((place for place, kind in enumerate(kinds) if kind.kind in masks), key=lambda place: (-kinds[place].level, place))
    hits = [np.flatnonzero(masks[kinds[place].kind]) for place in order]
    if not hits:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    count = np.zeros(len(masks[kinds[order[0]].kind]), np.int64)
    for hit in hits:
        count[hit] += 1
    free = np.cumsum(count) - count  # the place of each row's next one, without sorting
    row, which = np.repeat(np.arange(len(count)), count), np.empty(int(count.sum()), np.int64)
    for place, hit in zip(order, hits, strict=True):
        at = free.take(hit)
        which[at] = place
        free[hit] = at + 1
    return row, which


def warning_keys(kinds: Sequence[WarningKind], row: NDArray[np.int64], which: NDArray[np.int64], columns: Columns) -> dict[str, Any]:
    """Merchant, kind and `value`, the merchant's own number, of each pair."""
    value = np.empty(len(row))
    for place, kind in enumerate(kinds):
        here = np.flatnonzero(which == place)
        if len(here):
            value[here] = kind.measured(columns)[row[here]]
    return {"merchant_id": columns.frame.index.take(row), "kind": spread([kind.kind for kind in kinds], which), "value": value}


def warning_words(kinds: Sequence[WarningKind], which: NDArray[np.int64]) -> dict[str, Any]:
    """Severity, words and `measure`, what was looked at, of each pair."""
    texts = {
        "severity": [str(kind.severity) for kind in kinds],
        "words_en": [kind.words.en for kind in kinds],
        "words_zh": [kind.words.zh for kind in kinds],
        "measure": [kind.when[0].name for kind in kinds],
    }
    return {name: spread(given, which) for name, given in texts.items()}
