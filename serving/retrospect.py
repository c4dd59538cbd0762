"""Look back at every merchant that was lost: was it warned of, did anybody act, why did it leave, and which rule would have caught it.

`look_back(market, rules, ...)` works it out from the events and the ledger; `keepwell retrospect` keeps the answer in the state directory.
Whoever has no events (the API, the page) reads what was kept: `kept(state_dir)` answers all of it, `kept_of(state_dir, merchant_id)` the
look back of one merchant, each as plain dicts ready for JSON, or None. Texts come in both languages, keys end in `_en` and `_zh`.

Lost is a merchant without an order for the horizon; it was lost on the day the horizon was full. Where the ledger has no run from before the
last order (the first weeks of use), past snapshots are graded by today's rules and scored by today's model. Their features are strictly past,
but today's model has learnt from what came later: `is_recomputed` says so, and such a warning never counts as given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd

from features.cutoffs import day_number
from features.snapshot import Market
from serving.ledger import Ledger
from serving.retrospect_causes import EVIDENCE, WORDS, causes_of, sure
from serving.retrospect_days import PAST, Tables, date_text, kinds_of_leaving
from serving.retrospect_evidence import ABOUT, evidence, topics, with_topics
from serving.retrospect_kept import FILE, keep, kept, kept_of
from serving.retrospect_likes import chain_stopped, likes_of
from serving.retrospect_newcomers import GROWN, never_sold, never_started, short_life
from serving.retrospect_past import Lost, from_ledger, lost_of, past_of, tier_before
from serving.retrospect_reasons import told_by_runs
from serving.retrospect_story import story
from serving.retrospect_sums import notes_of, sums_of
from serving.rules import Rules

__all__ = ["FILE", "keep", "kept", "kept_of", "look_back"]

WEEK = 7
"""Days between the cutoffs at which signs are looked for."""
WHO = ("name", "owner", "industry", "region")


def look_back(
    market: Market,
    rules: Rules,
    *,
    model: Any | None = None,
    ledger: Ledger | None = None,
    since: date | None = None,
    tiers: tuple[str, ...] = ("A", "B"),
) -> dict[str, Any]:
    """Look back at the merchants that were lost.

    Parameters
    ----------
    model : today's model, for what past snapshots would have been scored; without it rules on scores cannot be looked back on.
    ledger : what was published, warned of and done; without it all is recomputed.
    since : only merchants lost on this day or later; by default within a year of the end of the data.
    tiers : of the tier that they had before their last order.

    Returns
    -------
    `as_of`, `since`, `horizon_days`, `lost` (one dict a merchant), `newcomers` (that sold for a few weeks, or never), `sums` and `notes_en`,
    `notes_zh`.
    """
    end, horizon = market.source.end_day, market.settings.churn.horizon_days
    first = end - 365 if since is None else day_number(since)
    found = lost_of(market, end, horizon, first)
    facts = {"as_of": date_text(end), "since": date_text(first), "horizon_days": horizon, "tiers": list(tiers)} | notes_of(ledger, model)
    who = market.merchants.set_index("merchant_id")
    newcomers = [_identity("newcomers", name, who) | never_started(row) | _unnamed() for name, row in never_sold(market, end, horizon, first).iterrows()]
    if found.last.empty:
        return facts | {"lost": [], "newcomers": newcomers, "sums": sums_of([], newcomers)}
    known_of = from_ledger(ledger, found.last.index)
    past = past_of(market, rules, model, found, tiers)
    tier, named = tier_before(past, known_of, found), _causes(market, found, known_of)
    chosen = [name for name in found.last.index if tier.get(name) in tiers]
    likes, points = likes_of(market, past, chosen, found, end), dict(list(past.groupby(level=0)))
    earliest = date_text(int(found.last.min()) - PAST)
    told = told_by_runs(market.settings.state_dir, set(chosen), earliest) if ledger is not None else {}
    lost = [
        _identity("lost", name, who)
        | {"tier": tier[name]}
        | story(
            known_of.get(name, {}),
            int(found.last[name]),
            int(found.last[name]) + horizon,
            kinds_of_leaving(rules),
            points.get(name),
            told.get(name, ()),
        )
        | _reasoned(named.loc[name])
        | {"likes": likes.get(name, []), "likes_with_same_signs": _same(likes.get(name, []), named.at[name, "cause"])}
        for name in chosen
    ]
    left = [name for name in found.last.index if found.sold_for(name) < GROWN]
    newcomers += [_identity("newcomers", name, who) | short_life(found, name, horizon) | _reasoned(named.loc[name]) for name in left]
    return facts | {"lost": lost, "newcomers": newcomers, "sums": sums_of(lost, newcomers)}


def _causes(market: Market, found: Lost, known_of: Mapping[Any, Tables]) -> pd.DataFrame:
    """Why each merchant left: by its signs after its last order and after the last that was heard of it, and by what people recorded."""
    told, views = topics(market), []
    chain = chain_stopped(market, found)
    for seen in (found.last, found.heard):
        day = seen + WEEK - seen % WEEK
        wanted = {int(moment): list(rows.index) for moment, rows in day.groupby(day)}
        read = evidence(market, wanted)
        lost = with_topics(read.lost, told).reindex(found.last.index)  # one whose only order became known later is not in it yet
        views.append(replace(read, lost=lost.assign(chain_stopped=chain)))
    return causes_of(views, {name: cause for name, tables in known_of.items() if (cause := _said(tables["dispositions"]))})


def _said(deeds: pd.DataFrame) -> str | None:
    """The cause that a person recorded, the latest word first."""
    for row in deeds.iloc[::-1].to_dict("records"):
        note = str(row["note"] or "").lower()
        if row["outcome"] == "business closed" or any(part in note for part in ABOUT["closing"]):
            return "business closed"
        if any(part in note for part in ABOUT["rival"]):
            return "rival"
    return None


def _identity(kind: str, name: Any, who: pd.DataFrame) -> dict[str, Any]:
    row = who.loc[name]
    return {"kind": kind, "merchant_id": name} | {key: row[key] if isinstance(row.get(key), str) else None for key in WHO}


def _reasoned(cause: pd.Series) -> dict[str, Any]:
    """The cause in words, how sure that is, and its evidence."""
    en, zh = WORDS[str(cause["cause"])]
    confidence = None if cause["by"] == "person" else round(float(cause["confidence"]), 3)
    sure_en, sure_zh = sure(confidence)
    named = {"cause": cause["cause"], "cause_en": en, "cause_zh": zh, "cause_by": cause["by"]}
    return named | {"confidence": confidence, "sure_en": sure_en, "sure_zh": sure_zh} | {name: list(cause[name]) for name in EVIDENCE}


def _unnamed() -> dict[str, Any]:
    """Of who never sold no cause is named: what was missing is told instead."""
    nothing: dict[str, Any] = dict.fromkeys(("cause", "cause_en", "cause_zh", "cause_by", "confidence", "sure_en", "sure_zh"))
    return nothing | {name: [] for name in EVIDENCE}


def _same(likes: list[dict[str, Any]], cause: Any) -> list[str]:
    return [like["merchant_id"] for like in likes if like["cause"] == cause != "unknown"]
