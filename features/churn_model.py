"""Who leaves: three members that err differently, blended in log-odds, with the level of the season ahead and a range.

Boosted trees, a regularised logistic regression on logarithms, and a buy-till-you-die model of the rhythm of orders. The blend is a
weighted sum of log-odds, so reasons stay exactly additive: tree SHAP values, coefficients times distance from the mean, and what
silence and frequency do to the third, each taken times its member's weight.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from features.btyd import History, OrderModel, from_plain, to_plain
from features.sheet import Frame, matrix, weighted
from features.trees import Array, Encoding, Head, log_odds, logistic, plain_json

RISKS = ("churn_risk_third", "churn_risk_two_thirds", "churn_risk")
RANGE = ("churn_risk_low", "churn_risk_high")
LAST_ORDER = "days_to_last_order"
CHURN_SCORES = (*RISKS, *RANGE, LAST_ORDER)
FARTHEST = 365
"""Days ahead up to which the last order is looked for."""
REACH = 1.2816
"""Standard deviations on either side that hold four of five outcomes."""
CERTAIN = 1e-4
"""The buy-till-you-die member's chances are held so far from 0 and 1."""


@dataclass(frozen=True)
class Linear:
    """A logistic regression: `names` at `center` and `spread`, logarithms of those in `logs`; a missing value counts as average."""

    names: tuple[str, ...] = ()
    logs: tuple[bool, ...] = ()
    center: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    intercept: float = 0.0

    def unit(self, frame: Frame) -> Array:
        """Standardised columns (n, k), held within four spreads."""
        columns = logarithms(frame, self.names, np.array(self.logs, bool))
        return standardised(columns, np.array(self.center), np.array(self.spread))

    def contributions(self, frame: Frame) -> Array:
        """Log-odds (n, k + 1) by column, the intercept last."""
        parts = self.unit(frame) * np.array(self.weights)
        return np.column_stack([parts, np.full(len(frame), self.intercept)])

    def raw(self, frame: Frame) -> Array:
        """Log-odds (n,)."""
        return np.asarray(weighted(self.unit(frame), np.array(self.weights)) + self.intercept)


def logarithms(frame: Frame, names: tuple[str, ...], logs: np.ndarray) -> Array:
    """Columns (n, k) of a snapshot; where `logs`, x becomes the logarithm of 1 + |x| with x's sign."""
    columns = matrix(frame, names)
    return np.where(logs, np.sign(columns) * np.log1p(np.abs(columns)), columns)


def standardised(columns: Array, center: Array, spread: Array) -> Array:
    """Distance from the center in spreads, (n, k), at most four; zero where missing."""
    return np.asarray(np.nan_to_num(np.clip((columns - center) / spread, -4, 4), nan=0.0))


@dataclass(frozen=True)
class Rhythm:
    """The buy-till-you-die member: the chance that a merchant with this history stays silent over the horizon.

    `usual` is a merchant in the middle, (days with orders after the first, age in days, silence in days), from which reasons are told.
    """

    model: OrderModel
    horizon: int
    usual: tuple[float, float, float]

    def raw(self, frame: Frame) -> Array:
        """Log-odds of silence, (n,)."""
        return self._odds(History.of(frame))

    def contributions(self, frame: Frame) -> Array:
        """Log-odds (n, 3): what silence adds, what frequency and age add, and the usual merchant's.

        Of two causes the Shapley value is the mean of adding each first.
        """
        own = History.of(frame)
        repeats, age, silence = (np.full(len(own), value) for value in self.usual)
        cases = (history(repeats, age, silence), history(repeats, age, own.age - own.last), history(own.repeats, own.age, silence), own)
        usual, silent, paced, both = np.split(self._odds(joined(cases)), len(cases))
        by_silence = ((silent - usual) + (both - paced)) / 2
        return np.column_stack([by_silence, both - usual - by_silence, usual])

    def _odds(self, own: History) -> Array:
        return log_odds(self.model.silent(own, self.horizon), CERTAIN)


