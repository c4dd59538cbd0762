"""What people do on the page, from a form to the ledger: one act on one or more merchants, and what to tell afterwards."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, get_args

from features.errors import Refused
from serving.ledger import Ledger
from serving.ledger.acts import OUTCOMES, Disposition
from serving.page.visit import Visit
from serving.page.words import WORDS
from serving.record import acknowledged, assigned, recorded, undone, waiting
from serving.run import Run

Act = Literal["acknowledge", "assign", "snooze", "outcome"]
ACTS: tuple[Act, ...] = get_args(Act)
FLASH = "keepwell_did"
MOST = 500
"""Merchants in one form."""


class Lacking(Exception):
    """A form in which something is missing; `str(error)` is the key of the words that say what."""


@dataclass(frozen=True)
class Order:
    """What a form asks for, checked as far as the form itself tells."""

    act: Act
    merchants: tuple[str, ...]
    key: str
    owner: str = ""
    until: date | None = None
    reason: str = ""
    outcome: str = ""
    note: str = ""

    @classmethod
    def of(cls, form: Mapping[str, str], merchants: Sequence[str], after: date) -> Order:
        """The order of a form.

        Parameters
        ----------
        after : the day that a snooze must end after.

        Raises
        ------
        Lacking : what is missing in it.
        """
        act = form.get("act", "")
        if act not in ACTS:
            raise Lacking("need_outcome")
        if not merchants:
            raise Lacking("need_chosen")
        texts = {name: form.get(name, "").strip() for name in ("owner", "reason", "outcome", "note", "key")}
        until = _day(form.get("until", ""))
        lacking = {
            "assign": "" if texts["owner"] else "need_owner",
            "snooze": "need_day" if until is None or until <= after else "" if texts["reason"] else "need_reason",
            "outcome": "" if texts["outcome"] in OUTCOMES else "need_outcome",
        }
        if lacking.get(act):
            raise Lacking(lacking[act])
        return cls(act, tuple(dict.fromkeys(merchants))[:MOST], until=until, **texts)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Done:
    """What was done: how many merchants, one of them by name, the numbers to undo it by, the first refusal if there was one.

    `lacks` is the key of the words that say what was missing in the form, where nothing was done.
    """

    act: str
    count: int = 0
    who: str = ""
    undo: tuple[int, ...] = ()
    refused: int = 0
    why: str = ""
    lacks: str = ""
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def cookie(self) -> str:
        """As text for the browser to bring back once."""
        return base64.urlsafe_b64encode(json.dumps(self.__dict__, ensure_ascii=False).encode()).decode()

    @classmethod
    def read(cls, cookie: str | None) -> Done | None:
        """What a browser brought back; None where it is nothing of ours."""
        try:
            found = cls(**json.loads(base64.urlsafe_b64decode(cookie or "")))
            is_ours = (
                isinstance(found.act, str)
                and isinstance(found.lacks, str)
                and isinstance(found.count, int)
                and isinstance(found.told, dict)
            )
            return found if is_ours else None
        except (ValueError, TypeError):
            return None


def done(ledger: Ledger, run: Run, order: Order, actor: str, at: str, today: date) -> Done:
    """Do what a form asks for, merchant by merchant; a refusal stops none of the others."""
    numbers: list[int] = []
    count, refusals = 0, list[str]()
    for merchant in order.merchants:
        try:
            numbers += _once(ledger, run, order, merchant, actor, at, today)
            count += 1
        except Refused as refused:
            refusals.append(str(refused))
    who = _name(run, order.merchants[0]) if len(order.merchants) == 1 else ""
    told = {"owner": order.owner, "day": str(order.until or ""), "outcome": order.outcome}
    return Done(order.act, count, who, tuple(numbers), len(refusals), refusals[0] if refusals else "", told=told)


def _once(ledger: Ledger, run: Run, order: Order, merchant: str, actor: str, at: str, today: date) -> list[int]:
    """One act on one merchant; the number to undo it by, none where all stood so already."""
    said: dict[str, Any] = {"actor": actor, "at": at}
    if order.act == "acknowledge":
        answer = acknowledged(ledger, run, merchant, **said)
    elif order.act == "assign":
        answer = assigned(ledger, run, merchant, order.owner, **said)
    elif order.act == "snooze":
        assert order.until is not None  # checked with the form
        answer = waiting(ledger, run, merchant, order.until, order.reason, **said)
    else:
        deed = Disposition(f"{order.key}:{merchant}", merchant, today, order.outcome, note=order.note or None, actor=actor)
        answer = recorded(ledger, run, deed, at)
    return [] if answer["entry_no"] is None else [int(answer["entry_no"])]


def taken_back(ledger: Ledger, run: Run, numbers: Sequence[int], actor: str, at: str) -> Done:
    """Undo acts by their numbers, the last first."""
    merchants, refusals = list[str](), list[str]()
    for number in sorted(numbers, reverse=True):
        try:
            merchants.append(str(undone(ledger, run, number, actor=actor, at=at)["merchant_id"]))
        except Refused as refused:
            refusals.append(str(refused))
    who = _name(run, merchants[0]) if len(merchants) == 1 else ""
    return Done("undo", len(merchants), who, (), len(refusals), refusals[0] if refusals else "")


def words_of(did: Done, visit: Visit) -> dict[str, Any]:
    """What is told after an act."""
    t, f = visit.t, visit.f
    if did.lacks:
        words = t(did.lacks) if did.lacks in WORDS else ""
        return {"words": words, "part": "", "undo": "", "back": visit.here, "is_wrong": True}
    who = did.who if did.count == 1 and did.who else t.count("who_many", did.count)
    told = {name: str(did.told.get(name, "")) for name in ("owner", "day", "outcome")}
    day = _day(told["day"])
    told["day"] = f.day(day) if day else ""
    told["outcome"] = t(f"o_{told['outcome']}") if f"o_{told['outcome']}" in WORDS else ""
    is_known = f"did_{did.act}" in WORDS
    part = t("did_part", number=f.count(did.refused), why=did.why) if did.refused else ""
    done_words = t(f"did_{did.act}", who=who, **told) if did.count and is_known else ""
    return {"words": done_words, "part": part, "undo": ",".join(map(str, did.undo)), "back": visit.here, "is_wrong": not did.count}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _name(run: Run, merchant: str) -> str:
    name = run.merchants["name"].get(merchant) if "name" in run.merchants else None
    return name if isinstance(name, str) and name else merchant
