"""The application: every module of `serving.api.endpoints` routed, errors as problems, and headers that give nothing away."""

from __future__ import annotations

import json
import logging
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import DataRefused, Refused
from serving.api import endpoints
from serving.api.problem import Problem, clip
from serving.api.published import Published

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
log = logging.getLogger(__name__)


def create_app(published: Published) -> ASGIApp:
    """The API and page over published runs; the first one may come later.

    Examples
    --------
    >>> sorted(route.path for route in routes() if route.path.startswith("/v1/m"))
    ['/v1/merchants/{merchant_id:path}', '/v1/model']
    """
    handlers: dict[Any, Any] = {Problem: _problem, Refused: _refused, HTTPException: _unrouted, Exception: _internal}
    app = Starlette(routes=routes(), exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.published = published
    return Guard(app)


def routes() -> list[Route]:
    """The routes of all endpoints."""
    names = sorted(module.name for module in iter_modules(endpoints.__path__))
    return [route for name in names for route in import_module(f"{endpoints.__name__}.{name}").ROUTES]


class Guard:
    """Answers only those who call this machine by its own name, so that no foreign page can reach it; adds the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse its host."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if _without_port(host) in LOCAL_NAMES:
            await self.app(scope, receive, with_headers)
            return
        detail = f"host {clip(host)!r} is not served; call it by one of {', '.join(LOCAL_NAMES)}."
        await Problem("wrong-host", detail).response()(scope, receive, with_headers)


def _without_port(host: str) -> str:
    name, _, port = host.lower().rpartition(":")
    return name if port.isdigit() else host.lower()


def _facts(request: Request) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = request.app.state.published.now().facts
        return facts
    except Problem:
        return {}


def _problem(request: Request, problem: Problem) -> Response:
    return problem.response(_facts(request))


def _refused(request: Request, refused: Refused) -> Response:
    kind = "no-run" if isinstance(refused, DataRefused) else "invalid-request"
    return _problem(request, Problem(kind, str(refused)))


def _unrouted(request: Request, error: HTTPException) -> Response:
    path = clip(request.url.path)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        detail = f"{path} does not take {clip(request.method, 20)}; use {allowed}."
        return _problem(request, Problem("method-not-allowed", detail, headers=error.headers))
    return _problem(request, Problem("not-found", f"there is nothing at {json.dumps(path)}; the list is at /v1/at-risk."))


def _internal(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = "the request could not be answered because of a fault of Keepwell; look into the server's log."
    return Problem("internal", detail).response()
