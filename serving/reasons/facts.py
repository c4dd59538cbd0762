"""A merchant's own numbers, and sentences that are only told where they are true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.sheet import Frame, Sheet
from serving.reasons.numbers import Style

Numbers = NDArray[np.float64]
FEW = 1024
"""Up to so many rows all numbers are read at once, which takes less time than one column after the other."""


class Facts:
    """The columns of a snapshot as attributes; a column that the data does not have is all NaN, so nothing holds of it."""

    def __init__(self, frame: Frame) -> None:
        self.sheet = frame if isinstance(frame, Sheet) else Sheet.of(frame)
        self._read: dict[str, Numbers] = {}
        if len(self) <= FEW:
            self._read |= dict(zip(self.sheet.names, self.sheet.numbers.astype(np.float64), strict=True))

    def __len__(self) -> int:
        return len(self.sheet)

    def __getattr__(self, name: str) -> Numbers:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._read:
            present = name in self.sheet.places
            self._read[name] = self.sheet[name].astype(np.float64) if present else np.full(len(self), np.nan)
        return self._read[name]

    def days(self, count: float) -> Numbers:
        """The same number of days from the cutoff for every merchant."""
        return np.full(len(self), float(count))


def before(now: Numbers, change: Numbers) -> Numbers:
    """What there was before, from what there is now and the change `(now - before) / (now + before)`; NaN near total loss.

    Examples
    --------
    >>> before(np.array([50.0]), np.array([-1 / 3])).round(6)
    array([100.])
    """
    with np.errstate(all="ignore"):
        return np.where(change > -0.98, now * (1 - change) / (1 + change), np.nan)


def relative(change: Numbers) -> Numbers:
    """The usual relative change `now / before - 1` of a change `(now - before) / (now + before)`; NaN when it came from nothing.

    Examples
    --------
    >>> relative(np.array([-1 / 3, 0.2])).round(6)
    array([-0.5,  0.5])
    """
    with np.errstate(all="ignore"):
        return np.where(change < 0.98, 2 * change / (1 - change), np.nan)


def lowest(rank: Numbers) -> Numbers:
    """The share of the lowest merchants that a rank in 0..1 is among, at least one percent."""
    return np.maximum(np.ceil(rank * 100) / 100, 0.01)


@dataclass(frozen=True)
class Sentence:
    """Something worth saying about a group.

    `bad` says that it is bad news for the merchant, so it can stand for a contribution that raises the risk; good news can stand
    for one that lowers it or raises growth. `when` says of whom it is true; `facts` gives the values of the placeholders,
    `{name:kind}` with the kinds of `Style.writer`.
    """

    group: str
    bad: bool
    when: Callable[[Facts], Any]
    en: str
    zh: str
    facts: Callable[[Facts], Mapping[str, Numbers]]

    def told(self, facts: Facts, rows: NDArray[np.intp], style: Style) -> list[str]:
        """The sentence with each row's own numbers."""
        with np.errstate(all="ignore"):
            values = self.facts(facts)
        pieces: list[list[str]] = []
        for literal, name, kind in _parsed(self.en if style.lang == "en" else self.zh):
            pieces.append([literal] * len(rows))
            if name is not None:
                pieces.append(style.written(kind or "count", values[name][rows].tolist()))
        return ["".join(parts) for parts in zip(*pieces, strict=True)]

    def holds(self, facts: Facts) -> NDArray[np.bool_]:
        """Of which merchants it is true, with all its numbers known."""
        with np.errstate(all="ignore"):
            true = np.asarray(self.when(facts), bool)
            for values in self.facts(facts).values():
                true = true & np.isfinite(values)
        return true


@cache
def _parsed(text: str) -> tuple[tuple[str, str | None, str | None], ...]:
    """The literals of a sentence, each with the placeholder that follows it and its kind."""
    return tuple((literal, name, kind) for literal, name, kind, _ in Formatter().parse(text))
