"""What people did about the merchants of a run, in words: on the list from the moment it is recorded, so that nobody is called twice.

A run is published once and stands; what came of a call since, or that a merchant can wait, is in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd

from serving.explain import plain
from serving.ledger import Ledger
from serving.ledger.schema import desk, dispositions, warnings
from serving.lists import Column, Listing
from serving.page.words_acts import WORDS
from serving.reasons.numbers import Lang
from serving.run import Run

COLUMN = Column("handled", "handled", "处理情况", in_terminal=False)
DONE = {"en": "{outcome}, {day}{by}", "zh": "{outcome}，{day}{by}"}
ASIDE = {"en": "put aside until {until}: {reason}", "zh": "暂缓至{until}：{reason}"}
BY = {"en": " ({actor})", "zh": "（{actor}）"}
AND = {"en": "; ", "zh": "；"}
SO_FAR = {
    "en": "handled since {cutoff}: {handled:,} of the {shown:,} shown, marked with ✓",
    "zh": "所列{shown:,}家中，{handled:,}家自{cutoff}以来已处理，以✓标出",
}


def handled(ledger: Ledger, run: Run, lang: Lang = "en") -> dict[str, str]:
    """What was done about merchants since the run's cutoff, the last of each, and until when some can wait: merchant_id → words."""
    cutoff = date.fromisoformat(run.cutoff)
    done = ledger.table("dispositions", dispositions.c.done_on >= cutoff).drop_duplicates("merchant_id", keep="last")
    found = {one["merchant_id"]: _done(one, lang) for one in done.to_dict("records")}
    for merchant, one in _aside(ledger, cutoff).items():
        words = ASIDE[lang].format(until=f"{one['snoozed_until']:%Y-%m-%d}", reason=one["snooze_reason"])
        found[merchant] = f"{found[merchant]}{AND[lang]}{words}" if merchant in found else words
    return found


def with_handled(listing: Listing, said: Mapping[str, str]) -> Listing:
    """A list of merchants with what was done about them: a column, be it empty, and a note of how many if there are any."""
    if "merchant_id" not in listing.rows:
        return listing
    told = listing.rows["merchant_id"].map(said).astype(object)
    count = int(told.notna().sum())
    note = SO_FAR[listing.lang].format(handled=count, shown=len(told), cutoff=listing.facts["cutoff"])
    rows = listing.rows.assign(handled=told.where(told.notna(), None))
    return replace(listing, columns=(*listing.columns, COLUMN), rows=rows, notes=(*[note] * bool(count), *listing.notes))


def _done(one: Mapping[Any, Any], lang: Lang) -> str:
    outcome = WORDS[f"o_{one['outcome']}"][1] if lang == "zh" else one["outcome"]
    actor = plain(one["actor"])
    by = BY[lang].format(actor=actor) if actor else ""
    return DONE[lang].format(outcome=outcome, day=f"{one['done_on']:%Y-%m-%d}", by=by)


def _aside(ledger: Ledger, cutoff: date) -> dict[str, Mapping[Any, Any]]:
    """Merchants whose open warnings all wait, and those without one that somebody put aside, with the day and the reason."""
    columns = ("merchant_id", "snoozed_until", "snooze_reason")
    there = ledger.table("warnings", warnings.c.closed_on.is_(None), columns=columns)
    is_loud = ~(there["snoozed_until"] > pd.Timestamp(cutoff))
    quiet = there[~there["merchant_id"].isin(there.loc[is_loud, "merchant_id"])].sort_values("snoozed_until", kind="stable")
    decided = ledger.table("desk", desk.c.snoozed_until > cutoff, columns=columns)
    waiting = [quiet.drop_duplicates("merchant_id"), decided[~decided["merchant_id"].isin(there["merchant_id"])]]
    return {one["merchant_id"]: one for part in waiting for one in part.to_dict("records")}
