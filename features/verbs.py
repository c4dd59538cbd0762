"""The closed vocabulary in which features are written, and the expression trees it builds.

A feature's body receives streams of events (`Events`), merchant attributes and other features (`Column`) and returns a
`Column`. Nothing here computes: `features.kernel` gives each node its meaning. No node can mention the cutoff, so none
can look past it.

Windows are half-open and end at the cutoff: `orders.last(days=28)` is `[cutoff - 28, cutoff)`,
`orders.last(days=28, skip=28)` the 28 days before those. A ratio with nothing below the line is missing.

To add a verb, add its node here and its meaning to `features.kernel.MEANING`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Literal

from features.tables import SCALE, STREAMS

Counting = Literal["distinct", "repeat", "new", "days", "squares"]
Op = Literal["+", "-", "*", "/", "min", "max", "log1p", "sqrt", "or_else"]


class Column:
    """A number per merchant: a node of the expression tree."""

    def __add__(self, other: Column | float) -> Column:
        return Arithmetic("+", self, column(other))

    def __sub__(self, other: Column | float) -> Column:
        return Arithmetic("-", self, column(other))

    def __mul__(self, other: Column | float) -> Column:
        return Arithmetic("*", self, column(other))

    def __truediv__(self, other: Column | float) -> Column:
        return Arithmetic("/", self, column(other))

    def __radd__(self, other: float) -> Column:
        return column(other) + self

    def __rsub__(self, other: float) -> Column:
        return column(other) - self

    def __rmul__(self, other: float) -> Column:
        return column(other) * self

    def at_most(self, high: Column | float) -> Column:
        """The smaller of the two; missing stays missing."""
        return Arithmetic("min", self, column(high))

    def at_least(self, low: Column | float) -> Column:
        """The larger of the two; missing stays missing."""
        return Arithmetic("max", self, column(low))

    def or_else(self, value: Column | float) -> Column:
        """`value` where this is missing."""
        return Arithmetic("or_else", self, column(value))

    def log1p(self) -> Column:
        """Natural logarithm of one plus this; missing below zero."""
        return Arithmetic("log1p", self, self)

    def sqrt(self) -> Column:
        """Square root; missing below zero."""
        return Arithmetic("sqrt", self, self)

    def change_from(self, before: Column | float) -> Column:
        """`(this - before) / (this + before)`: -1 when all is gone, 0 unchanged, 1 when it came from nothing."""
        before = column(before)
        return (self - before) / (self + before)

    def rank_among(self, by: str | None = None) -> Column:
        """Share of peers (equal in attribute `by`, or the whole market) below this merchant, ties half: in [0, 1]."""
        return Peers(self, "rank", by)

    def median_among(self, by: str | None = None) -> Column:
        """Median over the peers, this merchant included."""
        return Peers(self, "median", by)

    def total_among(self, by: str | None = None) -> Column:
        """Sum over the peers, this merchant included."""
        return Peers(self, "total", by)


def column(value: Column | float) -> Column:
    """A number as a node; nodes as they are."""
    return value if isinstance(value, Column) else Constant(float(value))


@dataclass(frozen=True)
class Constant(Column):
    """The same number for everybody."""

    value: float


@dataclass(frozen=True)
class Ref(Column):
    """The column of another feature."""

    name: str


@dataclass(frozen=True)
class Arithmetic(Column):
    """Two columns joined by `op`; float64, missing where either side is (or the quotient's divisor is zero)."""

    op: Op
    left: Column
    right: Column


@dataclass(frozen=True)
class Peers(Column):
    """A summary of `of` over the merchants that share attribute `by` and have a row at the cutoff."""

    of: Column
    how: Literal["rank", "median", "total"]
    by: str | None


@dataclass(frozen=True)
class Attribute(Column):
    """What the platform knows about the merchant, as it stands: a number or a text. Missing before it was known."""

    name: str


@dataclass(frozen=True)
class Age(Column):
    """Days from an attribute that is a time to the cutoff; missing before it was known."""

    name: str


Condition = tuple[str, Literal["=", "<", "<=", ">", ">="], int]
"""A field, a comparison and a number in the integers that streams keep (cents, thousandths)."""


@dataclass(frozen=True)
class Measure:
    """One integer of a merchant's day: rows (`field` is None), a field's sum or maximum, or how often it was given."""

    field: str | None = None
    how: Literal["sum", "given", "max"] = "sum"
    where: tuple[Condition, ...] = ()


_measure = cache(Measure)
"""One object for equal measures, so that looking one up need not compare them."""


@dataclass(frozen=True)
class Total(Column):
    """The sum of a measure over a window, in the measure's own unit."""

    stream: str
    measure: Measure
    days: int | None
    skip: int


@dataclass(frozen=True)
class Entities(Column):
    """The different values of a field in a window.

    `distinct` counts them, `repeat` those on at least two days, `new` those never seen before the window; `days` is the number of
    value-days (each value once a day) and `squares` the sum over the values of their squared number of days.
    """

    stream: str
    field: str
    how: Counting
    days: int | None
    skip: int


@dataclass(frozen=True)
class Edge(Column):
    """Days from the first or the last event to the cutoff; missing without one."""

    stream: str
    which: Literal["first", "last"]


@dataclass(frozen=True)
class Ahead(Column):
    """Days from the cutoff to the latest value of a date field (negative when it has passed); missing without one."""

    stream: str
    field: str


@dataclass(frozen=True)
class Gaps(Column):
    """Days between neighbouring days with events that ended in the window: their count, total, squares, or a quantile's bin."""

    stream: str
    how: Literal["count", "total", "squares", "p50", "p95"]
    days: int | None


@dataclass(frozen=True)
class Events:
    """The events of one stream in a window `[cutoff - skip - days, cutoff - skip)`; of all the past at first."""

    stream: str
    days: int | None = None
    skip: int = 0
    conditions: tuple[Condition, ...] = ()

    def last(self, days: int, skip: int = 0) -> Events:
        """The last `days` days, or with `skip` the `days` before the last `skip`."""
        if days < 1 or skip < 0:
            raise ValueError(f"a window of {days} days that skips {skip} holds nothing; use days >= 1 and skip >= 0")
        return replace(self, days=days, skip=skip)

    def where(self, field: str, op: Literal["=", "<", "<=", ">", ">="], value: float) -> Events:
        """Only events whose field satisfies the comparison, in the field's own unit; a missing value never does."""
        return replace(self, conditions=(*self.conditions, (field, op, _kept(self.stream, field, value))))

    def count(self) -> Column:
        """Number of events (of orders: the sum of `order_count`)."""
        return self._total("orders" if self.stream == "orders" else None)

    def total(self, field: str) -> Column:
        """Sum of a field."""
        return self._total(field)

    def mean(self, field: str) -> Column:
        """Mean of a field over the events that have it; missing without any."""
        return self._total(field) / self._total(field, "given")

    def distinct(self, field: str) -> Column:
        """Number of different values of a field; `"day"` and `"week"` count the calendar's."""
        return self._entities(field, "distinct")

    def repeated(self, field: str) -> Column:
        """Number of values of a field that occurred on at least two days of the window."""
        return self._entities(field, "repeat")

    def new(self, field: str) -> Column:
        """Number of values of a field whose first event ever lies in the window."""
        return self._entities(field, "new")

    def concentration(self, field: str) -> Column:
        """Sum of squared shares of the values in all value-days (Herfindahl): 1 when there is a single value."""
        days = self._entities(field, "days")
        return self._entities(field, "squares") / (days * days)

    def days_since_first(self) -> Column:
        """Days from the first event to the cutoff."""
        return Edge(self._everything("days_since_first").stream, "first")

    def days_since_last(self) -> Column:
        """Days from the last event to the cutoff: 1 means yesterday."""
        return Edge(self._everything("days_since_last").stream, "last")

    def days_until(self, field: str) -> Column:
        """Days from the cutoff to the latest value of a date field that is known."""
        return Ahead(self._everything("days_until").stream, field)

    def gaps(self, how: Literal["count", "total", "squares", "p50", "p95"]) -> Column:
        """Gaps between neighbouring days with events (by the day they became known) that ended in the window.

        A quantile is the upper edge of the bin that holds it; the bins are `features.gaps.GAP_EDGES`.
        """
        if self.skip or self.conditions:
            raise ValueError("gaps are of all events up to the cutoff; use no skip and no where")
        return Gaps(self.stream, how, self.days)

    def periods(self, days: int, count: int) -> list[Events]:
        """`count` windows of `days` days each, the oldest first; they end at the cutoff."""
        return [self.last(days=days, skip=days * back) for back in reversed(range(count))]

    def _everything(self, verb: str) -> Events:
        if self.days is not None or self.conditions:
            raise ValueError(f"{verb} is of all events; use it without last() and where()")
        return self

    def _total(self, field: str | None, how: Literal["sum", "given"] = "sum") -> Total:
        return Total(self.stream, _measure(field, how, self.conditions), self.days, self.skip)

    def _entities(self, field: str, how: Counting) -> Entities:
        if self.conditions:
            raise ValueError(f"{how} values of {field} cannot be combined with where(); declare a stream for them")
        return Entities(self.stream, field, how, self.days, self.skip)


def _kept(stream: str, name: str, value: float) -> int:
    one = STREAMS[stream].fields.get(name)
    scale = SCALE[one.kind] if one else 1
    if abs(value * scale - round(value * scale)) > 1e-6:
        raise ValueError(f"{stream}.{name} is kept in steps of 1/{scale}, so no value equals {value}; round it")
    return round(value * scale)


def slope(values: list[Column]) -> Column:
    """Least-squares slope of equally spaced values relative to their mean: 0.1 is growth of a tenth of the mean per step."""
    middle = (len(values) - 1) / 2
    spread = sum((i - middle) ** 2 for i in range(len(values)))
    rise = sum(((i - middle) / spread * value for i, value in enumerate(values)), column(0.0))
    return rise / mean(values)


def volatility(values: list[Column]) -> Column:
    """Coefficient of variation (population) of the values; missing when their mean is zero."""
    middle = mean(values)
    squares = sum(((value - middle) * (value - middle) for value in values), column(0.0))
    return (squares / float(len(values))).sqrt() / middle


def mean(values: list[Column]) -> Column:
    """Mean of some columns."""
    return sum(values, column(0.0)) / float(len(values))


def nodes(tree: Column) -> Iterator[Column]:
    """The tree's nodes, itself first."""
    yield tree
    for part in fields(tree):  # type: ignore[arg-type]
        value = getattr(tree, part.name)
        if isinstance(value, Column):
            yield from nodes(value)
