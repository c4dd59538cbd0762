"""POST: what people do about a merchant: record what came of it, snooze, acknowledge, assign, and take it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access import needs
from serving.api.asking import answered, asked, standing, who
from serving.api.bodies import key_of, sent_of
from serving.api.describing import describes
from serving.api.endpoints.merchants import known
from serving.api.ledgers import access_of, acted, ledger_of, reached, today
from serving.api.problem import Problem
from serving.api.published import View
from serving.api.schemas import Question
from serving.api.schemas_acts import Acknowledged, Assigned, Assignment, Deed, Nothing, Recorded, Snooze, Snoozed, Undone
from serving.ledger import Ledger
from serving.ledger.acts import Disposition
from serving.ledger.once import KeyReused, Once
from serving.record import acknowledged, assigned, recorded, undone, waiting

KEYED: dict[str, Any] = {"problems": ("unknown-merchant", "key-reused", "no-ledger"), "is_keyed": True, "question": Question}
Act = Callable[[Ledger, View, dict[str, Any]], dict[str, Any]]


@needs("act")
@describes("recordDisposition", Recorded, body=Deed, status=201, **KEYED)
async def dispositions(request: Request) -> Response:
    """Record what was done for a merchant and what came of it; that closes the warnings it settles."""
    deed = await sent_of(request, Deed)

    def act(ledger: Ledger, view: View, said: dict[str, Any]) -> dict[str, Any]:
        day = deed.done_on or date.fromisoformat(view.run.cutoff)
        if day > max(today(request, view), date.fromisoformat(view.run.cutoff)):
            raise Problem("invalid-request", f"done_on: {day} has not come yet; give a day up to today.")
        once: Once = said["once"]
        key = f"{said['actor']}:{once.key}" if len(once.key) <= 200 else once.digest
        told = deed.model_dump(exclude={"done_on"})
        done = Disposition(key, request.path_params["merchant_id"], day, actor=said["actor"], **told)
        return recorded(ledger, view.run, done, said["at"], once) | {"key": once.key}

    return await _done(request, deed, Recorded, act, 201)


@needs("act")
@describes("snoozeMerchant", Snoozed, body=Snooze, **KEYED)
async def snooze(request: Request) -> Response:
    """Let a merchant wait until a day, its open warnings with it; they come back earlier if the risk jumps."""
    told = await sent_of(request, Snooze)
    return await _done(
        request, told, Snoozed, lambda ledger, view, said: waiting(ledger, view.run, _merchant(request), told.until, told.reason, **said)
    )


@needs("act")
@describes("acknowledgeMerchant", Acknowledged, body=Nothing, **KEYED)
async def acknowledge(request: Request) -> Response:
    """Note that a merchant's risk has been seen in this run."""
    told = await sent_of(request, Nothing)
    return await _done(request, told, Acknowledged, lambda ledger, view, said: acknowledged(ledger, view.run, _merchant(request), **said))


@needs("act")
@describes("assignMerchant", Assigned, body=Assignment, **KEYED)
async def assign(request: Request) -> Response:
    """Give a merchant to somebody to look after."""
    told = await sent_of(request, Assignment)
    return await _done(request, told, Assigned, lambda ledger, view, said: assigned(ledger, view.run, _merchant(request), told.owner, **said))


@needs("act")
@describes("undoAct", Undone, body=Nothing, **KEYED | {"problems": ("not-found", "key-reused", "no-ledger")})
async def undo(request: Request) -> Response:
    """Take an act back by the `entry_no` that it was answered with."""
    told = await sent_of(request, Nothing)
    return await _done(
        request, told, Undone, lambda ledger, view, said: undone(ledger, view.run, request.path_params["entry_no"], **said), of_merchant=False
    )


def _merchant(request: Request) -> str:
    merchant: str = request.path_params["merchant_id"]
    return merchant


async def _done(request: Request, told: BaseModel, kind: type[BaseModel], act: Act, status: int = 200, *, of_merchant: bool = True) -> Response:
    return await run_in_threadpool(_do, request, told, kind, act, status, of_merchant)


def _do(request: Request, told: BaseModel, kind: type[BaseModel], act: Act, status: int, of_merchant: bool) -> Response:
    """Do it once for a key, in one transaction with the answer that a retry gets."""
    asked(request, Question)
    view, actor, at = standing(request), who(request).name, access_of(request).clock()
    if of_merchant:
        known(view, _merchant(request))
    what = {"path": request.url.path, "body": told.model_dump(mode="json")}
    key = key_of(request, what | {"run_id": view.run.run_id})
    once = Once(actor, key, what, at)
    try:
        with reached():
            found = act(ledger_of(request), view, {"actor": actor, "at": at, "once": once})
    except KeyReused as refused:
        raise Problem("key-reused", str(refused)) from None
    acted(request)
    return answered(kind(**view.facts, **found), status)


ROUTES = (
    Route("/v1/merchants/{merchant_id:path}/dispositions", dispositions, methods=["POST"]),
    Route("/v1/merchants/{merchant_id:path}/snooze", snooze, methods=["POST"]),
    Route("/v1/merchants/{merchant_id:path}/acknowledge", acknowledge, methods=["POST"]),
    Route("/v1/merchants/{merchant_id:path}/assign", assign, methods=["POST"]),
    Route("/v1/acts/{entry_no:int}/undo", undo, methods=["POST"]),
)
