"""GET /openapi.json: the API as OpenAPI 3.1 describes it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api.asking import sent
from serving.api.kept import Ready

FILE = "openapi.json"


async def openapi(request: Request) -> Response:
    """The API as OpenAPI 3.1 describes it."""
    return sent(request, _ready())


@cache
def _ready() -> Ready:
    text = files("serving.api").joinpath(FILE).read_text(encoding="utf-8")
    return Ready.of(json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")).encode())


ROUTES = (Route("/openapi.json", openapi),)
