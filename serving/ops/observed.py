"""Around the whole application: every request gets an id, is counted under its route's template, and is told in the log where that is wanted."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from time import perf_counter

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.ops.logs import FACTS
from serving.ops.metrics import Metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOWHERE = "(none)"
"""The route of whatever asks for something that is not there."""
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
BROKEN = 499
"""The status of an answer that nobody waited for; nginx counts so too."""
log = logging.getLogger("keepwell.requests")


class Observed:
    """An application observed.

    Parameters
    ----------
    every : tell of every request; else only of those that fail for a fault of the service.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], metrics: Metrics, every: bool = False) -> None:
        self.app, self.routes, self.metrics, self.every = app, routes, metrics, every
        self.templates = {getattr(route, "endpoint", None): str(getattr(route, "path", NOWHERE)) for route in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given if REQUEST_ID.fullmatch(given) else os.urandom(8).hex().encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        status, began = BROKEN, perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        self.metrics.busy.inc()
        try:
            await self.app(scope, receive, sending)
        except Exception:
            if status == BROKEN:  # else it was answered, and told in the log where it was caught
                raise
        finally:
            self.metrics.busy.dec()
            self._note(scope, status, perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = self.template(scope)
        self.metrics.answered(method, route, status, seconds)
        if self.every or status >= 500:
            facts = {"request_id": scope["state"]["request_id"], "method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
            log.log(logging.ERROR if status >= 500 else logging.INFO, "request", extra={FACTS: facts})

    def template(self, scope: Scope) -> str:
        """The template of the route that answered, or, where a request was refused before it was routed, would have."""
        if (endpoint := scope.get("endpoint")) in self.templates:
            return self.templates[endpoint]
        for route in self.routes:
            if route.matches(scope)[0] is not Match.NONE:
                return str(getattr(route, "path", NOWHERE))
        return NOWHERE
