"""Tiers A–E by points, half-open `[at_least, below)`; the top tier includes 100."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from serving.rules.entry import Entry, Words

TierName = Literal["A", "B", "C", "D", "E"]


class Tier(Entry):
    """One tier and its bounds in points; without `below` it reaches to 100 and includes it."""

    name: TierName
    at_least: float = Field(ge=0)
    below: float | None = None
    words: Words

    @property
    def upper(self) -> float:
        """The bound that is not in the tier any more."""
        return np.inf if self.below is None else self.below


def check_tiers(tiers: tuple[Tier, ...]) -> None:
    """Each tier can be reached, and every number of points from 0 to 100 lies in exactly one.

    Raises
    ------
    ValueError : which tiers clash, at which points, and what to change.
    """
    names = [tier.name for tier in tiers]
    if len(set(names)) < len(names):
        raise ValueError(f"a tier is given twice among {', '.join(names)}; give each once")
    for tier in tiers:
        if tier.at_least >= tier.upper or tier.at_least > 100:
            raise ValueError(f"tier {tier.name} from {tier.at_least:g} to {tier.upper:g} points cannot be reached; widen its bounds")
    rising = sorted(tiers, key=lambda tier: tier.at_least)
    reached = 0.0
    for position, tier in enumerate(rising):
        if tier.at_least != reached:
            clash = "overlap" if tier.at_least < reached else "leave a gap"
            before = rising[position - 1].name if position else "0 points"
            low, high = sorted((tier.at_least, reached))
            raise ValueError(f"tier {tier.name} and {before} {clash} between {low:g} and {high:g} points; make the bounds meet")
        reached = tier.upper
    if reached <= 100:
        raise ValueError(f"no tier holds {reached:g} points and more; leave out `below` of tier {rising[-1].name}")
    if [tier.name for tier in rising] != sorted(names, reverse=True):
        raise ValueError("the tiers are not in the order E, D, C, B, A of rising points; A must be the highest")


def tier_of(points: NDArray[np.float64], tiers: tuple[Tier, ...]) -> NDArray[np.object_]:
    """The tier of each number of points; None where the points are missing."""
    rising = sorted(tiers, key=lambda tier: tier.at_least)
    names = np.array([*(tier.name for tier in rising), None], dtype=object)
    place = np.searchsorted([tier.at_least for tier in rising], points, side="right") - 1
    return names[np.where(np.isnan(points), len(rising), place)]
