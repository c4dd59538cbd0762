"""The members of the value model: how each learns ratios, what it is worth, and what it says of merchants it has not seen.

To add one, write its function here under its name in `MEMBERS` and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
from scipy.optimize import nnls

from features.btyd import OrderModel
from features.trees import Array, Head
from features.value_model import MOST_RATIO, Linear, Member, Rhythm, Row, Sizes, Steady, Trees, linear_design
from training.btyd import fit_bg_nbd, fit_gamma_gamma
from training.models import BINNING, COMMON, ONE_AT_A_TIME

TREES: dict[str, Any] = COMMON | {"learning_rate": 0.08, "feature_fraction": 0.5}
ROUNDS = {"ratio": 100, "size": 100}
LEAST_ROWS = 300
"""Below it trees have nothing to tell apart that the linear member does not."""
PULL = 500.0
"""Rows' worth of pull of the linear member's weights to zero."""
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
SHRINKAGE = 50.0
"""Rows' worth of pull of each size's factor towards the overall one."""
MOST_OF_LEVEL = 0.02
"""The share of a cutoff's level that a single merchant may make up, where members learn relative to it."""
MOST_OF_TOTAL = 0.3
"""The same where the level of the season ahead is forecast."""
STEPS = 10
EQUAL = 0.5
"""How far the members' weights are pulled to equal ones."""


@dataclass(frozen=True)
class Lessons:
    """Rows to learn from: what members see, actual GMV, the row's cutoff (a day number) and fold, and each cutoff's own level."""

    rows: Row
    future: Array
    day: Array
    fold: Array
    level: Array
    horizon: int
    orders: OrderModel | None = None
    """An order model that is fitted already."""

    @cached_property
    def binned(self) -> lgb.Dataset:
        """What the trees see, in LightGBM's bins, made once for all of them."""
        wide = self.rows.wide
        return lgb.Dataset(wide, np.zeros(len(wide)), params=BINNING, free_raw_data=False).construct()

    @property
    def ratio(self) -> Array:
        """Actual over carried-forward GMV at a level of one, (n,); held at `MOST_RATIO`."""
        return np.asarray(np.minimum(self.future / (self.rows.base * self.level), MOST_RATIO))

    @property
    def weight(self) -> Array:
        """Weight of each row's ratio, (n,): its base, so that money counts, with a floor for the small."""
        middle = np.median(self.rows.base)
        return np.asarray((self.rows.base + 0.1 * middle) / middle)

    def say(self, most: float) -> Array:
        """How far each row counts in its cutoff's level, (n,), in (0, 1]: no merchant for more than this share of all that count."""
        base = self.rows.base
        _, place = np.unique(self.day, return_inverse=True)
        share, held = np.maximum(most, 2 / np.bincount(place)), base
        for _ in range(STEPS):
            held = np.minimum(base, (share * np.bincount(place, held))[place])
        return np.asarray(held / base)

    def logs(self, days: Array, expected: Array, most: float = MOST_OF_TOTAL) -> Array:
        """Logarithm of actual over expected GMV of all merchants at each day, (k,)."""
        say = self.say(most)
        totals = [((say * self.future)[self.day == day].sum(), (say * expected)[self.day == day].sum()) for day in days]
        return np.array([np.log(np.clip(actual / guess, 1e-3, 1e3)) if guess > 0 else 0.0 for actual, guess in totals])


def linear(lessons: Lessons, chosen: np.ndarray, steps: int = 10) -> Linear:
    """The linear member, by iteratively reweighted least squares on the chosen rows (n,) of bool."""
    columns = lessons.rows.linear[chosen]
    center, spread = columns.mean(axis=0), columns.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    crossed = lessons.rows.ratios.shape[1]
    design = linear_design(columns, center, spread, crossed)
    weight, target = lessons.weight[chosen] / lessons.weight[chosen].mean(), lessons.ratio[chosen]
    pull = np.full(design.shape[1], PULL)
    pull[0] = 1e-6
    found = np.zeros(design.shape[1])
    found[0] = np.log(max((weight * target).sum() / weight.sum(), 1e-3))
    for _ in range(steps):
        mean = np.exp(np.clip(design @ found, -6, 2.5))
        gradient = design.T @ (weight * (target - mean)) - pull * found
        curvature = (design * (weight * mean)[:, None]).T @ design + np.diag(pull)
        found = found + np.clip(np.linalg.solve(curvature, gradient), -1, 1)
    return Linear(tuple(center.tolist()), tuple(spread.tolist()), tuple(found.tolist()), crossed)


def ratio_trees(lessons: Lessons, chosen: np.ndarray) -> Trees:
    """Poisson trees on the ratio."""
    return Trees(_boosted("ratio", "poisson", lessons, chosen, lessons.ratio[chosen], lessons.weight[chosen]))


