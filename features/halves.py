"""Two cores for one batch: every other piece of work is done in a forked process that writes into shared memory.

Threads would wait for Python's lock between the many small array operations. The child only reads what was there before the
fork, computes with numpy, and leaves; if it fails, its pieces are done again here, so that errors are raised where they can be seen.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable

import numpy as np

WORTH = 16
"""Fewer pieces of work than these are not worth a process."""


def shared(shape: tuple[int, ...], kind: type[np.generic]) -> np.ndarray:
    """An array of zeros that a forked process writes into for both."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(mmap.mmap(-1, max(size, 1)), kind, int(np.prod(shape))).reshape(shape)


def in_halves(work: Callable[[int], None], pieces: int) -> None:
    """Do `work(0)` to `work(pieces - 1)`, every other one in a forked process where that is worth it."""
    if pieces < WORTH or sys.platform != "linux":
        for piece in range(pieces):
            work(piece)
        return
    child = os.fork()
    if child == 0:
        _work_and_leave(work, range(1, pieces, 2))
    try:
        for piece in range(0, pieces, 2):
            work(piece)
    finally:
        _, status = os.waitpid(child, 0)
    for piece in range(1, pieces if status else 1, 2):
        work(piece)


def _work_and_leave(work: Callable[[int], None], pieces: range) -> None:
    failed = 1
    try:
        for piece in pieces:
            work(piece)
        failed = 0
    finally:
        os._exit(failed)
