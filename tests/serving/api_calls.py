"""Calls of the API as a client makes them, and what its problems look like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from serving.access.callers import Access
from serving.api.app import create_app
from serving.api.problem import KINDS
from serving.api.published import Published

Call = Callable[..., httpx.Response]


def calls(published: Published, base: str = "http://localhost", access: Access | None = None) -> Call:
    """Calls the application as a client would."""
    transport = httpx.ASGITransport(create_app(published, access), raise_app_exceptions=False)

    def call(path: str, method: str = "GET", **given: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.request(method, path, **given)

        return asyncio.run(once())

    return call


def problem(answer: httpx.Response, kind: str) -> str:
    """The sentence of a problem that must be of a kind."""
    content = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert content["type"] == f"urn:keepwell:problem:{kind}"
    assert answer.status_code == content["status"] == KINDS[kind][0]
    assert content["detail"].endswith((".", "?", ")"))
    return str(content["detail"])


def pages(call: Call, path: str) -> Iterator[dict[str, Any]]:
    """All pages of a list."""
    cursor, link = "", "&" if "?" in path else "?"
    while cursor is not None:
        page = call(path + (f"{link}cursor={cursor}" if cursor else "")).json()
        yield page
        cursor = page["next_cursor"]
