"""GET /portfolio: all merchants together, for people."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.errors import Refused
from serving.api.asking import standing, who
from serving.api.choosing import previous_of
from serving.api.endpoints.page import ledger_of
from serving.api.problem import Problem
from serving.api.published import View
from serving.page.desk import last_change
from serving.page.portfolio import portfolio_content
from serving.page.visiting import around, asked_of, guarded, page, visit_of
from serving.portfolio import BY, plots, portfolio
from serving.reasons.numbers import Lang

Every = Literal["quarter", "month"]
KEPT = 8


class PortfolioQuestion(BaseModel):
    """What to compare the merchants by, and how long a cohort lasts."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lang: Literal["en", "zh"] | None = None
    by: str | None = Field(None, max_length=40)
    every: Every = "quarter"


@guarded
def together(request: Request) -> Response:
    """Funnel, tiers, stages, concentration, cohorts, worth, warnings, and whether acting helps."""
    asked, view = asked_of(request, PortfolioQuestion), standing(request)
    visit = visit_of(request, "portfolio", view)
    found = _found(request, view, asked, visit.lang)
    choices = {
        "by": asked.by,
        "every": asked.every,
        "by_known": BY,
        "every_known": ("quarter", "month"),
        "is_part": not who(request).sees_all,
    }
    return page(visit, "portfolio", **around(request, visit, view) | portfolio_content(found, plots(found), visit) | choices)


def _found(request: Request, view: View, asked: PortfolioQuestion, lang: Lang) -> Any:
    """The portfolio, worked out anew only where the ledger has changed."""
    previous = previous_of(request, view)
    ledger = ledger_of(request) if who(request).sees_all else None
    kept: dict[Any, Any] = view.__dict__.setdefault("portfolios", {})
    key = (asked.by, asked.every, lang, last_change(ledger))
    if key not in kept:
        try:
            found = portfolio(
                view.run, previous=previous.run if previous else None, ledger=ledger, by=asked.by, every=asked.every, lang=lang
            )  # type: ignore[arg-type]
        except Refused as refused:
            raise Problem("invalid-request", str(refused)) from None
        while len(kept) >= KEPT:
            kept.pop(next(iter(kept)))
        kept[key] = found
    return kept[key]


ROUTES = (Route("/portfolio", together),)
