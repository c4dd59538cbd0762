"""From a request to a visit, and from a template to an answer: language, colours, security headers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import update_wrapper
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from serving.access.callers import Access
from serving.api.asking import horizon_days, published, who
from serving.api.problem import Problem, invalid
from serving.api.published import View
from serving.page.acting import FLASH, Done, words_of
from serving.page.environment import rendered
from serving.page.visit import LANG_COOKIE, SECTIONS, THEME_COOKIE, THEMES, Visit
from serving.reasons.numbers import Lang

YEAR = 365 * 24 * 3600
STALE_DAYS = 8
"""Data older than this is said to be stale: a weekly run may be a day late."""
NEVER = date(1970, 1, 1)
"""What the clock shows where nobody gave the application one."""
Asked = TypeVar("Asked", bound=BaseModel)


def asked_of(request: Request, kind: type[Asked]) -> Asked:
    """The parameters of a page's address, checked; empty ones come from forms and mean nothing.

    Raises
    ------
    Problem : a parameter that is unknown or wrong.
    """
    given = {name: value for name, value in request.query_params.items() if value.strip()}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise invalid(error, list(kind.model_fields), "query") from None


def visit_of(request: Request, section: str = "", view: View | None = None) -> Visit:
    """Who looks, in which language and colours."""
    query = {name: value for name, value in request.query_params.items() if value.strip()}
    lang = query.get("lang") or request.cookies.get(LANG_COOKIE)
    theme = request.cookies.get(THEME_COOKIE)
    return Visit(
        path=request.url.path,
        section=section,
        query=query,
        lang=lang if lang in get_args(Lang) else "en",  # type: ignore[arg-type]
        theme=theme if theme in THEMES else "auto",  # type: ignore[arg-type]
        who=who(request),
        token=request.state.csrf,
        is_session=request.state.is_session,
        currency=str(view.facts["currency"]) if view else "EUR",
    )


def today_of(request: Request, view: View) -> date:
    """The present day; the cutoff's where nobody gave the application a clock."""
    day, cutoff = date.fromisoformat(now_of(request)[:10]), date.fromisoformat(view.run.cutoff)
    return cutoff if day.year == NEVER.year else day


def now_of(request: Request) -> str:
    """The present time as text."""
    access: Access = request.app.state.access
    return access.clock()


def around(request: Request, visit: Visit, view: View) -> dict[str, Any]:
    """What stands around the content of every page of a run: its facts, how old it is, whether a newer one failed."""
    days = (today_of(request, view) - date.fromisoformat(view.run.cutoff)).days
    words = visit.t("age_today") if days <= 0 else visit.t.count("age", days)
    failed = published(request).refusal
    is_part = "hx-request" in request.headers  # a part of the page, which has no room to tell
    did = None if is_part else Done.read(request.cookies.get(FLASH))
    return {
        "facts": view.facts,
        "days": horizon_days(view),
        "age": {"days": days, "words": words, "is_stale": days > STALE_DAYS},
        "failed": failed,
        "did": did and words_of(did, visit),
    }


def page(visit: Visit, template: str, status: int = 200, /, **content: Any) -> HTMLResponse:
    """A template as an answer; what was done a moment ago is told once."""
    given = {"facts": None, "did": None, "failed": None, "age": None} | content
    text = rendered(template, visit=visit, t=visit.t, f=visit.f, sections=SECTIONS, themes=THEMES, **given)
    answer = HTMLResponse(text, status, {"Vary": "Cookie"})
    if content.get("did"):
        answer.delete_cookie(FLASH, path="/", httponly=True, samesite="strict")
    if visit.asks_lang:
        remember(answer, LANG_COOKIE, visit.lang)
    return answer


def remember(answer: Response, name: str, value: str) -> None:
    """Keep a preference in the browser for a year."""
    answer.set_cookie(name, value, max_age=YEAR, path="/", httponly=True, samesite="lax")


def guarded(endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """An endpoint whose refusals are pages too."""

    def answering(request: Request) -> Response:
        try:
            return endpoint(request)
        except Problem as problem:
            return refusal(visit_of(request), problem)

    return update_wrapper(answering, endpoint)  # keeps the mark of the right that it needs


def refusal(visit: Visit, problem: Problem) -> Response:
    """What is shown where something cannot be."""
    title = {"no-run": "no_run_title", "not-found": "missing_title", "unknown-merchant": "missing_title"}.get(problem.kind, "refused_title")
    return page(
        visit, "state", problem.status, title=title, detail=problem.detail, means="no_run_means" if problem.kind == "no-run" else None
    )


def moved_to(path: str) -> Response:
    """On to another address of this service, to be fetched anew."""
    return RedirectResponse(path, 303)
