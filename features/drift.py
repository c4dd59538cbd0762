"""Whether merchants still look like those that a model learnt from: the population stability index of each feature and score.

A reference keeps, for each column, the bounds of ten equally frequent classes (or the most frequent categories), the share of each,
and the share that is missing. It is plain JSON and tells of no single merchant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

CLASSES = 10
MOST_CATEGORIES = 20
LEAST_SHARE = 1e-4
"""An empty class counts as this share, so that the index stays finite."""
WARN, ALARM = 0.10, 0.25
"""From here on a drift is worth a look, and from here on a model should be trained anew (Siddiqi 2006, Credit Risk Scorecards)."""
Reference = Mapping[str, Mapping[str, Any]]


def reference(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What a frame of numbers and texts looks like, column by column.

    Examples
    --------
    >>> seen = reference(pd.DataFrame({"orders": [1.0, 2.0, 3.0, None]}))["orders"]
    >>> seen["missing"], len(seen["shares"]) == len(seen["bounds"]) + 1
    (0.25, True)
    """
    return {str(name): _numbers(frame[name]) if pd.api.types.is_numeric_dtype(frame[name]) else _texts(frame[name]) for name in frame}


def drift(seen: Reference, frame: pd.DataFrame) -> pd.DataFrame:
    """How far a frame has moved from a reference.

    Returns
    -------
    One row a column of the reference that the frame has, the furthest first: `name`, `psi` (0 for none; missing values are a class of
    their own), `missing_before`, `missing_now` (shares), `level` (ok, warn or alarm, by `WARN` and `ALARM`).

    Examples
    --------
    >>> numbers = pd.DataFrame({"orders": np.arange(1000.0), "gmv": np.arange(1000.0)})
    >>> drift(reference(numbers), numbers.assign(gmv=numbers["gmv"] + 500))[["name", "level"]].values.tolist()
    [['gmv', 'alarm'], ['orders', 'ok']]
    """
    rows = []
    for name, kept in seen.items():
        if name in frame and len(frame):
            before, now = np.array([kept["missing"], *kept["shares"]]), _shares(kept, frame[name])
            psi = stability(before, now)
            rows.append((name, psi, float(before[0]), float(now[0]), level_of(psi)))
    table = pd.DataFrame(rows, columns=["name", "psi", "missing_before", "missing_now", "level"])
    return table.sort_values(["psi", "name"], ascending=[False, True], ignore_index=True)


def stability(before: np.ndarray, now: np.ndarray) -> float:
    """The population stability index of two distributions (k,): the sum of (now - before) times the logarithm of now over before."""
    old, new = np.maximum(before, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return float(((new - old) * np.log(new / old)).sum())


def level_of(psi: float) -> str:
    """What an index means."""
    return "alarm" if psi >= ALARM else "warn" if psi >= WARN else "ok"


def _numbers(column: pd.Series) -> dict[str, Any]:
    values = column.to_numpy(float)
    known = values[np.isfinite(values)]
    bounds = np.unique(np.quantile(known, np.arange(1, CLASSES) / CLASSES)) if len(known) else np.array([])
    kept: dict[str, Any] = {"bounds": [float(bound) for bound in bounds], "shares": [], "missing": 0.0}
    missing, *shares = _shares(kept, column)
    return kept | {"missing": float(missing), "shares": [float(share) for share in shares]}


def _texts(column: pd.Series) -> dict[str, Any]:
    frequent = column.value_counts().sort_index().sort_values(ascending=False, kind="stable").index[:MOST_CATEGORIES]
    kept: dict[str, Any] = {"categories": sorted(map(str, frequent)), "shares": [], "missing": 0.0}
    missing, *shares = _shares(kept, column)
    return kept | {"missing": float(missing), "shares": [float(share) for share in shares]}


def _shares(kept: Mapping[str, Any], column: pd.Series) -> np.ndarray:
    """The share of missing values and of each class; the last class of texts holds all other ones."""
    if "categories" in kept:
        absent, place = column.isna().to_numpy(), pd.Index(kept["categories"]).get_indexer(pd.Index(column.astype(object)))
        place[place < 0] = len(kept["categories"])
        size = len(kept["categories"]) + 1
    else:
        values = column.to_numpy(float)
        absent, place, size = ~np.isfinite(values), np.searchsorted(kept["bounds"], values, side="right"), len(kept["bounds"]) + 1
    found = np.bincount(place[~absent], minlength=size)
    return np.concatenate([[absent.sum()], found]) / max(len(column), 1)
