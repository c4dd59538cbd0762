"""Errors as RFC 9457 `application/problem+json`: what kind, and one sentence that ends in what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from features.errors import did_you_mean

MEDIA_TYPE = "application/problem+json"
KINDS: Mapping[str, tuple[int, str]] = {
    "unauthorized": (401, "Unauthorized"),
    "forbidden": (403, "Forbidden"),
    "not-found": (404, "Not found"),
    "unknown-merchant": (404, "Unknown merchant"),
    "method-not-allowed": (405, "Method not allowed"),
    "run-gone": (410, "The run is gone"),
    "too-large": (413, "Too large"),
    "not-json": (415, "Not JSON"),
    "wrong-host": (421, "Wrong host"),
    "invalid-request": (422, "Invalid request"),
    "key-reused": (422, "Idempotency key reused"),
    "too-many": (429, "Too many requests"),
    "internal": (500, "Internal error"),
    "no-model": (503, "No model can be used"),
    "no-ledger": (503, "The ledger cannot be reached"),
    "no-run": (503, "No run is published"),
    "timed-out": (503, "Timed out"),
}


class Problem(Exception):
    """A request that cannot be answered; `kind` is one of `KINDS`, `detail` the sentence, `errors` the single faults."""

    def __init__(self, kind: str, detail: str, errors: Sequence[Mapping[str, str]] = (), headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors, self.headers = kind, detail, errors, headers
        self.status, self.title = KINDS[kind]

    def response(self, facts: Mapping[str, Any] | None = None) -> Response:
        """The problem as an answer; `facts` of the run that stands are carried along."""
        content = {"type": f"urn:keepwell:problem:{self.kind}", "title": self.title, "status": self.status, "detail": self.detail}
        content |= {"errors": list(self.errors)} if self.errors else {}
        body = json.dumps(content | dict(facts or {}), ensure_ascii=False).encode("utf-8", "replace")
        return Response(body, self.status, self.headers, MEDIA_TYPE)


def invalid(error: ValidationError, known: Sequence[str], where: str) -> Problem:
    """What pydantic found, as a problem: the first fault in the sentence, all of them in `errors`.

    Parameters
    ----------
    known : the names that are understood.
    where : "query" or "body".
    """
    faults = [(".".join(map(str, fault["loc"])), _sentence(fault, known)) for fault in error.errors(include_url=False)]
    errors = [{"where": where, "name": clip(name), "detail": detail} for name, detail in faults[:20]]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    name, detail = faults[0]
    return Problem("invalid-request", f"{clip(name) or where}: {detail}{more}", errors)


def clip(text: str, length: int = 80) -> str:
    """A text of the caller, short enough to be repeated to him."""
    return text if len(text) <= length else f"{text[:length]}…"


def _sentence(fault: Mapping[str, Any], known: Sequence[str]) -> str:
    if fault["type"] == "extra_forbidden":
        return f"is not understood here; {did_you_mean(str(fault['loc'][-1]), known)}"
    given = fault["input"]
    shown = f", not {clip(repr(given), 40)}" if isinstance(given, str | int | float | bool) else ""
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}{shown}; change it."
