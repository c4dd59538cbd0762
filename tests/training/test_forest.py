"""A booster's trees apart say what it says together."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from features.trees import Array
from training.forest import Forest, raw_score

ROUNDS = 25


@pytest.fixture(scope="module")
def learnt() -> tuple[lgb.Booster, Array]:
    """A booster over numbers, some of them missing, a category and a column that tells nothing, and rows to ask it."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(2000, 4))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[:, 2] = rng.integers(0, 8, len(rows))
    rows[:, 3] = 1.0
    target = (np.nan_to_num(rows[:, 0]) + np.isin(rows[:, 2], [1, 3]) + rng.normal(size=len(rows)) > 0).astype(float)
    data = lgb.Dataset(rows, target, categorical_feature=[2])
    given = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1, "deterministic": True}
    return lgb.train(given, data, ROUNDS), rows


def test_the_trees_add_up_to_the_booster(learnt: tuple[lgb.Booster, Array]) -> None:
    booster, rows = learnt
    forest = Forest.of(booster)
    assert len(forest.trees) == ROUNDS
    parts = (range(0, ROUNDS, 3), range(1, ROUNDS, 3), range(2, ROUNDS, 3))
    assert np.allclose(sum(raw_score(forest.only(part), rows) for part in parts), raw_score(booster, rows), rtol=0, atol=1e-12)


def test_a_feature_changes_only_what_the_trees_say_that_ask_for_it(learnt: tuple[lgb.Booster, Array]) -> None:
    booster, rows = learnt
    forest = Forest.of(booster)
    asking = forest.asking()
    assert set(asking) == set(np.flatnonzero(booster.feature_importance("split")))
    for place, trees in asking.items():
        other = rows.copy()
        other[:, place] = rows[::-1, place]
        change = raw_score(booster, other) - raw_score(booster, rows)
        here = forest.only(trees)
        assert np.allclose(raw_score(here, other) - raw_score(here, rows), change, rtol=0, atol=1e-12)
        assert np.abs(change).max() > 0.01


def test_a_booster_that_learnt_nothing_asks_for_nothing() -> None:
    rows = np.ones((200, 2))
    booster = lgb.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, lgb.Dataset(rows, np.arange(200) % 2), 3)
    forest = Forest.of(booster)
    assert forest.asking() == {}
    assert np.array_equal(raw_score(forest.only(range(len(forest.trees))), rows), raw_score(booster, rows))
