"""`run`: the command line as a person types it, in this process; and what is in a directory, to show that nothing was half-written."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

import keepwell


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


def typed(*words: object, at: Path) -> Said:
    """Run `keepwell <words>` in a directory; whatever is not a refusal comes through, as the traceback that it would be."""
    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["keepwell", *map(str, words)]
    try:
        with contextlib.chdir(at), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            keepwell.main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.argv = argv
    return Said(code, out.getvalue(), err.getvalue())


def contents(home: Path) -> dict[str, str]:
    """Every file below a directory by its hash, and every directory."""
    paths = (path for path in sorted(home.rglob("*")))
    return {str(path.relative_to(home)): sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory" for path in paths}


@pytest.fixture(scope="session")
def run() -> Run:
    """`run("check", "keepwell.toml", at=home)` → exit code, standard output and standard error."""
    return typed


@pytest.fixture(scope="session")
def listing() -> Callable[[Path], dict[str, str]]:
    """`listing(home)` → everything below a directory, by hash."""
    return contents
