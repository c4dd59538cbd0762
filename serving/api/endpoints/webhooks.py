"""GET /v1/webhooks: what waits to be told to other systems and what was given up. POST …/retry: try that again."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access import needs
from serving.access.keys import tell
from serving.api.asking import answered, asked, standing, who
from serving.api.bodies import sent_of
from serving.api.describing import describes
from serving.api.ledgers import access_of, ledger_of, reached
from serving.api.schemas import Question
from serving.api.schemas_acts import GivenUp, Nothing, Retried, WebhooksAnswer
from serving.webhooks import outbox

IN_LEDGER: dict[str, Any] = {"question": Question, "problems": ("no-ledger",)}


@needs("manage", whole=True)
@describes("webhooks", WebhooksAnswer, **IN_LEDGER)
async def webhooks(request: Request) -> Response:
    """Messages to other systems: how many wait, since when, and those that were given up, the last first."""
    return await run_in_threadpool(_webhooks, request)


@needs("manage", whole=True)
@describes("retryWebhooks", Retried, body=Nothing, **IN_LEDGER)
async def retry(request: Request) -> Response:
    """Give the messages that were given up another round of attempts, under their old ids."""
    await sent_of(request, Nothing)
    return await run_in_threadpool(_retry, request)


def _webhooks(request: Request) -> Response:
    asked(request, Question)
    view = standing(request)
    with reached(), ledger_of(request).reading() as connection:
        known, dead = outbox.standing(connection), outbox.given_up(connection)
    messages = [GivenUp.model_validate(one, from_attributes=True) for one in dead]
    return answered(WebhooksAnswer(**view.facts, waiting=known.waiting, oldest=known.oldest, dead=known.dead, messages=messages))


def _retry(request: Request) -> Response:
    asked(request, Question)
    view, now = standing(request), access_of(request).clock()
    with reached(), ledger_of(request).writing() as connection:
        number = outbox.revive(connection, now)
        if number:
            tell(connection, "webhooks retried", who(request).name, now, {"messages": number}, None)
    return answered(Retried(**view.facts, messages=number))


ROUTES = (Route("/v1/webhooks", webhooks), Route("/v1/webhooks/retry", retry, methods=["POST"]))
