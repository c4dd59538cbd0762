"""A person's tier or stage beside that of the rules, shown from the moment it is recorded: who set it, why, and until when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from serving.explain import plain
from serving.ledger import Ledger
from serving.ledger.schema import overrides
from serving.lists import Listing, words
from serving.reasons.numbers import Lang
from serving.run import Run

SAID = {
    "en": "{field} {value} ({words}) set by {actor}: {reason}; {until}; the rules say {by_rules}",
    "zh": "{field}{value}（{words}）由{actor}设定：{reason}；{until}；规则判定为{by_rules}",
}
FIELDS = {"tier": {"en": "tier", "zh": "分层"}, "stage": {"en": "stage", "zh": "阶段"}}
UNTIL = {
    True: {"en": "locked until it is lifted", "zh": "已锁定，直至解除"},
    False: {"en": "lapses at the next scoring", "zh": "下次评分时失效"},
}
SOMEBODY = {"en": "somebody", "zh": "某人"}
MOST = 5


def in_force(ledger: Ledger, merchant_id: str | None = None) -> pd.DataFrame:
    """The overrides in force, of one merchant or of all."""
    mine = [] if merchant_id is None else [overrides.c.merchant_id == merchant_id]
    return ledger.table("overrides", overrides.c.lapsed_on.is_(None), *mine)


def override_facts(run: Run, given: pd.DataFrame, lang: Lang = "en") -> list[dict[str, Any]]:
    """The overrides of merchants of a run, ready for JSON: field, value, what the rules say, by whom, why, whether locked, and a sentence."""
    found = []
    for one in given[given["merchant_id"].isin(run.merchants.index)].to_dict("records"):
        field, row = one["field"], run.merchants.loc[[one["merchant_id"]]].iloc[0]
        by_rules = plain(row.get(f"{field}_by_rules", row[field]))
        told = {name: plain(one[name]) for name in ("merchant_id", "field", "value", "reason", "actor", "made_on")}
        told |= {"is_locked": bool(one["is_locked"]), "by_rules": by_rules}
        found.append(told | {"words": _said(run, told, lang)})
    return found


def with_overrides(listing: Listing, run: Run, given: pd.DataFrame) -> Listing:
    """A list with a note for each override of a merchant on it, the first few of them."""
    if given.empty or "merchant_id" not in listing.rows:
        return listing
    shown = given[given["merchant_id"].isin(listing.rows["merchant_id"])].head(MOST)
    colon = {"en": ": ", "zh": "："}[listing.lang]
    return replace(listing, notes=(*listing.notes, *(f"{one['merchant_id']}{colon}{one['words']}" for one in override_facts(run, shown, listing.lang))))


def _said(run: Run, told: dict[str, Any], lang: Lang) -> str:
    what = "tiers" if told["field"] == "tier" else "stages"
    given = {"field": FIELDS[told["field"]][lang], "value": told["value"], "words": words(run, what, told["value"], lang)}  # type: ignore[arg-type]
    given |= {"actor": told["actor"] or SOMEBODY[lang], "reason": told["reason"], "until": UNTIL[told["is_locked"]][lang]}
    return SAID[lang].format(**given, by_rules=words(run, what, told["by_rules"], lang) if what == "stages" else told["by_rules"])  # type: ignore[arg-type]
