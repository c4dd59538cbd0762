"""Look back at every merchant that was lost: was it warned of, did anybody act, why did it leave, and which rule would have caught it.

`look_back(market, rules, ...)` works it out from the events and the ledger; `keepwell retrospect` keeps the answer in the state directory.
Whoever has no events (the API, the page) reads what was kept: `kept(state_dir)` answers all of it, `kept_of(state_dir, merchant_id)` the
look back of one merchant, each as plain dicts ready for JSON, or None. Texts come in both languages, keys end in `_en` and `_zh`.

Lost is a merchant without an order for the horizon; it was lost on the day the horizon was full. Where the ledger has no run from before the
last order (the first weeks of use), past snapshots are graded by today's rules and scored by today's model. Their features are strictly past,
but today's model has learnt from what came later: `is_recomputed` says so, and such a warning never counts as given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from features.snapshot import Market, day_number
from serving.durable import replace_file
from serving.ledger import Ledger
from serving.retrospect_causes import EVIDENCE, WORDS, causes_of
from serving.retrospect_evidence import ABOUT, evidence, topics, with_topics
from serving.retrospect_likes import chain_stopped, likes_of
from serving.retrospect_past import Lost, Tables, date_text, day_of, from_ledger, lost_of, past_of, tier_before
from serving.retrospect_story import catching, timeline
from serving.retrospect_sums import notes_of, sums_of
from serving.rules import Rules

FILE = "retrospect.json"
WEEK = 7
"""Days between the cutoffs at which signs are looked for."""
GROWN = 60
"""A merchant that sold for fewer days than these never grew."""
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
    `as_of`, `since`, `horizon_days`, `lost` (one dict a merchant), `newcomers`, `sums` and `notes_en`, `notes_zh`.
    """
    end, horizon = market.source.end_day, market.settings.churn.horizon_days
    first = end - 365 if since is None else day_number(since)
    found = lost_of(market, end, horizon, first)
    facts = {"as_of": date_text(end), "since": date_text(first), "horizon_days": horizon, "tiers": list(tiers)} | notes_of(ledger, model)
    if found.last.empty:
        return facts | {"lost": [], "newcomers": [], "sums": sums_of([])}
    past, known_of = past_of(market, rules, model, found), from_ledger(ledger, found.last.index)
    tier, named = tier_before(past, known_of, found), _causes(market, found, known_of)
    chosen = [name for name in found.last.index if tier.get(name) in tiers]
    likes, who = likes_of(market, past, chosen, found, end), market.merchants.set_index("merchant_id")
    lost = [
        _identity("lost", name, who)
        | {"tier": tier[name]}
        | _story(found, name, past.loc[past.index == name], known_of.get(name, {}), horizon)
        | _reasoned(named.loc[name])
        | {"likes": likes.get(name, []), "likes_with_same_signs": _same(likes.get(name, []), named.at[name, "cause"])}
        for name in chosen
    ]
    newcomers = [
        _identity("newcomers", name, who) | _short_life(found, name, horizon) | _reasoned(named.loc[name])
        for name in found.last.index
        if found.sold_for(name) < GROWN
    ]
    return facts | {"lost": lost, "newcomers": newcomers, "sums": sums_of(lost)}


def keep(state_dir: Path, found: Mapping[str, Any]) -> None:
    """Keep a look back in the state directory, for those who have no events."""
    replace_file(Path(state_dir) / FILE, json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False).encode())


def kept(state_dir: Path) -> dict[str, Any] | None:
    """The look back that was kept last; None where there is none."""
    try:
        found: dict[str, Any] = json.loads((Path(state_dir) / FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return found


def kept_of(state_dir: Path, merchant_id: str) -> dict[str, Any] | None:
    """The kept look back of one merchant, of `lost` or of `newcomers` (`kind` says which); None where there is none."""
    found = kept(state_dir) or {}
    rows = [row for kind in ("lost", "newcomers") for row in found.get(kind, []) if row["merchant_id"] == merchant_id]
    return rows[0] if rows else None


def _causes(market: Market, found: Lost, known_of: Mapping[Any, Tables]) -> pd.DataFrame:
    """Why each merchant left: by its signs after its last order and after the last that was heard of it, and by what people recorded."""
    told, views = topics(market), []
    chain = chain_stopped(market, found)
    for seen in (found.last, found.heard):
        day = seen + WEEK - seen % WEEK
        wanted = {int(moment): list(rows.index) for moment, rows in day.groupby(day)}
        views.append(with_topics(evidence(market, wanted), told).loc[found.last.index].assign(chain_stopped=chain))
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
    """The cause in words, and its evidence."""
    en, zh = WORDS[str(cause["cause"])]
    return {"cause": cause["cause"], "cause_en": en, "cause_zh": zh, "cause_by": cause["by"]} | {name: list(cause[name]) for name in EVIDENCE}


def _same(likes: list[dict[str, Any]], cause: Any) -> list[str]:
    return [like["merchant_id"] for like in likes if like["cause"] == cause != "unknown"]


def _story(found: Lost, name: Any, past: pd.DataFrame, tables: Tables, horizon: int) -> dict[str, Any]:
    """What happened before one merchant was lost: warned or not, acted on or not, and which rule would have caught it."""
    last = int(found.last[name])
    lost_on = last + horizon
    told, covered = timeline(past, tables, last, lost_on)
    warned = [day_of(row["on"]) for row in told if row["what"] == "warning" and not row["is_recomputed"] and day_of(row["on"]) < lost_on]
    acted = any(row["what"] == "action" and day_of(row["on"]) < lost_on for row in told)
    return {
        "last_order": date_text(last),
        "lost_on": date_text(lost_on),
        "is_covered": covered,
        "warned": bool(warned) if covered else None,
        "days_ahead": lost_on - min(warned) if warned else None,
        "days_before_last_order": last - min(warned) if warned else None,
        "acted_on": acted if covered else None,
        **catching(told, past, last, lost_on),
        "timeline": told,
    }


def _short_life(found: Lost, name: Any, horizon: int) -> dict[str, Any]:
    """When a merchant that left before it grew came and went."""
    last, days = int(found.last[name]), found.sold_for(name)
    return {"first_order": date_text(last - days), "last_order": date_text(last), "lost_on": date_text(last + horizon), "days_of_sales": days + 1}
