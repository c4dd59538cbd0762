"""What leaves training for serving: a directory of plain files with a manifest, and the pointer to the one that is served.

    <state_dir>/bundles/<model_version>/   manifest.json, card.json, calibration.json, golden.json, heads/*.txt
    <state_dir>/champion.json              which of them is served, and the ones before it

The same model and golden rows give the same bytes: nothing in a bundle says when it was made.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.errors import ModelRefused, UsageRefused

if TYPE_CHECKING:
    from features.model import Model

FORMAT = 1
REMEDY = "Type `keepwell train` to write it anew."


def write_bundle(model: Model, golden: pd.DataFrame, out_dir: Path) -> str:
    """Write `out_dir/<model_version>/` in one step and return the version: 12 hex digits of the content's hash.

    Parameters
    ----------
    golden : snapshot rows whose scores the bundle remembers; loading it repeats them. Merchant ids are not kept.
    out_dir : the directory of bundles, `<state_dir>/bundles`.
    """
    files = dict(model.to_files()) | {"golden.json": golden_rows(model, golden)}
    hashes = {name: sha256(files[name]).hexdigest() for name in sorted(files)}
    version = sha256(_json(hashes)).hexdigest()[:12]
    place, partial = out_dir / version, out_dir / f".partial-{version}-{os.getpid()}"
    if place.is_dir() and not damage(place):
        return version
    _sweep(out_dir)
    try:
        for name, content in (files | {"manifest.json": _json({"format": FORMAT, "model_version": version, "files": hashes})}).items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            _write(partial / name, content)
        shutil.rmtree(place, ignore_errors=True)  # only ever a damaged one of the same name
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _sync(out_dir)
    return version


def _sweep(out_dir: Path) -> None:
    """Remove what processes that were killed, and processes of the same number before this one, left half-written."""
    for left in out_dir.glob(".partial-*"):
        writer = int(left.name.rpartition("-")[2])
        if writer == os.getpid() or not _alive(writer):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def golden_rows(model: Model, golden: pd.DataFrame) -> bytes:
    """Golden rows and their scores by column; numbers as the float32 they have in a snapshot, missing as null."""
    numbers = [name for name in golden if pd.api.types.is_numeric_dtype(golden[name])]
    rows = golden.astype(dict.fromkeys(numbers, np.float32))
    scores = model.scores(rows)
    return _json({"features": {name: _values(rows[name]) for name in rows}, "scores": {name: _values(scores[name]) for name in scores}})


def damage(bundle: Path) -> str | None:
    """What is wrong with a bundle on disk (a file missing, changed or unlisted), or None."""
    try:
        manifest = json.loads((bundle / "manifest.json").read_bytes())
        for name, expected in manifest["files"].items():
            if sha256((bundle / name).read_bytes()).hexdigest() != expected:
                return f"{name} was changed after it was written"
    except (OSError, ValueError, KeyError) as error:
        return f"it cannot be read ({error})"
    return None if manifest.get("model_version") == bundle.name else f"its manifest says {manifest.get('model_version')}"


def champion(state_dir: Path) -> dict[str, Any] | None:
    """The served model's entry in champion.json, or None before the first promotion.

    Raises
    ------
    ModelRefused : the file cannot be read.
    """
    found = _entry(state_dir / "champion.json", "move it away and type `keepwell promote` to write it anew.")
    return found and {"previous": [], **found}


def challenger(state_dir: Path) -> dict[str, Any] | None:
    """The entry of the model trained last, in challenger.json; None before the first training; raises as `champion`."""
    return _entry(state_dir / "challenger.json", "type `keepwell train` to write it anew.")


def _entry(path: Path, remedy: str) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelRefused(f"{path} cannot be read ({error}); {remedy}") from None
    if not isinstance(found, dict) or not str(found.get("model_version", "")).isalnum() or "mlflow_version" not in found:
        raise ModelRefused(f"{path} names no model version with its number in MLflow; {remedy}")
    return found


def challenge(state_dir: Path, model_version: str, mlflow_version: int) -> None:
    """Remember a bundle as the one to promote next."""
    _point(state_dir, {"model_version": model_version, "mlflow_version": mlflow_version}, "challenger.json")


def card_of(state_dir: Path, model_version: str) -> dict[str, Any]:
    """The card of a bundle.

    Raises
    ------
    ModelRefused
        The bundle is absent or damaged.
    """
    _usable(state_dir, model_version)
    return dict(json.loads((state_dir / "bundles" / model_version / "card.json").read_bytes()))


def promote_bundle(state_dir: Path, model_version: str, mlflow_version: int | str | None, promoted_at: str) -> dict[str, Any]:
    """Point champion.json at a bundle, remember the one before, and return the new entry.

    Promoting what is served already changes nothing.

    Raises
    ------
    ModelRefused
        The bundle is absent or damaged; the pointer stays as it was.
    """
    _usable(state_dir, model_version)
    before = champion(state_dir)
    if before and before["model_version"] == model_version:
        return before
    previous = [] if before is None else [{key: before[key] for key in before if key != "previous"}, *before["previous"]]
    entry = {"model_version": model_version, "mlflow_version": mlflow_version, "promoted_at": promoted_at, "previous": previous}
    return _point(state_dir, entry)


def rollback_bundle(state_dir: Path) -> dict[str, Any]:
    """Point champion.json back at the bundle before, as it was promoted then, and return its entry; raises as `before_champion`."""
    last, older = before_champion(state_dir)
    return _point(state_dir, {**last, "previous": older})


def before_champion(state_dir: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The entry of the champion before the champion, which could be served, and those before it.

    Raises
    ------
    UsageRefused
        Nothing was promoted before.
    ModelRefused
        The bundle before is absent or damaged.
    """
    now = champion(state_dir)
    if now is None or not now["previous"]:
        served = "no model is served" if now is None else f"model {now['model_version']} is the first that was promoted"
        raise UsageRefused(f"There is nothing to roll back to: {served}. Use `keepwell promote` to serve another.")
    last, *older = now["previous"]
    _usable(state_dir, last["model_version"])
    return last, older


def _usable(state_dir: Path, model_version: str) -> None:
    bundle = state_dir / "bundles" / model_version
    wrong = damage(bundle) if bundle.is_dir() else "it is not there"
    if wrong:
        raise ModelRefused(f"The bundle {model_version} in {bundle.parent} cannot be served: {wrong}. {REMEDY}")


def _point(state_dir: Path, entry: dict[str, Any], name: str = "champion.json") -> dict[str, Any]:
    partial = state_dir / f".{name}.partial-{os.getpid()}"
    _write(partial, _json(entry))
    partial.replace(state_dir / name)
    _sync(state_dir)
    return entry


def _values(column: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value if isinstance(value, str) else float(value) for value in column]


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
