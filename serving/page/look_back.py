"""Looking back at a merchant that was lost: what `keepwell retrospect` kept of it, else what the ledger alone can tell, in the same words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from serving.explain import rules_of
from serving.page.merchant import Case
from serving.page.visit import Visit
from serving.retrospect_days import day_of, kinds_of_leaving
from serving.retrospect_kept import kept_of
from serving.retrospect_story import story
from serving.retrospect_words import told

UNTOLD = ("caught_en", "caught_zh")
"""What the ledger alone cannot tell."""


def look_back(case: Case, visit: Visit) -> list[str] | None:
    """What can be said of a lost merchant, as sentences; None for one that still sells."""
    if case.row["no_score"] not in ("inactive", "no_order"):
        return None
    row = kept_of(case.run.path.parent.parent, case.merchant_id)
    row = row if row is not None and _still_holds(row, case) else _of_ledger(case)
    return None if row is None else told(row, visit.lang, visit.f.day, case.run.merchants.index)


def _still_holds(row: dict[str, Any], case: Case) -> bool:
    """Whether a kept look back is of the same silence: no order came after the one that it takes for the last."""
    last = _last_order(case)
    if row["last_order"] is None or last is None:
        return row["last_order"] is None and last is None
    return abs(last - day_of(row["last_order"])) <= 1


def _last_order(case: Case) -> int | None:
    """The day (number) of the last order that the run knows; None for one that never sold."""
    since = case.row.get("days_since_last_order")
    return None if since is None or pd.isna(since) else day_of(case.run.cutoff) - int(since)


def _of_ledger(case: Case) -> dict[str, Any] | None:
    """The look back without its cause, of whom `keepwell retrospect` kept none; None where it is not lost yet."""
    last = _last_order(case)
    if case.history is None or last is None:
        return None
    lost_on = last + int(case.run.header["settings"]["churn"]["horizon_days"])
    if lost_on > day_of(case.run.cutoff):
        return None
    tables = {name: case.history[name] for name in ("scores", "warnings", "dispositions")}
    found = story(tables, last, lost_on, kinds_of_leaving(rules_of(case.run)))
    return {"kind": "lost", **{name: value for name, value in found.items() if name not in UNTOLD}}
