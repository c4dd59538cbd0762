"""Calibration on merchants the booster has not seen: Platt's line on log-odds, two numbers, which keeps SHAP additive."""

from __future__ import annotations

import numpy as np

FOLDS = 2
PULL = 10.0
"""Strength with which the slope is held at one and the intercept at zero, in rows' worth of information."""


def folds(merchants: np.ndarray) -> np.ndarray:
    """Fold (n,) of each row; all rows of a merchant are in the same one."""
    _, codes = np.unique(merchants, return_inverse=True)
    return np.random.default_rng(7).permutation(codes.max() + 1)[codes] % FOLDS


def platt(raw: np.ndarray, target: np.ndarray, steps: int = 25) -> tuple[float, float]:
    """Slope and intercept that make `logistic(slope * raw + intercept)` most likely (Platt 1999), by Newton's method.

    Both are held weakly at (1, 0), so that a sample with one class only, or none, changes nothing absurdly.
    """
    good = np.isfinite(raw)
    design = np.column_stack([raw[good], np.ones(good.sum())])
    start = np.array([1.0, 0.0])
    line = start.copy()
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(design @ line, -30, 30)))
        gradient = design.T @ (target[good] - p) - PULL * (line - start)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + PULL * np.eye(2)
        line = line + np.clip(np.linalg.solve(curvature, gradient), -1, 1)
    return (float(np.clip(line[0], 0.2, 3.0)), float(line[1]))
