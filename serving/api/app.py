"""The application: every module of `serving.api.endpoints` routed, errors as problems, and headers that give nothing away."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from features.errors import DataRefused, Refused
from serving.access.callers import Access
from serving.access.guard import Guard
from serving.access.keyring import Keyring
from serving.api import endpoints
from serving.api.first_views import make_first_views
from serving.api.problem import Problem, clip
from serving.api.published import Published
from serving.ops.logs import FACTS
from serving.ops.metrics import Metrics
from serving.ops.observed import Observed

LONG_AGO = "1970-01-01T00:00:00+00:00"
"""The time where nobody tells it: nothing ever expires then, and nothing has to."""
log = logging.getLogger(__name__)


def create_app(published: Published, access: Access | None = None, mlflow_url: str | None = None) -> ASGIApp:
    """The API and page over published runs; the first one may come later.

    Parameters
    ----------
    access : who is let in; without it whoever sits at this machine may do everything.
    mlflow_url : where people open MLflow; without it the page of the model has no link there.

    Examples
    --------
    >>> sorted(route.path for route in routes() if route.path.startswith("/v1/p"))
    ['/v1/portfolio', '/v1/predict']
    """
    handlers: dict[Any, Any] = {Problem: _problem, Refused: _refused, HTTPException: _unrouted, Exception: _internal}
    app = Starlette(routes=routes(), exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.published, app.state.mlflow_url = published, mlflow_url
    if access is not None:
        app.state.clock = access.clock
        with suppress(Refused):
            app.state.ledger = access.keyring.opened()
    app.state.access = access or Access(Keyring(lambda: None, lambda: LONG_AGO), lambda: LONG_AGO)
    published.prepare = partial(make_first_views, app)
    app.state.metrics = Metrics(published, app.state.access.keyring.opened, app.state.access.clock)
    every = app.state.access.limits.log == "requests"
    return Observed(Guard(app, app.router.routes, app.state.access), app.router.routes, app.state.metrics, every)


def routes() -> list[Route]:
    """The routes of all endpoints."""
    names = sorted(module.name for module in iter_modules(endpoints.__path__))
    return [route for name in names for route in import_module(f"{endpoints.__name__}.{name}").ROUTES]


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
    log.error("a request failed", exc_info=error, extra={FACTS: {"request_id": request.state.request_id}})
    detail = "the request could not be answered because of a fault of Keepwell; look into the server's log."
    return Problem("internal", detail).response()
