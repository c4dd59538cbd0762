"""POST /v1/predict: the scores of up to a thousand merchants, by id from the published run or live from the events sent along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.errors import DataRefused
from features.sent import Merchant
from features.tables import STREAMS
from serving.access import needs
from serving.api.asking import answered, horizon_days, published, standing
from serving.api.bodies import body_of, understood
from serving.api.describing import describes
from serving.api.kept import JSON
from serving.api.problem import Problem
from serving.api.published import View
from serving.api.schemas import Lang, PredictAnswer
from serving.api.schemas_predict import PREDICT, Money, NoScore, PredictEvents, PredictIds, Prediction, PredictQuestion, Reason, Scores
from serving.live import live_rows

MOST_KEPT = 20_000
"""Predictions of a run that are kept ready."""


@needs("predict")
@describes("predict", PredictAnswer, body=PredictQuestion, problems=("no-model",))
async def predict(request: Request) -> Response:
    """Scores of merchants, in the order of asking: by id as of the published run, or live from the events sent along."""
    body = await body_of(request)
    return await run_in_threadpool(_answer, request, body)


def _answer(request: Request, body: bytes) -> Response:
    question = understood(body, PREDICT, [*PredictIds.model_fields, *PredictEvents.model_fields])
    view = standing(request)
    if isinstance(question, PredictIds):
        return Response(_by_id(view, question), media_type=JSON)
    found, version = _live(request, view, question)
    facts = view.facts | {"model_version": version}
    return answered(PredictAnswer(**facts, horizon_days=horizon_days(view), predictions=found))


def _by_id(view: View, question: PredictIds) -> bytes:
    """The answer put together of ready predictions."""
    known = view.predicted.setdefault((question.lang, question.explain), {})
    missing = [name for name in dict.fromkeys(question.merchant_ids) if name not in known]
    made = {one.merchant_id: one.model_dump_json().encode() for one in predictions(view, missing, question.lang, explain=question.explain)}
    rows = b",".join([known.get(name) or made[name] for name in question.merchant_ids])
    if len(known) > MOST_KEPT:
        known.clear()
    known |= {name: made[name] for name in missing if name in view.run.merchants.index}
    empty = PredictAnswer(**view.facts, horizon_days=horizon_days(view), predictions=[]).model_dump_json()
    return empty.removesuffix("]}").encode() + rows + b"]}"


def predictions(view: View, merchant_ids: Sequence[str], lang: Lang, *, explain: bool = False) -> list[Prediction]:
    """What the run says of some ids, in their order: scores, or why there are none."""
    rows = view.run.rows("merchants")
    names = (*Scores.model_fields, *Money.model_fields, *_graded(lang))
    told = view.told(lang) if explain else {}
    return [
        _prediction(name, rows.one(name, names) if name in rows else None, lang, told.get(name, []) if explain else None)
        for name in merchant_ids
    ]


def _graded(lang: Lang) -> tuple[str, ...]:
    return ("no_score", f"no_score_{lang}", "tier", "stage", f"action_{lang}", "activation_chance")


def _prediction(merchant_id: str, row: dict[str, Any] | None, lang: Lang, told: list[dict[str, Any]] | None) -> Prediction:
    if row is None:
        return Prediction(merchant_id=merchant_id, status="unknown")
    known = {"merchant_id": merchant_id, "tier": row["tier"], "stage": row["stage"], "action": row[f"action_{lang}"]}
    if row["no_score"] is not None:
        why = NoScore(reason=row["no_score"], words=row[f"no_score_{lang}"])
        return Prediction(**known, status="no_score", no_score=why, activation_chance=row.get("activation_chance"))
    reasons = None if told is None else [Reason.model_construct(**one) for one in told]
    scores, money = Scores.model_construct(**_of(row, Scores)), Money.model_construct(**_of(row, Money))
    return Prediction.model_construct(**known, status="scored", scores=scores, money=money, reasons=reasons)


def _of(row: dict[str, Any], kind: type[Scores] | type[Money]) -> dict[str, Any]:
    return {name: row.get(name) for name in kind.model_fields}


def _live(request: Request, view: View, question: PredictEvents) -> tuple[list[Prediction], str]:
    """Scores from events; and the model that gave them, which is the champion."""
    for name, given, own in (("cutoff", question.cutoff, view.run.cutoff), ("currency", question.currency, view.facts["currency"])):
        if given is not None and given != own:
            raise Problem("invalid-request", f"{name} is {given}, but the published run is of {own}; send what holds as of that run, or leave {name} out.")
    champion = published(request).champions.now()
    try:
        around = view.surroundings
        tables = {STREAMS[name].table for name in around.context.streams}
    except DataRefused as refused:
        raise Problem("no-model", str(refused)) from None
    _refuse_unread(question, tables)
    merchants = [Merchant(one.merchant_id, one.merchant, one.events) for one in question.merchants]
    rows = live_rows(around, champion.model, merchants, explain=question.explain, lang=question.lang)
    return [_of_live(row) for row in rows], champion.model_version


def _refuse_unread(question: PredictEvents, tables: set[str]) -> None:
    """Refuse rows of a table that the platform has not, so no feature was made of it and nobody would miss them."""
    given = {name for one in question.merchants for name in one.events}
    unread = sorted(given - tables)
    if unread:
        raise Problem("invalid-request", f"table {unread[0]} is not read by the model, whose platform has none; leave it out.")


def _of_live(row: dict[str, Any]) -> Prediction:
    if row["status"] == "no_score":
        chance = row.get("activation_chance")
        return Prediction(merchant_id=row["merchant_id"], status="no_score", no_score=NoScore(**row["no_score"]), activation_chance=chance)
    values, told = row["values"], row["reasons"]
    return Prediction(
        merchant_id=row["merchant_id"],
        status="scored",
        scores=Scores(**_of(values, Scores)),
        money=Money(**_of(values, Money)),
        reasons=None if told is None else [Reason(**one) for one in told],
    )


ROUTES = (Route("/v1/predict", predict, methods=["POST"]),)
