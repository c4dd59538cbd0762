"""Regularised logistic regression by Newton's method: small, exact, and the same on every machine with the same inputs."""

from __future__ import annotations

import numpy as np

from features.trees import Array, logistic

MOST_STEP = 2.0
CLOSE = 1e-6


def ridge(
    design: Array, target: Array, pull: Array, start: Array, offset: Array | float = 0.0, steps: int = 25, begin: Array | None = None
) -> Array:
    """Coefficients (k,) that make `logistic(offset + design @ coefficients)` most likely.

    Parameters
    ----------
    design : (n, k). target : (n,) of 0 and 1.
    pull : (k,) strength with which each coefficient is held at its `start`, in units of information; above zero.
    begin : (k,) where the search begins, `start` by default; the nearer to the answer, the fewer steps.
    """
    found = (start if begin is None else begin).copy()
    for _ in range(steps):
        chance = logistic(np.clip(design @ found + offset, -30, 30))
        gradient = design.T @ (target - chance) - pull * (found - start)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(pull)
        step = np.clip(np.linalg.solve(curvature, gradient), -MOST_STEP, MOST_STEP)
        found = found + step
        if np.abs(step).max() < CLOSE:
            break
    return np.asarray(found)


def shift_to(raw: Array, share: float, least: float = 0.002, halvings: int = 60) -> float:
    """What must be added to the log-odds (n,) so that the chances have this mean (held within `[least, 1 - least]`).

    It lies within 20 of zero, and is told to `20 / 2**halvings`.
    """
    wanted, low, high = float(np.clip(share, least, 1 - least)), -20.0, 20.0
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if logistic(raw + middle).mean() < wanted else (low, middle)
    return (low + high) / 2
