"""GET /v1/merchants/{id}: everything the run says of one merchant. POST /v1/predict: the scores of up to a thousand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api.asking import answered, asked, horizon_days, published, standing
from serving.api.problem import Problem, clip, invalid
from serving.api.published import View
from serving.api.schemas import Lang, MerchantAnswer, Money, NoScore, PredictAnswer, Prediction, PredictQuestion, Question, Scores
from serving.explain import explain, plain

MOST_BYTES = 1 << 20


def merchant(request: Request) -> Response:
    """One merchant explained."""
    lang = asked(request, Question).lang
    view, wanted = standing(request), request.path_params["merchant_id"]
    if wanted not in view.run.merchants.index:
        raise Problem(
            "unknown-merchant",
            f"merchant {clip(wanted)!r} is not in run {view.run.run_id}, which knows the merchants that joined before "
            f"{view.run.cutoff}; use an id of the platform's merchants table.",
        )
    told = explain(view.run, wanted, lang=lang, previous=_previous(request, view))
    graded = predictions(view, [wanted], lang)[0].model_dump()
    return answered(MerchantAnswer(**told | {"horizon_days": horizon_days(view), **graded, "action": told["action"]}))


async def predict(request: Request) -> Response:
    """The scores of merchants by id, in the order of asking."""
    question = _understood(await _body(request))
    return await run_in_threadpool(_predicted, request, question)


def predictions(view: View, merchant_ids: Sequence[str], lang: Lang) -> list[Prediction]:
    """What the run says of some ids, in their order: scores, or why there are none."""
    table = view.run.merchants
    names = [name for name in (*Scores.model_fields, *Money.model_fields, *_graded(lang)) if name in table]
    place = table.index.get_indexer(pd.Index(merchant_ids))
    columns = [table[name].take(place[place >= 0]).tolist() for name in names]
    rows = ({name: plain(value) for name, value in zip(names, row, strict=True)} for row in zip(*columns, strict=True))
    return [_prediction(name, next(rows) if at >= 0 else None, lang) for name, at in zip(merchant_ids, place, strict=True)]


def _graded(lang: Lang) -> tuple[str, ...]:
    return ("no_score", f"no_score_{lang}", "tier", "stage", f"action_{lang}")


def _prediction(merchant_id: str, row: dict[str, Any] | None, lang: Lang) -> Prediction:
    if row is None:
        return Prediction(merchant_id=merchant_id, status="unknown")
    known = {"merchant_id": merchant_id, "tier": row["tier"], "stage": row["stage"], "action": row[f"action_{lang}"]}
    if row["no_score"] is not None:
        return Prediction(**known, status="no_score", no_score=NoScore(reason=row["no_score"], words=row[f"no_score_{lang}"]))
    return Prediction(**known, status="scored", scores=Scores(**_of(row, Scores)), money=Money(**_of(row, Money)))


def _predicted(request: Request, question: PredictQuestion) -> Response:
    view = standing(request)
    found = predictions(view, question.merchant_ids, question.lang)
    return answered(PredictAnswer(**view.facts, horizon_days=horizon_days(view), predictions=found))


def _of(row: dict[str, Any], kind: type[Scores] | type[Money]) -> dict[str, Any]:
    return {name: row[name] for name in kind.model_fields}


def _previous(request: Request, view: View) -> Any:
    """The run before, where it is still published."""
    before = view.run.header.get("previous")
    try:
        return published(request).of(before).run if before else None
    except Problem:
        return None


async def _body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem("not-json", f"the body is {clip(kind) or 'of no type'!r}, expected application/json; set Content-Type so.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Problem("too-large", f"the body is larger than {MOST_BYTES:,} bytes; ask for fewer merchants at a time.")
    return bytes(body)


def _understood(body: bytes) -> PredictQuestion:
    try:
        return PredictQuestion.model_validate_json(body)
    except ValidationError as error:
        extra = [fault for fault in error.errors() if fault["type"] == "extra_forbidden"]
        if extra:
            raise Problem(
                "invalid-request",
                f"{clip(str(extra[0]['loc'][-1]))} is not understood: only ids are supported in this version, not events sent along; "
                'send {"merchant_ids": ["…"]}.',
            ) from None
        raise invalid(error, list(PredictQuestion.model_fields), "body") from None


ROUTES = (Route("/v1/merchants/{merchant_id:path}", merchant), Route("/v1/predict", predict, methods=["POST"]))
