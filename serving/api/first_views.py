"""The pages that people open first, made before anybody does, by the very endpoints that make them for people.

What a page is made of is worked out once for a run: the order of the list, the state of its rows, the reasons, the weeks, the portfolio. So
each page is made once in each language and thrown away; what stays is what the next one who opens it would have waited for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from serving.access import LOCAL
from serving.api.endpoints.page import home
from serving.api.endpoints.page_merchant import one
from serving.api.endpoints.page_model import about
from serving.api.endpoints.page_portfolio import together
from serving.api.published import Published
from serving.api.view import View
from serving.page.environment import compile_all
from serving.page.visit import merchant_path
from serving.reasons.numbers import Lang

log = logging.getLogger(__name__)
Made = tuple[str, Callable[[], object]]


def make_first_views(app: Starlette, view: View, is_wanted: Callable[[], bool]) -> list[str]:
    """Make the first pages and lists of a run, whether it stands already or is about to; returns which.

    One that cannot be made is left to whoever opens it: he is told why.

    Parameters
    ----------
    app : the application whose pages they are.
    is_wanted : whether to go on.
    """
    made = []
    compile_all()
    for name, make in _first(app, view):
        if not is_wanted():
            break
        try:
            make()
            made.append(name)
        except Exception as error:
            log.info("%s of run %s was not made ahead: %r", name, view.run.run_id, error)
    return made


@dataclass(frozen=True)
class Standing:
    """The runs as they are when a run stands, as far as its pages ask for them."""

    runs: Published
    view: View
    refusal: str = ""

    def now(self) -> View:
        """That run."""
        return self.view

    def of(self, run_id: str) -> View:
        """Another run."""
        return self.runs.beside(run_id)

    @property
    def state_dir(self) -> Path:
        """Where the runs are."""
        return self.runs.state_dir


def _first(app: Starlette, view: View) -> Iterator[Made]:
    """What is opened first: the list, and from there the first merchant; then the other sections, and the lists of the API."""
    state = SimpleNamespace(**{**app.state._state, "published": Standing(app.state.published, view)})
    first = next(iter(map(str, view.listing("at_risk", None, None, None, "en").rows["merchant_id"])), None)
    pages: list[tuple[Callable[[Request], Response], str, dict[str, str]]] = [
        (home, "/", {}),
        (together, "/portfolio", {}),
        (about, "/model", {}),
    ]
    if first is not None:
        pages.insert(1, (one, merchant_path(first), {"merchant_id": first}))
    for page, path, names in pages:
        for lang in get_args(Lang):
            yield f"{path}?lang={lang}", partial(page, _request(state, path, names, lang))
    for kind in ("at_risk", "growth"):
        for lang in get_args(Lang):
            yield f"{kind} in {lang}", partial(view.listing, kind, None, None, None, lang)


def _request(state: SimpleNamespace, path: str, names: dict[str, str], lang: str) -> Request:
    """What asks for a page on this machine."""
    caller = {"who": LOCAL, "csrf": "", "is_session": False}
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "path_params": names,
        "query_string": f"lang={lang}".encode(),
        "headers": [],
    }
    return Request(scope | {"app": SimpleNamespace(state=state), "state": caller})
