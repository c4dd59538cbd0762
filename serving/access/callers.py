"""From the head of a request to its caller: by the key in its header, by the session in its cookie, or as whoever sits at this machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from anyio.to_thread import run_sync

from features.errors import Refused
from features.settings import Serve
from serving.access.forgery import token_of
from serving.access.head import LOCAL_NAMES, Head
from serving.access.keyring import Clock, Keyring, Unknown
from serving.access.keys import Key, Session
from serving.access.limits import Throttle
from serving.access.who import LOCAL, NOBODY, Who
from serving.api.problem import Problem

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="keepwell"'}
ALL_ADDRESSES = ("0.0.0.0", "[::]")
ASK = "send a key as `Authorization: Bearer kw_…`, or sign in at /login."


@dataclass(frozen=True)
class Caller:
    """Who is asking, how that is known, and when; `csrf` goes back with every form of his session."""

    who: Who
    at: str = ""
    key: Key | None = None
    session: Session | None = None
    csrf: str = ""


@dataclass
class Access:
    """What a server asks of its callers, and how much it takes on.

    Parameters
    ----------
    keyring : the keys; as long as there never was one, whoever sits at this machine may do everything.
    clock : the present time as text, UTC, to the second.
    bound : the address that is listened at; None for this machine alone.
    """

    keyring: Keyring
    clock: Clock
    limits: Serve = field(default_factory=Serve)
    bound: str | None = None
    throttle: Throttle = field(default_factory=Throttle)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that are answered to."""
        return (*LOCAL_NAMES, *self.limits.allowed_hosts, *(() if self.bound in (None, *ALL_ADDRESSES) else (self.bound,)))

    async def refreshed(self) -> str:
        """The present time, with the ledger looked into if that was not done this second.

        Raises
        ------
        Problem : it cannot be read.
        """
        now = self.clock()
        if not self.keyring.is_due(now):
            return now
        try:
            await run_sync(self.keyring.look)
        except Refused:
            detail = "the ledger, which knows the keys, cannot be reached, so nobody is let in; try again, or look into the server's log."
            raise Problem("no-ledger", detail, headers={"Retry-After": "5"}) from None
        return now

    async def caller(self, head: Head) -> Caller:
        """Who is asking.

        Raises
        ------
        Problem : nobody whom this service knows.
        """
        now = await self.refreshed()
        if not self.keyring.known.is_asked:
            if self.bound is None and head.is_local:
                return Caller(LOCAL, now)
            raise Problem("unauthorized", "no key was made for this service yet; type `keepwell keys add NAME --role ROLE`.", headers=CHALLENGE)
        try:
            if head.key is not None:
                key = self.keyring.key_of(head.key, now)
                return Caller(key.who, now, key)
            if head.cookie is not None:
                key, session = self.keyring.session_of(head.cookie, now)
                return Caller(key.who, now, key, session, token_of(head.cookie))
        except Unknown as unknown:
            challenge = {"WWW-Authenticate": f'{CHALLENGE["WWW-Authenticate"]}, error="invalid_token"'}
            raise Problem("unauthorized", str(unknown), headers=challenge) from None
        raise Problem("unauthorized", f"nobody is let in here without a key; {ASK}", headers=CHALLENGE)

    async def anyone(self, head: Head) -> Caller:
        """Who is asking, where no key is asked for."""
        try:
            return await self.caller(head)
        except Problem:
            return Caller(NOBODY)
