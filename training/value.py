"""Expected GMV: members that forecast a ratio to what was carried forward, blended, and set to the level of the season ahead.

Every cutoff's target is divided by that cutoff's own level, actual over carried-forward GMV of the whole cohort. Members then learn
what tells merchants of one season apart, and cannot remember seasons by features that happen to tell cutoffs apart; the level of
the season ahead is forecast by itself (`training.level`). All that is learnt about the members, their factors by size, weights,
levels and ranges, comes from forecasts of merchants that they had not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.bands import Bands
from features.btyd import OrderModel
from features.settings import Settings
from features.trees import Array, log_odds, logistic
from features.value_model import AGE, Carry, Row, ValueModel, rows_of
from training.churn import days_of
from training.conformal import bands
from training.dataset import Dataset
from training.labels import window_end
from training.level import Anchor, Series, completeness, mean_level, total_ahead
from training.logistic import shift_to
from training.value_members import MOST_OF_LEVEL, Lessons, sizes, trained_members, weights

BLOWN_UP = 1.6
"""A member whose total at the day of training is so many times the forecast total, or so small a part of it, is left out."""
DOUBTS = {"horizon": 0.08, "double": 0.10, "long": 0.12}
"""Errors, in logarithms, to reckon with of carrying these windows forward, before there are past forecasts to look at."""
BLEND_DOUBT = (0.12, 0.3)
"""The same of the blend, and what is added for a single training cutoff, for two half of it, and so on."""
UNKNOWN = Bands((0.0,), (0.0, 1.0), ((0.0, 0.0),))


@dataclass(frozen=True)
class Now:
    """The cohort on the day of training, without labels: what the level is set for. `churn_risk` is (n,)."""

    frame: pd.DataFrame
    encoded: Array
    churn_risk: Array


def fit(
    data: Dataset,
    settings: Settings,
    encoded: Array,
    churn_risk: Array,
    fold: Array,
    as_of: int | None = None,
    now: Now | None = None,
    orders: OrderModel | None = None,
) -> ValueModel:
    """The value model.

    Parameters
    ----------
    encoded : (n, features) of the snapshots. churn_risk, fold : (n,); each row's risk by a model that had not seen its fold's merchants.
    as_of : day of training; by default when the last labels were complete. now : the cohort then.
    orders : a buy-till-you-die model that is fitted already.
    """
    power = settings.growth.horizon_days / settings.churn.horizon_days
    carry = _carry(data.features, settings.growth.horizon_days)
    known = of_their_season(churn_risk, data.labels["churned"].to_numpy(float), days_of(data.features))
    lessons = _lessons(data, carry, encoded, np.clip(known, 0, 0.998) ** power, fold, orders)
    members, unseen = trained_members(lessons)
    factors = {name: sizes(lessons, lessons.rows.base * ratio) for name, ratio in unseen.items()}
    parts = {name: factors[name].of(lessons.rows.base) * lessons.rows.base * ratio for name, ratio in unseen.items()}
    model = ValueModel(carry, members, factors, weights(lessons, parts), 1.0, 1.0, UNKNOWN, power)
    span = window_end(0, settings)
    day = float(lessons.day.max() + span if as_of is None else as_of)
    first = float((lessons.day - np.nan_to_num(data.features[AGE].to_numpy(float))).min())
    days = np.unique(lessons.day)
    past = Past(lessons, parts, data.features, days, completeness(days, first, settings.churn.active_days), span, first)
    return past.levelled(model, day, now if now is not None and len(now.frame) else None)


def of_their_season(churn_risk: Array, churned: Array, day: Array) -> Array:
    """Risks (n,) shifted in log-odds so that at each cutoff they add up to those who left: the level of a season is forecast apart."""
    raw = log_odds(churn_risk)
    for moment in np.unique(day):
        here = day == moment
        raw[here] += shift_to(raw[here], float(np.clip(churned[here].mean(), 0.002, 0.998)))
    return logistic(raw)


def _carry(frame: pd.DataFrame, horizon: int) -> Carry:
    """What is carried forward; a hundredth of the median base is the least."""
    carry = Carry.of(list(frame.columns), horizon)
    base = carry.base(carry.rates(frame))
    selling = base[base > carry.floor]
    return replace(carry, floor=float(0.01 * np.median(selling))) if len(selling) else carry


def _lessons(data: Dataset, carry: Carry, encoded: Array, silent: Array, fold: Array, orders: OrderModel | None) -> Lessons:
    day = days_of(data.features).astype(float)
    rows = rows_of(carry, data.features, encoded, silent)
    plain = Lessons(rows, data.labels["value"].to_numpy(float), day, fold, np.ones(len(day)), carry.horizon, orders)
    days, place = np.unique(day, return_inverse=True)
    return replace(plain, level=np.exp(plain.logs(days, rows.base, MOST_OF_LEVEL))[place])


@dataclass(frozen=True)
class Past:
    """What past cutoffs tell of the season ahead: rows, members' forecasts of unseen merchants, snapshots, and the cutoffs (k,)."""

    lessons: Lessons
    parts: Mapping[str, Array]
    frame: pd.DataFrame
    days: Array
    complete: Array
    span: int
    first: float
    """The first order's day."""

    def series(self, expected: Array) -> Series:
        """How actual totals compared with some forecasts (n,)."""
        return Series(self.days, self.lessons.logs(self.days, expected), self.complete, self.span)

    def levelled(self, model: ValueModel, day: float, now: Now | None) -> ValueModel:
        """The model at the level of the season ahead of a day, with its range."""
        anchors: dict[str, Anchor] = {}
        rows: Row | None = None
        blown_up: list[str] = []
        if now is not None:
            rows = model.rows(now.frame, now.encoded, now.churn_risk)
            anchors = self.carried(model.carry, now.frame, day)
            model, blown_up = self.without_blown_up(model, rows, anchors, day)
        blended = np.asarray(sum(model.weights[name] * part for name, part in self.parts.items()))
        series = self.series(blended)
        total = float((blended[self.lessons.day == self.days[-1]] if rows is None else model.blend(rows)).sum())
        anchors["blend"] = Anchor(series, total, BLEND_DOUBT[0] + BLEND_DOUBT[1] / len(self.days))
        ahead, spread = total_ahead(anchors, day)
        usual = float(np.exp(mean_level(series)))
        level = float(np.clip(ahead / total, 0.2 * usual, 5 * usual)) if total > 0 else usual
        actual = np.exp(series.logs)[np.searchsorted(self.days, self.lessons.day)]
        own = self.lessons.rows
        held = bands(self.lessons.future, actual * blended, own.base, own.silent, spread)
        return replace(model, level=level, usual=usual, bands=held, notes={"blown_up": blown_up, "level_spread": spread})

    def carried(self, carry: Carry, frame: pd.DataFrame, day: float) -> dict[str, Anchor]:
        """The cohort's GMV of about one horizon, about two and the longest window, each carried forward."""
        near, double = (min(carry.windows, key=lambda days: abs(days - times * carry.horizon)) for times in (1, 2))
        chosen = {near: "horizon", double: "double", carry.windows[-1]: "long"}
        found = {}
        for length, name in chosen.items():
            before = _scaled(self.frame, length, carry.horizon, self.lessons.day - self.first)
            total = float(_scaled(frame, length, carry.horizon, day - self.first).sum())
            if total > 0:
                found[name] = Anchor(self.series(before), total, DOUBTS[name])
        return found

    def without_blown_up(self, model: ValueModel, rows: Row, anchors: Mapping[str, Anchor], day: float) -> tuple[ValueModel, list[str]]:
        """The model without members whose forecast total is far from the carried one, their weight given to the others; and their names."""
        if not anchors:
            return model, []
        expected, _ = total_ahead(anchors, day)
        off = {}
        for name, member in model.members.items():
            total = float((model.sizes[name].of(rows.base) * member.ratio(rows) * rows.base).sum())
            off[name] = total_ahead({name: Anchor(self.series(self.parts[name]), total, 0.2)}, day)[0] / expected
        kept = {name: model.weights[name] for name, times in off.items() if 1 / BLOWN_UP < times < BLOWN_UP}
        if not kept:
            return model, sorted(off)
        shares = {name: kept.get(name, 0.0) / sum(kept.values()) for name in model.weights}
        return replace(model, weights=shares), sorted(set(off) - set(kept))


def _scaled(frame: pd.DataFrame, length: int, horizon: int, history: Array | float) -> Array:
    """GMV of a window scaled to the horizon, (n,); where the platform is younger than the window, by its age in days."""
    return np.asarray(np.nan_to_num(frame[f"gmv_{length}d"].to_numpy(float)) * horizon / np.clip(history, 1, length))
