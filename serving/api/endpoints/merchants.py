"""GET /v1/merchants/{id}: everything the run says of one merchant. GET …/reasons: only why. GET …/history: what the ledger knows of it."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api.asking import asked, horizon_days, ready, sent, standing
from serving.api.describing import describes
from serving.api.endpoints.predict import predictions
from serving.api.kept import Ready
from serving.api.ledgers import ledger_of, plain_rows
from serving.api.problem import Problem, clip
from serving.api.published import View
from serving.api.schemas import HistoryAnswer, Lang, MerchantAnswer, Outlook, Question, ReasonsAnswer
from serving.explain import explain
from serving.ledger.schema import desk

HIDDEN = ("digest", "run_no")


@describes("merchant", MerchantAnswer, question=Question, problems=("unknown-merchant",), has_tag=True)
async def merchant(request: Request) -> Response:
    """One merchant explained: scores, money, reasons, scorecard, warnings, what moved since the last run, and the next action."""
    return await ready(request, _merchant, is_quick=True)


@describes("merchantReasons", ReasonsAnswer, question=Question, problems=("unknown-merchant",), has_tag=True)
async def reasons(request: Request) -> Response:
    """Why a merchant may leave or grow."""
    return await ready(request, _reasons, is_quick=True)


@describes("merchantHistory", HistoryAnswer, question=Question, problems=("unknown-merchant", "no-ledger"), has_tag=True)
async def history(request: Request) -> Response:
    """What the ledger knows of a merchant: its scores run by run, warnings, what was done, and every change."""
    return await run_in_threadpool(_history, request)


def known(view: View, wanted: str) -> str:
    """An id that the caller may see.

    Raises
    ------
    Problem : there is no such merchant, as far as he is told.
    """
    if wanted not in view.run.merchants.index:
        raise Problem(
            "unknown-merchant",
            f"merchant {clip(wanted)!r} is not in run {view.run.run_id}, which knows the merchants that joined before "
            f"{view.run.cutoff}; use an id of the platform's merchants table.",
        )
    return wanted


def _merchant(request: Request, view: View) -> MerchantAnswer:
    lang = asked(request, Question).lang
    return merchant_answer(view, known(view, request.path_params["merchant_id"]), lang)


def merchant_answer(view: View, wanted: str, lang: Lang) -> MerchantAnswer:
    """Everything that the run says of a merchant that it knows."""
    told = explain(view.run, wanted, lang=lang, previous=view.before)
    graded = predictions(view, [wanted], lang)[0].model_dump(exclude={"reasons"})
    outlook = Outlook(**{name: told["scores"].get(name) for name in Outlook.model_fields})
    return MerchantAnswer(**told | {"horizon_days": horizon_days(view), **graded, "action": told["action"], "outlook": outlook})


def _reasons(request: Request, view: View) -> ReasonsAnswer:
    lang = asked(request, Question).lang
    wanted = known(view, request.path_params["merchant_id"])
    graded = predictions(view, [wanted], lang)[0]
    found = view.told(lang).get(wanted, [])
    return ReasonsAnswer(**view.facts, merchant_id=wanted, status=graded.status, no_score=graded.no_score, reasons=found)  # type: ignore[arg-type]


def _history(request: Request) -> Response:
    asked(request, Question)
    view = standing(request)
    wanted = known(view, request.path_params["merchant_id"])
    ledger = ledger_of(request)
    tables: dict[str, Any] = {name: plain_rows(table, HIDDEN) for name, table in ledger.history(wanted).items()}
    mine = ledger.table("desk", desk.c.merchant_id == wanted)
    state = plain_rows(mine, ("merchant_id",))[0] if len(mine) else None
    answer = HistoryAnswer(**view.facts, merchant_id=wanted, desk=state, **tables)
    return sent(request, Ready.of(answer.model_dump_json().encode()))


ROUTES = (
    Route("/v1/merchants/{merchant_id:path}/history", history),
    Route("/v1/merchants/{merchant_id:path}/reasons", reasons),
    Route("/v1/merchants/{merchant_id:path}", merchant),
)
