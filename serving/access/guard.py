"""The guard: one place before API, page, files and figures that asks who is calling, what he may do and how much he wants at once.

In this order, each refusal before anything is read or computed: the host's name, the caller, the right that the endpoint is marked with,
where a changing request comes from, the size of the body, the number of requests at a time, and how long the answer takes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from typing import Any
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.callers import Access, Caller
from serving.access.forgery import check_origin, check_token
from serving.access.head import Head
from serving.access.who import Right, roles_with
from serving.api.problem import Problem, clip

OPEN = ("/livez", "/readyz", "/login", "/preferences", "/favicon.ico")
OPEN_BELOW = "/static/"
"""What anyone may have: whether the service is well, the way in, and what the way in looks like."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # not no-referrer, which makes browsers hide where a form was sent from
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ONCE_MORE = '<!doctype html><title>Keepwell</title><meta http-equiv="refresh" content="0;url={here}"><a href="{here}">Keepwell</a>\n'
"""A strict cookie is not sent with a link out of a letter; the page that asks once more is ours, so then it is."""
PLAIN = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())
SECURE = (*PLAIN, (b"strict-transport-security", b"max-age=31536000"))
MIB = 1 << 20
log = logging.getLogger(__name__)


Marks = tuple[Right, bool]


def _marks(route: BaseRoute) -> Marks:
    """The right that a route's endpoint is marked with, and whether it tells of all merchants."""
    endpoint = getattr(route, "endpoint", None)
    return getattr(endpoint, "right", "see"), getattr(endpoint, "whole", False)


def _first(routes: Sequence[BaseRoute], scope: Scope) -> Marks:
    """The marks of the route that Starlette's router will choose; where it will choose none, whoever is let in may be told so."""
    return next((_marks(route) for route in routes if route.matches(scope)[0] is Match.FULL), ("see", False))


class Guard:
    """An application behind the guard.

    Parameters
    ----------
    routes : those of the application; an endpoint is marked with the right that it needs by `serving.access.needs`.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], access: Access) -> None:
        self.app, self.access = app, access
        plain = [route for route in routes if isinstance(route, Route) and not route.param_convertors]
        scopes = [{"type": "http", "method": method, "path": route.path} for route in plain for method in route.methods or ()]
        self.plain = {(scope["method"], scope["path"]): _first(routes, scope) for scope in scopes}
        self.routes, self.others = routes, [route for route in routes if route not in plain]
        self.busy = 0
        self._noting: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        else:
            head, sending = Head.of(scope), _with_headers(send, SECURE if scope.get("scheme") == "https" else PLAIN)
            try:
                await self._through(head, scope, receive, sending)
            except Problem as problem:
                await _refusal(problem, head)(scope, receive, sending)

    async def _through(self, head: Head, scope: Scope, receive: Receive, send: Send) -> None:
        if head.host not in self.access.hosts:
            detail = f"host {clip(head['host'])!r} is not served; call it by a name that it knows, or add this one to allowed_hosts in [serve]."
            raise Problem("wrong-host", detail)
        is_open = head.path in OPEN or head.path.startswith(OPEN_BELOW)
        caller = await (self.access.anyone if is_open else self.access.caller)(head)
        if not is_open:
            self._check_right(scope, head, caller)
        if not head.is_safe and head.key is None:
            check_origin(head, must_say=caller.session is not None)
        receive = self._sized(head, receive)
        if not head.is_safe and caller.session is not None and not is_open:
            receive = await check_token(head, caller.csrf, receive)
        scope.setdefault("state", {}).update(who=caller.who, csrf=caller.csrf, is_session=caller.session is not None, caller=caller)
        self._note(caller)
        if is_open:
            await self.app(scope, receive, send)
        else:
            await self._in_turn(scope, receive, send)

    def _check_right(self, scope: Scope, head: Head, caller: Caller) -> None:
        right, whole = self._needed(scope)
        if not caller.who.may(right):
            roles = ", ".join(roles_with(right))
            raise Problem("forbidden", f"{caller.who.name} is {caller.who.role} and has no right to {right}; that takes a key of role {roles}.")
        if whole and not caller.who.sees_all:
            raise Problem("forbidden", f"{clip(head.path)} tells of all merchants together, and {caller.who.name} sees some; that takes a key for all.")

    def _needed(self, scope: Scope) -> Marks:
        """The marks of the endpoint asked for; paths without a parameter, which are most, are looked up."""
        if scope.get("root_path"):  # then the router leaves out the beginning of the path
            return _first(self.routes, scope)
        return self.plain.get((scope["method"], scope["path"])) or _first(self.others, scope)

    def _sized(self, head: Head, receive: Receive) -> Receive:
        """The body, refused as soon as it is larger than it may be, whether or not its length was told."""
        most = self.access.limits.body_mib * MIB
        too_large = Problem("too-large", f"the body is larger than {self.access.limits.body_mib} MiB; send less at a time.")
        told = head["content-length"]
        if told.isdigit() and int(told) > most:
            raise too_large
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise too_large
            return message

        return receiving

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer while there is room, and within the time that an answer may take."""
        if self.busy >= self.access.limits.requests_at_once:
            detail = f"{self.busy} requests are being answered, which is all that are taken on at a time; try again in a second."
            raise Problem("too-many", detail, headers={"Retry-After": "1"})
        self.busy += 1
        try:
            await _timely(self.app, scope, receive, send, self.access.limits.timeout_seconds)
        finally:
            self.busy -= 1

    def _note(self, caller: Caller) -> None:
        """Once a day, note that a key is in use, while the answer is being made."""
        if caller.key is not None and self.access.keyring.is_first_use(caller.key, caller.at[:10]):
            task = asyncio.ensure_future(run_sync(self.access.keyring.note_use, caller.key))
            self._noting.add(task)
            task.add_done_callback(self._noting.discard)


