"""GET and POST /login: a person's key for a session. POST /logout: its end."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, get_args

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from features.errors import Refused
from serving.access.callers import CHALLENGE, Access, Caller
from serving.access.forgery import field
from serving.access.head import LOCAL_NAMES, Head
from serving.access.keyring import Unknown
from serving.access.keys import Key
from serving.api.problem import Problem
from serving.page.visit import LANG_COOKIE, local
from serving.page.visiting import page, visit_of
from serving.reasons.numbers import Lang

MOST_BYTES = 8192
log = logging.getLogger(__name__)


async def form(request: Request) -> Response:
    """The way in; whoever is in already goes on."""
    access: Access = request.app.state.access
    back = local(request.query_params.get("next", "/"))
    if request.state.is_session or not (access.keyring.known.is_asked or access.bound):
        return RedirectResponse(back, 303)
    return _shown(request, back)


async def sign_in(request: Request) -> Response:
    """Take a key for a session. Each sign-in is a session of its own: one that a browser came with ends."""
    access: Access = request.app.state.access
    body = await _body(request)
    given, back, head = field(body, "key").strip(), local(field(body, "next") or "/"), Head.of(request.scope)
    now, lang = access.clock(), field(body, "lang")
    if head.host not in LOCAL_NAMES and head["origin"].startswith("http://"):
        return _shown(request, back, "http", 403, lang)
    wait = access.throttle.wait(head.address, now)
    if wait:
        return _shown(request, back, "too_many", 429, lang, {"Retry-After": str(wait)}, seconds=wait)
    try:
        key = access.keyring.key_of(given, await access.refreshed())
        cookie = await run_sync(_begun, access, key, request.state.caller)
    except Unknown as unknown:
        access.throttle.failed(head.address, now)
        log.warning("a sign-in from %s failed: %s", head.address, unknown.why)
        return _shown(request, back, unknown.why, 401, lang, CHALLENGE, when=unknown.when[:10])
    except (Problem, Refused):
        return _shown(request, back, "no_ledger", 503, lang, {"Retry-After": "5"})
    answer = RedirectResponse(back, 303)
    answer.set_cookie(head.cookie_name, cookie, access.limits.session_hours * 3600, **_guarded(head))
    return answer


async def sign_out(request: Request) -> Response:
    """End the session."""
    access: Access = request.app.state.access
    caller: Caller = request.state.caller
    if caller.session is None:
        return RedirectResponse("/", 303)
    await run_sync(access.keyring.sign_out, caller.session, caller.who.name)
    answer, head = RedirectResponse("/login", 303), Head.of(request.scope)
    answer.delete_cookie(head.cookie_name, **_guarded(head))
    return answer


def _begun(access: Access, key: Key, before: Caller) -> str:
    if before.session is not None:
        access.keyring.sign_out(before.session, before.who.name)
    return access.keyring.sign_in(key, access.limits.session_hours)[0]


def _guarded(head: Head) -> dict[str, Any]:
    """How a session's cookie is set: for this service alone, out of reach of scripts and of other sites, and off this machine by https only."""
    return {"path": "/", "secure": head.host not in LOCAL_NAMES, "httponly": True, "samesite": "strict"}


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Problem("too-large", f"the form is larger than {MOST_BYTES:,} bytes; it has room for a key.")
    return bytes(body)


def _shown(
    request: Request, back: str, why: str = "", status: int = 200, lang: str = "", headers: dict[str, str] | None = None, **values: Any
) -> Response:
    """The form, with what was wrong."""
    visit = visit_of(request)
    if lang in get_args(Lang) and not request.cookies.get(LANG_COOKIE):
        visit = replace(visit, lang=lang)  # type: ignore[arg-type]
    wrong = visit.t(f"sign_in_{why}", **values) if why else None
    answer = page(visit, "login", status, wrong=wrong, back=back, hours=request.app.state.access.limits.session_hours)
    answer.headers.update(headers or {})
    return answer


ROUTES = (
    Route("/login", form),
    Route("/login", sign_in, methods=["POST"]),
    Route("/logout", sign_out, methods=["POST"]),
)
