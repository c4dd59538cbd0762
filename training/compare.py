"""A model beside its peers: the same metrics on the same rows, and how sure each difference is (merchants drawn again, in pairs)."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from training.bootstrap import RESAMPLES, Draws, draws
from training.metrics import METRICS

COLUMN = re.compile(r"(churn_risk|expected_gmv) of (.+)")
COMPARED = ("auc", "average_precision", "brier", "ece", "precision_at", "profit", "rmse", "wape", "ngini", "bias")
TRUTH = ("merchant_id", "cutoff", "churned", "value", "trailing")


def peers_of(frame: pd.DataFrame) -> list[str]:
    """The peers whose predictions a frame holds, in its order."""
    return list(dict.fromkeys(found[2] for name in frame if (found := COLUMN.fullmatch(str(name)))))


def as_peer(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The frame as if the peer had made it: its predictions under the model's names, beside the truth."""
    scores = {str(found[1]): frame[column] for column in frame if (found := COLUMN.fullmatch(str(column))) and found[2] == name}
    return frame[[column for column in TRUTH if column in frame]].assign(**scores)


def compared(frame: pd.DataFrame, ours: Draws, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Each peer's metrics and what the model is ahead by.

    Parameters
    ----------
    frame : predictions with truth, and the peers' columns.
    ours : the model's draws, made with the same `resamples` and `seed`.

    Returns
    -------
    By peer: `cutoffs` (metrics per cutoff), `mean`, and `ahead` (by metric: `by`, positive is better for us, with `low` and `high`).
    """
    return {name: _beside(ours, draws(as_peer(frame, name), resamples, seed)) for name in peers_of(frame)}


def _beside(ours: Draws, theirs: Draws) -> dict[str, Any]:
    shown = [name for name in COMPARED if name in theirs.estimate]
    table = theirs.estimate[shown]
    return {
        "cutoffs": table.to_dict("index"),
        "mean": {name: theirs.mean(name)[0] for name in shown},
        "ahead": {name: ahead(ours, theirs, name) for name in shown if METRICS[name].better != "target" and name in ours.estimate},
    }


def ahead(ours: Draws, theirs: Draws, name: str, level: float = 0.95) -> dict[str, float]:
    """How much better we are in a metric, positive where we are, with its interval."""
    by, low, high = ours.ahead_of(theirs, name, level)
    return {"by": by, "low": low, "high": high} if METRICS[name].better == "higher" else {"by": -by, "low": -high, "high": -low}


def with_risk(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The model's rows, under `Keepwell`, and those of every peer that predicts a risk."""
    sides = {"Keepwell": frame} | {name: as_peer(frame, name) for name in peers_of(frame)}
    return {name: rows for name, rows in sides.items() if "churn_risk" in rows}
