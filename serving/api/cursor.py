"""Cursors: where a list goes on, bound to the run and to the question it was asked with. Callers take them as they are."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from serving.api.problem import Problem
from serving.run import RUN_ID

MOST = 10**9


@dataclass(frozen=True)
class Cursor:
    """The next row of a list of a run.

    Examples
    --------
    >>> Cursor.read(Cursor("2026-01-01-0a1b2c3d", 100, "9f").text())
    Cursor(run_id='2026-01-01-0a1b2c3d', offset=100, question='9f')
    """

    run_id: str
    offset: int
    question: str

    def text(self) -> str:
        """The cursor as callers get it."""
        return urlsafe_b64encode(f"{self.run_id}:{self.offset}:{self.question}".encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor:
        """A cursor that a caller gave back.

        Raises
        ------
        Problem : it is none of ours.
        """
        try:
            run_id, offset, question = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").split(":")
            valid = RUN_ID.fullmatch(run_id) and offset.isdigit() and int(offset) <= MOST
        except ValueError:
            valid = None
        if not valid:
            raise Problem("invalid-request", "cursor is none of ours; give back `next_cursor` unchanged, or leave it out to begin.")
        return cls(run_id, int(offset), question)


def digest_of(path: str, question: Mapping[str, Any]) -> str:
    """A short digest of what was asked, so that a cursor is not used with another question."""
    return sha256(json.dumps([path, question], sort_keys=True, default=str).encode()).hexdigest()[:8]
