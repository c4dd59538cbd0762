"""What is sent to the API: JSON of a schema, refused with one sentence where it is anything else."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request

from serving.api.problem import Problem, clip, invalid

MOST_KEY = 200
Sent = TypeVar("Sent", bound=BaseModel)


async def body_of(request: Request) -> bytes:
    """The body; how large it may be is the guard's to say.

    Raises
    ------
    Problem : it is not said to be JSON.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem("not-json", f"the body is {clip(kind) or 'of no type'!r}, expected application/json; set Content-Type so.")
    return await request.body()


def understood(body: bytes, adapter: TypeAdapter[Sent], known: list[str]) -> Sent:
    """A body as its schema has it.

    Raises
    ------
    Problem : it has another form; says which part.
    """
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise invalid(error, known, "body") from None


async def sent_of(request: Request, kind: type[Sent]) -> Sent:
    """The body of a request as a schema has it."""
    return understood(await body_of(request), TypeAdapter(kind), list(kind.model_fields))


def key_of(request: Request, asked: Any) -> str:
    """The idempotency key of a request; without one it is that of asking exactly this of this run.

    Raises
    ------
    Problem : the key is empty or too long.
    """
    given = request.headers.get("idempotency-key")
    if given is None:
        return json.dumps(asked, sort_keys=True, default=str)
    if not given.strip() or len(given) > MOST_KEY or not given.isprintable():
        raise Problem("invalid-request", f"Idempotency-Key must be 1 to {MOST_KEY} printable characters; send one of its own for each deed.")
    return given
