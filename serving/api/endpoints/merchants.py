"""GET /v1/merchants/{id}: everything the run says of one merchant. POST /v1/predict: the scores of up to a thousand."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api.asking import answered, asked, horizon_days, published
from serving.api.problem import Problem, clip, invalid
from serving.api.published import View
from serving.api.schemas import Lang, MerchantAnswer, Money, NoScore, PredictAnswer, Prediction, PredictQuestion, Question, Scores
from serving.explain import explain, plain

MOST_BYTES = 1 << 20


def merchant(request: Request) -> Response:
    """One merchant explained."""
    lang = asked(request, Question).lang
    view, wanted = published(request).now(), request.path_params["merchant_id"]
    if wanted not in view.run.merchants.index:
        raise Problem(
            "unknown-merchant",
            f"merchant {clip(wanted)!r} is not in run {view.run.run_id}, which knows the merchants that joined before "
            f"{view.run.cutoff}; use an id of the platform's merchants table.",
        )
    told = explain(view.run, wanted, lang=lang, previous=_previous(request, view))
    graded = prediction(view, wanted, lang).model_dump()
    return answered(MerchantAnswer(**told | {"horizon_days": horizon_days(view), **graded, "action": told["action"]}))


async def predict(request: Request) -> Response:
    """The scores of merchants by id, in the order of asking."""
    question = _understood(await _body(request))
    return await run_in_threadpool(_predicted, request, question)


def prediction(view: View, merchant_id: str, lang: Lang) -> Prediction:
    """What the run says of an id: scores, or why there are none."""
    merchants = view.run.merchants
    if merchant_id not in merchants.index:
        return Prediction(merchant_id=merchant_id, status="unknown")
    row = {name: plain(value) for name, value in merchants.loc[merchant_id].items()}
    known = {name: row.get(name) for name in ("tier", "stage")} | {"action": row.get(f"action_{lang}")}
    if row["no_score"] is not None:
        why = NoScore(reason=row["no_score"], words=row[f"no_score_{lang}"])
        return Prediction(merchant_id=merchant_id, status="no_score", no_score=why, **known)
    scores, money = Scores(**_of(row, Scores)), Money(**_of(row, Money))
    return Prediction(merchant_id=merchant_id, status="scored", scores=scores, money=money, **known)


def _predicted(request: Request, question: PredictQuestion) -> Response:
    view = published(request).now()
    found = [prediction(view, merchant_id, question.lang) for merchant_id in question.merchant_ids]
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
