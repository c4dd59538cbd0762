"""A condition of a rule: the name of a number, an operator and a threshold.

An "or" is two rules; a computation is a feature. A condition on a number that is missing never holds, whatever the
operator, except `missing` itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ConfigDict, model_validator

from features.errors import did_you_mean
from serving.rules.entry import Entry

Mask = NDArray[np.bool_]

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
PRESENCE = ("missing", "known")
OPERATORS = (*COMPARE, *PRESENCE)
MEANT = {"=>": ">=", "=<": "<=", "=": "==", "<>": "!="}
"""What other languages write; the closest by letters would mean something else."""
RANK = "_rank"
CHANCES = frozenset(
    (
        "churn_risk",
        "churn_risk_third",
        "churn_risk_two_thirds",
        "churn_risk_low",
        "churn_risk_high",
        "growth_potential",
        "decline_risk",
        "activation_chance",
    )
)
"""Scores that are chances."""
GRADES = ("tier", "stage", "points")
"""What the rules find before they look at warnings."""

SETTINGS: dict[str, float] = {
    "active_days": 90.0,
    "half_active_days": 45.0,
    "horizon_days": 90.0,
    "contact_cost": 15.0,
}
"""Settings that a value of a rule may name, and what they are when no keepwell.toml says otherwise."""


def setting_values(settings: Any) -> dict[str, float]:
    """What the settings' names mean in a rule, from the settings of a keepwell.toml."""
    return {
        "active_days": float(settings.churn.active_days),
        "half_active_days": settings.churn.active_days / 2,
        "horizon_days": float(settings.churn.horizon_days),
        "contact_cost": float(settings.economics.contact_cost),
    }


class Columns:
    """The columns of one run by name, each turned into an array once.

    A name that ends in `_rank` and is not a column is the share of merchants below this one, ties half (as the verb
    `rank_among`); it is among the rows given, so grade all known merchants together.
    """

    def __init__(self, frame: pd.DataFrame, settings: Mapping[str, float] | None = None) -> None:
        self.frame = frame
        self.settings = {**SETTINGS, **(settings or {})}
        self._arrays: dict[str, NDArray[Any] | None] = {}
        self._known: dict[str, Mask] = {}

    def __len__(self) -> int:
        return len(self.frame)

    def array(self, name: str) -> NDArray[Any] | None:
        """The values of a column, or None where the data has no such column."""
        if name not in self._arrays:
            self._arrays[name] = self._read(name)
        return self._arrays[name]

    def known(self, name: str) -> Mask:
        """Which merchants have a value."""
        if name not in self._known:
            values = self.array(name)
            self._known[name] = np.zeros(len(self), bool) if values is None else ~pd.isna(values)
        return self._known[name]

    def give(self, name: str, values: NDArray[Any]) -> None:
        """Add what the rules themselves have found, such as the stage, for conditions to look at."""
        self._arrays[name] = values

    def number(self, value: float | str) -> float:
        """A threshold: a number, or the setting of that name."""
        return self.settings[value] if isinstance(value, str) else value

    def _read(self, name: str) -> NDArray[Any] | None:
        if name in self.frame:
            column = self.frame[name]
            numeric = pd.api.types.is_numeric_dtype(column.dtype)
            return column.to_numpy() if numeric else column.to_numpy(dtype=object)
        stem = name.removesuffix(RANK)
        if stem != name and stem in self.frame:
            return rank_share(self.frame[stem].to_numpy(np.float32 if self.frame[stem].dtype == np.float32 else np.float64, na_value=np.nan))
        return None


def rank_share(values: NDArray[Any]) -> NDArray[np.float64]:
    """The share of values below each one, ties half; NaN where there is none. A third of the time of pandas' `rank`, to the same bit.

    Examples
    --------
    >>> rank_share(np.array([3.0, np.nan, 1.0, 3.0, 2.0])).tolist()
    [0.75, nan, 0.125, 0.75, 0.375]
    """
    known = np.flatnonzero(~np.isnan(values))
    found = values.take(known)
    order = found.argsort()
    rising = found.take(order)
    first = np.flatnonzero(np.concatenate([np.ones(min(len(rising), 1), bool), rising[1:] != rising[:-1]]))
    after = np.append(first[1:], len(rising))
    place = np.full(len(values), np.nan)
    place[known.take(order)] = (np.repeat((first + 1 + after) / 2, after - first) - 0.5) / max(len(rising), 1)
    return place


class Condition(Entry):
    """`name op value`, e.g. `churn_risk >= 0.6` or `days_since_last_order < active_days`.

    A word as value of an ordering operator is the name of a setting; with `==` and `!=` it is the text compared with.
    """

    model_config = ConfigDict(allow_inf_nan=True)  # its own words for those are below

    name: str
    op: str
    value: float | str | None = None
    if_known: bool = False
    """Where the number is missing, the condition holds; where the data has no such name, it is left out."""

    @model_validator(mode="after")
    def _can_be_tested(self) -> Condition:
        if self.op not in OPERATORS:
            close = f'did you mean "{MEANT[self.op]}"?' if self.op in MEANT else did_you_mean(self.op, OPERATORS)
            raise ValueError(f'operator "{self.op}" is not known; {close}')
        if (self.op in PRESENCE) != (self.value is None):
            expected = "takes no value" if self.op in PRESENCE else "needs a value"
            raise ValueError(f'operator "{self.op}" on {self.name} {expected}')
        ordering = self.op in COMPARE and self.op not in ("==", "!=")
        if ordering and isinstance(self.value, str) and self.value not in SETTINGS:
            raise ValueError(f'setting "{self.value}" is not known; {did_you_mean(self.value, SETTINGS)}')
        if isinstance(self.value, float) and not np.isfinite(self.value):
            raise ValueError(f"the value {self.value} of {self.name} is not a finite number; write one")
        if isinstance(self.value, float) and not 0 <= self.value <= 1 and (self.name in CHANCES or self.name.endswith(RANK)):
            remedy = f"write {self.value / 100:g} for {self.value:g} %" if 1 < self.value <= 100 else "write a share"
            raise ValueError(f"the value {self.value:g} of {self.name} lies outside 0 to 1, where chances and ranks are; {remedy}")
        return self

    def __str__(self) -> str:
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return " ".join(part for part in (self.name, self.op, value) if part is not None)

    def holds(self, columns: Columns) -> Mask:
        """Which rows of the run meet the condition."""
        known = columns.known(self.name)
        if self.op in PRESENCE:
            return known if self.op == "known" else ~known
        return self._met(columns, known) | ~known if self.if_known else self._met(columns, known)

    def _met(self, columns: Columns, known: Mask) -> Mask:
        values = columns.array(self.name)
        if values is None:
            return known
        text = isinstance(self.value, str) and self.op in ("==", "!=")
        if text != (values.dtype == object):
            return np.zeros(len(columns), bool)
        value = self.value if text else columns.number(self.value)  # type: ignore[arg-type]
        return known & np.asarray(COMPARE[self.op](values, value), bool)


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a name that no feature, score or attribute bears.

    Raises
    ------
    ValueError : the name, and the closest one that is known.
    """
    known = frozenset(known)
    for name in sorted(names):
        if name not in (*known, *GRADES) and name.removesuffix(RANK) not in known:
            raise ValueError(f'no feature, score or attribute is called "{name}"; {did_you_mean(name, known)}')


def all_hold(conditions: tuple[Condition, ...], columns: Columns) -> Mask:
    """Which rows meet every condition; no condition at all holds everywhere."""
    mask = np.ones(len(columns), bool)
    for condition in conditions:
        mask &= condition.holds(columns)
    return mask
