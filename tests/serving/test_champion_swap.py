"""Champions are swapped under load: no live prediction fails, none carries one model's version and another's scores, and a damaged one is refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import httpx
import pytest
from live import Server, served
from sent_market import bodies
from swaps import until

from features.cutoffs import day_date
from features.model import SCORES, Model
from features.simulate import simulate
from features.snapshot import Market
from serving.champion import POINTER
from serving.durable import MANIFEST, manifest_of, replace_file
from serving.rules import Rules
from serving.run import publish
from serving.score import score
from tests.serving.conftest import FEATURES, fitted, frame_of

CLIENTS = 3
PAUSE = 0.02
"""Seconds between two calls of a caller, or checking the next champion takes as long as they like."""
VERSIONS = ("aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc")
OF_RUN = "dddddddddddd"


def files_of(model: Model) -> dict[str, bytes]:
    frame = frame_of(5, seed=3)[list(FEATURES)]
    texts = frame.astype(object).where(frame.notna(), None)
    features = {name: [value.item() if hasattr(value, "item") else value for value in texts[name]] for name in FEATURES}
    golden = {"features": features, "scores": {name: model.scores(frame)[name].tolist() for name in SCORES}}
    return {**model.to_files(), "golden.json": json.dumps(golden).encode()}


def write(state: Path, version: str, files: dict[str, bytes], promised: dict[str, bytes] | None = None) -> None:
    """A bundle, whose manifest may promise other files than are there."""
    folder = state / "bundles" / version
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / MANIFEST).write_bytes(manifest_of(promised or files, model_version=version))


def promote(state: Path, version: str) -> None:
    replace_file(state / POINTER, json.dumps({"model_version": version, "previous": []}).encode())


@dataclass(frozen=True)
class Scene:
    """A running service, merchants as they are sent to it, and the risks that each model gives them."""

    server: Server
    state: Path
    sent: list[dict[str, Any]]
    risks: dict[str, list[float]]
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, rules: Rules, model: Model) -> Iterator[Scene]:
    home, state = tmp_path_factory.mktemp("market"), tmp_path_factory.mktemp("champions") / "state"
    simulate(home, 40, seed=5, days=300)
    market = Market.open(home / "keepwell.toml")
    cutoff = day_date(market.source.end_day - 20).date()
    made = score(market, cutoff, model, rules, model_version=OF_RUN, created_at="2026-01-01T06:00:00Z")
    run, batch = publish(state, made.header, made.tables, rules.text), market.snapshot(cutoff)
    ids = run.merchants.index[run.merchants["no_score"].isna()][:3]
    models = {version: fitted(seed) for seed, version in enumerate(VERSIONS, 11)}
    for version, one in models.items():
        write(state, version, files_of(one))
    risks = {version: one.scores(batch.loc[ids])["churn_risk"].tolist() for version, one in models.items()}
    assert len({tuple(found) for found in risks.values()}) == len(VERSIONS)
    promote(state, VERSIONS[0])
    sent = bodies(home, list(ids), run.cutoff, market.settings.timeline.timezone)
    with served(state, home) as running:
        yield Scene(running, state, sent, risks, files_of(models[VERSIONS[1]]))


def asked(http: httpx.Client, scene: Scene) -> tuple[str, str]:
    """The version that a live answer names, and what is wrong with the answer."""
    answer = http.post("/v1/predict", json={"merchants": scene.sent, "explain": True})
    if answer.status_code != 200:
        return "", f"{answer.status_code} {answer.text[:200]}"
    found = answer.json()
    version, risks = found["model_version"], [one["scores"]["churn_risk"] for one in found["predictions"]]
    return version, "" if risks == scene.risks.get(version) else f"mixed {version} {risks}"


def load(scene: Scene, stop: Event) -> tuple[Counter[str], list[str]]:
    """One caller that sends merchants, and asks by id, as soon as it has the last answer: the versions it saw and what was wrong."""
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    ids = {"merchant_ids": [one["merchant_id"] for one in scene.sent]}
    with httpx.Client(base_url=scene.server.address, trust_env=False, timeout=60) as http:
        while not stop.is_set():
            version, fault = asked(http, scene)
            seen[version] += 1
            by_id = http.post("/v1/predict", json=ids)
            if by_id.status_code != 200 or by_id.json()["model_version"] != OF_RUN:
                fault += f" by id {by_id.text[:200]}"
            wrong += [fault] if fault else []
            sleep(PAUSE)
    return seen, wrong


@contextmanager
def under_load(scene: Scene) -> Iterator[tuple[httpx.Client, Counter[str]]]:
    """A client beside callers that may see nothing wrong; what they saw is known at the end."""
    stop, seen = Event(), Counter[str]()
    with ThreadPoolExecutor(CLIENTS) as pool, httpx.Client(base_url=scene.server.address, trust_env=False, timeout=60) as http:
        callers = [pool.submit(load, scene, stop) for _ in range(CLIENTS)]
        try:
            yield http, seen
        finally:
            stop.set()
    for counts, wrong in (caller.result() for caller in callers):
        assert wrong == []
        seen.update(counts)


def scored_by(http: httpx.Client, scene: Scene, version: str) -> None:
    """Wait until a model scores, and a moment more in which the callers see it."""
    until(lambda: asked(http, scene) == (version, ""))
    sleep(0.2)


def swapped(scene: Scene, times: int) -> Counter[str]:
    """Champions swapped under load, each one waited for until it scores; returns how many answers each gave."""
    promote(scene.state, VERSIONS[0])
    with under_load(scene) as (http, seen):
        scored_by(http, scene, VERSIONS[0])
        for number in range(1, times + 1):
            wanted = VERSIONS[number % len(VERSIONS)]
            promote(scene.state, wanted)
            scored_by(http, scene, wanted)
    return seen


def test_champions_are_swapped_under_load(scene: Scene) -> None:
    seen = swapped(scene, times=2)
    assert set(seen) == set(VERSIONS[:3]) and sum(seen.values()) > 8, seen


@pytest.mark.slow
def test_twenty_swaps_of_champions_under_load(scene: Scene) -> None:
    seen = swapped(scene, times=20)
    assert set(seen) == set(VERSIONS) and sum(seen.values()) > 80, seen


def damaged(files: dict[str, bytes]) -> dict[str, tuple[dict[str, bytes], dict[str, bytes] | None]]:
    """Bundles that must not come into service, by what is wrong with them: their files, and those that the manifest promises."""
    text, golden = files["heads/churn.txt"], json.loads(files["golden.json"])
    golden["scores"]["churn_risk"][0] += 1e-6
    return {
        "0badbadbad01": ({**files, "heads/churn.txt": text.replace(b"5", b"6", 1)}, files),
        "0badbadbad02": ({**files, "heads/churn.txt": text[: len(text) // 2]}, None),
        "0badbadbad03": ({**files, "golden.json": json.dumps(golden).encode()}, None),
    }


def refused(http: httpx.Client) -> tuple[list[str], bool]:
    """What /readyz and /metrics say was refused."""
    return http.get("/readyz").json()["refused"], "keepwell_champion_refused 1.0" in http.get("/metrics").text


def test_damaged_champions_are_refused_under_load_and_the_one_before_scores_on(scene: Scene) -> None:
    with under_load(scene) as (http, seen):
        standing = asked(http, scene)[0]
        for version, (files, promised) in damaged(scene.files).items():
            write(scene.state, version, files, promised)
            assert refused(http) == ([], False)
            promote(scene.state, version)
            until(lambda: refused(http) == (["model"], True))
            assert asked(http, scene) == (standing, "")
            assert f'keepwell_champion_info{{model_version="{standing}"}} 1.0' in http.get("/metrics").text
            promote(scene.state, standing)
            until(lambda: refused(http) == ([], False))
    assert set(seen) == {standing}
