"""The keys and sessions of the ledger as a running server holds them: in memory, looked up anew once a second.

A look is one question, the number of the audit's last line; only where that has moved are keys and sessions read again. So a request asks
nothing of the ledger, and what is revoked, added or signed out elsewhere counts within a second or two. While the ledger cannot be reached
what was known goes on for `GRACE_SECONDS`, because nothing can be revoked in it either; after that nobody is let in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hmac import compare_digest
from threading import Lock

from features.errors import Refused
from serving.access.keys import Key, Session, all_keys, begin_session, end_session, last_entry, open_sessions, used
from serving.access.token import digest_of, hint_of, is_key
from serving.ledger import Ledger

GRACE_SECONDS = 300
NONE = digest_of("")
Clock = Callable[[], str]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """What the ledger said at `at` (looked up again at `looked`), when the audit's last line was `entry`."""

    entry: int = -1
    at: str = ""
    looked: str = ""
    by_hint: Mapping[str, Key] = field(default_factory=dict)
    by_number: Mapping[int, Key] = field(default_factory=dict)
    sessions: Mapping[str, Session] = field(default_factory=dict)

    @property
    def is_asked(self) -> bool:
        """Whether there ever was a key: from then on nobody is let in without one, not even when all are revoked."""
        return bool(self.by_number)


class Unknown(Exception):
    """A key or cookie that lets nobody in; `str(error)` is the sentence for its holder.

    Attributes
    ----------
    why : malformed, unknown, expired, revoked or over (a session).
    when : since when.
    """

    def __init__(self, why: str, sentence: str, when: str = "") -> None:
        super().__init__(sentence)
        self.why, self.when = why, when


class Keyring:
    """Who holds which key.

    Parameters
    ----------
    opened : the ledger, or None as long as there is none; asked again until there is one.
    clock : the present time as text, UTC, to the second.
    """

    def __init__(self, opened: Callable[[], Ledger | None], clock: Clock) -> None:
        self.opened, self.clock = opened, clock
        self.known = Known()
        self._looking = Lock()
        self._used_on: dict[int, str] = {}

    def is_due(self, now: str) -> bool:
        """Whether the ledger was not looked into this second."""
        return self.known.looked != now

    def look(self) -> None:
        """Look whether anything changed; one at a time, the others go on with what is known.

        Raises
        ------
        Refused : the ledger cannot be read, and what is known of it is too old or nothing.
        """
        if not self._looking.acquire(blocking=self.known.entry < 0):
            return
        try:
            now = self.clock()
            if self.known.looked != now:
                self.known = self._looked(self.known, now)
        except Refused:
            if self.known.entry < 0 or _seconds(self.known.at, now) > GRACE_SECONDS:
                raise
            log.warning("the ledger cannot be read; keys and sessions are those of %s", self.known.at)
            self.known = replace(self.known, looked=now)
        finally:
            self._looking.release()

    def key_of(self, given: str, now: str) -> Key:
        """The key that a caller gave.

        Raises
        ------
        Unknown : none of ours, revoked or expired.
        """
        key = self.known.by_hint.get(hint_of(given))
        if compare_digest(digest_of(given), key.digest if key else NONE) and key is not None:
            return _live(key, now)
        if not is_key(given):
            raise Unknown("malformed", "that is not a key, or it was not copied whole; a key begins with kw_ and has 52 characters.")
        raise Unknown("unknown", "that key is not known here; ask for one of this Keepwell.")

    def session_of(self, cookie: str, now: str) -> tuple[Key, Session]:
        """The key that a browser signed in with.

        Raises
        ------
        Unknown : the session is over, or its key is.
        """
        session = self.known.sessions.get(digest_of(cookie))
        if session is None or session.expires_at <= now:
            raise Unknown("over", "this session is over; sign in again.")
        return _live(self.known.by_number[session.key_no], now), session

    def sign_in(self, key: Key, hours: int) -> tuple[str, Session]:
        """Begin a session with a key: its cookie, and the session."""
        now = self.clock()
        end = _later(now, hours)
        with self._ledger().writing() as connection:
            cookie, begun = begin_session(connection, key, min(end, key.expires_at or end), now)
        with self._looking:
            self.known = replace(self.known, sessions={**self.known.sessions, begun.digest: begun})
        return cookie, begun

    def sign_out(self, session: Session, name: str) -> None:
        """End a session."""
        with self._ledger().writing() as connection:
            end_session(connection, session.digest, name, self.clock())
        with self._looking:
            kept = {digest: one for digest, one in self.known.sessions.items() if digest != session.digest}
            self.known = replace(self.known, sessions=kept)

    def note_use(self, key: Key) -> None:
        """Note in the ledger that a key was used today; where that is not possible now, the next server will tell."""
        day = datetime.fromisoformat(self.clock()).date()
        with suppress(Refused), self._ledger().writing() as connection:
            used(connection, key.key_no, day)

    def is_first_use(self, key: Key, today: str) -> bool:
        """Whether a key is used for the first time on a day, asked once."""
        is_first = self._used_on.get(key.key_no, str(key.last_used_on)) != today
        self._used_on[key.key_no] = today
        return is_first

    def close(self) -> None:
        """Close the ledger, if there is one."""
        ledger = self.opened()
        if ledger is not None:
            ledger.close()

    def _ledger(self) -> Ledger:
        ledger = self.opened()
        assert ledger is not None  # whoever holds a key has it from there
        return ledger

    def _looked(self, before: Known, now: str) -> Known:
        ledger = self.opened()
        if ledger is None:
            return Known(0, now, now)
        with ledger.reading() as connection:
            entry = last_entry(connection)
            if entry == before.entry:
                return replace(before, at=now, looked=now)
            found = all_keys(connection)
            there = {session.digest: session for session in open_sessions(connection, now)}
        return Known(entry, now, now, {key.hint: key for key in found}, {key.key_no: key for key in found}, there)


def _live(key: Key, now: str) -> Key:
    standing = key.standing(now)
    if standing == "live":
        return key
    when = str(key.revoked_at if standing == "revoked" else key.expires_at)
    did = "was revoked" if standing == "revoked" else "expired"
    raise Unknown(standing, f"key {key.who.name!r} {did} at {when}; ask for a new one.", when)


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def _later(now: str, hours: int) -> str:
    return (datetime.fromisoformat(now) + timedelta(hours=hours)).isoformat(timespec="seconds")
