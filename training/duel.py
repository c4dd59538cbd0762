"""A challenger against the champion, merchant by merchant, on the last complete windows.

Each training keeps its out-of-time predictions in `<state_dir>/judged/<model_version>.parquet`. At cutoffs that lie after everything
the champion learnt from, they also hold what the champion itself, as it serves, would have said; at earlier ones the champion's
own out-of-time predictions stand for it, for the model that serves has seen those windows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import ModelRefused
from features.model import Model
from training import bundle
from training.bootstrap import Draws, draws
from training.compare import ahead

RESAMPLES = 400
LEAST_ROWS = 200
LEAST_OF_EACH = 20
"""A slice is judged from so many rows, leavers and stayers on."""
SLICES = ("tenure", "industry")
KEPT = ("merchant_id", "cutoff", "churned", "churn_risk", *SLICES)
TARGET = ("active_days", "gap_days", "horizon_days")
"""The settings of a card that say what is predicted, and for whom."""


@dataclass(frozen=True)
class Duel:
    """What the comparison found: differences are positive where the challenger is better."""

    cutoffs: list[str]
    merchants: int
    ahead: dict[str, dict[str, float]]
    ece: tuple[float, float]
    slices: list[dict[str, Any]]
    same: bool


def keep(state_dir: Path, version: str, frame: pd.DataFrame) -> None:
    """Keep a training's out-of-time predictions with their truth, in one step; those of models long gone go.

    Parameters
    ----------
    frame : the backtest's frame as `training.evaluate.evaluate` reads it; columns such as `churn_risk of VERSION` are kept too.
    """
    place = state_dir / "judged"
    place.mkdir(parents=True, exist_ok=True)
    columns = [name for name in frame if name in KEPT or str(name).startswith("churn_risk of ")]
    partial = place / f".{version}.partial-{os.getpid()}"
    frame[columns].assign(cutoff=pd.to_datetime(frame["cutoff"]).dt.strftime("%Y-%m-%d")).to_parquet(partial, index=False)
    partial.replace(place / f"{version}.parquet")
    for path in place.glob("*.parquet"):
        if path.stem != version and not (state_dir / "bundles" / path.stem).is_dir():
            path.unlink()


def with_champion(state_dir: Path, predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions beside what the champion as it serves says, at cutoffs after everything it learnt from."""
    pointer = bundle.champion(state_dir)
    if pointer is None:
        return predictions
    version = pointer["model_version"]
    try:
        model = _model(state_dir, version)
        moments = predictions.index.get_level_values("cutoff")
        fresh = moments >= pd.Timestamp(model.card["as_of"])
        if not fresh.any():
            return predictions
        told = model.scores(predictions[fresh])["churn_risk"]
    except (ModelRefused, KeyError):  # damaged, or it reads a table that is gone: it cannot be asked
        return predictions
    return predictions.assign(**{f"churn_risk of {version}": told.reindex(predictions.index)})


def _model(state_dir: Path, version: str) -> Model:
    bundle.card_of(state_dir, version)  # refuses a damaged bundle
    place = state_dir / "bundles" / version
    return Model.from_files({path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()})


def duel(state_dir: Path, challenger: str, champion: str) -> Duel | None:
    """The comparison of two versions; None where they share no cutoff, or one kept no predictions."""
    ours, theirs = (state_dir / "judged" / f"{version}.parquet" for version in (challenger, champion))
    if not ours.exists():
        return None
    rows = _kept(ours)
    told = rows.get(f"churn_risk of {champion}", pd.Series(float("nan"), rows.index))
    if theirs.exists():
        keys = ["merchant_id", "cutoff"]
        kept = _kept(theirs)[[*keys, "churn_risk"]].rename(columns={"churn_risk": "told"})
        told = told.fillna(rows.merge(kept, on=keys, how="left")["told"].set_axis(rows.index))
    shared = rows.assign(told=told)[told.notna()]
    return judged(shared) if len(shared) else None


def _kept(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are one or the other
        why = str(error).splitlines()[0].rstrip(". ")
        raise ModelRefused(f"{path} cannot be read ({why}); move it away and type `keepwell train`, which judges anew.") from None


def judged(rows: pd.DataFrame, resamples: int = RESAMPLES) -> Duel:
    """Compare `churn_risk` with `told`, the champion's, on the rows that both predicted."""
    ours, theirs = _sides(rows, resamples)
    parts = list(_parts(rows))
    level = 1 - 0.05 / max(1, len(parts))
    slices = []
    for name, group, part in parts:
        own, other = _sides(part, resamples)
        slices.append({"slice": name, "name": group, "n": len(part), **ahead(own, other, "brier", level)})
    return Duel(
        cutoffs=sorted(rows["cutoff"].unique()),
        merchants=rows["merchant_id"].nunique(),
        ahead={name: ahead(ours, theirs, name) for name in ("auc", "brier")},
        ece=(ours.mean("ece")[0], theirs.mean("ece")[0]),
        slices=slices,
        same=bool((rows["churn_risk"] == rows["told"]).all()),
    )


def _sides(rows: pd.DataFrame, resamples: int) -> tuple[Draws, Draws]:
    plain = rows[["merchant_id", "cutoff", "churned", "churn_risk"]]
    return draws(plain, resamples), draws(plain.assign(churn_risk=rows["told"]), resamples)


def _parts(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Slices with enough rows of both kinds to be judged."""
    for name in SLICES:
        if name in rows:
            for group, part in rows.groupby(name):
                left = part["churned"].sum()
                if len(part) >= LEAST_ROWS and min(left, len(part) - left) >= LEAST_OF_EACH:
                    yield name, str(group), part


def other_target(state_dir: Path, challenger: str, champion: str) -> str | None:
    """A sentence when the two predict different things, which no figure can compare; else None."""
    ours, theirs = (bundle.card_of(state_dir, version) for version in (challenger, champion))
    for name in TARGET:
        if ours.get(name) != theirs.get(name):
            return (
                f"It was trained with {name} = {ours.get(name)} and the champion with {theirs.get(name)}, so it shares no cutoff with the champion "
                "that means the same. Restore the setting, or use --force."
            )
    return None
