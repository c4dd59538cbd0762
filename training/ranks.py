"""Ranks and lists that are fair to ties: merchants with the same score share their place."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def midranks(score: Array) -> Array:
    """Ranks from 1 upwards; tied scores share the mean of their ranks.

    Examples
    --------
    >>> midranks(np.array([0.2, 0.7, 0.2])).tolist()
    [1.5, 3.0, 1.5]
    """
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], dtype=float)


def tenths(score: Array, bins: int = 10) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The group of each row, 0 lowest, when rows are split by rank into `bins` of equal size; tied rows stay together.

    Examples
    --------
    >>> tenths(np.array([0.1, 0.4, 0.4, 0.9]), bins=2).tolist()
    [0, 1, 1, 1]
    """
    return np.minimum((midranks(score) / len(score) * bins - 1e-9).astype(np.int64), bins - 1)


def list_length(share: float, rows: int) -> int:
    """How many merchants a share of them is: rounded up, at least one.

    Examples
    --------
    >>> list_length(0.1, 25)
    3
    """
    return max(1, int(np.ceil(share * rows)))


def top_weights(score: Array, length: int) -> Array:
    """How much of each row is in a list of the `length` highest: 1 above the cut, 0 below, an equal part of what is left at it.

    Examples
    --------
    >>> top_weights(np.array([9.0, 5.0, 5.0, 1.0]), length=2).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    place = len(score) - min(length, len(score))
    cut = np.partition(score, place)[place]
    above, tie = score > cut, score == cut
    return np.asarray(above + tie * (min(length, len(score)) - above.sum()) / tie.sum(), dtype=float)
