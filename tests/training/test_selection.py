"""What is left out of the model, and how the members are weighed: by windows and merchants that were not learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from features.trees import Array, logistic
from training.models import NEVER_LOWERS, Job, Matrix, boosted
from training.selection import Forward, helpful, weights_of

SPAN, MERCHANTS = 60, 250
DAYS = np.arange(0, 360, 30).astype(float)


def market(seed: int = 1) -> tuple[Matrix, Array, Array, np.ndarray]:
    """A feature that always tells, one that turned its meaning round half-way, one that tells nothing, and one that is constant."""
    rng = np.random.default_rng(seed)
    day = np.repeat(DAYS, MERCHANTS)
    rows = np.column_stack([rng.normal(0, 1, (len(day), 3)), np.ones(len(day))])
    turned = np.where(day < 200, 1, -1)
    target = (rng.random(len(day)) < logistic(1.2 * rows[:, 0] + 1.5 * turned * rows[:, 1])).astype(float)
    matrix = Matrix(rows, ("tells", "turned", "noise", "constant"), {})
    return matrix, day, target, np.tile(np.arange(MERCHANTS) % 2, len(DAYS))


def test_what_stopped_helping_and_what_never_did_is_left_out() -> None:
    matrix, day, target, fold = market()
    split = Forward.of(day, target, SPAN)
    assert split
    kept = helpful(matrix, split, fold, ()).names
    assert "tells" in kept
    assert not {"turned", "constant"} & set(kept)
    assert "turned" in helpful(matrix, split, fold, ("turned",)).names, "asked for by name"


def test_the_later_rows_begin_after_the_earlier_ones_labels_were_complete() -> None:
    _, day, target, _ = market()
    split = Forward.of(day, target, SPAN)
    assert split
    assert day[split.earlier].max() + SPAN <= day[split.later].min()
    assert split.later.sum() >= 3 * MERCHANTS


@pytest.mark.parametrize("why", ["short", "few", "one class"])
def test_a_history_too_short_for_it_is_not_split(why: str) -> None:
    _, day, target, _ = market()
    rows = {"short": day < SPAN, "few": np.arange(len(day)) % 50 == 0, "one class": day >= 0}[why]
    given = np.where(day > 200, 0.0, target) if why == "one class" else target
    assert Forward.of(day[rows], given[rows], SPAN) is None


def test_the_loss_does_not_judge_the_level() -> None:
    matrix, day, target, _ = market()
    split = Forward.of(day, target, SPAN)
    assert split
    rows = np.flatnonzero(split.later)
    raw = matrix.rows[rows, 0]
    assert np.allclose(split.losses(raw + 3, rows), split.losses(raw, rows), atol=1e-6)
    assert split.losses(raw, rows).mean() < split.losses(0 * raw, rows).mean()


def test_weights_find_the_members_that_are_right_and_drop_those_that_are_wrong() -> None:
    rng = np.random.default_rng(4)
    day = np.repeat(DAYS, MERCHANTS)
    truth = rng.normal(0, 1.5, len(day))
    level = np.repeat(rng.normal(0, 1, len(DAYS)), MERCHANTS)
    target = (rng.random(len(day)) < logistic(truth + level)).astype(float)
    error = rng.normal(0, 0.2, len(day))  # the last member would be of use upside down only
    members = np.column_stack([truth + error, rng.normal(0, 1, len(day)), error])
    found = weights_of(members, day, target, np.array([0.4, 0.3, 0.3]), 1.0)
    assert found[0] == pytest.approx(1, abs=0.15)
    assert abs(found[1]) < 0.1
    assert found[2] == 0
    held = weights_of(members, day, target, np.array([0.4, 0.3, 0.3]), 1e9)
    assert np.allclose(held, [0.4, 0.3, 0.3], atol=1e-3)


def test_longer_silence_never_lowers_what_trees_say() -> None:
    """The sample says the opposite; the constraint holds all the same."""
    rng = np.random.default_rng(6)
    rows = np.column_stack([rng.uniform(1, 90, 2000), rng.normal(0, 1, 2000)])
    target = (rng.random(2000) < logistic(2 - 0.05 * rows[:, 0] + rows[:, 1])).astype(float)
    matrix = Matrix(rows, (NEVER_LOWERS[0], "other"), {})
    found = boosted(matrix, {name: Job(name, np.ones(2000, bool), target) for name in ("churn", "growth")})
    ladder = np.column_stack([np.linspace(1, 90, 50), np.zeros(50)])
    constrained, free = (found[name].predict(ladder, raw_score=True, num_threads=1) for name in ("churn", "growth"))
    assert (np.diff(constrained) >= 0).all()
    assert np.ptp(free) > 1
    assert free[-1] < free[0]
