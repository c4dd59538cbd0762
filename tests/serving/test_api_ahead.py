"""Answers about merchants that are made before anybody asks are those that he would get."""

from __future__ import annotations

from pathlib import Path
from time import sleep

import pytest
from api_calls import calls

from serving.api.ahead import make_ahead
from serving.api.kept import Kept
from serving.api.published import Published, View
from serving.rules import Rules
from serving.run import Run, publish
from serving.score import Scored


def test_they_are_the_very_answers_and_nothing_is_made_twice(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Published(run.path.parent.parent)
    view = runs.now()
    ids = list(view.run.merchants.index)
    asked = calls(Published(run.path.parent.parent))
    plain = {merchant: asked(f"/v1/merchants/{merchant}") for merchant in ids}
    assert make_ahead(view, lambda: True, rest=0) == len(ids)
    monkeypatch.setattr("serving.api.endpoints.merchants.explain", lambda *given, **named: pytest.fail("made again"))
    call = calls(runs)
    for merchant, answer in plain.items():
        ready = call(f"/v1/merchants/{merchant}")
        assert ready.content == answer.content and ready.headers["etag"] == answer.headers["etag"]
    assert make_ahead(view, lambda: True, rest=0) == 0


def test_those_at_risk_come_first_and_there_is_room_left_for_others(run: Run) -> None:
    view = View(run)
    view.kept = Kept(most_bytes=60_000)
    made = make_ahead(view, lambda: True, rest=0)
    first = [f"/v1/merchants/{merchant}" for merchant in view.listing("at_risk", None, None, None, "en").rows["merchant_id"][:made]]
    assert 0 < made < len(run.merchants) and all(view.kept.get((path, b"", None)) for path in first)
    assert view.kept.bytes <= view.kept.most_bytes


def test_it_ends_with_the_run_and_begins_with_the_next(tmp_path: Path, scored: Scored, rules: Rules) -> None:
    seen: list[tuple[str, bool]] = []

    def ahead(view: View, is_wanted: object) -> None:
        assert callable(is_wanted)
        seen.append((view.run.run_id, is_wanted()))

    old = publish(tmp_path, scored.header, scored.tables, rules.text)
    runs = Published(tmp_path, ahead)
    first = runs.now()
    new = publish(tmp_path, scored.header | {"model_version": "newer"}, scored.tables, rules.text)
    assert runs.now().run.run_id == new.run_id and runs.now().before is not None
    for _ in range(100):
        if len(seen) == 2:
            break
        sleep(0.01)
    assert seen == [(old.run_id, True), (new.run_id, True)]
    assert make_ahead(first, lambda: runs.now() is first, rest=0) == 0
