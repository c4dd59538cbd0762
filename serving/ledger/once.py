"""Changes that may be asked for twice: under the same key the same thing is done once and answered alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, insert, select

from features.errors import UsageRefused
from serving.ledger.schema import requests


class KeyReused(UsageRefused):
    """A key that was used for something else."""


@dataclass(frozen=True)
class Once:
    """A change that is asked for under a key.

    Parameters
    ----------
    key : of its caller; the same key of another caller is another one, which `actor` sees to.
    asked : all that decides what is done.
    """

    actor: str
    key: str
    asked: Mapping[str, Any]
    at: str

    @property
    def name(self) -> str:
        """The key as the ledger keeps it."""
        return f"{self.actor}\n{self.key}"

    @property
    def digest(self) -> str:
        """The hash of all that is asked for."""
        return sha256(json.dumps(self.asked, sort_keys=True, default=str).encode()).hexdigest()

    def done(self, connection: Connection, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What was answered when this was done, or the answer of doing it now, in one transaction with it.

        Raises
        ------
        KeyReused : something else was asked for under this key.
        """
        known = connection.execute(select(requests.c.digest, requests.c.answer).where(requests.c.key == self.name)).one_or_none()
        if known is not None and known.digest != self.digest:
            raise KeyReused(f"key {self.key!r} was already used for something else, so nothing was done; repeat that request unchanged, or send a new key.")
        if known is not None:
            return dict(known.answer)
        answer = act()
        connection.execute(insert(requests).values(key=self.name, digest=self.digest, answer=answer, recorded_at=self.at))
        return answer


def done_once(once: Once | None, connection: Connection, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """An act, once where it has a key."""
    return act() if once is None else once.done(connection, act)
