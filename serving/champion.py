"""The champion: the bundle that promotion points to, loaded only after it has proved to be whole.

In this order, because a damaged model text kills the process that loads it: the sha256 of every file against the manifest, the
structure of every model text, and then, in a child process, the first load and the golden rows. Only then is it loaded here,
from the very bytes that were checked.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd

from features.errors import ModelRefused
from serving.booster_text import MalformedError, check_booster_text
from serving.durable import checked_files, read_manifest

POINTER = "champion.json"
GOLDEN = "golden.json"
TOLERANCE = 1e-12
MODEL = "features.model:Model"
SAID = "refused: "
LOOK = 0.1
"""Seconds between two looks at whether the check is still wanted."""
REMEDY = "train anew with `keepwell train` and promote it, or go back with `keepwell rollback`"


@dataclass(frozen=True)
class Champion:
    """A checked model and what is written about it."""

    model: Any
    model_version: str
    path: Path
    card: Mapping[str, Any]
    pointer: Mapping[str, Any]


class StoppedError(Exception):
    """The check was given up, because nobody wants its result any more."""


Stopped = Callable[[], bool]


def load_champion(state_dir: Path, *, timeout: float = 120, model: str = MODEL, stopped: Stopped = lambda: False) -> Champion:
    """The champion of a state directory, after every check.

    Parameters
    ----------
    timeout : seconds that the child process has for loading it and scoring the golden rows.
    model : `module:class` that reads a bundle's files.
    stopped : whether to give up; the child process ends then too.

    Raises
    ------
    ModelRefused : there is no champion, or it did not pass; names the file or the row.
    StoppedError : it was given up.
    """
    pointer = champion_pointer(state_dir)
    path = Path(state_dir) / "bundles" / str(pointer["model_version"])
    files = _tried(path, timeout, model, stopped)
    card = json.loads(files["card.json"]) if "card.json" in files else {}
    return Champion(_reader(model).from_files(files), str(pointer["model_version"]), path, card, pointer)


def load_bundle(path: Path, *, timeout: float = 120, model: str = MODEL) -> Any:
    """The model of a bundle that need not be the champion any more, after the same checks.

    Raises
    ------
    ModelRefused : it is not there, or did not pass.
    """
    return _reader(model).from_files(_tried(path, timeout, model))


def champion_pointer(state_dir: Path) -> dict[str, Any]:
    """What promotion wrote: the model version, when, and what came before."""
    path = Path(state_dir) / POINTER
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelRefused(f"no model was promoted in {state_dir} yet; type `keepwell train` and then `keepwell promote`.") from None
    except (OSError, ValueError) as error:
        raise ModelRefused(f"{path} cannot be read ({error}); move it away and type `keepwell promote` to write it anew.") from None
    version = content.get("model_version") if isinstance(content, dict) else None
    if not isinstance(version, str) or not version.isalnum():
        raise ModelRefused(
            f"{path} names the model version {version!r}, expected letters and digits; move it away and type `keepwell promote` to write it anew."
        )
    return content


def checked_bundle(path: Path) -> dict[str, bytes]:
    """The files of a bundle after the checks that need no native code.

    Raises
    ------
    ModelRefused : names the file that is missing, altered or malformed.
    """

    def refuse(wrong: str) -> ModelRefused:
        return ModelRefused(f"model {path.name} cannot be used: {wrong}; {REMEDY}.")

    if not path.is_dir():
        raise refuse("its bundle is not in the state directory")
    files = checked_files(path, refuse)
    said = read_manifest(path, refuse).get("model_version")
    if said != path.name:
        raise refuse(f"its manifest is that of model {said}")
    for name, content in files.items():
        if name.endswith(".txt"):
            try:
                check_booster_text(content)
            except MalformedError as error:
                raise refuse(f"file {name} is malformed, {error}") from None
    if GOLDEN not in files:
        raise refuse(f"{GOLDEN} is missing from its manifest")
    return files


def golden_difference(files: Mapping[str, bytes], model: str = MODEL) -> str | None:
    """Where the model's scores of the golden rows differ from those stored at training; None where they agree to 1e-12."""
    golden = json.loads(files[GOLDEN])
    frame = golden_frame(golden["features"])
    scores = _reader(model).from_files(dict(files)).scores(frame)
    if not golden["scores"] or not len(frame):
        return f"{GOLDEN} holds no rows"
    for name, stored in golden["scores"].items():
        if name not in scores:
            return f"the model gives no {name}"
        expected = np.array([np.nan if value is None else value for value in stored], np.float64)
        found = scores[name].to_numpy(np.float64)
        apart = ~np.isclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        if apart.any():
            row = int(np.argmax(apart))
            return f"golden row {row} has {name} {float(found[row])!r}, stored was {float(expected[row])!r}"
    return None


def golden_frame(features: Mapping[str, list[Any]]) -> pd.DataFrame:
    """The golden rows as a snapshot: numbers as float32, texts as objects."""
    columns: dict[str, Any] = {}
    for name, values in features.items():
        if any(isinstance(value, str) for value in values):
            columns[name] = np.array(values, dtype=object)
        else:
            columns[name] = np.array([np.nan if value is None else value for value in values], np.float32)
    rows = max((len(values) for values in features.values()), default=0)
    return pd.DataFrame(columns, index=pd.Index([f"golden-{row}" for row in range(rows)], name="merchant_id"))


def _reader(model: str) -> Any:
    module, _, name = model.partition(":")
    return getattr(importlib.import_module(module), name)


def _tried(path: Path, timeout: float, model: str, stopped: Stopped = lambda: False) -> dict[str, bytes]:
    files = checked_bundle(path)
    _try_in_child(path, timeout, model, stopped)
    return files


def _try_in_child(path: Path, timeout: float, model: str, stopped: Stopped) -> None:
    command = [sys.executable, "-m", "serving.golden_check", str(path.resolve()), model]
    root = str(Path(__file__).resolve().parent.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
    try:
        code, output = _ended(command, timeout, environment, stopped)
    except subprocess.TimeoutExpired:
        raise ModelRefused(f"model {path.name} did not score its golden rows within {timeout:g} s; {REMEDY}.") from None
    if code < 0:
        raise ModelRefused(f"model {path.name} crashed the process that loaded it (signal {-code}); {REMEDY}.")
    if code:
        # LightGBM writes to the standard output too, and what it writes of a damaged model need not be text
        lines = output.decode(errors="replace").splitlines()
        said = next((line.removeprefix(SAID) for line in lines if line.startswith(SAID)), f"it ended with code {code}")
        raise ModelRefused(f"model {path.name} failed its first load: {said}; {REMEDY}.")


def _ended(command: list[str], timeout: float, environment: Mapping[str, str], stopped: Stopped) -> tuple[int, bytes]:
    """The exit code of a child process and all it wrote; it never outlives this call, whatever ends it.

    A Ctrl+C at the terminal is for us alone: the child is in a session of its own.
    """
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    child, end = subprocess.Popen(command, env=environment, **given), monotonic() + timeout
    try:
        while True:
            try:
                output, _ = child.communicate(timeout=min(LOOK, max(end - monotonic(), 0)))
                return child.returncode, output
            except subprocess.TimeoutExpired:
                if stopped():
                    raise StoppedError from None
                if monotonic() >= end:
                    raise
    finally:
        child.kill()
        child.communicate()
