"""The search: within its time, on nothing from the test cutoffs on, and of no effect where it found nothing better."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from features.errors import UsageRefused
from features.simulate import simulate
from features.snapshot import Market
from training import search as searching
from training.models import COMMON, HEADS, Matrix, parameters
from training.search import DEFAULTS, Found, _judged, search, seconds_of
from training.timeline import training_cutoffs


@pytest.mark.parametrize(("budget", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2m ", 120)])
def test_a_budget_is_a_time(budget: str, seconds: float) -> None:
    assert seconds_of(budget) == seconds


@pytest.mark.parametrize("budget", ["10", "m", "0s", "-5m", "ten minutes", "10m5s", ""])
def test_anything_else_is_refused(budget: str) -> None:
    with pytest.raises(UsageRefused, match=r"is not a time; write --budget 10m"):
        seconds_of(budget)


def test_without_optuna_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageRefused, match="uv sync --extra search"):
        search(SimpleNamespace(), 0, 1)  # type: ignore[arg-type]


def test_the_defaults_are_what_is_trained_with_without_a_search() -> None:
    own = COMMON | HEADS["churn"]
    assert {name: own[name] for name in DEFAULTS} == DEFAULTS
    matrix = Matrix(np.zeros((100, 1)), ("a",), {}, {"num_leaves": 5})
    assert parameters("churn", 10_000, matrix)["num_leaves"] == parameters("churn_2", 10_000, matrix)["num_leaves"] == 5
    assert parameters("growth", 10_000, matrix)["num_leaves"] == COMMON["num_leaves"]


@pytest.mark.parametrize(("gain", "kept"), [(0.1, True), (0.001, False), (-0.1, False)])
def test_only_what_beats_the_defaults_beyond_chance_is_kept(gain: float, kept: bool) -> None:
    rng = np.random.default_rng(0)
    losses = rng.normal(0.5, 0.1, 400)
    tried = {0: losses, 1: losses - gain + rng.normal(0, 0.05, 400)}
    found = _judged(SimpleNamespace(number=1, params={"num_leaves": 5}), tried)
    assert found.tuned == ({"num_leaves": 5} if kept else {})
    assert found.told["trials"] == 2
    assert _judged(SimpleNamespace(number=0, params=DEFAULTS), tried).tuned == {}


def test_it_sees_nothing_from_the_test_cutoff_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    market = Market.open(simulate(tmp_path / "made", 300, seed=3, days=500, orders_per_merchant=30))
    before = training_cutoffs(market, market.source.end_day)[-1]
    asked: list[tuple[int, int]] = []
    original = searching.dataset

    def dataset(market: Market, cutoffs: list[int], as_of: int):  # type: ignore[no-untyped-def]
        asked.append((max(cutoffs), as_of))
        return original(market, cutoffs, as_of)

    monkeypatch.setattr(searching, "dataset", dataset)
    found = search(market, before, 1.5)
    assert asked == [(training_cutoffs(market, before)[-1], before)]
    assert found.told["trials"] >= 1
    assert found.told["default_loss"] >= found.told["loss"]
    early = training_cutoffs(market, before)[0]
    short = search(market, early + market.settings.churn.horizon_days, 1)
    assert short == Found({}, {"trials": 0, "note": "the history before the first test cutoff is too short to search on"})
