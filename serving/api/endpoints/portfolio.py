"""GET /v1/portfolio: what all merchants of the run look like together."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access.audit import audit_export
from serving.api.asking import asked, ready, standing, who
from serving.api.choosing import previous_of
from serving.api.describing import CSV, HTML, XLSX, describes
from serving.api.files import attachment, wanted_format
from serving.api.ledgers import access_of, state_of
from serving.api.published import View
from serving.api.schemas import PortfolioAnswer, PortfolioQuestion
from serving.ledger import Ledger
from serving.portfolio import portfolio, to_csv, to_html, to_xlsx

WRITERS = {"csv": (to_csv, f"{CSV}; charset=utf-8"), "xlsx": (to_xlsx, XLSX), "html": (to_html, f"{HTML}; charset=utf-8")}


@describes("portfolio", PortfolioAnswer, question=PortfolioQuestion, files=(CSV, XLSX, HTML), has_tag=True)
async def all_together(request: Request) -> Response:
    """Funnel, tiers and migration, stages, 80/20, cohorts, LTV/CAC, warnings' precision and proof of acting; only of the merchants to be seen."""
    if wanted_format(request, tuple(WRITERS)) != "json":
        return await run_in_threadpool(_file, request)
    return await ready(request, _portfolio, state_of(request))


def _portfolio(request: Request, view: View) -> PortfolioAnswer:
    question = asked(request, PortfolioQuestion)
    ledger: Ledger | None = access_of(request).keyring.opened() if who(request).sees_all else None
    before = previous_of(request, view)
    previous = before.run if before else None
    return PortfolioAnswer(**portfolio(view.run, previous=previous, ledger=ledger, by=question.by, every=question.every, lang=question.lang))


def _file(request: Request) -> Response:
    kind = wanted_format(request, tuple(WRITERS))
    view = standing(request)
    found = _portfolio(request, view).model_dump()
    audit_export(request, f"portfolio.{kind}", len(view.run.merchants), view.run.run_id)
    write, media_type = WRITERS[kind]
    return attachment(write(found), f"keepwell-portfolio-{view.run.cutoff}.{kind}", media_type)


ROUTES = (Route("/v1/portfolio", all_together),)
