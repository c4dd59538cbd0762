"""The first champion is loaded before anybody asks: nobody waits for it, nobody hears of it, and an end in the middle of it is quiet."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from api_calls import calls, problem
from live import served

from serving.api.champions import Champions
from serving.api.problem import Problem
from serving.api.published import Published
from serving.champion import Champion
from serving.run import Run

Bundle = Callable[..., Path]
SLOW = """
import os, time
from pathlib import Path
Path({mark!r} + "~").write_text(str(os.getpid()))
os.rename({mark!r} + "~", {mark!r})
time.sleep(600)
"""


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What is logged, from information on."""
    with caplog.at_level(logging.INFO):
        yield caplog.messages


def ended(champions: Champions, seconds: float = 60) -> None:
    """Wait for what is loaded beside."""
    if champions._beside is not None:
        champions._beside.join(seconds)
        assert not champions._beside.is_alive()


def test_nobody_waits_for_a_champion_that_was_loaded_before(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    champions, warmed = Champions(bundle()), list[Champion]()
    champions.preload(warmed.append)
    ended(champions)
    monkeypatch.setattr("serving.api.champions.load_champion", lambda *asked, **more: pytest.fail("loaded again"))
    assert champions.now() is champions.look() is warmed[0]
    assert not said


def test_without_a_champion_nothing_is_done_and_nothing_said(tmp_path: Path, said: list[str]) -> None:
    champions = Champions(tmp_path)
    champions.preload(lambda _: pytest.fail("there is none"))
    assert champions._beside is None and not said and not champions.is_refused
    with pytest.raises(Problem, match="keepwell train"):
        champions.now()


def test_a_damaged_bundle_is_told_to_who_asks(bundle: Bundle, run: Run) -> None:
    state = bundle(manifest=False, card_json=b"{}")
    (state / "runs").symlink_to(run.path.parent)
    published = Published(state)
    published.champions.preload(lambda _: pytest.fail("it is damaged"))
    ended(published.champions)
    asked = {"merchants": [{"merchant_id": "a"}]}
    assert "card.json" in problem(calls(published)("/v1/predict", "POST", json=asked), "no-model")


def test_an_end_in_the_middle_of_the_check_is_quick_and_leaves_nothing(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    mark = tmp_path / "begun"
    (tmp_path / "slow_model.py").write_text(SLOW.format(mark=str(mark)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    champions, warmed = Champions(bundle(), model="slow_model:Model"), Event()
    champions.preload(lambda _: warmed.set())
    begun = time.monotonic()
    while not mark.exists():
        assert time.monotonic() - begun < 60
        time.sleep(0.05)
    child = int(mark.read_text())
    os.kill(child, 0)
    since = time.monotonic()
    champions.stop()
    assert time.monotonic() - since < 3
    ended(champions, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert not said and not warmed.is_set() and champions.look() is None and not champions.refusal


def test_a_service_that_ends_while_it_loads_is_quiet(bundle: Bundle, run: Run, tmp_path: Path) -> None:
    state = bundle()
    (state / "runs").symlink_to(run.path.parent)
    with served(state, tmp_path) as server:
        since = time.monotonic()
        code, errors = server.stop()
    assert (code, errors) == (0, "") and time.monotonic() - since < 10

