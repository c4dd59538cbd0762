"""GET /static/…: the page's own style, scripts and icon, and nothing else. GET /preferences: language and colours, kept in the browser."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api.problem import Problem, clip
from serving.page.visit import LANG_COOKIE, THEME_COOKIE, THEMES, local
from serving.page.visiting import moved_to, remember
from serving.reasons.numbers import Lang

ASSETS: Mapping[str, str] = {
    "keepwell.css": "text/css",
    "keepwell.js": "text/javascript",
    "keepwell.svg": "image/svg+xml",
    "htmx-2.0.11.min.js": "text/javascript",
    "htmx-LICENSE.txt": "text/plain",
}


def asset(request: Request) -> Response:
    """A file of the page."""
    name = request.path_params["name"]
    if name not in ASSETS:
        raise Problem("not-found", f"there is no {clip(name)!r} among the page's files; they are {', '.join(ASSETS)}.")
    content = files("serving.page").joinpath("static", name).read_bytes()
    return Response(content, media_type=ASSETS[name], headers={"Cache-Control": "no-cache"})


def preferences(request: Request) -> Response:
    """Keep what was chosen, and go back to where it was chosen."""
    answer = moved_to(local(request.query_params.get("back", "/")))
    for name, cookie, known in (("theme", THEME_COOKIE, THEMES), ("lang", LANG_COOKIE, get_args(Lang))):
        if request.query_params.get(name) in known:
            remember(answer, cookie, request.query_params[name])
    return answer


ROUTES = (Route("/static/{name}", asset), Route("/preferences", preferences))
