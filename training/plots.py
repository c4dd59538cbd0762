"""Pictures for MLflow: calibration, capture and SHAP, drawn off screen and written as PNG files.

Matplotlib and shap are imported when a picture is drawn: they take seconds. (The report draws its own, see `training.charts`.)
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


@contextmanager
def _figure(path: Path, width: float, height: float) -> Iterator[Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    yield axes
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def calibration_plot(evaluation: Mapping[str, Any], path: Path) -> Path:
    """Promised against observed share of leavers, a line per cutoff and the tenths of all with their intervals."""
    with _figure(path, 5.2, 5) as axes:
        axes.axline((0, 0), slope=1, color="grey", linestyle="--", linewidth=1)
        for cutoff, rows in evaluation["calibration"].items():
            x, y = ([row[key] for row in rows] for key in ("predicted", "observed"))
            if cutoff == "all":
                reach = [[row["observed"] - row["low"] for row in rows], [row["high"] - row["observed"] for row in rows]]
                axes.errorbar(x, y, np.maximum(reach, 0), fmt="o", color="black", label="all cutoffs, 95 %", zorder=3)
            else:
                axes.plot(x, y, linewidth=1, alpha=0.7, label=cutoff)
        axes.set(xlabel="promised risk", ylabel="share that left", title=f"Calibration, mean error {evaluation['mean']['ece']:.3f}")
        axes.legend(frameon=False, fontsize=8)
    return path


def capture_plot(evaluation: Mapping[str, Any], path: Path) -> Path:
    """Share of leavers, and of their GMV, on a list of the highest risks, by the list's length."""
    curve = [row for row in evaluation["curve"] if row["recall"] is not None]
    with _figure(path, 6.4, 4.6) as axes:
        axes.axline((0, 0), slope=1, color="grey", linestyle="--", linewidth=1)
        for name, label in (("recall", "leavers"), ("value_captured_by_loss", "their GMV, by money at risk")):
            axes.plot([0] + [row["share"] for row in curve], [0] + [row[name] for row in curve], label=label)
        axes.set(xlabel="share of merchants called", ylabel="share caught", title=evaluation["quality"]["sentence"])
        axes.title.set_fontsize(9)
        axes.legend(frameon=False, loc="lower right")
    return path


def beeswarm_plot(contributions: pd.DataFrame, features: pd.DataFrame, path: Path, *, rows: int = 2000, seed: int = 0) -> Path:
    """SHAP beeswarm of the strongest features.

    Parameters
    ----------
    contributions : log-odds per merchant and feature, with the column `base` (`Model.contributions`).
    features : the snapshot those came from; texts are shown without a colour.
    rows, seed : a larger frame is sampled.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap calls matplotlib in a way that will go
        import shap  # type: ignore[import-untyped]

    names = [name for name in contributions if name != "base"]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(contributions))[:rows])
    parts, shown = contributions[names].iloc[chosen], features[names].iloc[chosen]
    coloured = shown.apply(lambda column: pd.to_numeric(column, errors="coerce")).to_numpy(float)
    explanation = shap.Explanation(parts.to_numpy(float), contributions["base"].iloc[chosen].to_numpy(float), coloured, feature_names=names)
    with _figure(path, 8, 1.5 + 0.4 * min(20, len(names))) as axes, _seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of texts has no value to colour by
        shap.plots.beeswarm(explanation, max_display=20, show=False, ax=axes, plot_size=None)
        axes.set_xlabel("pushes the log-odds of leaving down (left) or up (right)", fontsize=10)
    return path


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, which shap scatters dots with, and put it back as it was."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
