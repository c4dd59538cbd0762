"""What tests of swaps share: making another run stand, and waiting until what was swapped is taken over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import sleep

from serving.durable import replace_file
from serving.run import POINTER

SECONDS = 30


def point(state_dir: Path, run_id: str) -> None:
    """Make a published run the one that stands."""
    replace_file(state_dir / "runs" / POINTER, f"{run_id}\n".encode())


def until(holds: Callable[[], bool]) -> None:
    """Wait for what happens beside the answers."""
    for _ in range(SECONDS * 50):
        if holds():
            return
        sleep(0.02)
    raise AssertionError(f"it did not come about within {SECONDS} seconds")
