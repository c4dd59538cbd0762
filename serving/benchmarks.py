"""Benchmark merchants (标杆商户): of each industry and scale the ones to learn from, and what sets them apart from a given merchant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import UsageRefused
from serving.reasons.numbers import Lang, Style
from serving.reasons.plain import declared_words, value_in_words
from serving.run import Run

MORE, LESS = 1, -1
TRAITS = {
    "active_days_90d": MORE,
    "orders_90d": MORE,
    "aov_90d": MORE,
    "buyers_90d": MORE,
    "new_buyers_90d": MORE,
    "repeat_buyer_share_90d": MORE,
    "campaigns_begun_365d": MORE,
    "functions_90d": MORE,
    "active_users_28d": MORE,
    "rating_90d": MORE,
    "refund_rate_90d": LESS,
    "late_delivery_share_90d": LESS,
    "tickets_per_order_90d": LESS,
    "effort_90d": LESS,
    "subsidy_share_90d": LESS,
}
"""What merchants are compared by, and whether more or less of it is better."""
SETTLED = ("growing", "mature")
BEST = 0.25
"""An exemplar is among this share of its peers by points."""
FEWEST = 3
TOLD = 0.5
"""Spreads of the peers from which on a difference is told."""
SHOWN = ("merchant_id", "points", "tier")
GROUPS = (("industry", "scale"), ("industry",), ("scale",), ())

Numbers = NDArray[np.float64]
Places = NDArray[np.intp]
Spread = tuple[Numbers, Numbers]


@dataclass(frozen=True)
class Apart:
    """What sets the benchmark merchants apart from a merchant in one respect: `gap` in spreads of its peers, in their favour."""

    name: str
    own: float
    theirs: float
    gap: float


def traits_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of a snapshot that merchants are compared by."""
    return frame[[name for name in TRAITS if name in frame]]


@dataclass(frozen=True, eq=False)
class Peers:
    """Merchants that are like each other, with what it takes to name the best of them at once.

    Attributes
    ----------
    shared : the columns in which they are alike. places : of the peers in the table of all merchants.
    settled : places of those that could be exemplars, the most points first, with their `risk` and `points`.
    ranked : the points of all that have a risk, rising. sum, count : of the risks.
    """

    shared: tuple[str, ...]
    places: Places
    settled: Places
    risk: Numbers
    points: Numbers
    ranked: Numbers
    sum: float
    count: int

    @classmethod
    def of(cls, merchants: pd.DataFrame, places: Places, shared: tuple[str, ...] = ()) -> Peers:
        """The peers at some places of a table with churn_risk, stage and points."""
        risk, points = (merchants[name].to_numpy(np.float64) for name in ("churn_risk", "points"))
        own, has_points = risk[places], ~np.isnan(points[places])
        could = places[merchants["stage"].isin(SETTLED).to_numpy(bool)[places] & ~np.isnan(own) & has_points]
        could = could[np.lexsort((merchants.index[could].to_numpy(str), -points[could]))]
        ranked = np.sort(points[places[~np.isnan(own) & has_points]])
        return cls(shared, places, could, risk[could], points[could], ranked, float(np.nansum(own)), int((~np.isnan(own)).sum()))

    @cached_property
    def is_enough(self) -> bool:
        """Whether there are exemplars enough to learn from."""
        return len(self.exemplars(FEWEST)) >= FEWEST

    def exemplars(self, most: int | None = 5, without: tuple[int, float, float] | None = None) -> Places:
        """The best of the peers, by points: settled, not likely to leave, among the best quarter; the best first.

        Parameters
        ----------
        without : place, risk and points of a peer that is not to be counted among them.
        """
        place, risk, points = without or (-1, np.nan, np.nan)
        gone, ranked = 0 if np.isnan(risk) else 1, self.ranked
        if self.count <= gone or len(ranked) <= gone:
            return self.places[:0]
        average = (self.sum - gone * risk) / (self.count - gone) if gone else self.sum / self.count
        hole = int(np.searchsorted(ranked, points)) if gone and not np.isnan(points) else len(ranked)
        least = _quantile(ranked, hole, 1 - BEST)
        here = slice(0, len(self.points) - int(np.searchsorted(self.points[::-1], least)))
        found = self.settled[here][self.risk[here] < average]
        return found[found != place][:most]


def _quantile(ranked: Numbers, hole: int, share: float) -> float:
    """The quantile of rising numbers, linear between two of them, as if the one at `hole` were not there."""
    at = share * (len(ranked) - (hole < len(ranked)) - 1)
    low, high = (float(ranked[place + (place >= hole)]) for place in (int(at), int(np.ceil(at))))
    return low + (high - low) * (at - int(at))


class Benchmarked:
    """All merchants of a table in groups of peers, each group made when it is asked for."""

    def __init__(self, merchants: pd.DataFrame) -> None:
        self.merchants = merchants
        self.alike = {name: merchants[name].to_numpy(object) for name in GROUPS[0] if name in merchants}
        self._made: dict[tuple[tuple[str, ...], tuple[Any, ...]], Peers] = {}

    def peers(self, place: int) -> Peers:
        """The merchants like one: of its industry and scale, or of the narrowest group with enough exemplars.

        Merchants without an industry or scale are like any.
        """
        for group in GROUPS:
            if all(name in self.alike and isinstance(self.alike[name][place], str) for name in group):
                found = self._group(group, tuple(self.alike[name][place] for name in group))
                if found.is_enough:
                    return found
        return self._group((), ())

    def _group(self, names: tuple[str, ...], values: tuple[Any, ...]) -> Peers:
        if (names, values) not in self._made:
            here = np.ones(len(self.merchants), bool)
            for name, value in zip(names, values, strict=True):
                here &= self.alike[name] == value
            self._made[names, values] = Peers.of(self.merchants, np.flatnonzero(here), names)
        return self._made[names, values]


