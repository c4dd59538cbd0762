"""Requests made up from the OpenAPI document: none is a fault of the service, and every answer is as the document says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from live import served
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from serving.ledger import Ledger
from serving.rules import Rules
from serving.run import publish
from serving.score import Scored

CASES, MANY = 200, 5000


@pytest.fixture(scope="module")
def address(scored: Scored, rules: Rules, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("schemathesis")
    publish(folder / "state", scored.header, scored.tables, rules.text)
    Ledger.at(f"sqlite:///{folder / 'state'}/ledger.db").close()
    with served(folder / "state", folder) as server:
        yield server.address


def tried(address: str, cases: int) -> int:
    """Make requests up and check their answers; returns how many there were."""
    document = httpx.get(f"{address}/openapi.json", trust_env=False).json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    strategies = [operation.as_strategy() for operation in operations]
    done = 0

    @settings(
        max_examples=cases, deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=st.one_of(strategies))
    def one(case: Any) -> None:
        nonlocal done
        done += 1
        answer = case.call(base_url=address)
        assert answer.status_code < 500 or answer.json()["type"].endswith(("no-model", "no-ledger")), (case.as_curl_command(), answer.text)
        case.validate_response(answer, checks=[status_code_conformance, content_type_conformance, response_schema_conformance])

    one()
    return done


def test_some_hundred_made_up_requests(address: str) -> None:
    assert tried(address, CASES) >= CASES


@pytest.mark.slow
def test_five_thousand_made_up_requests(address: str) -> None:
    assert tried(address, MANY) >= MANY


def test_readiness_is_the_documents_own(address: str, tmp_path: Path) -> None:
    document = httpx.get(f"{address}/openapi.json", trust_env=False).json()
    assert document["openapi"].startswith("3.1") and "/readyz" in document["paths"]
