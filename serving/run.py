"""Runs: one scoring of all merchants, published whole or not at all.

A run is written beside the others under a temporary name, every file and its manifest flushed to the disk; then it is renamed,
and `CURRENT` is replaced in one step. Whoever dies on the way leaves the last good run standing. Published runs never change.
"""

from __future__ import annotations

import fcntl
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import DataRefused
from serving.durable import MANIFEST, checked_files, digest, manifest_of, replace_file, sync_directory, write_file
from serving.rows import Rows

POINTER = "CURRENT"
HEADER = "run.json"
RUN_ID = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{8}")
Step = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """A published run, its files checked against its manifest when it was opened."""

    run_id: str
    path: Path
    header: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def cutoff(self) -> str:
        """The instant of the snapshot, as a date."""
        return str(self.header["cutoff"])

    @property
    def model_version(self) -> str:
        """The bundle that gave the scores."""
        return str(self.header["model_version"])

    @cached_property
    def merchants(self) -> pd.DataFrame:
        """One row a merchant, indexed by merchant_id."""
        return self.table("merchants").set_index("merchant_id")

    @cached_property
    def reasons(self) -> pd.DataFrame:
        """One row a merchant, head and reason, the strongest first."""
        return self.table("reasons")

    @cached_property
    def warnings(self) -> pd.DataFrame:
        """One row a merchant and kind of warning, the most severe first."""
        return self.table("warnings")

    @property
    def rules_text(self) -> str:
        """The rules file that the run was graded by."""
        return self.files["rules.toml"].decode()

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What was worked out of the run and is wanted again; a published run never changes."""
        return {}

    def once(self, key: Any, work: Callable[[], Any]) -> Any:
        """`work()`, remembered under `key`."""
        if key not in self.kept:
            self.kept[key] = work()
        return self.kept[key]

    def table(self, name: str) -> pd.DataFrame:
        """A table of the run, read once; nobody changes it in place."""
        found: pd.DataFrame = self.once(("table", name), lambda: pd.read_parquet(io.BytesIO(self.files[f"{name}.parquet"])))
        return found

    def indexed(self, name: str) -> pd.DataFrame:
        """A table with one row a merchant, indexed by merchant_id."""
        found: pd.DataFrame = self.once(("indexed", name), lambda: self.table(name).set_index("merchant_id"))
        return found

    def rows(self, name: str) -> Rows:
        """A table's rows by merchant, for whoever asks of one merchant at a time."""
        found: Rows = self.once(("rows", name), lambda: Rows(self.table(name)))
        return found