def every_group(merchants: pd.DataFrame, most: int = 3) -> pd.DataFrame:
    """Exemplars of each industry and scale, as far as the merchants table has them: the group's columns, `place`, merchant_id, points."""
    names = [name for name in GROUPS[0] if name in merchants]
    groups = [group for _, group in merchants.groupby(names)] if names else [merchants]
    best = [group.iloc[Peers.of(group, np.arange(len(group))).exemplars(most)] for group in groups]
    parts = [rows.assign(place=range(1, len(rows) + 1)) for rows in best]
    return pd.concat(parts).reset_index() if parts else merchants.iloc[:0].reset_index()


def spread_of(traits: pd.DataFrame) -> Spread:
    """P10 and P90 of each trait."""
    low, high = (traits.quantile(share).to_numpy(np.float64) for share in (0.1, 0.9))
    return low, high


def apart(names: Sequence[str], traits: Numbers, place: int, best: Places, spread: Spread) -> list[Apart]:
    """Where the benchmark merchants are better than one, the widest gap first.

    The exemplars' median is compared with the merchant's own number, in spreads of the peers (P90 − P10; the merchant's own number must be
    known).

    Parameters
    ----------
    names, traits : of all merchants, a row each.
    place, best : the rows of the merchant and of its exemplars. spread : that of the peers' traits.
    """
    own, (low, high), sign = traits[place], spread, np.array([TRAITS[name] for name in names])
    theirs = _median(traits[best])
    gaps = np.divide(sign * (theirs - own), high - low, out=np.zeros(len(names)), where=high > low)
    found = [Apart(*one) for one in zip(names, own.tolist(), theirs.tolist(), gaps.tolist(), strict=True) if one[3] >= TOLD]
    return sorted(found, key=lambda one: -one.gap)


def _median(rows: Numbers) -> Numbers:
    """The median of each column's known numbers."""
    ordered, known = np.sort(rows, axis=0), (~np.isnan(rows)).sum(axis=0)  # what is missing comes last
    middle = (np.maximum(known - 1, 0) // 2, np.minimum(known // 2, len(rows) - 1))
    low, high = (np.take_along_axis(ordered, place[None], axis=0)[0] for place in middle)
    return np.asarray((low + high) / 2)


@dataclass(frozen=True, eq=False)
class Compared:
    """What it takes to compare any merchant of a run with the best of its peers."""

    groups: Benchmarked
    ids: list[str]
    place: dict[str, int]
    names: list[str]
    traits: pd.DataFrame
    numbers: Numbers
    spreads: dict[Peers, Spread]

    @classmethod
    def of(cls, run: Run) -> Compared:
        """That of a run; its traits in the order of its merchants."""
        needed = [name for name in (*GROUPS[0], "churn_risk", "stage", "points", "tier") if name in run.merchants]
        traits = run.indexed("traits").reindex(run.merchants.index)
        ids, names = run.merchants.index.tolist(), list(map(str, traits))
        place = dict(zip(ids, range(len(ids)), strict=True))
        return cls(Benchmarked(run.merchants[needed]), ids, place, names, traits, traits.to_numpy(np.float64), {})

    def spread(self, peers: Peers) -> Spread:
        """That of the traits of some peers."""
        if peers not in self.spreads:
            self.spreads[peers] = spread_of(self.traits.iloc[peers.places])
        return self.spreads[peers]


def compared(run: Run, merchant: str, lang: Lang = "en") -> dict[str, Any]:
    """The benchmark merchants of one, and what sets them apart from it, ready for JSON.

    Raises
    ------
    UsageRefused : the run does not know the merchant.
    """
    if merchant not in run.merchants.index:
        raise UsageRefused(f"merchant {merchant!r} is not in run {run.run_id}; take an id of keepwell at-risk or of your merchants table.")
    all_of_it: Compared = run.once("compared", lambda: Compared.of(run))
    place, rows = all_of_it.place[merchant], run.rows("merchants")
    row = rows.one(merchant, (*GROUPS[0], "churn_risk", "points"))
    risk, points = (np.nan if row[name] is None else row[name] for name in ("churn_risk", "points"))
    peers = all_of_it.groups.peers(place)
    best = peers.exemplars(without=(place, risk, points))
    found = apart(all_of_it.names, all_of_it.numbers, place, best, all_of_it.spread(peers)) if len(best) else []
    return {
        "like_it": {name: row[name] for name in peers.shared},
        "peers": len(peers.places),
        "merchants": [rows.one(all_of_it.ids[one], SHOWN) for one in best.tolist()],
        "apart": [_told(one, run, lang) for one in found],
    }


def _told(one: Apart, run: Run, lang: Lang) -> dict[str, Any]:
    described, style = declared_words(one.name), Style(lang, str(run.header["currency"]), date.fromisoformat(run.cutoff))
    own, theirs = (value_in_words(one.name, value, described.unit, style) for value in (one.own, one.theirs))
    words = {"en": f"{described.en}: {theirs}, against its {own}", "zh": f"{described.zh}：标杆{theirs}，该商户{own}"}[lang]
    return {"name": one.name, "own": one.own, "theirs": one.theirs, "gap": one.gap, "words": words}
