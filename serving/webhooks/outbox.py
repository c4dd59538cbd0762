"""The outbox in the ledger: whoever delivers takes messages for a while, and puts them back, done, later or dead.

Taking is one transaction that writers queue up for, so no message is being delivered by two at a time; who dies with messages in hand
loses the right to them when its time is over, and another delivers them, perhaps once more, under the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select, update

from serving.ledger.schema import outbox

DELAYS = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 86_400)
"""Seconds after each failed attempt; after one more the message is given up."""
IS_DEAD = and_(outbox.c.delivered_at.is_(None), outbox.c.dead_at.is_not(None))
IS_WAITING = and_(outbox.c.delivered_at.is_(None), outbox.c.dead_at.is_(None))
MOST_WORDS = 200


@dataclass(frozen=True)
class Message:
    """A message in hand; `attempts` counts the present one."""

    number: int
    message_id: str
    body: str
    attempts: int


@dataclass(frozen=True)
class Waiting:
    """How the outbox stands: messages waiting and given up, and when the oldest that waits was made."""

    waiting: int
    dead: int
    oldest: str | None


def later(now: str, seconds: float) -> str:
    """The time so many seconds after another.

    Examples
    --------
    >>> later("2026-01-01T06:00:00+00:00", 90)
    '2026-01-01T06:01:30+00:00'
    """
    return (datetime.fromisoformat(now) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def is_due(connection: Connection, now: str) -> bool:
    """Whether there is a message to deliver."""
    return connection.execute(select(outbox.c.message_no).where(IS_WAITING, outbox.c.due_at <= now).limit(1)).first() is not None


def take(connection: Connection, now: str, most: int, seconds: int) -> list[Message]:
    """Take messages that are due, oldest first, for so many seconds."""
    columns = (outbox.c.message_no, outbox.c.message_id, outbox.c.body, outbox.c.attempts)
    found = connection.execute(select(*columns).where(IS_WAITING, outbox.c.due_at <= now).order_by(outbox.c.message_no).limit(most)).all()
    taken = outbox.c.message_no.in_([row.message_no for row in found])
    connection.execute(update(outbox).where(taken).values(attempts=outbox.c.attempts + 1, due_at=later(now, seconds)))
    return [Message(row.message_no, row.message_id, row.body, row.attempts + 1) for row in found]


def delivered(connection: Connection, message: Message, now: str) -> None:
    """Note that a message arrived."""
    _set(connection, message, delivered_at=now, failure=None)


def failed(connection: Connection, message: Message, why: str, now: str, wait: int = 0, is_final: bool = False) -> bool:
    """Note that a message did not arrive: it is tried again later, at the earliest in `wait` seconds; returns whether it was given up."""
    if is_final or message.attempts > len(DELAYS):
        _set(connection, message, dead_at=now, failure=why[:MOST_WORDS])
        return True
    delay = max(wait, DELAYS[message.attempts - 1])
    _set(connection, message, due_at=later(now, delay + _jitter(message) * delay), failure=why[:MOST_WORDS])
    return False


def put_back(connection: Connection, messages: list[Message], due_at: str) -> None:
    """Put messages back that were taken and not tried."""
    numbers = [message.number for message in messages]
    connection.execute(update(outbox).where(outbox.c.message_no.in_(numbers), IS_WAITING).values(attempts=outbox.c.attempts - 1, due_at=due_at))


def given_up(connection: Connection, most: int = 1000) -> Sequence[Row[Any]]:
    """The messages that were given up, the last first: all but what they say."""
    columns = [outbox.c[name] for name in ("message_id", "kind", "made_at", "dead_at", "attempts", "failure")]
    dead = select(*columns).where(IS_DEAD).order_by(outbox.c.dead_at.desc(), outbox.c.message_no.desc())
    return connection.execute(dead.limit(most)).all()


def revive(connection: Connection, now: str) -> int:
    """Give messages that were given up another round of attempts; returns how many."""
    return connection.execute(update(outbox).where(IS_DEAD).values(dead_at=None, attempts=0, due_at=now)).rowcount


def standing(connection: Connection) -> Waiting:
    """How the outbox stands."""
    waiting, oldest = connection.execute(select(func.count(), func.min(outbox.c.made_at)).where(IS_WAITING)).one()
    dead = connection.execute(select(func.count()).where(outbox.c.dead_at.is_not(None))).scalar_one()
    return Waiting(int(waiting), int(dead), oldest)


def _set(connection: Connection, message: Message, **values: str | None) -> None:
    connection.execute(update(outbox).where(outbox.c.message_no == message.number, outbox.c.delivered_at.is_(None)).values(**values))


def _jitter(message: Message) -> float:
    """Up to a tenth, by the message's id: many that failed together do not come back together."""
    return int(message.message_id[-4:], 16) / 0xFFFF / 10
