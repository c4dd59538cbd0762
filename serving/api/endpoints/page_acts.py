"""POST /acts and /undo: what people decide on the page, from its forms; then back to where they were, told what was done."""

from __future__ import annotations

from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access import needs
from serving.api.asking import standing, who
from serving.api.endpoints.page import ledger_of
from serving.api.ledgers import acted
from serving.api.problem import Problem
from serving.ledger import Ledger
from serving.page.acting import FLASH, Done, Lacking, Order, done, taken_back
from serving.page.visit import local
from serving.page.visiting import guarded, moved_to, now_of, today_of

MOST_UNDONE = 1000
SECONDS = 300
"""So long it is remembered what to tell."""


@needs("act")
async def acts(request: Request) -> Response:
    """Do what a form asks for."""
    form = await request.form()
    return await run_in_threadpool(guarded(lambda asked: _acted(asked, form)), request)


@needs("act")
async def undo(request: Request) -> Response:
    """Take back what was done a moment ago."""
    form = await request.form()
    return await run_in_threadpool(guarded(lambda asked: _undone(asked, form)), request)


def _acted(request: Request, form: FormData) -> Response:
    view, ledger = standing(request), _ledger(request)
    today = today_of(request, view)
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    merchants = [value for value in form.getlist("merchant") if isinstance(value, str)]
    try:
        order = Order.of(texts, merchants, max(today, date.fromisoformat(view.run.cutoff)))
        did = done(ledger, view.run, order, who(request).name, now_of(request), today)
        acted(request)
    except Lacking as lacking:
        did = Done("", lacks=str(lacking))
    return _back(form, did)


def _undone(request: Request, form: FormData) -> Response:
    numbers = [int(number) for number in str(form.get("batch", "")).split(",")[:MOST_UNDONE] if number.isascii() and number.isdigit()]
    did = taken_back(_ledger(request), standing(request).run, numbers, who(request).name, now_of(request))
    acted(request)
    return _back(form, did)


def _ledger(request: Request) -> Ledger:
    ledger = ledger_of(request)
    if ledger is None:
        raise Problem("no-ledger", "there is no ledger to write it down in; type `keepwell score` first.")
    return ledger


def _back(form: FormData, did: Done) -> Response:
    answer = moved_to(local(str(form.get("back", "/"))))
    answer.set_cookie(FLASH, did.cookie, max_age=SECONDS, path="/", httponly=True, samesite="strict")
    return answer


ROUTES = (Route("/acts", acts, methods=["POST"]), Route("/undo", undo, methods=["POST"]))