def run_id(header: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """`<cutoff>-<8 hex>`: the same inputs and results give the same id, whenever they are published.

    The hex digits are of the files' and the header's hashes (without `created_at` and `previous`), so the id tells nothing of a merchant.
    """
    stable = {name: value for name, value in header.items() if name not in ("created_at", "previous", "run_id")}
    content = {"header": stable, "files": {name: digest(files[name]) for name in sorted(files)}}
    return f"{header['cutoff']}-{sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:8]}"


def publish(
    state_dir: Path,
    header: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    rules_text: str = "",
    *,
    at: Step = lambda step: None,
    commit: Callable[[str], object] = lambda run_id: None,
) -> Run:
    """Publish a run and make it the current one.

    Parameters
    ----------
    header : `cutoff` (a date like 2026-06-01), `model_version`, `created_at`, `rules_hash`, `currency`, counts, settings used.
    tables : `merchants` (a column merchant_id or an index of that name), `reasons`, `warnings`.
    at : called with the name of each step before it is taken; tests die there.
    commit : called with the run's id when its files stand and before it becomes the current one: the ledger's transaction. A list that is
        shown is in the ledger; whoever dies in between is healed by the next publication of the same run.

    Returns
    -------
    The run; where the very same run was already published, that one, made current again.
    """
    runs = Path(state_dir) / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    files = {f"{name}.parquet": _parquet(table) for name, table in tables.items()}
    files["rules.toml"] = rules_text.encode()
    name = run_id(header, files)
    with _alone(runs):
        files[HEADER] = _json({**header, "run_id": name, "previous": _previous(runs, name)})
        if not _stands(runs / name):
            _write(runs, name, files, at)
        commit(name)
        at("point")
        replace_file(runs / POINTER, f"{name}\n".encode())
        at("done")
    return read_run(state_dir, name)


def _write(runs: Path, name: str, files: Mapping[str, bytes], at: Step) -> None:
    for left in runs.glob(".tmp-*"):
        shutil.rmtree(left)
    shutil.rmtree(runs / name, ignore_errors=True)  # only a damaged run is written anew
    partial = runs / f".tmp-{name}"
    at("start")
    partial.mkdir()
    for file, content in files.items():
        at(f"write {file}")
        write_file(partial / file, content)
    at("manifest")
    write_file(partial / MANIFEST, manifest_of(files, run_id=name))
    sync_directory(partial)
    at("rename")
    partial.replace(runs / name)
    sync_directory(runs)


def current_run(state_dir: Path) -> Run:
    """The run that stands.

    Raises
    ------
    DataRefused : no run was published yet, or it is damaged.
    """
    pointer = Path(state_dir) / "runs" / POINTER
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise DataRefused(f"no run is published in {state_dir} yet; type `keepwell score` first.") from None
    if not RUN_ID.fullmatch(name):
        raise DataRefused(f"{pointer} holds {name[:40]!r}, expected the name of a run; type `keepwell score` to publish one anew.")
    return read_run(state_dir, name)


def read_run(state_dir: Path, name: str) -> Run:
    """A published run by its id.

    Raises
    ------
    DataRefused : there is no such run, or a file of it is not what was published.
    """
    path = Path(state_dir) / "runs" / name
    if not RUN_ID.fullmatch(name) or not path.is_dir():
        raise DataRefused(f"there is no run {name!r} in {state_dir}; published are {', '.join(published(state_dir)) or 'none'}.")
    files = checked_files(path, lambda wrong: DataRefused(f"run {name} cannot be used: {wrong}; type `keepwell score` to publish it anew."))
    return Run(name, path, json.loads(files[HEADER]), files)


def published(state_dir: Path) -> list[str]:
    """The ids of all published runs, oldest cutoff first."""
    runs = Path(state_dir) / "runs"
    return sorted(path.name for path in runs.glob("*") if RUN_ID.fullmatch(path.name)) if runs.is_dir() else []


def run_before(state_dir: Path, run: Run) -> Run | None:
    """The run that was current before, be it of the same day by another model or other rules; None where it is not there any more."""
    return _read_if_there(state_dir, run.header.get("previous"))


def earlier_id(state_dir: Path, run: Run) -> str | None:
    """The id of the run of an earlier day to compare with: the one that was current before if it is of one, else the last of them."""
    named = str(run.header.get("previous") or "")
    if named and named[: len(run.cutoff)] < run.cutoff:
        return named
    return next((name for name in reversed(published(state_dir)) if name[: len(run.cutoff)] < run.cutoff), None)


def earlier_run(state_dir: Path, run: Run) -> Run | None:
    """The run of an earlier day to compare with, by which merchants' moves are counted; None where there is none any more."""
    return _read_if_there(state_dir, earlier_id(state_dir, run))


def _read_if_there(state_dir: Path, name: str | None) -> Run | None:
    try:
        return read_run(state_dir, name) if name else None
    except DataRefused:
        return None


def _stands(path: Path) -> bool:
    if not path.is_dir():
        return False
    try:
        checked_files(path, DataRefused)
    except DataRefused:
        return False
    return True


def _previous(runs: Path, name: str) -> str | None:
    """The run that was current before, for what moved since."""
    pointer = runs / POINTER
    before = pointer.read_text(encoding="utf-8").strip() if pointer.exists() else ""
    return before if RUN_ID.fullmatch(before) and before != name else None


@contextmanager
def _alone(runs: Path) -> Iterator[None]:
    """One publisher at a time; the lock goes with the process that holds it."""
    with (runs / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    flat = table.reset_index() if table.index.name == "merchant_id" else table
    flat.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False, default=str).encode()
