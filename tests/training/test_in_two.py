"""Days shared with a forked process: the same answers, and none missing when the process dies."""

from __future__ import annotations

import os
from time import monotonic, sleep
from types import SimpleNamespace

import lightgbm as lgb
import numpy as np
import pytest

from features.halves import can_share
from features.trees import Head
from training.halves import in_two

DAYS = [5, 1, 4, 2, 3]
needs_two = pytest.mark.skipif(not can_share(), reason="there is one processor, or no safe way to fork")


@pytest.fixture
def market() -> SimpleNamespace:
    held = SimpleNamespace(engine="an engine")
    return SimpleNamespace(held=held, detach=lambda: delattr(held, "engine"))


def test_answers_come_for_all_days_in_their_order(market: SimpleNamespace) -> None:
    assert list(in_two(market, DAYS, lambda day: day**2).items()) == [(day, day**2) for day in DAYS]
    assert market.held.engine == "an engine"


@needs_two
def test_each_process_takes_the_next_day_when_it_has_done_one(market: SimpleNamespace) -> None:
    def work(day: int) -> tuple[int, float]:
        begun = monotonic()
        sleep(1.0 if day == 5 else 0.1)
        return os.getpid(), begun

    done = in_two(market, DAYS, work)
    (long,) = {process for day, (process, _) in done.items() if day == 5}
    assert [day for day in DAYS if done[day][0] == long] == [5]
    assert sorted(DAYS, key=lambda day: done[day][1])[2:] == [3, 2, 1]


@needs_two
def test_when_the_other_process_dies_its_share_is_done_here(market: SimpleNamespace) -> None:
    here = os.getpid()

    def work(day: int) -> int:
        if os.getpid() != here:
            os._exit(9)
        return day

    assert in_two(market, DAYS, work) == {day: day for day in DAYS}


@needs_two
def test_the_other_process_asks_no_engine(market: SimpleNamespace) -> None:
    processes = in_two(market, DAYS, lambda day: (market.held.engine, os.getpid()))
    assert set(processes.values()) == {("an engine", os.getpid())}


def test_a_refusal_is_raised_here_wherever_it_was_met(market: SimpleNamespace) -> None:
    def work(day: int) -> int:
        if day == 2:
            raise ValueError("day 2")
        return day

    with pytest.raises(ValueError, match="day 2"):
        in_two(market, DAYS, work)


def test_something_else_is_done_meanwhile(market: SimpleNamespace) -> None:
    seen: list[int] = []
    assert in_two(market, DAYS, lambda day: day, lambda: seen.append(os.getpid())) == {day: day for day in DAYS}
    assert in_two(market, [7], lambda day: day, lambda: seen.append(os.getpid())) == {7: 7}
    assert seen == [os.getpid()] * 2


@needs_two
def test_what_fails_meanwhile_ends_the_work(market: SimpleNamespace) -> None:
    here, done = os.getpid(), []

    def work(day: int) -> int:
        sleep(0.2 if os.getpid() == here else 600)  # the other process is not waited for
        done.append(day)
        return day

    def refuse() -> None:
        raise ValueError("not to be opened")

    with pytest.raises(ValueError, match="not to be opened"):
        in_two(market, DAYS, work, refuse)
    assert len(done) <= 1, "of five days one had begun"


@needs_two
def test_trees_that_were_asked_by_many_threads_before_answer_there_too(market: SimpleNamespace) -> None:
    """OpenMP's threads are not there after a fork: a question that wants them would never end."""
    rows = np.random.default_rng(3).normal(size=(2000, 3))
    quiet = {"verbosity": -1, "num_threads": 1}
    trees = Head(lgb.train(quiet, lgb.Dataset(rows, rows[:, 0], params=quiet), 5).model_to_string())
    before = trees.raw(rows)

    def ask(day: int) -> tuple[np.ndarray, np.ndarray, int]:
        sleep(0.1)  # so that both processes come to it
        return trees.raw(rows), trees.contributions(rows).sum(axis=1), os.getpid()

    found = in_two(market, DAYS, ask)
    assert len({process for _, _, process in found.values()}) == 2
    assert all(np.array_equal(raw, before) and np.allclose(total, before) for raw, total, _ in found.values())
