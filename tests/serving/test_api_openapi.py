"""The OpenAPI document: the one that is checked in is that of the routes, and what it says of errors is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from api_calls import calls

from serving.api.app import routes
from serving.api.openapi import document
from serving.api.problem import KINDS, MEDIA_TYPE
from serving.api.published import Published
from serving.run import Run

FILE = Path(__file__).resolve().parents[2] / "serving" / "api" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
OPERATIONS = [(path, method, one) for path, methods in DOCUMENT["paths"].items() for method, one in methods.items()]


def test_the_document_that_is_checked_in_is_that_of_the_routes() -> None:
    """Write it anew with `python -m serving.api.openapi` after a route or schema was changed."""
    assert json.loads(json.dumps(document(routes()))) == DOCUMENT


def test_every_route_of_the_api_is_in_it() -> None:
    api = {route.path.replace(":path", "").replace(":int", "") for route in routes() if route.path.startswith("/v1/")}
    assert api <= {*DOCUMENT["paths"]} and DOCUMENT["openapi"].startswith("3.1")


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{method} {path}" for path, method, _ in OPERATIONS])
def test_every_operation_says_which_errors_it_has(path: str, method: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    assert operation["summary"] and operation["operationId"]
    assert {"421", "422", "429", "500", "503"} <= {*answers}
    assert ("requestBody" in operation) == ("415" in answers)
    for status, answer in answers.items():
        if int(status) >= 400:
            assert [*answer["content"]] == [MEDIA_TYPE]
    if "{merchant_id}" in path:
        assert "404" in answers


def test_no_reference_leads_nowhere() -> None:
    text = FILE.read_text(encoding="utf-8")
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in DOCUMENT["components"]["schemas"], name
    assert len({one["operationId"] for _, _, one in OPERATIONS}) == len(OPERATIONS)


def test_it_is_served(run: Run) -> None:
    call = calls(Published(run.path.parent.parent))
    answer = call("/openapi.json")
    assert answer.json() == DOCUMENT
    assert call("/openapi.json", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_every_kind_of_problem_has_a_status_of_its_class() -> None:
    assert all(400 <= status < 600 for status, _ in KINDS.values())