def history(repeats: Array, age: Array, silence: Array) -> History:
    """Histories (n,) of merchants that have been silent so long; one that ordered once has been silent since it came."""
    last = np.where(repeats > 0, np.maximum(age - silence, 0), 0)
    nothing = np.zeros(len(age))
    return History(repeats, last, age, nothing, nothing)


def joined(parts: Sequence[History]) -> History:
    """Histories one after the other."""
    return History(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(History)))


@dataclass(frozen=True)
class Blend:
    """Weights of the members' log-odds, and what is added for everybody: `intercept`, and the `level` of the season ahead."""

    trees: float = 1.0
    linear: float = 0.0
    rhythm: float = 0.0
    intercept: float = 0.0
    level: float = 0.0
    level_error: float = 0.0
    """Standard error of the level, in log-odds: no merchant's chance is better known than the season's."""


@dataclass(frozen=True, repr=False)
class ChurnModel:
    """All that is needed to say who leaves, as plain data."""

    encoding: Encoding
    trees: tuple[Head, ...]
    shorter: tuple[Head, Head]
    """Log-odds of silence over two thirds of the horizon by those who order later in it, and over one third by those who order in the second."""
    horizon: int
    blend: Blend = field(default_factory=Blend)
    linear: Linear | None = None
    rhythm: Rhythm | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that its reasons name."""
        return self.encoding.features

    def members(self, frame: Frame, rows: Array) -> Array:
        """Log-odds of each tree ensemble, the linear and the rhythm member, (n, members)."""
        columns = [tree.raw(rows) for tree in self.trees]
        columns += [member.raw(frame) for member in (self.linear, self.rhythm) if member]
        return np.column_stack(columns)

    @property
    def weights(self) -> Array:
        """The weight of each of `members`, (members,)."""
        own = [self.blend.trees / len(self.trees)] * len(self.trees)
        own += [weight for member, weight in ((self.linear, self.blend.linear), (self.rhythm, self.blend.rhythm)) if member]
        return np.array(own)

    def raw(self, frame: Frame) -> Array:
        """Log-odds of silence over the whole horizon, (n,)."""
        return self._blended(self.members(frame, self.encoding.rows(frame)))

    def _blended(self, members: Array) -> Array:
        return np.asarray(weighted(members, self.weights) + self.blend.intercept + self.blend.level)

    def risks(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Chances of silence over a third, two thirds and the whole horizon, the range of the last, and the time to the last order."""
        return pd.DataFrame(self.chances(frame, self.encoding.rows(frame)), index=frame.index)

    def chances(self, frame: Frame, rows: Array) -> dict[str, Array]:
        """`risks` by name, (n,) each, of a snapshot and the same as encoded for this model.

        The longer silence is never likelier than the shorter: each chance is that of the next longer plus a share of what it leaves.
        """
        members = self.members(frame, rows)
        raw = self._blended(members)
        silent = logistic(raw)
        to_two_thirds = silent + (1 - silent) * logistic(self.shorter[0].raw(rows))
        to_third = to_two_thirds + (1 - to_two_thirds) * logistic(self.shorter[1].raw(rows))
        reach = REACH * self.error(members)
        columns = (to_third, to_two_thirds, silent, logistic(raw - reach), logistic(raw + reach), self.last_order(silent))
        return dict(zip(CHURN_SCORES, columns, strict=True))

    def error(self, members: Array) -> Array:
        """Standard error of each merchant's log-odds, (n,): of the level, and of members that disagree."""
        weights = self.weights / self.weights.sum()
        middle = weighted(members, weights)
        apart = weighted((members - middle[:, None]) ** 2, weights)
        return np.asarray(np.sqrt(self.blend.level_error**2 + apart * (weights**2).sum()))

    def last_order(self, silent: Array) -> Array:
        """Expected days until the last order before a whole horizon of silence, (n,), if every horizon is as dangerous as the next.

        Only the year ahead is looked at: a merchant that never leaves has 365.
        """
        hazard = -np.log1p(-np.clip(silent, 1e-9, 1 - 1e-9)) / self.horizon
        return np.asarray(-np.expm1(-hazard * FARTHEST) / hazard)

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Exact contributions to the log-odds of `churn_risk`: one column per feature and `base`."""
        columns, parts = self.pushes(frame, self.encoding.rows(frame))
        return pd.DataFrame(parts, index=frame.index, columns=columns)

    def pushes(self, frame: Frame, rows: Array) -> tuple[list[str], Array]:
        """The columns of `contributions` and their values, (n, columns), of a snapshot and the same as encoded for this model."""
        total = np.mean([tree.contributions(rows) for tree in self.trees], axis=0) * self.blend.trees
        columns = [*self.features, "base"]
        if self.linear:
            columns, total = _added(columns, total, [*self.linear.names, "base"], self.blend.linear * self.linear.contributions(frame))
        if self.rhythm:
            columns, total = _added(columns, total, [*CAUSES, "base"], self.blend.rhythm * self.rhythm.contributions(frame))
        total[:, columns.index("base")] += self.blend.intercept + self.blend.level
        return columns, total

    def to_files(self) -> dict[str, bytes]:
        """JSON and LightGBM text."""
        plain = {
            "encoding": asdict(self.encoding),
            "horizon": self.horizon,
            "trees": [{"slope": tree.slope, "intercept": tree.intercept} for tree in self.trees],
            "shorter": [{"slope": tree.slope, "intercept": tree.intercept} for tree in self.shorter],
            "blend": asdict(self.blend),
            "linear": asdict(self.linear) if self.linear else None,
            "rhythm": asdict(self.rhythm) | {"model": to_plain(self.rhythm.model)} if self.rhythm else None,
            "notes": dict(self.notes),
        }
        texts = dict(zip((*tree_files(len(self.trees)), *SHORTER), (*self.trees, *self.shorter), strict=True))
        return {"churn.json": plain_json(plain)} | {name: head.text.encode() for name, head in texts.items()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> ChurnModel:
        """The model that `to_files` wrote; the files must have been checked before."""
        plain = json.loads(files["churn.json"])
        names = tree_files(len(plain["trees"]))
        trees = tuple(Head(files[name].decode(), **line) for name, line in zip(names, plain["trees"], strict=True))
        two_thirds, third = (Head(files[name].decode(), **line) for name, line in zip(SHORTER, plain["shorter"], strict=True))
        encoding = Encoding(tuple(plain["encoding"]["features"]), plain["encoding"]["categories"])
        linear = Linear(**{name: _tuple(value) for name, value in plain["linear"].items()}) if plain["linear"] else None
        own = plain["rhythm"]
        rhythm = Rhythm(from_plain(own["model"]), own["horizon"], _tuple(own["usual"])) if own else None
        return cls(encoding, trees, (two_thirds, third), plain["horizon"], Blend(**plain["blend"]), linear, rhythm, plain["notes"])


CAUSES = ("days_since_last_order", "active_days_365d")
"""The features that the rhythm member's reasons go under: silence, and how often."""
SHORTER = ("heads/churn_two_thirds.txt", "heads/churn_third.txt")


def tree_files(count: int) -> tuple[str, ...]:
    """The bundle's names of so many tree ensembles."""
    return tuple(f"heads/churn{'' if place == 0 else f'_{place + 1}'}.txt" for place in range(count))


def _added(columns: list[str], parts: Array, names: list[str], more: Array) -> tuple[list[str], Array]:
    """Contributions (n, columns) and more of them by name, those of new names in columns of their own."""
    every = list(dict.fromkeys([*columns, *names]))
    total = np.zeros((len(parts), len(every)))
    total[:, : len(columns)] = parts
    total[:, [every.index(name) for name in names]] += more
    return every, total


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
