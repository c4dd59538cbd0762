"""Warnings: calls to act, each with the play to act by, what acting costs and what share of acting is hoped to save.

The save rates are assumptions of the file until `keepwell proof` has measured them against a holdout.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from serving.rules.conditions import Columns, Condition, Mask, all_hold
from serving.rules.entry import Entry, Words
from serving.rules.stages import StageName
from serving.rules.tiers import TierName

SEVERITIES = ("low", "medium", "high", "critical")
Severity = Literal["low", "medium", "high", "critical"]


class Play(Entry):
    """What to do next."""

    words: Words
    cost: float | Literal["contact_cost"] = "contact_cost"
    save_rate: float = Field(ge=0, le=1)


class WarningKind(Entry):
    """A kind of warning: it holds where all its conditions hold."""

    kind: str = Field(pattern="^[a-z][a-z0-9_]*$")
    severity: Severity
    words: Words
    when: tuple[Condition, ...] = Field(min_length=1)
    play: Play

    @property
    def level(self) -> int:
        """0 for low to 3 for critical."""
        return SEVERITIES.index(self.severity)

    def absent(self, columns: Columns) -> tuple[str, ...]:
        """Names the warning needs and the data does not have."""
        return tuple(dict.fromkeys(condition.name for condition in self.when if columns.array(condition.name) is None))


class DefaultPlay(Entry):
    """What to do where no warning holds; without tier or stage it is for all of them."""

    tier: TierName | None = None
    stage: StageName | None = None
    play: Play


def warned(kinds: tuple[WarningKind, ...], columns: Columns) -> tuple[dict[str, Mask], dict[str, tuple[str, ...]]]:
    """Which rows each kind holds for, and the kinds that cannot hold with the names they lack."""
    inactive = {kind.kind: kind.absent(columns) for kind in kinds if kind.absent(columns)}
    return {kind.kind: all_hold(kind.when, columns) for kind in kinds if kind.kind not in inactive}, inactive


def warning_table(kinds: tuple[WarningKind, ...], masks: dict[str, Mask], columns: Columns) -> pd.DataFrame:
    """One row for each merchant and kind that holds, a merchant's most severe first.

    `measure` and `value` are the kind's first condition: what was looked at, and the merchant's own number.
    """
    active = [kind for kind in kinds if kind.kind in masks]
    hits = [np.flatnonzero(masks[kind.kind]) for kind in active]
    which = np.repeat(np.arange(len(active)), [len(hit) for hit in hits])
    row = np.concatenate([*hits, np.empty(0, np.int64)]).astype(np.int64)
    value = np.concatenate([*(_measured(kind, columns)[hit] for kind, hit in zip(active, hits, strict=True)), np.empty(0)])
    level = np.array([kind.level for kind in active], np.int64)
    order = np.lexsort((which, -level[which], row))
    which, row = which[order], row[order]
    table = {"merchant_id": columns.frame.index.to_numpy(dtype=object)[row]}
    table |= {name: _spread(texts, which) for name, texts in _texts(active).items()}
    table |= {"value": value[order], "save_rate": _numbers([kind.play.save_rate for kind in active])[which]}
    cost = _numbers([columns.number(kind.play.cost) for kind in active])
    return pd.DataFrame(table | {"cost": cost[which]})


def _texts(kinds: list[WarningKind]) -> dict[str, list[str]]:
    return {
        "kind": [kind.kind for kind in kinds],
        "severity": [kind.severity for kind in kinds],
        "words_en": [kind.words.en for kind in kinds],
        "words_zh": [kind.words.zh for kind in kinds],
        "play_en": [kind.play.words.en for kind in kinds],
        "play_zh": [kind.play.words.zh for kind in kinds],
        "measure": [kind.when[0].name for kind in kinds],
    }


def _spread(texts: list[str], which: NDArray[np.int64]) -> NDArray[np.object_]:
    return np.array([*texts, None], dtype=object)[which]


def _numbers(values: list[float]) -> NDArray[np.float64]:
    return np.array(values, np.float64)


def _measured(kind: WarningKind, columns: Columns) -> NDArray[np.float64]:
    values = columns.array(kind.when[0].name)
    if values is None or values.dtype == object:
        return np.full(len(columns), np.nan)
    return values.astype(np.float64)
