"""What people did, written down: dispositions, snoozes and overrides, each with its line of the audit, in the caller's transaction."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from features.errors import UsageRefused
from serving.ledger.schema import audit, dispositions, overrides, warnings

CLOSING = ("resolved", "no issue", "lost", "wrong alarm", "business closed")
OUTCOMES = ("attempted", "identified", *CLOSING)
"""What came of acting. Only `resolved` counts as saved; a business that closed is unavoidable and kept apart."""


@dataclass(frozen=True)
class Disposition:
    """What was done for a merchant and what came of it; `key` is given by whoever records it and makes a retry harmless."""

    key: str
    merchant_id: str
    done_on: date
    outcome: str
    kind: str | None = None
    offer: str | None = None
    cost: float | None = None
    note: str | None = None
    actor: str | None = None

    @property
    def digest(self) -> str:
        """The hash of all it says."""
        return sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class Recorded:
    """A disposition in the ledger: its number, whether it was added just now, the kinds of warning that it closed, and its line of the audit."""

    disposition_no: int
    is_new: bool
    closed: tuple[str, ...] = ()
    entry_no: int | None = None


def record(connection: Connection, done: Disposition, recorded_at: str) -> Recorded:
    """Write a disposition down and close the warnings that it settles; with the key of one that says the same, nothing happens.

    Raises
    ------
    UsageRefused : the key is that of a disposition that says something else.
    """
    columns = (dispositions.c.disposition_no, dispositions.c.digest, dispositions.c.merchant_id, dispositions.c.outcome)
    known = connection.execute(select(*columns).where(dispositions.c.key == done.key)).one_or_none()
    if known is not None and known.digest != done.digest:
        raise UsageRefused(
            f"key {done.key!r} was already used for another disposition ({known.outcome}, merchant {known.merchant_id!r}), so nothing was "
            "recorded; repeat that one word for word, or give a key of its own."
        )
    if known is not None:
        return Recorded(int(known.disposition_no), False)
    values = {**asdict(done), "digest": done.digest, "recorded_at": recorded_at}
    number = connection.execute(insert(dispositions).values(values).returning(dispositions.c.disposition_no)).scalar_one()
    detail = {name: value for name, value in asdict(done).items() if value is not None and name not in ("merchant_id", "kind", "actor")}
    entry = tell(connection, "disposition", done.merchant_id, recorded_at, done.kind, done.actor, {**detail, "done_on": str(done.done_on)})
    closed = _close(connection, done, recorded_at) if done.outcome in CLOSING else ()
    return Recorded(int(number), True, closed, entry)


def _close(connection: Connection, done: Disposition, at: str) -> tuple[str, ...]:
    """Close the open warnings that a disposition settles; they come back only after their condition was seen not to hold."""
    mine = open_of(done.merchant_id, done.kind)
    found = connection.execute(select(warnings.c.warning_no, warnings.c.kind, warnings.c.opened_on).where(mine)).all()
    for number, kind, opened_on in found:
        values = {"closed_on": max(done.done_on, opened_on), "closed_why": done.outcome}
        connection.execute(update(warnings).where(warnings.c.warning_no == number).values(values))
        tell(connection, "closed", done.merchant_id, at, kind, done.actor, {"closed_why": done.outcome, "key": done.key})
    return tuple(kind for _, kind, _ in found)


def open_of(merchant_id: str, kind: str | None = None) -> Any:
    """The condition for the open warnings of a merchant, or that of one kind."""
    mine = and_(warnings.c.merchant_id == merchant_id, warnings.c.closed_on.is_(None))
    return mine if kind is None else and_(mine, warnings.c.kind == kind)


def snooze(
    connection: Connection, merchant_id: str, kind: str | None, until: date, reason: str, risk: float | None, actor: str | None, at: str
) -> tuple[str, ...]:
    """Put the open warnings of a merchant, or that of one kind, aside until a day; returns their kinds."""
    mine = open_of(merchant_id, kind)
    kinds = tuple(connection.execute(select(warnings.c.kind).where(mine).order_by(warnings.c.warning_no)).scalars())
    values = {"snoozed_until": until, "snooze_reason": reason, "snooze_risk": risk}
    connection.execute(update(warnings).where(mine).values(values))
    for one in kinds:
        tell(connection, "snoozed", merchant_id, at, one, actor, {"until": str(until), "reason": reason})
    return kinds


@dataclass(frozen=True)
class Override:
    """A person's tier or stage in place of that of the rules; it lapses at the run after `made_on` unless it is locked."""

    merchant_id: str
    field: str
    value: str
    reason: str
    made_on: date
    is_locked: bool = False
    actor: str | None = None


def override(connection: Connection, given: Override, at: str) -> None:
    """Put an override in force, in place of the one before."""
    lift(connection, given.merchant_id, given.field, given.made_on)
    connection.execute(insert(overrides).values({**asdict(given), "recorded_at": at}))
    detail = {"field": given.field, "value": given.value, "reason": given.reason, "is_locked": given.is_locked}
    tell(connection, "overridden", given.merchant_id, at, None, given.actor, detail)


def lift(connection: Connection, merchant_id: str, field: str, day: date) -> bool:
    """End the override in force of a merchant's tier or stage; whether there was one."""
    mine = and_(overrides.c.merchant_id == merchant_id, overrides.c.field == field, overrides.c.lapsed_on.is_(None))
    return bool(connection.execute(update(overrides).where(mine).values(lapsed_on=day)).rowcount)


def tell(connection: Connection, what: str, merchant_id: str, at: str, kind: str | None, actor: str | None, detail: dict[str, Any]) -> int:
    """Add a line to the audit; returns its number."""
    line = {"what": what, "merchant_id": merchant_id, "at": at, "kind": kind, "actor": actor, "detail": detail}
    return int(connection.execute(insert(audit).values(line).returning(audit.c.entry_no)).scalar_one())
