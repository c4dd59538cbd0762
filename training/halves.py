"""Models of several days, trained by this and a forked process, which inherits the kept tiles and the snapshots without a copy.

Training is half Python, whose lock lets two threads fill one processor and a half; two processes fill both. Each takes the next day
when it has done one, later days first, for these need longer. The child touches neither the engine nor OpenMP's threads, which a
fork does not copy; when it dies, whatever the reason, the parent does its share as well.
"""

from __future__ import annotations

import multiprocessing
import os
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

from features.halves import can_share
from features.snapshot import Market

Answer = TypeVar("Answer")
TICKET = struct.Struct("q")


def in_two(market: Market, days: Sequence[int], work: Callable[[int], Answer], meanwhile: Callable[[], object] = lambda: None) -> dict[int, Answer]:
    """The answers for some days, which later ones need longer for, in their order.

    Parameters
    ----------
    market : its tiles are kept, so that `work` needs its engine no more.
    work : gives what can be pickled; the same for a day whatever was done before.
    meanwhile : done beside the first days, by a thread of this process; what it raises ends the work.
    """
    if len(days) < 2 or not can_share():
        meanwhile()
        return {day: work(day) for day in days}
    with _tickets(sorted(days, reverse=True)) as waiting:
        here, there = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("fork").Process(target=_send, args=(market, waiting, work, there))
        with warnings.catch_warnings():  # Python warns of a fork where threads run, which is known here
            warnings.simplefilter("ignore", DeprecationWarning)
            child.start()
        there.close()
        try:
            with ThreadPoolExecutor(1) as pool:
                beside = pool.submit(meanwhile)
                done = {day: work(day) for day in _taken(waiting) if not _failed(beside)}
                beside.result()
            done |= _received(here)
        finally:
            here.close()
            child.terminate()
            child.join()
    return {day: done[day] if day in done else work(day) for day in days}


def _failed(beside: Future[object]) -> bool:
    return beside.done() and beside.exception() is not None


@contextmanager
def _tickets(days: Sequence[int]) -> Iterator[int]:
    """A pipe that holds the days, for both processes to take from: no lock that a killed one could keep. It gives where to read."""
    waiting, filled = os.pipe()
    try:
        with os.fdopen(filled, "wb") as tickets:
            tickets.write(b"".join(TICKET.pack(day) for day in days))
        yield waiting
    finally:
        os.close(waiting)


def _taken(waiting: int) -> Iterator[int]:
    """The days that this process takes, until there are none left."""
    while ticket := os.read(waiting, TICKET.size):
        yield TICKET.unpack(ticket)[0]


def _send(market: Market, waiting: int, work: Callable[[int], Answer], there: Connection) -> None:
    market.detach()
    try:
        answers = {day: work(day) for day in _taken(waiting)}
    except Exception:  # the parent meets the same, and says it
        return
    there.send(answers)


def _received(here: Connection) -> dict[int, Answer]:
    try:
        found: dict[int, Answer] = here.recv()
    except (EOFError, OSError):
        return {}
    return found
