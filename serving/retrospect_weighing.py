"""How much a sign weighs for a cause: the odds of what was seen if the cause was there, against if nothing had happened.

Most signs are *moves*: how far something went from the merchant's own half-year before, in the direction in which its cause would push it. What
is usual is not decided here but learnt from the market: from how far the same thing moved, in the same weeks, at others that sold on. A move weighs

    ln( chance of the move, had it been of the plain size  /  chance of the move, had nothing happened )

with a normal spread around both (the sequential probability ratio of Wald, 1945). So a small move of a large merchant can weigh more than a
large one of a merchant with six orders, and a market of wild weeks asks for wilder ones. Rare things (tickets) use Poisson chances instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
FOR, AGAINST = 3.0, -1.0
"""Bounds of what one sign weighs, in natural logs: no more than twenty to one for a cause, and e to one against it, as no
cause shows in all of its signs."""
LEAST_PEERS = 30
"""Others from whom what is usual can be learnt."""
MIDDLE_HALF = (0.16, 0.84)
"""Quantiles that are one spread away from the middle of normal numbers."""


@dataclass(frozen=True)
class Moves:
    """A sign as it was read: the `value` to be told, how far it `moved`, and the `error` of that (in any unit: the market's spread scales it)."""

    value: Numbers
    moved: Numbers
    error: Numbers | float = 1.0


@dataclass(frozen=True)
class Facts:
    """A sign that weighs by itself: the `value` to be told and its `weight`, in natural logs."""

    value: Numbers
    weight: Numbers


Reading = Moves | Facts


class Frame:
    """Columns of the evidence as numbers; one that the market has no table for is missing everywhere."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def __getitem__(self, name: str) -> Numbers:
        return self.table[name].to_numpy(np.float64) if name in self.table else np.full(len(self.table), np.nan)


@dataclass(frozen=True)
class Sign:
    """A sign of `causes`: a move of `plain` size would be plain to anybody, `usual` is the spread where there are too few others to learn it
    from, `most` and `least` bound its weight, `is_contrary` turns it round. `{value}` stands in the words of both languages.
    """

    name: str
    causes: tuple[str, ...]
    en: str
    zh: str
    read: Callable[[Frame], Reading]
    plain: float = 1.0
    usual: float = 1.0
    most: float = FOR
    least: float = AGAINST
    is_contrary: bool = False


@dataclass(frozen=True)
class Weighed:
    """What a sign weighs for each merchant, the value to be told, and the share of the others at which it moved less (missing if not known)."""

    weight: Numbers
    value: Numbers
    above: Numbers


def weighed(sign: Sign, frame: Frame, peers: Frame) -> Weighed:
    """What a sign weighs for each merchant of a frame, against its peers; 0 where it cannot be read.

    However normal the spread is meant to be, a move cannot weigh more than it is rare: had one in ten of the others moved as far, then ln 10.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # what cannot be divided is no sign
        found = sign.read(frame)
        if isinstance(found, Facts):
            weight, above = found.weight, np.full(len(found.weight), np.nan)
        else:
            weight, above = _of_moves(sign, found, sign.read(peers))
    weight = np.where(np.isfinite(weight), -weight if sign.is_contrary else weight, 0)
    return Weighed(np.clip(weight, sign.least, sign.most), found.value, above)


def _of_moves(sign: Sign, found: Moves, others: Reading) -> tuple[Numbers, Numbers]:
    """The weights of moves, and the share of the others that moved less."""
    middle, spread, apart = _usual(others, sign.usual)
    error = np.asarray(found.error) * spread
    own = (found.moved - middle) / error
    weight = sign.plain / error * (own - sign.plain / error / 2)
    if not len(apart):
        return weight, np.full(len(weight), np.nan)
    below = np.searchsorted(apart, own) / (len(apart) + 1)
    return np.minimum(weight, -np.log(1 - below)), np.where(np.isfinite(own), below, np.nan)


def _usual(others: Reading, usual: float) -> tuple[float, float, Numbers]:
    """Middle and spread (of a move over its error) of the others' moves, and how many spreads from the middle each was, in order."""
    assert isinstance(others, Moves)
    error = np.broadcast_to(np.asarray(others.error, np.float64), others.moved.shape)
    is_known = np.isfinite(others.moved) & np.isfinite(error) & (error > 0)
    if is_known.sum() < LEAST_PEERS:
        return 0.0, usual, np.zeros(0)
    moved, error = others.moved[is_known], error[is_known]
    middle = float(np.median(moved))
    low, high = np.quantile((moved - middle) / error, MIDDLE_HALF)
    spread = max(float(high - low) / 2, 1e-6)
    return middle, spread, np.sort((moved - middle) / error / spread)


def surge(now: Numbers, usual: Numbers, more: float) -> Numbers:
    """Weight of a count: the Poisson chances of it with twice the usual and `more` on top, against those with the usual."""
    plain = 2 * usual + more
    return now * np.log(plain / usual) - (plain - usual)
