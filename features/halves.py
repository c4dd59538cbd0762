"""Work shared with a forked process: it inherits the kept tiles without a copy and hands its answers back through shared memory.

numpy holds Python's lock too often for threads to help. The child touches arrays only, never the engine, whose threads a fork
does not copy; when it dies, whatever the reason, the parent does its share as well.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import compress, cycle, islice
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

import numpy as np

THEIRS = (False, True, False, True, False, True, False, True, True)
"""Which of nine parts the child answers: one more than the parent, which also uses all the answers."""
AHEAD = 4
"""Answers that the child may have ready before they are asked for."""
Part = TypeVar("Part")
Answer = Sequence[np.ndarray]


def can_share() -> bool:
    """Whether there is a second processor and a safe way to fork."""
    return sys.platform == "linux" and (os.cpu_count() or 1) > 1


def shared(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros that a forked process writes and its parent reads."""
    memory = mmap.mmap(-1, max(int(np.prod(shape)) * np.dtype(dtype).itemsize, 1))
    return np.frombuffer(memory, dtype, int(np.prod(shape))).reshape(shape)


def _forked(work: Callable[..., None], *given: Any) -> ForkProcess:
    child = multiprocessing.get_context("fork").Process(target=work, args=given, daemon=True)
    with warnings.catch_warnings():  # Python warns of a fork where threads run, which is known here
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    return child


def alternately(parts: Sequence[Part], answer: Callable[[Part], Answer], size: int) -> Iterator[Answer]:
    """The answers to all parts in order, about every other one computed by a forked process.

    Parameters
    ----------
    answer : arrays of a part.
    size : bytes that the largest answer takes.
    """
    if len(parts) < 2 or not can_share():
        yield from map(answer, parts)
        return
    rooms = shared((min(AHEAD, len(parts) - 1), size), np.uint8)
    here, there = multiprocessing.Pipe()
    theirs = list(islice(cycle(THEIRS), len(parts)))
    child = _forked(_answer, [*compress(parts, theirs)], answer, rooms, there)
    there.close()
    for room in range(len(rooms)):
        here.send(room)
    try:
        for part, is_theirs in zip(parts, theirs, strict=True):
            found = _received(rooms, here) if is_theirs else None
            yield answer(part) if found is None else found
    finally:
        here.close()
        child.terminate()
        child.join()


def _answer(parts: Sequence[Part], answer: Callable[[Part], Answer], rooms: np.ndarray, there: Connection) -> None:
    for part in parts:
        arrays = [np.ascontiguousarray(one) for one in answer(part)]
        free = there.recv()
        ends = np.cumsum([one.nbytes for one in arrays])
        for one, end in zip(arrays, ends, strict=True):
            rooms[free, end - one.nbytes : end] = one.reshape(-1).view(np.uint8)
        there.send((free, [(end - one.nbytes, one.dtype.str, one.shape) for one, end in zip(arrays, ends.tolist(), strict=True)]))


def _received(rooms: np.ndarray, here: Connection) -> Answer | None:
    """A copy of the child's next answer, or None when it is no more."""
    try:
        room, head = here.recv()
        answer = [np.frombuffer(rooms[room], dtype, int(np.prod(shape)), begin).reshape(shape).copy() for begin, dtype, shape in head]
    except (EOFError, OSError):
        return None
    with suppress(OSError):  # the child has answered everything and is gone
        here.send(room)
    return answer
