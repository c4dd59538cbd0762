"""A service as a process of its own, started and ended as `keepwell serve` is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

ROOT = Path(__file__).resolve().parents[2]
START = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from features.settings import Serve
from features.shell import now
from serving.access.binding import access_of
from serving.service import serve
state = Path(sys.argv[1])
settings = SimpleNamespace(state=SimpleNamespace(ledger=None), state_dir=state, serve=Serve())
serve(state, port=0, access=access_of(settings, "127.0.0.1", os.environ, now))
"""
SECONDS = 120


@dataclass(frozen=True)
class Server:
    """A running service."""

    process: subprocess.Popen[str]
    address: str

    def stop(self) -> tuple[int, str]:
        """End it as Ctrl+C does; its exit code and what it wrote to standard error."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, errors


@contextmanager
def served(state: Path, home: Path, **environment: str) -> Iterator[Server]:
    """A service over a state directory, with the ledger in it; killed at the end if it still runs."""
    given = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(home)} | environment
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(state)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=given, cwd=home
    )
    late = Timer(SECONDS, process.kill)
    late.start()
    assert process.stdout is not None
    line = process.stdout.readline()
    late.cancel()
    found = re.match(r"Keepwell serves at (http://127\.0\.0\.1:\d+)/", line)
    try:
        assert found, line + process.communicate(timeout=SECONDS)[1]
        yield Server(process, found[1])
    finally:
        process.kill()
        process.communicate()
