"""GET /: the at-risk list as a page. GET /static/keepwell.css: its one style sheet."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from serving.api.asking import asked, horizon_days, place
from serving.api.endpoints.lists import listed, listing_of
from serving.api.problem import Problem
from serving.api.schemas import MerchantsQuestion
from serving.page.render import at_risk_page, refusal_page

LIMIT = 50


def page(request: Request) -> Response:
    """The at-risk list for people; where no run is published, a page that says so."""
    question = asked(request, MerchantsQuestion)
    if "limit" not in question.model_fields_set:
        question = question.model_copy(update={"limit": LIMIT})
    try:
        where = place(request, question)
    except Problem as problem:
        if problem.kind != "no-run":
            raise
        return HTMLResponse(refusal_page(problem.detail, question.lang), problem.status)
    listing = listing_of(where.view, "at_risk", question)
    rows = listed(where, listing, "at_risk", question.lang)
    return HTMLResponse(at_risk_page(where, listing, rows, question, horizon_days(where.view)))


def style(request: Request) -> Response:
    """The style sheet."""
    return Response(files("serving.page").joinpath("keepwell.css").read_bytes(), media_type="text/css")


ROUTES = (Route("/", page), Route("/static/keepwell.css", style))
