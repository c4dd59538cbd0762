"""Runs are swapped under load: no call fails, no answer mixes two runs, and a damaged run or model never comes into service."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import httpx
import pytest
from live import Server, served
from swaps import point, until

from serving.ledger import Ledger
from serving.rules import Rules
from serving.run import Run, publish
from serving.score import Scored

CLIENTS = 4
RUNS = 4
MERCHANT = "m001"


def marked(scored: Scored, number: int) -> dict[str, Any]:
    """The tables of a scoring in which every number of a run's own tells which run it is."""
    merchants = scored.tables["merchants"].copy()
    merchants["churn_risk"] = merchants["churn_risk"].where(merchants["churn_risk"].isna(), risk_of(number))
    return {**scored.tables, "merchants": merchants}


def risk_of(number: int) -> float:
    return 0.25 + number / 64


@pytest.fixture(scope="module")
def state(scored: Scored, rules: Rules, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run]]:
    """A state directory with some runs, each of its own model and cutoff."""
    folder = tmp_path_factory.mktemp("swapped") / "state"
    made = []
    for number in range(RUNS):
        header = {**scored.header, "cutoff": f"2026-01-0{number + 1}", "model_version": f"model{number}"}
        made.append(publish(folder, header, marked(scored, number), rules.text))
    Ledger.at(f"sqlite:///{folder}/ledger.db").close()
    return folder, made


@pytest.fixture
def server(state: tuple[Path, list[Run]], tmp_path: Path) -> Iterator[Server]:
    with served(state[0], tmp_path) as running:
        yield running


def stands(http: httpx.Client, run_id: str) -> bool:
    return bool(http.get("/readyz").json()["run_id"] == run_id)


CALLS: tuple[tuple[str, Callable[[httpx.Client], httpx.Response], Callable[[Any], list[float | None]]], ...] = (
    ("list", lambda http: http.get("/v1/at-risk?limit=5"), lambda found: [row["churn_risk"] for row in found["rows"]]),
    ("merchant", lambda http: http.get(f"/v1/merchants/{MERCHANT}"), lambda found: [(found["scores"] or {}).get("churn_risk")]),
    (
        "predict",
        lambda http: http.post("/v1/predict", json={"merchant_ids": [MERCHANT, "m002", "m003"]}),
        lambda found: [(one["scores"] or {}).get("churn_risk") for one in found["predictions"]],
    ),
    ("model", lambda http: http.get("/v1/model"), lambda found: []),
)


def load(address: str, expected: dict[str, tuple[str, str, float]], stop: Event) -> tuple[Counter[str], list[str]]:
    """One caller that asks for the next thing as soon as it has the last: what it saw of each run, and what was wrong."""
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as http:
        while not stop.is_set():
            for name, call, risks in CALLS:
                answer = call(http)
                if answer.status_code != 200:
                    wrong.append(f"{name}: {answer.status_code} {answer.text[:200]}")
                    continue
                found = answer.json()
                model, cutoff, risk = expected[found["run_id"]]
                if (found["model_version"], found["cutoff"]) != (model, cutoff) or any(one not in (None, risk) for one in risks(found)):
                    wrong.append(f"{name}: mixed {found['run_id']} {found['model_version']} {risks(found)}")
                seen[found["run_id"]] += 1
    return seen, wrong


def swapped(address: str, folder: Path, runs: list[Run], times: int) -> Counter[str]:
    """Runs swapped under load, each one waited for until it is served; returns how many answers told of each, none of them mixed."""
    expected = {run.run_id: (f"model{number}", run.cutoff, risk_of(number)) for number, run in enumerate(runs)}
    stop = Event()
    with ThreadPoolExecutor(CLIENTS) as pool, httpx.Client(base_url=address, trust_env=False, timeout=60) as http:
        callers = [pool.submit(load, address, expected, stop) for _ in range(CLIENTS)]
        try:
            for number in range(times):
                wanted = runs[number % RUNS].run_id
                point(folder, wanted)
                until(partial(stands, http, wanted))
                sleep(0.1)
        finally:
            stop.set()
    results = [caller.result() for caller in callers]
    assert [wrong for _, some in results for wrong in some] == []
    seen = sum((counts for counts, _ in results), Counter())
    assert set(seen) == set(expected)
    return seen


def test_runs_are_swapped_under_load(server: Server, state: tuple[Path, list[Run]]) -> None:
    assert swapped(server.address, *state, times=5).total() > 20


@pytest.mark.slow
def test_twenty_swaps_under_load(server: Server, state: tuple[Path, list[Run]]) -> None:
    assert swapped(server.address, *state, times=20).total() > 80


def test_a_damaged_run_is_refused_and_the_one_before_serves_on(server: Server, state: tuple[Path, list[Run]]) -> None:
    folder, runs = state
    point(folder, runs[0].run_id)
    with httpx.Client(base_url=server.address, trust_env=False, timeout=60) as http:
        until(partial(stands, http, runs[0].run_id))
        damaged = runs[1].run_id[:-8] + "deadbeef"
        shutil.copytree(folder / "runs" / runs[1].run_id, folder / "runs" / damaged)
        content = bytearray((folder / "runs" / damaged / "merchants.parquet").read_bytes())
        content[len(content) // 2] ^= 1
        (folder / "runs" / damaged / "merchants.parquet").write_bytes(content)
        try:
            point(folder, damaged)
            for _ in range(10):
                answer = http.get("/v1/at-risk?limit=1")
                assert answer.status_code == 200 and answer.json()["run_id"] == runs[0].run_id
            until(lambda: "keepwell_run_refused 1.0" in http.get("/metrics").text)
            assert http.get("/v1/at-risk?limit=1").json()["run_id"] == runs[0].run_id
            point(folder, runs[2].run_id)
            until(partial(stands, http, runs[2].run_id))
            assert "keepwell_run_refused 0.0" in http.get("/metrics").text
        finally:
            shutil.rmtree(folder / "runs" / damaged)
