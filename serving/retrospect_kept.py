"""The look back that `keepwell retrospect` kept in the state directory, for whoever has no events: the API and the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from serving.durable import replace_file

FILE = "retrospect.json"
KINDS = ("lost", "newcomers")


def keep(state_dir: Path, found: Mapping[str, Any]) -> None:
    """Keep a look back in the state directory, for those who have no events."""
    Path(state_dir).mkdir(parents=True, exist_ok=True)
    replace_file(Path(state_dir) / FILE, json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False).encode())


def kept(state_dir: Path) -> dict[str, Any] | None:
    """The look back that was kept last; None where there is none. Nobody changes it in place."""
    path = Path(state_dir) / FILE
    try:
        stat = path.stat()
        return _read(path, stat.st_ino, stat.st_mtime_ns)[0]
    except (OSError, ValueError):
        return None


def kept_of(state_dir: Path, merchant_id: str) -> dict[str, Any] | None:
    """The kept look back of one merchant, of `lost` or of `newcomers` (`kind` says which); None where there is none."""
    path = Path(state_dir) / FILE
    try:
        stat = path.stat()
        return _read(path, stat.st_ino, stat.st_mtime_ns)[1].get(merchant_id)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=2)
def _read(path: Path, inode: int, changed: int) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """A kept file and its rows by merchant, of `lost` before those of `newcomers`; read once as long as it is not replaced."""
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no look back")
    rows = [row for kind in reversed(KINDS) for row in found.get(kind) or []]
    return found, {row["merchant_id"]: row for row in rows}
