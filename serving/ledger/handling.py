"""What people decide about a merchant, with or without a warning: who has it, that it was seen, that it can wait; and taking an act back.

Each act is one line of the audit that holds what stood before and what stands after it, so that it can be taken back as long as nobody has
changed the same thing since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Date, delete, insert, select, update

from features.errors import UsageRefused
from serving.ledger.acts import open_of, tell
from serving.ledger.schema import audit, desk, dispositions, warnings

UNDOABLE = ("disposition", "acknowledged", "assigned", "snoozed")


@dataclass(frozen=True)
class Said:
    """Who does something, and when."""

    actor: str | None
    at: str


def handle(connection: Connection, merchant_id: str, what: str, said: Said, now: Mapping[str, Any], **detail: Any) -> int | None:
    """Set columns of a merchant's row of the desk; returns the line of the audit, None where all of it stood so already."""
    before = standing(connection, merchant_id, list(now))
    if before == dict(now):
        return None
    _set(connection, merchant_id, now)
    told = {**detail, "was": _plain(before), "now": _plain(now)}
    return tell(connection, what, merchant_id, said.at, None, said.actor, told)


def put_aside(connection: Connection, merchant_id: str, until: date, reason: str, risk: float | None, said: Said) -> tuple[int | None, tuple[str, ...]]:
    """Let a merchant wait until a day, and its open warnings with it; those wake earlier if the risk jumps. Returns line and kinds."""
    mine = open_of(merchant_id)
    kinds = tuple(connection.execute(select(warnings.c.kind).where(mine).order_by(warnings.c.warning_no)).scalars())
    connection.execute(update(warnings).where(mine).values(snoozed_until=until, snooze_reason=reason, snooze_risk=risk))
    detail = {"until": str(until), "reason": reason, "kinds": list(kinds)}
    return handle(connection, merchant_id, "snoozed", said, {"snoozed_until": until, "snooze_reason": reason}, **detail), kinds


def undo(connection: Connection, entry_no: int, said: Said) -> tuple[str, str, int]:
    """Take an act back.

    Returns
    -------
    The merchant, what was taken back, and the line of the audit that says so.

    Raises
    ------
    UsageRefused : there is no such act, it was taken back already, or what it changed was changed again.
    """
    line = connection.execute(select(*audit.c).where(audit.c.entry_no == entry_no, audit.c.what.in_(UNDOABLE))).one_or_none()
    if line is None:
        raise UsageRefused(f"entry {entry_no} of the audit is nothing that can be undone; give the entry_no that an act was answered with.")
    merchant, detail = str(line.merchant_id), dict(line.detail or {})
    later = connection.execute(select(*audit.c).where(audit.c.merchant_id == merchant, audit.c.entry_no > entry_no)).all()
    if any(one.what == "undone" and one.detail["entry_no"] == entry_no for one in later):
        raise UsageRefused(f"entry {entry_no} was undone already, so nothing was changed; look at the merchant's history.")
    if line.what == "disposition":
        reopened = _unrecord(connection, merchant, detail, later)
        told = {"reopened": reopened}
    else:
        _restore(connection, merchant, str(line.what), entry_no, detail)
        told = {}
    number = tell(connection, "undone", merchant, said.at, line.kind, said.actor, {"entry_no": entry_no, "what": line.what, **told})
    return merchant, str(line.what), number


def standing(connection: Connection, merchant_id: str, columns: list[str]) -> dict[str, Any]:
    """What the desk says of a merchant; all missing where it has no row."""
    row = connection.execute(select(*(desk.c[name] for name in columns)).where(desk.c.merchant_id == merchant_id)).one_or_none()
    return dict.fromkeys(columns) if row is None else dict(row._mapping)


def _set(connection: Connection, merchant_id: str, now: Mapping[str, Any]) -> None:
    mine = desk.c.merchant_id == merchant_id
    if not connection.execute(update(desk).where(mine).values(**now)).rowcount:
        connection.execute(insert(desk).values(merchant_id=merchant_id, **now))


def _restore(connection: Connection, merchant_id: str, what: str, entry_no: int, detail: Mapping[str, Any]) -> None:
    """Bring back what stood on the desk before an act."""
    if "was" not in detail:
        raise UsageRefused(f"entry {entry_no} was written by the command line, which keeps nothing to undo it by; record what holds now instead.")
    if _plain(standing(connection, merchant_id, list(detail["now"]))) != detail["now"]:
        raise UsageRefused(f"what entry {entry_no} changed was changed again since, so nothing was undone; undo the later act first.")
    _set(connection, merchant_id, {name: _day(name, value) for name, value in detail["was"].items()})
    if what == "snoozed":
        same = (warnings.c.snoozed_until == date.fromisoformat(detail["until"]), warnings.c.snooze_reason == detail["reason"])
        values = {"snoozed_until": None, "snooze_reason": None, "snooze_risk": None}
        connection.execute(update(warnings).where(open_of(merchant_id), *same).values(values))


def _unrecord(connection: Connection, merchant_id: str, detail: Mapping[str, Any], later: Any) -> list[str]:
    """Take a disposition out and open the warnings again that it had closed; a kind that was opened anew since stays as it is."""
    key = detail["key"]
    if not connection.execute(delete(dispositions).where(dispositions.c.key == key, dispositions.c.merchant_id == merchant_id)).rowcount:
        raise UsageRefused(f"the disposition {key!r} is not in the ledger any more, so nothing was undone; look at the merchant's history.")
    kinds = [one.kind for one in later if one.what == "closed" and (one.detail or {}).get("key") == key]
    there = set(connection.execute(select(warnings.c.kind).where(open_of(merchant_id))).scalars())
    reopened = [kind for kind in kinds if kind not in there]
    for kind in reopened:
        last = select(warnings.c.warning_no).where(warnings.c.merchant_id == merchant_id, warnings.c.kind == kind)
        number = connection.execute(last.order_by(warnings.c.warning_no.desc()).limit(1)).scalar_one()
        values = {"closed_on": None, "closed_why": None, "rearmed_on": None}
        connection.execute(update(warnings).where(warnings.c.warning_no == number).values(values))
    return reopened


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, date) else value for name, value in values.items()}


def _day(name: str, value: Any) -> Any:
    return date.fromisoformat(value) if value is not None and isinstance(desk.c[name].type, Date) else value
