"""Keys and sessions in the ledger: given out, revoked, begun and ended, each with its line of the audit in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update

from features.errors import UsageRefused, did_you_mean
from serving.access.token import digest_of, hint_of, new_cookie, new_key
from serving.access.who import RIGHTS, Role, Who
from serving.ledger.schema import audit, keys, sessions

MOST_SESSIONS = 20
"""Browsers that one key is signed in with at a time; the next one signs out the oldest."""
LONGEST_NAME = 80


@dataclass(frozen=True)
class Key:
    """A key as it is kept; times are UTC texts to the second, which sort as they follow each other."""

    key_no: int
    hint: str
    digest: str
    who: Who
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    last_used_on: date | None

    def standing(self, now: str) -> str:
        """`live`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "live"


@dataclass(frozen=True)
class Session:
    """A browser that signed in with a key."""

    digest: str
    key_no: int
    expires_at: str


@dataclass(frozen=True)
class Grant:
    """What a new key is to be: the audit's name for its holder, its role, whose merchants it sees, and until when."""

    name: str
    role: str
    owners: Sequence[str] = ()
    regions: Sequence[str] = ()
    expires_at: str | None = None

    def checked(self) -> Grant:
        """The same.

        Raises
        ------
        UsageRefused : a name that cannot be one, an unknown role, an owner or region without a name.
        """
        if not self.name.strip() or not self.name.isprintable() or len(self.name) > LONGEST_NAME:
            raise UsageRefused(f"{self.name[:LONGEST_NAME]!r} cannot be a key's name, so none was made; give 1 to {LONGEST_NAME} printable characters.")
        if self.role not in RIGHTS:
            raise UsageRefused(f"role {self.role!r} is not known, so no key was made; {did_you_mean(self.role, RIGHTS)}")
        if not all(name.strip() for name in (*self.owners, *self.regions)):
            raise UsageRefused("an owner or region is empty, so no key was made; leave the option out for all merchants.")
        return self


def add_key(connection: Connection, grant: Grant, by: str, at: str) -> str:
    """Give out a key; only its hash is kept, so this is the one time that it is seen.

    Raises
    ------
    UsageRefused : the grant is none, or a live key has the name.
    """
    grant.checked()
    live = and_(keys.c.name == grant.name, keys.c.revoked_at.is_(None))
    if connection.execute(select(keys.c.key_no).where(live)).first() is not None:
        raise UsageRefused(f"there is a key {grant.name!r} already, so none was made; give another name, or revoke that one first.")
    key = new_key()
    told = {"role": grant.role, "owners": list(grant.owners) or None, "regions": list(grant.regions) or None, "expires_at": grant.expires_at}
    kept = {"name": grant.name, "hint": hint_of(key), "digest": digest_of(key), "created_at": at, "created_by": by}
    connection.execute(insert(keys).values({**kept, **told}))
    tell(connection, "key added", by, at, {"name": grant.name, "hint": hint_of(key), **told})
    return key


def revoke_key(connection: Connection, name: str, by: str, at: str) -> Key:
    """Take a key back, by its name or its beginning; the sessions begun with it end with it.

    Raises
    ------
    UsageRefused : there is no such live key.
    """
    found = [key for key in all_keys(connection) if key.revoked_at is None]
    mine = [key for key in found if name in (key.who.name, key.hint)]
    if not mine:
        close = did_you_mean(name, [key.who.name for key in found]) if found else "there is none."
        raise UsageRefused(f"there is no key {name!r} that could be revoked; {close}")
    connection.execute(update(keys).where(keys.c.key_no == mine[0].key_no).values(revoked_at=at))
    tell(connection, "key revoked", by, at, {"name": mine[0].who.name, "hint": mine[0].hint})
    return mine[0]


def all_keys(connection: Connection) -> list[Key]:
    """Every key there ever was, in the order of their making."""
    return [_key(row) for row in connection.execute(select(keys).order_by(keys.c.key_no))]


def used(connection: Connection, key_no: int, day: date) -> None:
    """Note that a key was used on a day."""
    before = or_(keys.c.last_used_on.is_(None), keys.c.last_used_on < day)
    connection.execute(update(keys).where(keys.c.key_no == key_no, before).values(last_used_on=day))


def begin_session(connection: Connection, key: Key, expires_at: str, at: str) -> tuple[str, Session]:
    """Sign a browser in: its cookie, which is kept nowhere, and the session. What has expired is cleared away."""
    connection.execute(delete(sessions).where(sessions.c.expires_at <= at))
    mine = and_(sessions.c.key_no == key.key_no, sessions.c.ended_at.is_(None))
    older = select(sessions.c.session_no).where(mine).order_by(sessions.c.session_no.desc()).offset(MOST_SESSIONS - 1)
    connection.execute(update(sessions).where(sessions.c.session_no.in_(older.limit(MOST_SESSIONS))).values(ended_at=at))
    cookie = new_cookie()
    begun = Session(digest_of(cookie), key.key_no, expires_at)
    connection.execute(insert(sessions).values(digest=begun.digest, key_no=key.key_no, created_at=at, expires_at=expires_at))
    tell(connection, "signed in", key.who.name, at, {"expires_at": expires_at})
    return cookie, begun


def end_session(connection: Connection, digest: str, actor: str, at: str) -> None:
    """Sign a browser out."""
    mine = and_(sessions.c.digest == digest, sessions.c.ended_at.is_(None))
    if connection.execute(update(sessions).where(mine).values(ended_at=at)).rowcount:
        tell(connection, "signed out", actor, at, {})


def open_sessions(connection: Connection, now: str) -> list[Session]:
    """The sessions that have neither ended nor expired."""
    query = select(sessions.c.digest, sessions.c.key_no, sessions.c.expires_at)
    query = query.where(sessions.c.ended_at.is_(None), sessions.c.expires_at > now)
    return [Session(*row) for row in connection.execute(query)]


def last_entry(connection: Connection) -> int:
    """The number of the audit's last line: where it stands, no key and no session has changed."""
    return int(connection.execute(select(func.max(audit.c.entry_no))).scalar_one() or 0)


def tell(connection: Connection, what: str, actor: str, at: str, detail: dict[str, Any], run_id: str | None = None) -> None:
    """Add a line to the audit."""
    connection.execute(insert(audit).values(what=what, actor=actor, at=at, detail=detail, run_id=run_id))


def _key(row: Row) -> Key:
    seen = [None if names is None else frozenset(names) for names in (row.owners, row.regions)]
    role: Role = row.role
    kept = (row.created_at, row.created_by, row.expires_at, row.revoked_at, row.last_used_on)
    return Key(row.key_no, row.hint, row.digest, Who(row.name, role, *seen), *kept)
