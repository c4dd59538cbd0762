"""What can go wrong: every refusal of the service is a `KeepwellError` with its RFC 9457 problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

URN = "urn:keepwell:problem:"


class KeepwellError(Exception):
    """A refusal.

    Attributes
    ----------
    kind : such as "unknown-merchant"; stable, so programs may look at it. status : of HTTP, 0 where there was no answer.
    detail : one sentence: what is wrong, and what to do. errors : the single faults of a request. request_id : for the service's operator.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], request_id: str | None = None) -> None:
        self.status, self.request_id = status, request_id
        self.kind = str(problem.get("type", "about:blank")).removeprefix(URN)
        self.detail = str(problem.get("detail") or problem.get("title") or f"the service answered {status}")
        self.errors: list[dict[str, str]] = list(problem.get("errors", ()))
        super().__init__(f"{self.detail} ({self.kind}, {status})" if status else self.detail)


class Invalid(KeepwellError):
    """The request is wrong; it will be refused again."""


class Denied(KeepwellError):
    """No key, an expired one, or one without the right."""


class NotFound(KeepwellError):
    """There is no such merchant, or none that this key may see."""


class RunGone(KeepwellError):
    """The run that was paged through is no longer published; begin anew."""


class Overloaded(KeepwellError):
    """The service had no room or no run, also after several attempts."""


class NotReached(KeepwellError):
    """The service did not answer, also after several attempts."""


class RunChanged(KeepwellError):
    """New runs kept being published while many merchants were asked for, so no answer of one run could be had."""


KINDS: Mapping[int, type[KeepwellError]] = {
    **dict.fromkeys((400, 405, 409, 413, 415, 421, 422), Invalid),
    **dict.fromkeys((401, 403), Denied),
    404: NotFound,
    410: RunGone,
    **dict.fromkeys((429, 502, 503, 504), Overloaded),
}


def error_of(status: int, problem: Mapping[str, Any], request_id: str | None) -> KeepwellError:
    """The error that a problem is."""
    return KINDS.get(status, KeepwellError)(status, problem, request_id)