async def _timely(app: ASGIApp, scope: Scope, receive: Receive, send: Send, seconds: int) -> None:
    """Call an application; where it has not begun to answer in time, answer in its place and let it end unheard."""
    state: dict[str, Any] = {"begun": False, "late": None}

    async def sending(message: Message) -> None:
        if state["late"] is None:
            state["begun"] = True
            await send(message)

    def give_up() -> None:
        if not state["begun"]:
            detail = f"the answer took longer than {seconds} seconds, so it was given up; ask for less at a time, or try again later."
            answer = Problem("timed-out", detail, headers={"Retry-After": "5", "Connection": "close"}).response()
            state["late"] = asyncio.ensure_future(answer(scope, receive, send))

    timer = asyncio.get_running_loop().call_later(seconds, give_up)
    try:
        await app(scope, receive, sending)
    except Exception:
        if state["late"] is None:
            raise
    finally:
        timer.cancel()
        if state["late"] is not None:
            with suppress(Exception):
                await state["late"]


def _refusal(problem: Problem, head: Head) -> Response:
    """A refusal; a browser without a session is shown the way in."""
    is_part = "hx-request" in head.headers
    if problem.kind != "unauthorized" or not (head.wants_page or is_part):
        return problem.response()
    here = head.path + (f"?{head.query}" if head.query else "")
    if head["sec-fetch-site"] == "cross-site" and head.method == "GET" and head.cookie is None:
        return HTMLResponse(ONCE_MORE.format(here=escape(here)))
    way = f"/login?next={quote(here if head.method == 'GET' and not is_part else '/', safe='')}"
    if is_part:
        return Response(status_code=401, headers={"HX-Redirect": way, **(problem.headers or {})})
    return RedirectResponse(way, 303)


def _with_headers(send: Send, added: Sequence[tuple[bytes, bytes]]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"] = list(message.get("headers", ()))
            there = {name.lower() for name, _ in headers}
            headers += [pair for pair in added if pair[0] not in there]
        await send(message)

    return sending
