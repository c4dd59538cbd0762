"""What people tell the ledger: what came of acting, that a warning can wait, that the rules are wrong about a tier or stage.

Every refusal is one sentence, and nothing is half-applied: what is asked for is checked first and written in one transaction.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import select

from features.errors import UsageRefused, did_you_mean
from serving.holdout import HOLD
from serving.ledger import Ledger
from serving.ledger.acts import OUTCOMES, Disposition, Override, lift, open_of, override, record, snooze, tell
from serving.ledger.handling import Said, handle, put_aside, undo
from serving.ledger.once import Once, done_once
from serving.ledger.schema import audit, warnings
from serving.lists import closest
from serving.overrides import FIELDS
from serving.rules.plays import MOST_MONEY
from serving.run import Run

LONGEST_NAME = 200
LONGEST_BACK = timedelta(days=366)
"""A deed of so long before the list was for none on it: its year is mistyped."""
LARGEST_NUMBER = 2**31 - 1
"""No audit has an entry of a larger number, and databases cannot be asked for one."""


def known(run: Run, merchant_id: str) -> pd.Series:
    """A merchant's row of the run that stands.

    Raises
    ------
    UsageRefused : the run does not know the merchant.
    """
    if merchant_id not in run.merchants.index:
        ids = [str(name) for name in run.merchants.index]
        raise UsageRefused(f"merchant {merchant_id!r} is not in run {run.run_id}, so nothing was recorded; {closest(merchant_id, ids)}")
    return run.merchants.loc[[merchant_id]].iloc[0]


def recorded(ledger: Ledger, run: Run, done: Disposition, at: str, once: Once | None = None) -> dict[str, Any]:
    """Record what was done and what came of it, and close the warnings it settles.

    Parameters
    ----------
    run : the run that stands: who is known.
    at : the present time as text.

    Returns
    -------
    `disposition_no`, `is_new` (False where the same was recorded under this key before), `closed` kinds, `is_held_out`: the merchant was
    to be left alone, and `entry_no`, the line of the audit that undoes it.

    Raises
    ------
    UsageRefused : an unknown merchant, outcome or kind, a cost below zero, or a key that was used for something else.
    """
    row = known(run, done.merchant_id)
    outcome = " ".join(done.outcome.lower().replace("-", " ").replace("_", " ").split())
    if outcome not in OUTCOMES:
        raise UsageRefused(f"outcome {done.outcome!r} is not known, so nothing was recorded; {did_you_mean(outcome, OUTCOMES)}")
    if done.cost is not None and not 0 <= done.cost < MOST_MONEY:
        raise UsageRefused(f"cost {done.cost} is not an amount of money, so nothing was recorded; give zero or more.")
    if done.done_on < date.fromisoformat(run.cutoff) - LONGEST_BACK:
        raise UsageRefused(f"day {done.done_on} is over a year before the list of {run.cutoff}, so nothing was recorded; check the year.")
    if not done.key.strip():
        raise UsageRefused("the key is empty, so nothing was recorded; give one of its own for each deed, or leave --key out.")
    if done.kind is not None:
        _check_kind(ledger, run, done.kind, done.merchant_id)

    def act() -> dict[str, Any]:
        made = record(connection, replace(done, outcome=outcome), at)
        return {
            "merchant_id": done.merchant_id,
            "disposition_no": made.disposition_no,
            "outcome": outcome,
            "key": done.key,
            "is_new": made.is_new,
            "closed": list(made.closed),
            "is_held_out": bool(row.get("arm") == HOLD),
            "entry_no": made.entry_no,
        }

    with ledger.writing() as connection:
        return done_once(once, connection, act)


def _check_kind(ledger: Ledger, run: Run, kind: str, merchant_id: str) -> None:
    with ledger.reading() as connection:
        ever = set(connection.execute(select(warnings.c.kind).where(warnings.c.merchant_id == merchant_id)).scalars())
    if kind not in ever:
        there = did_you_mean(kind, ever) if ever else "there is none; leave --kind out."
        raise UsageRefused(f"merchant {merchant_id!r} has had no warning {kind!r}, so nothing was recorded; {there}")


def snoozed(ledger: Ledger, run: Run, merchant_id: str, until: date, reason: str, *, kind: str | None, actor: str | None, at: str) -> list[str]:
    """Put a merchant's open warnings aside until a day; they come back earlier if the risk jumps. Returns their kinds.

    Raises
    ------
    UsageRefused : an unknown merchant or kind, no open warning, no reason, or a day that is not after the run's cutoff.
    """
    risk = known(run, merchant_id)["churn_risk"]
    if not reason.strip():
        raise UsageRefused("a snooze needs a reason, so nothing was put aside; say why it can wait with --reason.")
    if until <= date.fromisoformat(run.cutoff):
        raise UsageRefused(f"snooze until {until} ends before it begins, the list is of {run.cutoff}; give a later day.")
    with ledger.writing() as connection:
        there = set(connection.execute(select(warnings.c.kind).where(open_of(merchant_id))).scalars())
        if not there or (kind is not None and kind not in there):
            which = f"open warning {kind!r}" if kind else "open warning"
            close = did_you_mean(kind, there) if kind and there else "there is nothing to put aside."
            raise UsageRefused(f"merchant {merchant_id!r} has no {which}; {close}")
        return list(snooze(connection, merchant_id, kind, until, reason, None if np.isnan(risk) else float(risk), actor, at))


def acknowledged(ledger: Ledger, run: Run, merchant_id: str, *, actor: str | None, at: str, once: Once | None = None) -> dict[str, Any]:
    """Note that somebody has seen that a merchant is at risk in this run; `entry_no` is None where he had before.

    Raises
    ------
    UsageRefused : an unknown merchant.
    """
    known(run, merchant_id)
    now = {"acknowledged_on": date.fromisoformat(run.cutoff), "acknowledged_by": actor}
    return _handled(ledger, merchant_id, "acknowledged", now, Said(actor, at), once, {"acknowledged_by": actor, "acknowledged_on": run.cutoff})


def assigned(ledger: Ledger, run: Run, merchant_id: str, owner: str, *, actor: str | None, at: str, once: Once | None = None) -> dict[str, Any]:
    """Give a merchant to somebody to look after, in place of the owner that the data says; `entry_no` is None where he had it already.

    Raises
    ------
    UsageRefused : an unknown merchant, or nobody.
    """
    known(run, merchant_id)
    name = owner.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageRefused(f"owner {owner[:40]!r} is no name, so nobody was assigned; give up to {LONGEST_NAME} printable letters.")
    return _handled(ledger, merchant_id, "assigned", {"owner": name}, Said(actor, at), once, {"owner": name})


def waiting(
    ledger: Ledger, run: Run, merchant_id: str, until: date, reason: str, *, actor: str | None, at: str, once: Once | None = None
) -> dict[str, Any]:
    """Let a merchant wait until a day, with its open warnings if it has any; a warning comes back earlier if the risk jumps.

    Raises
    ------
    UsageRefused : an unknown merchant, no reason, or a day that is not after the run's cutoff.
    """
    risk = known(run, merchant_id)["churn_risk"]
    if not reason.strip():
        raise UsageRefused("a snooze needs a reason, so nothing was put aside; say why it can wait.")
    if until <= date.fromisoformat(run.cutoff):
        raise UsageRefused(f"snooze until {until} ends before it begins, the list is of {run.cutoff}; give a later day.")

    def act() -> dict[str, Any]:
        entry, kinds = put_aside(connection, merchant_id, until, reason.strip(), None if np.isnan(risk) else float(risk), Said(actor, at))
        return {"merchant_id": merchant_id, "until": str(until), "kinds": list(kinds), "is_new": entry is not None, "entry_no": entry}

    with ledger.writing() as connection:
        return done_once(once, connection, act)


def undone(ledger: Ledger, run: Run, entry_no: int, *, actor: str | None, at: str, once: Once | None = None) -> dict[str, Any]:
    """Take an act back by the `entry_no` it was answered with: a disposition and what it closed, an acknowledgement, assignment or snooze.

    Raises
    ------
    UsageRefused : no such act of a merchant of the run, it was undone already, or changed again since.
    """

    def act() -> dict[str, Any]:
        wanted = select(audit.c.merchant_id).where(audit.c.entry_no == entry_no)
        whose = connection.execute(wanted).scalar_one_or_none() if entry_no <= LARGEST_NUMBER else None
        if whose not in run.merchants.index:  # also where the caller may not see the merchant
            raise UsageRefused(f"entry {entry_no} of the audit is nothing that can be undone; give the entry_no that an act was answered with.")
        merchant, what, number = undo(connection, entry_no, Said(actor, at))
        return {"merchant_id": merchant, "undone": what, "is_new": True, "entry_no": number}

    with ledger.writing() as connection:
        return done_once(once, connection, act)


def _handled(
    ledger: Ledger, merchant_id: str, what: str, now: dict[str, Any], said: Said, once: Once | None, told: dict[str, Any]
) -> dict[str, Any]:
    def act() -> dict[str, Any]:
        entry = handle(connection, merchant_id, what, said, now)
        return {"merchant_id": merchant_id, **told, "is_new": entry is not None, "entry_no": entry}

    with ledger.writing() as connection:
        return done_once(once, connection, act)


def overruled(ledger: Ledger, run: Run, given: Override, at: str) -> None:
    """Put a person's tier or stage in place of that of the rules: from the next scoring of this cutoff on, and for good if it is locked.

    Raises
    ------
    UsageRefused : an unknown merchant, tier or stage, or no reason.
    """
    known(run, given.merchant_id)
    if given.field not in FIELDS:
        raise UsageRefused(f"{given.field!r} cannot be overridden; only {' and '.join(FIELDS)} can.")
    values = run.header["words"][f"{given.field}s"]
    if given.value not in values:
        raise UsageRefused(f"{given.field} {given.value!r} is not in the rules, so nothing was overridden; {did_you_mean(given.value, values)}")
    if not given.reason.strip():
        raise UsageRefused(f"overriding a {given.field} needs a reason, so nothing was overridden; say why with --reason.")
    with ledger.writing() as connection:
        override(connection, given, at)


def lifted(ledger: Ledger, run: Run, merchant_id: str, field: str, *, reason: str = "", actor: str | None = None, at: str) -> None:
    """End an override, and say so in the audit.

    Raises
    ------
    UsageRefused : an unknown merchant, neither tier nor stage, or nothing was overridden.
    """
    known(run, merchant_id)
    if field not in FIELDS:
        raise UsageRefused(f"{field!r} is nothing that can be overridden, so nothing was lifted; {did_you_mean(field, FIELDS)}")
    with ledger.writing() as connection:
        if not lift(connection, merchant_id, field, date.fromisoformat(run.cutoff)):
            raise UsageRefused(f"the {field} of merchant {merchant_id!r} is not overridden, so there is nothing to lift.")
        tell(connection, "lifted", merchant_id, at, None, actor, {"field": field, "reason": reason})
