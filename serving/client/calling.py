"""One call: asked again with growing pauses while the service is busy or away, and turned into an error where it is refused."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from .errors import NotReached, error_of

AGAIN = (429, 502, 503, 504)


@dataclass(frozen=True)
class Retries:
    """How often and how patiently a call is repeated.

    Attributes
    ----------
    most : attempts in all. first, longest : seconds before the second attempt, and at most before any; a pause that the service asks for
        (Retry-After) is kept, unless it is longer than `longest`: then the error comes at once.
    """

    most: int = 5
    first: float = 0.2
    longest: float = 30.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, attempt: int, asked: str = "") -> float | None:
        """Seconds before another attempt after the `attempt`-th; None to give up.

        Examples
        --------
        >>> retries = Retries(most=3)
        >>> retries.pause(1, "2"), retries.pause(3), retries.pause(1, "3600")
        (2.0, None, None)
        """
        if attempt >= self.most:
            return None
        if asked.isdigit():
            return float(asked) if float(asked) <= self.longest else None
        return min(self.first * 2 ** (attempt - 1), self.longest) * random.uniform(0.5, 1.0)


class Calling:
    """Calls to one service over kept-alive connections."""

    def __init__(self, http: httpx.Client, retries: Retries) -> None:
        self.http, self.retries = http, retries

    def __call__(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None, key: str | None = None) -> Any:
        """The JSON of an answer.

        Parameters
        ----------
        key : makes a change that is repeated one change; every repetition carries the same.

        Raises
        ------
        KeepwellError : the service refuses, is busy for too long, or cannot be reached.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        headers = {"Idempotency-Key": key} if key else {}
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self.http.request(method, path, params=given, json=body, headers=headers)
            except httpx.TransportError as error:
                self._wait(attempt, "", NotReached(0, {"type": "not-reached", "detail": f"the service does not answer: {error or type(error).__name__}"}))
                continue
            if answer.is_success:
                return answer.json()
            refusal = error_of(answer.status_code, _problem(answer), answer.headers.get("x-request-id"))
            if answer.status_code not in AGAIN:
                raise refusal
            self._wait(attempt, answer.headers.get("retry-after", ""), refusal)

    def _wait(self, attempt: int, asked: str, refusal: Exception) -> None:
        pause = self.retries.pause(attempt, asked)
        if pause is None:
            raise refusal
        self.retries.sleep(pause)


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    """The problem in an answer; a proxy's own pages hold none."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": f"the service answered {answer.status_code} {answer.reason_phrase}"}
