"""What conditions say about each other without any data: whether they can hold together, and whether some follow from others.

Conditions on one name are an interval. Settings stand for their values, so two thresholds of the same setting are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf

from serving.rules.conditions import SETTINGS, Condition


@dataclass(frozen=True)
class Span:
    """What some conditions leave of a name: the numbers from `low` to `high`, the texts allowed, and whether it may be missing."""

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = False
    only: frozenset[str] | None = None
    never: frozenset[str | float] = frozenset()
    present: bool | None = None
    """True where a value is needed, False where none may be."""

    @property
    def empty(self) -> bool:
        """Nothing is left."""
        if self.present is None and self == Span():
            return False
        crossed = self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))
        point = self.low == self.high and self.low in self.never
        return crossed or point or (self.only is not None and not self.only - self.never)

    def within(self, other: Span) -> bool:
        """Whatever this span allows, the other allows too."""
        if other.present is not None and self.present != other.present:
            return False
        low = self.low > other.low or (self.low == other.low and (self.low_open or not other.low_open))
        high = self.high < other.high or (self.high == other.high and (self.high_open or not other.high_open))
        texts = other.only is None or (self.only is not None and self.only <= other.only)
        return low and high and texts and all(self._excludes(value) for value in other.never)

    def _excludes(self, value: str | float) -> bool:
        if isinstance(value, str):
            return value in self.never or (self.only is not None and value not in self.only)
        return value in self.never or not (self.low <= value <= self.high)


CONTRADICTION = Span(low=1, high=0, present=True)


def spans(conditions: Iterable[Condition], settings: Mapping[str, float] = SETTINGS) -> dict[str, Span]:
    """Name → what the conditions together leave of it."""
    found: dict[str, Span] = {}
    for condition in conditions:
        found[condition.name] = _narrowed(found.get(condition.name, Span()), condition, settings)
    return found


def can_hold(conditions: Iterable[Condition], settings: Mapping[str, float] = SETTINGS) -> bool:
    """Whether all conditions can be true of one merchant."""
    return not any(span.empty for span in spans(_certain(conditions), settings).values())


def implies(conditions: Iterable[Condition], others: Iterable[Condition], settings: Mapping[str, float] = SETTINGS) -> bool:
    """Whether the other conditions are true wherever the first are.

    Examples
    --------
    >>> over = Condition(name="churn_risk", op=">=", value=0.6)
    >>> more = Condition(name="churn_risk", op=">", value=0.8)
    >>> implies([more], [over]), implies([over], [more])
    (True, False)
    """
    given = spans(_certain(conditions), settings)
    return all(name in given and given[name].within(span) for name, span in spans(others, settings).items())


def _certain(conditions: Iterable[Condition]) -> list[Condition]:
    """Those that cannot be met by a missing number."""
    return [condition for condition in conditions if not condition.if_known]


def _narrowed(span: Span, condition: Condition, settings: Mapping[str, float]) -> Span:
    if condition.op in ("missing", "known"):
        present = condition.op == "known"
        return CONTRADICTION if span.present not in (None, present) else replace(span, present=present)
    if span.present is False:
        return CONTRADICTION
    span = replace(span, present=True)
    value = condition.value
    if isinstance(value, str) and condition.op == "==":
        return replace(span, only=frozenset({value}) if span.only is None else span.only & {value})
    if condition.op == "!=":
        return replace(span, never=span.never | {value})  # type: ignore[arg-type]
    return _cut(span, condition.op, settings[value] if isinstance(value, str) else float(value))  # type: ignore[arg-type]


def _cut(span: Span, op: str, value: float) -> Span:
    if op in (">=", ">", "==") and (value > span.low or (value == span.low and op == ">")):
        span = replace(span, low=value, low_open=op == ">")
    if op in ("<=", "<", "==") and (value < span.high or (value == span.high and op == "<")):
        span = replace(span, high=value, high_open=op == "<")
    return span
