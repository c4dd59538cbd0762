"""Work shared with a forked process: the same answers in the same order, whatever becomes of the child."""

import os

import numpy as np
import pytest

from features import halves

PARTS = [3, 1, 4, 1, 5]


def answer(part: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(part), np.full((2, part), part / 2, np.float32)


def taken(parts: list[int], answer=answer) -> list[tuple[list, list]]:
    return [(whole.tolist(), halves_.tolist()) for whole, halves_ in halves.alternately(parts, answer, 1000)]


EXPECTED = [(list(range(part)), [[part / 2] * part] * 2) for part in PARTS]


def test_answers_come_in_order():
    assert taken(PARTS) == EXPECTED
    assert taken(PARTS[:1]) == EXPECTED[:1]
    assert taken([]) == []


@pytest.mark.skipif(not halves.can_share(), reason="needs Linux and a second processor")
def test_every_other_one_is_computed_by_another_process():
    pids = [int(found[0][0]) for found in halves.alternately(PARTS, lambda part: (np.array([os.getpid()]),), 8)]
    assert [pid == os.getpid() for pid in pids] == [True, False, True, False, True]


def test_a_child_that_dies_is_replaced():
    here = os.getpid()

    def dies(part: int) -> tuple[np.ndarray, np.ndarray]:
        if os.getpid() != here:
            os._exit(9)
        return answer(part)

    assert taken(PARTS, dies) == EXPECTED


def test_whoever_stops_early_leaves_no_child_behind():
    import multiprocessing

    answers = halves.alternately(PARTS, answer, 1000)
    next(answers)
    answers.close()
    assert multiprocessing.active_children() == []