def size_trees(lessons: Lessons, chosen: np.ndarray) -> Trees:
    """Trees on the log ratio of those who sold, each cutoff's mean taken out: a hurdle model with the chance of selling at all."""
    sold = chosen & (lessons.future > 0)
    target = np.log(lessons.ratio[sold] + 0.01)
    _, place = np.unique(lessons.day[sold], return_inverse=True)
    means = np.bincount(place, target) / np.bincount(place)
    return Trees(_boosted("size", "regression", lessons, sold, target - means[place], None, float(means.mean())), if_active=True)


def rhythm(lessons: Lessons, chosen: np.ndarray) -> Rhythm:
    """BG/NBD and Gamma-Gamma, which need no labels, of the newest cohort among the chosen rows."""
    newest = lessons.rows.history[np.flatnonzero(chosen & (lessons.day == lessons.day[chosen].max()))]
    return Rhythm(lessons.orders or fit_bg_nbd(newest), fit_gamma_gamma(newest), lessons.horizon)


def steady(lessons: Lessons, chosen: np.ndarray) -> Steady:
    """The longest window carried forward: nothing to learn."""
    return Steady()


def _boosted(
    name: str, objective: str, lessons: Lessons, chosen: np.ndarray, target: Array, weight: Array | None, intercept: float = 0.0
) -> Head:
    """Trees on the chosen rows (n,) of bool; `target` and `weight` are theirs alone."""
    given = TREES | {"objective": objective, "min_data_in_leaf": int(np.clip(len(target) // 50, 1, TREES["min_data_in_leaf"]))}
    with ONE_AT_A_TIME:
        data = lessons.binned.subset(np.flatnonzero(chosen).tolist())
        data.free_raw_data = True  # bins are copied, raw rows are not
        data.construct()
        data.set_label(target)
        data.set_weight(weight)
    booster = lgb.train(given, data, num_boost_round=ROUNDS[name])
    return Head(booster.model_to_string(), 1.0, intercept)


MEMBERS: dict[str, Callable[[Lessons, np.ndarray], Member]] = {
    "linear": linear,
    "ratio": ratio_trees,
    "size": size_trees,
    "rhythm": rhythm,
    "steady": steady,
}
"""All members by name."""
UNLABELLED = ("rhythm", "steady")
"""Members that learn from no labels: what they say of a merchant is the same whether they have seen it or not."""


def trained_members(lessons: Lessons) -> tuple[dict[str, Member], dict[str, Array]]:
    """Each member on all rows, and its ratios (n,) by members that had not seen the merchant."""
    enough = len(lessons.future) >= LEAST_ROWS and (lessons.future > 0).sum() >= LEAST_ROWS // 2
    known = {"rhythm": lessons.rows.history.age.any()}
    names = [name for name in MEMBERS if name == "linear" or (enough and known.get(name, True))]
    folds = [int(k) for k in np.unique(lessons.fold)]
    outside = {k: lessons.fold != k if len(folds) > 1 else np.ones(len(lessons.fold), bool) for k in folds}
    everywhere = np.ones(len(lessons.fold), bool)
    found = {
        (name, k): MEMBERS[name](lessons, everywhere if k is None else outside[k])
        for name in names
        for k in (None, *folds)
        if k is None or name not in UNLABELLED
    }
    unseen = {name: np.zeros(len(lessons.fold)) for name in names}
    for name in names:
        for k in folds:
            inside = lessons.fold == k
            unseen[name][inside] = found.get((name, k), found[name, None]).ratio(lessons.rows[inside])
    return {name: found[name, None] for name in names}, unseen


def sizes(lessons: Lessons, expected: Array) -> Sizes:
    """Factors by size: actual over expected totals at a level of one, pulled to the overall factor where rows are few."""
    future, base = lessons.future / lessons.level, lessons.rows.base
    edges = np.unique(np.quantile(base, QUANTILES))
    place = np.searchsorted(edges, base, side="right")
    count, actual, guess = (np.bincount(place, values, len(edges) + 1) for values in (np.ones(len(base)), future, expected))
    overall = future.sum() / max(expected.sum(), 1e-300)
    own = np.where(guess > 0, actual / np.maximum(guess, 1e-300), overall)
    return Sizes(tuple(edges.tolist()), tuple(((count * own + SHRINKAGE * overall) / (count + SHRINKAGE)).tolist()))


def weights(lessons: Lessons, parts: dict[str, Array]) -> dict[str, float]:
    """Weights that add up to one: least squares without negative ones, money counting, pulled half-way to equal weights."""
    weight = lessons.weight**-0.75
    found, _ = nnls(np.column_stack(list(parts.values())) * weight[:, None], lessons.future / lessons.level * weight)
    share = found / found.sum() if found.sum() > 0 else np.full(len(parts), 1 / len(parts))
    return {name: float(EQUAL / len(parts) + (1 - EQUAL) * one) for name, one in zip(parts, share, strict=True)}
