"""Benchmark merchants (标杆商户): of each industry and scale the ones to learn from, and what sets them apart from a given merchant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

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
GROUPS = (("industry", "scale"), ("industry",), ("scale",), ())


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


def peers_of(merchants: pd.DataFrame, merchant: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The merchants like one: of its industry and scale, or of the narrowest group with enough exemplars; and what they share.

    Merchants without an industry or scale are like any.
    """
    row = merchants.loc[merchant]
    for group in GROUPS:
        if all(name in merchants and isinstance(row[name], str) for name in group):
            here = np.ones(len(merchants), bool)
            for name in group:
                here &= (merchants[name] == row[name]).to_numpy(bool)
            found = merchants[here]
            if len(_exemplary(found)) >= FEWEST:
                return found, group
    return merchants, ()


def exemplars(peers: pd.DataFrame, most: int = 5) -> pd.DataFrame:
    """The best of some peers, by points: settled, not likely to leave, among the best quarter; the best first."""
    found = _exemplary(peers)
    order = np.lexsort((found.index.to_numpy(str), -found["points"].to_numpy(np.float64)))
    return found.iloc[order].head(most)


def every_group(merchants: pd.DataFrame, most: int = 3) -> pd.DataFrame:
    """Exemplars of each industry and scale, as far as the merchants table has them: the group's columns, `place`, merchant_id, points."""
    names = [name for name in GROUPS[0] if name in merchants]
    if not names:
        return exemplars(merchants, most).assign(place=lambda rows: range(1, len(rows) + 1)).reset_index()
    parts = [exemplars(group, most).assign(place=lambda rows: range(1, len(rows) + 1)) for _, group in merchants.groupby(names)]
    return pd.concat(parts).reset_index() if parts else merchants.iloc[:0].reset_index()


Spread = tuple[np.ndarray, np.ndarray]


def spread_of(traits: pd.DataFrame) -> Spread:
    """P10 and P90 of each trait."""
    low, high = (traits.quantile(share).to_numpy(np.float64) for share in (0.1, 0.9))
    return low, high


def apart(traits: pd.DataFrame, merchant: str, peers: pd.Index, best: pd.Index, spread: Spread | None = None) -> list[Apart]:
    """Where the benchmark merchants are better than one, the widest gap first.

    Parameters
    ----------
    traits : of all merchants, as `traits_of` has them.
    spread : that of the peers' traits, where it is known already.

    The exemplars' median is compared with the merchant's own number, in spreads of the peers (P90 − P10; the merchant's own number must be
    known).
    """
    names = list(map(str, traits.columns))
    own, theirs = traits.loc[[merchant]].to_numpy(np.float64)[0], traits.loc[best].median().to_numpy(np.float64)
    low, high = spread_of(traits.loc[peers]) if spread is None else spread
    sign = np.array([TRAITS[name] for name in names])
    gaps = np.divide(sign * (theirs - own), high - low, out=np.zeros(len(names)), where=high > low)
    found = [Apart(*one) for one in zip(names, own.tolist(), theirs.tolist(), gaps.tolist(), strict=True) if one[3] >= TOLD]
    return sorted(found, key=lambda one: -one.gap)


def compared(run: Run, merchant: str, lang: Lang = "en") -> dict[str, Any]:
    """The benchmark merchants of one, and what sets them apart from it, ready for JSON.

    Raises
    ------
    UsageRefused : the run does not know the merchant.
    """
    if merchant not in run.merchants.index:
        raise UsageRefused(f"merchant {merchant!r} is not in run {run.run_id}; take an id of keepwell at-risk or of your merchants table.")
    needed = [name for name in (*GROUPS[0], "churn_risk", "stage", "points", "tier") if name in run.merchants]
    peers, group = peers_of(run.once("benchmarked", lambda: run.merchants[needed]), merchant)
    best = exemplars(peers.drop(index=merchant, errors="ignore"))
    traits, row = run.indexed("traits"), run.merchants.loc[merchant]
    like_it = ("spread", *(row[name] for name in group), len(group))
    rows = [] if best.empty else apart(traits, merchant, peers.index, best.index, run.once(like_it, lambda: spread_of(traits.loc[peers.index])))
    return {
        "like_it": {name: row[name] for name in group},
        "peers": len(peers),
        "merchants": [{"merchant_id": name, "points": points, "tier": tier} for name, points, tier in _shown(best)],
        "apart": [_told(one, run, lang) for one in rows],
    }


def _exemplary(peers: pd.DataFrame) -> pd.DataFrame:
    average = peers["churn_risk"].mean()
    settled = peers[peers["stage"].isin(SETTLED) & (peers["churn_risk"] < average)]
    return settled[settled["points"] >= peers.loc[peers["churn_risk"].notna(), "points"].quantile(1 - BEST)]


def _shown(best: pd.DataFrame) -> list[tuple[str, float, str]]:
    return list(zip(map(str, best.index), best["points"].tolist(), best["tier"].tolist(), strict=True))


def _told(one: Apart, run: Run, lang: Lang) -> dict[str, Any]:
    described, style = declared_words(one.name), Style(lang, str(run.header["currency"]), date.fromisoformat(run.cutoff))
    own, theirs = (value_in_words(one.name, value, described.unit, style) for value in (one.own, one.theirs))
    words = {"en": f"{described.en}: {theirs}, against its {own}", "zh": f"{described.zh}：标杆{theirs}，该商户{own}"}[lang]
    return {"name": one.name, "own": one.own, "theirs": one.theirs, "gap": one.gap, "words": words}
