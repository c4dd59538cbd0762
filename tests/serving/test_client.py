"""The client: against a live service, and against one that is busy, away or refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
from live import served

from serving import client as package
from serving.client import Client, Denied, Invalid, KeepwellError, NotFound, NotReached, Overloaded, Retries, RunChanged
from serving.ledger import Ledger
from serving.run import Run

FACTS = {"run_id": "r1", "model_version": "m1", "cutoff": "2026-01-01", "currency": "GBP"}
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def live(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    state, home = run.path.parent.parent, tmp_path_factory.mktemp("home")
    Ledger.at(f"sqlite:///{state}/ledger.db").close()
    with served(state, home) as server, Client(server.address) as client:
        yield client


def client_of(answer: Answer, pauses: list[float] | None = None, **given: Any) -> Client:
    """A client of a service that answers as told and waits for nothing."""
    retries = Retries(sleep=(pauses if pauses is not None else []).append)
    return Client("http://keepwell.test", "kw_key", retries=retries, transport=httpx.MockTransport(answer), **given)


def test_lists_are_gone_through_page_by_page_within_one_run(live: Client, run: Run) -> None:
    listed = live.at_risk(limit=7)
    rows = list(listed)
    assert listed.run["run_id"] == run.run_id and len(rows) == len(listed) > 7
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1)) and len({row["merchant_id"] for row in rows}) == len(rows)
    assert listed.facts["horizon_days"] == 90 and "rows" not in listed.facts
    assert all(row["owner"] == "Ann" for row in live.at_risk(owner="Ann")) and len(live.at_risk(owner="Ann"))
    assert len(list(live.growth(limit=3))) == len(live.growth())
    assert {row["severity"] for row in live.warnings(severity="high")} <= {"high"}


def test_predictions_come_in_the_order_of_asking_a_thousand_a_call(live: Client, run: Run) -> None:
    ids = [f"m{number % 60:03d}" for number in range(2100)] + ["nobody"]
    found = live.predict(ids, explain=True)
    assert [one["merchant_id"] for one in found["predictions"]] == ids and found["run_id"] == run.run_id
    assert found["predictions"][-1]["status"] == "unknown"
    scored = next(one for one in found["predictions"] if one["scores"])
    assert scored["scores"] and scored["scores"]["churn_risk"] == run.merchants.loc[scored["merchant_id"], "churn_risk"]
    assert live.predict([])["predictions"] == []


def test_one_merchant_the_model_and_what_is_refused(live: Client, run: Run) -> None:
    assert live.ready()["run_id"] == live.model()["run_id"] == live.merchant("m001")["run_id"] == run.run_id
    assert live.reasons("m001")["merchant_id"] == "m001"
    with pytest.raises(NotFound, match="unknown-merchant, 404") as refused:
        live.merchant("no/body?")
    assert refused.value.kind == "unknown-merchant" and refused.value.request_id
    with pytest.raises(Invalid) as wrong:
        len(live.at_risk(capacity=0))
    assert wrong.value.errors[0]["name"] == "capacity"


def test_a_disposition_that_is_sent_twice_counts_once(live: Client) -> None:
    once = live.record("m002", outcome="attempted", note="no answer", key="call-1")
    again = live.record("m002", outcome="attempted", note="no answer", key="call-1")
    assert once["merchant_id"] == again["merchant_id"] == "m002"
    assert len(live.history("m002")["dispositions"]) == 1
    with pytest.raises(Invalid, match="key"):
        live.record("m002", outcome="lost", key="call-1")


def test_a_busy_service_is_asked_again_as_late_as_it_says() -> None:
    seen: list[httpx.Request] = []
    answers = [
        httpx.Response(429, headers={"Retry-After": "3"}, json={}),
        httpx.Response(503, json={"type": "urn:keepwell:problem:no-run"}),
        httpx.Response(502, text="<html>"),
        httpx.Response(201, json={"merchant_id": "m1"}),
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answers[len(seen) - 1]

    pauses: list[float] = []
    client_of(answer, pauses).record("m1", outcome="attempted")
    assert pauses[0] == 3.0 and 0.2 <= pauses[1] <= 0.4 and 0.4 <= pauses[2] <= 0.8
    assert len({request.headers["idempotency-key"] for request in seen}) == 1
    assert {request.headers["authorization"] for request in seen} == {"Bearer kw_key"}


def test_at_last_it_gives_up_with_what_the_service_said() -> None:
    pauses: list[float] = []
    busy = client_of(lambda request: httpx.Response(429, json={"type": "urn:keepwell:problem:too-many", "detail": "busy"}), pauses)
    with pytest.raises(Overloaded, match="busy") as refused:
        busy.model()
    assert refused.value.kind == "too-many" and len(pauses) == 4
    with pytest.raises(Overloaded):
        client_of(lambda request: httpx.Response(503, headers={"Retry-After": "3600"}), pauses).model()
    assert len(pauses) == 4, "an hour is not waited for"


def test_a_service_that_is_away_is_asked_again_and_one_that_refuses_is_not() -> None:
    pauses: list[float] = []
    calls = iter([httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.RemoteProtocolError("gone")])

    def away(request: httpx.Request) -> httpx.Response:
        if (error := next(calls, None)) is not None:
            raise error
        return httpx.Response(200, json=FACTS)

    assert client_of(away, pauses).ready() == FACTS and len(pauses) == 3

    def never(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(NotReached, match="does not answer: refused"):
        client_of(never).ready()
    for status, kind in ((401, Denied), (403, Denied), (422, Invalid), (500, KeepwellError)):
        pauses.clear()
        with pytest.raises(kind):
            client_of(lambda request, status=status: httpx.Response(status, json={"detail": "no"}), pauses).model()
        assert pauses == []


def test_batches_of_two_runs_are_never_mixed() -> None:
    runs = iter(["r1", "r2", "r2", "r2", "r2", "r2"])

    def answer(request: httpx.Request) -> httpx.Response:
        name, ids = next(runs), json.loads(request.content)["merchant_ids"]
        return httpx.Response(200, json=FACTS | {"run_id": name, "horizon_days": 90, "predictions": [{"merchant_id": one, "of": name} for one in ids]})

    ids = [f"m{number}" for number in range(1500)]
    found: Any = client_of(answer).predict(ids)
    assert {one["of"] for one in found["predictions"]} == {"r2"} == {found["run_id"]}
    assert [one["merchant_id"] for one in found["predictions"]] == ids
    runs = iter(f"r{number}" for number in range(100))
    with pytest.raises(RunChanged):
        client_of(answer).predict(ids)


def test_it_can_be_copied_elsewhere_and_needs_httpx_alone(tmp_path: Path) -> None:
    copytree(Path(package.__file__).parent, tmp_path / "keepwell_client")
    check = "import sys, keepwell_client as k; k.Client().close(); print({'pandas', 'numpy', 'serving', 'features', 'pydantic'} & set(sys.modules))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "set()" and (tmp_path / "keepwell_client" / "py.typed").exists()
