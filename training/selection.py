"""Which features are worth having, asked on windows later than what was learnt from; and how far each member can be trusted.

The later cutoffs are predicted by trees fitted on earlier ones whose labels were complete by then. Left out are the features that no
tree asks for, and those whose shuffling within each cutoff makes these predictions better beyond chance; but only if the predictions
of other merchants are better without them, beyond chance too.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from features.trees import Array, logistic
from training.forest import Forest, raw_score
from training.logistic import ridge, shift_to
from training.models import Job, Matrix, boosted

LATER = 0.6
"""Share of the cutoffs after which the later ones begin."""
SHUFFLED_ROWS = 2000
SURE = 2
"""Standard errors by which other merchants' predictions must be better without the features: at one, noise took them out and back."""
ROUGH = 28
"""Halvings that tell a level to a ten millionth: losses that are compared need no more."""
LEAST_ROWS = 200
"""Below it, on either side, nothing is left out."""


@dataclass(frozen=True)
class Forward:
    """Rows (n,) of bool to learn from, and later ones to judge on; the label windows of the former ended before the latter begin."""

    earlier: np.ndarray
    later: np.ndarray
    day: Array
    target: Array

    @classmethod
    def of(cls, day: Array, target: Array, span: int, share: float = LATER) -> Forward | None:
        """The split of some rows (n,), `share` of the cutoffs before the later ones; None where one side is too small or of one class."""
        days = np.unique(day)
        start = max(days[0] + span, float(np.quantile(days, share)))
        split = cls(day <= start - span, day >= start, day, target)
        sides = (split.earlier, split.later)
        if min(side.sum() for side in sides) < LEAST_ROWS or any(len(np.unique(target[side])) < 2 for side in sides):
            return None
        return split

    def losses(self, raw: Array, rows: np.ndarray) -> Array:
        """Log loss (m,) of log-odds (m,) of some later rows (m,), each cutoff's level set right first: the level is not what is judged."""
        found = np.zeros(len(rows))
        for day in np.unique(self.day[rows]):
            part = self.day[rows] == day
            target = self.target[rows][part]
            chance = np.clip(logistic(raw[part] + shift_to(raw[part], float(target.mean()), halvings=ROUGH)), 1e-9, 1 - 1e-9)
            found[part] = -(target * np.log(chance) + (1 - target) * np.log(1 - chance))
        return found


def booster_of(matrix: Matrix, split: Forward, head: str = "churn") -> lgb.Booster:
    """The head's booster on the earlier rows."""
    return boosted(matrix, {head: Job(head, split.earlier, split.target)})[head]


def helpful(matrix: Matrix, split: Forward, fold: np.ndarray, always: tuple[str, ...]) -> Matrix:
    """The rows with the features worth having, in their order; shuffled are those of one half of the merchants, judged is on the other half.

    Parameters
    ----------
    fold : (n,) of each row; all rows of a merchant are in the same one.
    """
    booster = booster_of(matrix, split)
    rows = np.flatnonzero(split.later & (fold == 0))
    sample = rows[np.linspace(0, len(rows) - 1, min(SHUFFLED_ROWS, len(rows))).astype(int)]
    useless = _useless(matrix, split, booster, sample)
    kept = [name for name in matrix.names if name not in useless or name in always]
    others = np.flatnonzero(split.later & (fold != 0))
    if not kept or len(kept) == len(matrix.names) or not len(others):
        return matrix
    less = matrix.only(kept)
    sides = ((booster, matrix), (booster_of(less, split), less))
    before, after = (split.losses(raw_score(found, part.rows[others]), others) for found, part in sides)
    return less if beyond_chance(before - after, SURE) else matrix


def beyond_chance(gain: Array, errors: float) -> bool:
    """Whether the mean of some gains (n,) lies so many standard errors above zero."""
    return bool(gain.mean() > errors * gain.std() / np.sqrt(len(gain)) > 0)


def _useless(matrix: Matrix, split: Forward, booster: lgb.Booster, sample: np.ndarray) -> set[str]:
    """The features that no tree asks for, and those without whose values the log loss of some rows is lower by a standard error."""
    forest, rows = Forest.of(booster), matrix.rows[sample]
    raw = raw_score(booster, rows)
    before = split.losses(raw, sample)
    order = _shuffled(split.day[sample])

    def is_harmful(place: int, trees: list[int]) -> bool:
        asking, shuffled = forest.only(trees), rows.copy()
        shuffled[:, place] = rows[order, place]
        worse = split.losses(raw - raw_score(asking, rows) + raw_score(asking, shuffled), sample) - before
        return bool(worse.mean() < -worse.std() / np.sqrt(len(worse)))

    useful = {matrix.names[place] for place, trees in forest.asking().items() if not is_harmful(place, trees)}
    return {name for name in matrix.names if name not in useful}


def _shuffled(day: Array) -> np.ndarray:
    """A permutation of rows (m,) that leaves every row at its day."""
    order, generator = np.arange(len(day)), np.random.default_rng(7)
    for moment in np.unique(day):
        places = np.flatnonzero(day == moment)
        order[places] = generator.permutation(places)
    return order


def weights_of(members: Array, day: Array, target: Array, prior: Array, pull: float) -> Array:
    """Weights (members,) of log-odds (n, members), none below zero, held at `prior`; every cutoff has a level of its own."""
    days, place = np.unique(day, return_inverse=True)
    levels = np.eye(len(days))[place]
    active = prior > 0
    found = np.zeros(len(prior))
    while True:
        design = np.column_stack([members[:, active], levels])
        start = np.concatenate([prior[active], np.zeros(len(days))])
        strength = np.concatenate([np.full(active.sum(), pull), np.full(len(days), 1e-3)])
        found[:] = 0
        found[active] = ridge(design, target, strength, start)[: active.sum()]
        if (found >= 0).all():
            return found
        active &= found >= 0
