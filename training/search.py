"""A search for better settings of the churn trees, within a stated time, on windows that were complete before the first test cutoff.

The defaults are good without it. It asks what the selection of features asks: how well trees fitted on earlier windows rank later
ones. What it finds is used only if it beats the defaults there beyond chance.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import UsageRefused
from features.snapshot import Market
from features.trees import Array
from training.churn import days_of
from training.dataset import Dataset, dataset
from training.heads import useful
from training.labels import window_end
from training.models import COMMON, HEADS, Matrix
from training.selection import LATER, Forward, beyond_chance, booster_of
from training.timeline import training_cutoffs

SPANS = {"s": 1, "m": 60, "h": 3600}
SPLITS = (0.4, LATER)
"""Shares of the cutoffs after which the later windows begin, one judgement each."""
SEED = 7


@dataclass(frozen=True)
class Found:
    """The settings that were found (empty: the defaults stay) and what the card says of the search."""

    tuned: dict[str, Any]
    told: dict[str, Any]


def seconds_of(budget: str) -> float:
    """A time such as `90s`, `10m` or `1h` in seconds.

    Raises
    ------
    UsageRefused
        For anything else, or no time at all.

    Examples
    --------
    >>> seconds_of("10m")
    600.0
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget.strip())
    if not parts or float(parts[1]) == 0:
        raise UsageRefused(f"the budget {budget!r} is not a time; write --budget 10m (or 90s, 1h).")
    return float(parts[1]) * SPANS[parts[2]]


def search(market: Market, before: int, seconds: float, progress: Callable[[str], None] = lambda _: None) -> Found:
    """Search for so many seconds, on nothing that was not known at a day.

    Parameters
    ----------
    before : the first test cutoff, as a day number.

    Raises
    ------
    UsageRefused
        When Optuna is not installed.
    """
    optuna = _optuna()
    data = dataset(market, training_cutoffs(market, before), before)
    splits, matrix = _splits(data, window_end(0, market.settings)), Matrix.of(data.features, useful(data.features))
    if not splits:
        return Found({}, {"trials": 0, "note": "the history before the first test cutoff is too short to search on"})
    tried: dict[int, Array] = {}

    def objective(trial: Any) -> float:
        tried[trial.number] = _losses(matrix, splits, settings_of(trial))
        progress(f"searching, {trial.number + 1} tried")
        return float(tried[trial.number].mean())

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=SEED))
    study.enqueue_trial(DEFAULTS)
    study.optimize(objective, timeout=seconds)
    return _judged(study.best_trial, tried)


def _judged(best: Any, tried: dict[int, Array]) -> Found:
    """The best settings, if they beat the defaults, which were tried first, by more than two standard errors."""
    gain = tried[0] - tried[best.number]
    told = {"trials": len(tried), "loss": float(tried[best.number].mean()), "default_loss": float(tried[0].mean())}
    taken = dict(best.params) if beyond_chance(gain, 2) else {}
    return Found(taken, told | {"taken": bool(taken)})


DEFAULTS = {name: (COMMON | HEADS["churn"])[name] for name in ("learning_rate", "num_leaves", "min_data_in_leaf", "rounds")} | {
    name: COMMON[name] for name in ("feature_fraction", "bagging_fraction", "lambda_l2")
}


def settings_of(trial: Any) -> dict[str, Any]:
    """Settings that a trial suggests, all of them on the restrained side."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 3, 31, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 300, log=True),
        "rounds": trial.suggest_int("rounds", 60, 500, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.1, 0.8),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 1.0, 100.0, log=True),
    }


def _splits(data: Dataset, span: int) -> list[Forward]:
    day, target = days_of(data.features), data.labels["churned"].to_numpy(float)
    found = [Forward.of(day, target, span, share) for share in SPLITS]
    return [split for split in found if split]


def _losses(matrix: Matrix, splits: list[Forward], tuned: dict[str, Any]) -> Array:
    """Log loss of every later row of every split, by trees of these settings on the earlier ones."""
    chosen, parts = Matrix(matrix.rows, matrix.names, matrix.categories, tuned), []
    for split in splits:
        rows = np.flatnonzero(split.later)
        raw = booster_of(chosen, split).predict(matrix.rows[rows], raw_score=True, num_threads=1)
        parts.append(split.losses(np.asarray(raw), rows))
    return np.concatenate(parts)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageRefused("a search needs Optuna, which is not installed; type `uv sync --extra search`, or train without --budget.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
