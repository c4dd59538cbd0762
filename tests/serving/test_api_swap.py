"""A new run is swapped in whole, an old one can be paged to its end, and a damaged one leaves the one before in place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from api_calls import calls, problem

from features.model import Model
from serving.api.published import Published
from serving.durable import MANIFEST, manifest_of
from serving.rules import Rules
from serving.run import POINTER, publish
from serving.score import Scored


@pytest.fixture
def state(tmp_path: Path, scored: Scored, rules: Rules) -> Path:
    """A state directory of one's own, with the small market's run."""
    publish(tmp_path, scored.header, scored.tables, rules.text)
    return tmp_path


def test_without_a_run_nothing_is_ready_until_one_is_published(tmp_path: Path, scored: Scored, rules: Rules) -> None:
    call = calls(Published(tmp_path))
    for path in ("/readyz", "/v1/at-risk", "/v1/merchants/m001", "/v1/model"):
        detail = problem(call(path), "no-run")
        assert "keepwell score" in detail and str(tmp_path) not in detail
    run = publish(tmp_path, scored.header, scored.tables, rules.text)
    assert call("/readyz").json()["run_id"] == run.run_id


def test_a_new_run_is_swapped_in_and_an_old_one_can_be_paged_to_its_end(state: Path, scored: Scored, rules: Rules) -> None:
    call = calls(Published(state))
    old = call("/v1/at-risk?limit=2").json()
    new = publish(state, scored.header | {"model_version": "newer"}, scored.tables, rules.text)
    assert call("/v1/at-risk?limit=2").json()["run_id"] == new.run_id
    following = call(f"/v1/at-risk?limit=2&cursor={old['next_cursor']}").json()
    assert following["run_id"] == old["run_id"] and following["rows"][0]["rank"] == 3
    moved = call("/v1/merchants/m001").json()["moved"]
    assert moved["run_id"] == old["run_id"] and moved["same_model"] is False


def test_a_cursor_of_a_run_that_is_gone_says_so(state: Path, scored: Scored, rules: Rules) -> None:
    old = calls(Published(state))("/v1/at-risk?limit=2").json()
    publish(state, scored.header | {"model_version": "newer"}, scored.tables, rules.text)
    shutil.rmtree(state / "runs" / old["run_id"])
    assert problem(calls(Published(state))(f"/v1/at-risk?limit=2&cursor={old['next_cursor']}"), "run-gone")


def test_a_damaged_new_run_leaves_the_one_before_in_place(state: Path, scored: Scored, rules: Rules) -> None:
    call = calls(Published(state))
    old = call("/readyz").json()["run_id"]
    new = publish(state, scored.header | {"model_version": "newer"}, scored.tables, rules.text)
    (new.path / "merchants.parquet").write_bytes(b"damaged")
    assert call("/readyz").json()["run_id"] == old
    problem(calls(Published(state))("/readyz"), "no-run")
    publish(state, scored.header | {"model_version": "newer"}, scored.tables, rules.text)
    assert call("/readyz").json()["run_id"] == new.run_id


def test_the_run_is_read_once_while_its_pointer_stands(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = Published(state)
    first = published.now()
    monkeypatch.setattr("serving.api.published.current_run", lambda state: pytest.fail("read again"))
    assert published.now() is first
    (state / "runs" / POINTER).unlink()
    with pytest.raises(pytest.fail.Exception, match="read again"):
        published.now()


def test_a_fault_of_ours_tells_nothing_of_this_machine(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(view: Any, *asked: Any) -> None:
        raise RuntimeError(f"secret {state}")

    published = Published(state)
    published.now().listing = broken  # type: ignore[assignment]
    answer = calls(published)("/v1/at-risk")
    assert "secret" not in answer.text and str(state) not in answer.text
    problem(answer, "internal")


def test_the_model_comes_with_its_card(state: Path, model: Model) -> None:
    assert calls(Published(state))("/v1/model").json()["card"] is None
    folder, files = state / "bundles" / "abc123", {"card.json": json.dumps(model.card).encode()}
    folder.mkdir(parents=True)
    (folder / "card.json").write_bytes(files["card.json"])
    (folder / MANIFEST).write_bytes(manifest_of(files, model_version="abc123"))
    (state / "champion.json").write_text('{"model_version": "abc124"}')
    answer = calls(Published(state))("/v1/model").json()
    assert answer["card"]["features"] == model.card["features"] and answer["champion"] == "abc124"
    assert answer["run"]["settings"]["churn"]["horizon_days"] == 90
