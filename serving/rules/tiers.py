"""Tiers A–E by points, half-open `[at_least, below)`; the top tier includes 100.

A merchant stays in its tier while its points are within `margin` of it, and changes only when they stayed outside for some days:
so tiers do not flap. What is pending is kept from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from serving.rules.entry import Entry, Words
from serving.rules.spread import places, spread

TierName = Literal["A", "B", "C", "D", "E"]
TIER_HISTORY = ("tier", "tier_since", "tier_pending", "tier_pending_since")
Codes = NDArray[np.signedinteger[Any]]
Days = NDArray[np.datetime64]
NEVER = np.datetime64("NaT", "s")


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


class TierChanges(Entry):
    """When a merchant changes its tier: `margin` points beyond the bound, for so many days."""

    margin: float = Field(default=0, ge=0, lt=50)
    up_after_days: int = Field(default=0, ge=0, le=730)
    down_after_days: int = Field(default=0, ge=0, le=730)


class Benefit(Entry):
    """What the merchants of each tier get, from pre-sale to after-sale; a tier without words does not get it."""

    phase: Literal["pre-sale", "onboarding", "selling", "after-sale"]
    words: Words
    A: Words | None = None
    B: Words | None = None
    C: Words | None = None
    D: Words | None = None
    E: Words | None = None


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
    in_order = rising(tiers)
    reached = 0.0
    for position, tier in enumerate(in_order):
        if tier.at_least != reached:
            clash = "overlap" if tier.at_least < reached else "leave a gap"
            before = in_order[position - 1].name if position else "0 points"
            low, high = sorted((tier.at_least, reached))
            raise ValueError(f"tier {tier.name} and {before} {clash} between {low:g} and {high:g} points; make the bounds meet")
        reached = tier.upper
    if reached <= 100:
        raise ValueError(f"no tier holds {reached:g} points and more; leave out `below` of tier {in_order[-1].name}")
    if [tier.name for tier in in_order] != sorted(names, reverse=True):
        raise ValueError("the tiers are not in the order E, D, C, B, A of rising points; A must be the highest")


def rising(tiers: Sequence[Tier]) -> list[Tier]:
    """The tiers from the lowest to the highest."""
    return sorted(tiers, key=lambda tier: tier.at_least)


def tier_codes(points: NDArray[np.float64], tiers: tuple[Tier, ...]) -> Codes:
    """The place of each number of points among the rising tiers; -1 where the points are missing."""
    place = np.searchsorted([tier.at_least for tier in rising(tiers)], points, side="right") - 1
    return np.where(np.isnan(points), -1, place).astype(np.int8)


def tier_of(points: NDArray[np.float64], tiers: tuple[Tier, ...]) -> NDArray[np.object_]:
    """The tier of each number of points, as if nothing had been before; None where the points are missing."""
    names = np.array([*(tier.name for tier in rising(tiers)), None], dtype=object)
    return names[tier_codes(points, tiers)]


def regrade(
    points: NDArray[np.float64],
    tiers: tuple[Tier, ...],
    changes: TierChanges,
    cutoff: date | None = None,
    previous: pd.DataFrame | None = None,
) -> tuple[Codes, dict[str, Any]]:
    """Each merchant's tier after what it was before.

    Parameters
    ----------
    points : (n,), NaN where no input is known: these have no tier.
    previous : rows aligned with `points`, columns `TIER_HISTORY`; empty where a merchant had no tier.

    Returns
    -------
    The place of each tier among the rising ones, -1 for none; and `TIER_HISTORY`: the tier, since when, and the tier that it would change
    to with the day its points first left the tier's reach.
    """
    now, day = tier_codes(points, tiers), np.datetime64(cutoff or "NaT", "s")
    since = np.full(len(points), day)
    if previous is None or cutoff is None:
        return _history(tiers, now, since, np.full(len(now), -1, np.int8), np.full(len(now), NEVER))
    was, was_since = places(previous["tier"], _names(tiers)), dates(previous["tier_since"])
    kept = (was >= 0) & (now >= 0)
    target = np.where(kept & ~_in_reach(points, was, tiers, changes.margin), now, was)
    away = kept & (target != was)
    before = places(previous["tier_pending"], _names(tiers))
    same_side = away & (before >= 0) & (np.sign(before - was) == np.sign(target - was))
    pending_since = np.where(same_side, dates(previous["tier_pending_since"]), day)
    wait = np.where(target > was, changes.up_after_days, changes.down_after_days)
    moves = away & ((day - pending_since) >= wait.astype("timedelta64[D]"))
    tier = np.where(kept & ~moves, was, now)
    waiting = away & ~moves
    since = np.where(kept & ~moves & ~np.isnat(was_since), was_since, day)
    return _history(tiers, tier, since, np.where(waiting, target, -1), np.where(waiting, pending_since, NEVER))


def next_tier(points: NDArray[np.float64], code: Codes, tiers: tuple[Tier, ...], margin: float) -> dict[str, Any]:
    """The tier above and the points that lack to it, the margin included; missing for those in the highest or in none."""
    up = np.where((code >= 0) & (code < len(tiers) - 1), code + 1, -1).astype(np.int8)
    bound = np.array([*(max(0.0, tier.at_least + margin) for tier in rising(tiers)), np.nan])
    lacking = np.round(np.maximum(np.minimum(bound, 100)[up] - points, 0), 1)
    return {"next_tier": spread(_names(tiers), up), "points_to_next": lacking}


def dates(values: pd.Series) -> Days:
    """Days as numpy has them, from dates, texts or timestamps; NaT where there is none."""
    return pd.to_datetime(values).to_numpy("datetime64[s]")


def _in_reach(points: NDArray[np.float64], code: Codes, tiers: tuple[Tier, ...], margin: float) -> NDArray[np.bool_]:
    low = np.array([*(tier.at_least for tier in rising(tiers)), np.nan])[code] - margin
    high = np.array([*(tier.upper for tier in rising(tiers)), np.nan])[code] + margin
    return (points >= low) & (points < high)


def _names(tiers: tuple[Tier, ...]) -> list[str]:
    return [tier.name for tier in rising(tiers)]


def _history(tiers: tuple[Tier, ...], tier: Codes, since: Days, pending: Codes, pending_since: Days) -> tuple[Codes, dict[str, Any]]:
    names = _names(tiers)
    columns = spread(names, tier), np.where(tier >= 0, since, NEVER), spread(names, pending), pending_since
    return tier.astype(np.int8), dict(zip(TIER_HISTORY, columns, strict=True))
