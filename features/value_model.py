"""Expected GMV as plain data: members relative to what was carried forward, their blend, the season's level, and a range.

Some merchants trade ten thousand times what others do, and trees on raw amounts blow up on them. So every member forecasts a
*ratio* to a carried-forward base, the mean of several trailing windows scaled to the horizon; ratios are alike for large and small.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from features.bands import Bands
from features.btyd import NEEDS, GammaGamma, History, OrderModel, from_plain, to_plain
from features.sheet import Frame, column, weighted
from features.trees import Array, Head, log_odds, plain_json

AGE = "days_since_first_order"
SLACK = 2
"""Horizons added to a merchant's age before its windows are scaled: few newcomers keep the pace of their first orders."""
LEAST = 0.02
"""Share of the base below which a window counts as empty, in log ratios."""
COUNTS = ("orders_28d", "orders_90d", "orders_180d", "days_since_last_order")
MOST_RATIO = 20.0
WINDOW = re.compile(r"gmv_(\d+)d")


def windows_of(names: list[str]) -> list[int]:
    """The lengths of the GMV windows among some columns, in days, shortest first."""
    return sorted(int(found[1]) for name in names if (found := WINDOW.fullmatch(name)))


@dataclass(frozen=True)
class Carry:
    """What is carried forward: the GMV of some trailing windows, each scaled to the horizon, and their mean.

    A window longer than the merchant's age, and `slack` days, is scaled by those instead. `floor` keeps the base of those who
    hardly sold above zero.
    """

    horizon: int
    windows: tuple[int, ...]
    averaged: tuple[int, ...]
    floor: float
    slack: float = 30.0
    """Days; models of before it was kept with them had 30."""

    @classmethod
    def of(cls, names: list[str], horizon: int, floor: float = 1e-9) -> Carry:
        """From the columns of a snapshot: averaged are the windows of at least 0.6 horizons, but never fewer than two."""
        windows = windows_of(names)
        averaged = [days for days in windows if days >= 0.6 * horizon]
        return cls(horizon, tuple(windows), tuple(averaged if len(averaged) > 1 else windows[-2:]), floor, SLACK * horizon)

    def rates(self, frame: Frame) -> Array:
        """GMV of each window scaled to the horizon, (n, windows), in currency."""
        age = column(frame, AGE) if AGE in frame else np.full(len(frame), np.inf)
        seen = np.maximum(np.nan_to_num(age, nan=np.inf), 0)[:, None] + self.slack
        lengths = np.minimum(np.array(self.windows, float), seen)
        sums = np.column_stack([column(frame, f"gmv_{days}d") for days in self.windows])
        return np.asarray(np.maximum(np.nan_to_num(sums, nan=0.0), 0) * self.horizon / lengths)

    def base(self, rates: Array) -> Array:
        """The mean of the averaged windows, (n,), in currency."""
        chosen = [self.windows.index(days) for days in self.averaged]
        return np.asarray(np.maximum(rates[:, chosen].mean(axis=1), self.floor))

    def ratios(self, rates: Array, base: Array) -> Array:
        """Logarithm of each window's pace over the base, (n, windows)."""
        return np.asarray(np.log((rates + LEAST * base[:, None]) / base[:, None]))


@dataclass(frozen=True)
class Row:
    """What the members see of some merchants; all arrays have n rows."""

    base: Array
    ratios: Array
    encoded: Array
    linear: Array
    silent: Array
    """Chance of no order over the value horizon."""
    history: History

    @cached_property
    def wide(self) -> Array:
        """Encoded features and log ratios side by side, for the trees."""
        return np.column_stack([self.encoded, self.ratios])

    def __getitem__(self, rows: np.ndarray) -> Row:
        """Some of the merchants."""
        history = self.history[rows]
        return Row(self.base[rows], self.ratios[rows], self.encoded[rows], self.linear[rows], self.silent[rows], history)

    def __len__(self) -> int:
        return len(self.base)


def rows_of(carry: Carry, frame: Frame, encoded: Array, silent: Array) -> Row:
    """What the members see of a snapshot.

    Parameters
    ----------
    encoded : (n, features) as the model encodes them. silent : (n,) chance of no order over the value horizon.
    """
    rates = carry.rates(frame)
    base = carry.base(rates)
    ratios = carry.ratios(rates, base)
    counts = [np.log1p(np.maximum(np.nan_to_num(column(frame, name)), 0)) for name in COUNTS if name in frame]
    size = np.log(base)
    columns = np.column_stack([ratios, *counts, log_odds(silent, 0.002), size])
    nothing = np.zeros(len(frame))
    history = History.of(frame) if all(name in frame for name in NEEDS) else History(*(nothing,) * 5)
    return Row(base, ratios, encoded, columns, silent, history)


@dataclass(frozen=True)
class Linear:
    """A ridge Poisson regression on log ratios, counts, silence and size; ratios count differently for larger merchants."""

    center: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[float, ...]
    crossed: int
    """How many of the first columns are crossed with size, which is the last one."""

    def design(self, columns: Array) -> Array:
        """Standardised columns, their squares of size and crossings, and a one, (n, k)."""
        return linear_design(columns, np.array(self.center), np.array(self.spread), self.crossed)

    def ratio(self, rows: Row) -> Array:
        """Expected GMV over base, (n,)."""
        return np.asarray(np.exp(np.clip(weighted(self.design(rows.linear), np.array(self.weights)), -6, 2.5)))


def linear_design(columns: Array, center: Array, spread: Array, crossed: int) -> Array:
    """See `Linear.design`; values beyond four spreads are held there."""
    unit = np.clip((columns - center) / spread, -4, 4)
    size = unit[:, -1:]
    return np.column_stack([np.ones(len(unit)), unit, size**2, unit[:, :crossed] * size])


@dataclass(frozen=True)
class Trees:
    """Trees with a logarithmic link; `if_active` ones speak of merchants that sell at all, and are taken times that chance."""

    head: Head
    if_active: bool = False

    def ratio(self, rows: Row) -> Array:
        """Expected GMV over base, (n,)."""
        return np.asarray(np.exp(np.clip(self.head.raw(rows.wide), -6, 3)) * ((1 - rows.silent) if self.if_active else 1.0))


@dataclass(frozen=True)
class Rhythm:
    """Buy till you die: order days still to come, times what each is expected to bring."""

    orders: OrderModel
    spend: GammaGamma
    horizon: int

    def ratio(self, rows: Row) -> Array:
        """Expected GMV over base, (n,)."""
        expected = self.orders.expected(rows.history, self.horizon) * self.spend.expected(rows.history)
        return np.asarray(np.clip(np.nan_to_num(expected / rows.base), 0, MOST_RATIO))


@dataclass(frozen=True)
class Steady:
    """The pace of the longest window goes on, for those who sell at all; it learns nothing, and errs where the others learnt wrongly."""

    def ratio(self, rows: Row) -> Array:
        """Expected GMV over base, (n,)."""
        pace = np.exp(rows.ratios[:, -1]) - LEAST
        return np.asarray(np.clip(pace * (1 - rows.silent), 0, MOST_RATIO))


Member = Linear | Trees | Rhythm | Steady


@dataclass(frozen=True)
class Sizes:
    """A factor for each size of merchant, by its base: what retransformation took from the mean is given back (Duan 1983)."""

    edges: tuple[float, ...] = ()
    factors: tuple[float, ...] = (1.0,)

    def of(self, base: Array) -> Array:
        """The factor of each merchant, (n,)."""
        return np.asarray(np.array(self.factors)[np.searchsorted(self.edges, base, side="right")])


@dataclass(frozen=True)
class ValueModel:
    """The blend: members, their factors by size and weights, the level of the season ahead, and the range.

    `level` makes the sum over all merchants right for the season; `usual` is what it is on average, for longer outlooks.
    """

    carry: Carry
    members: Mapping[str, Member]
    sizes: Mapping[str, Sizes]
    weights: Mapping[str, float]
    level: float
    usual: float
    bands: Bands
    silence_power: float
    notes: Mapping[str, Any] = field(default_factory=dict)

    def silent(self, churn_risk: Array) -> Array:
        """Chance of no order over the value horizon from that over the churn horizon (constant hazard), (n,)."""
        return np.asarray(np.clip(churn_risk, 0, 0.998) ** self.silence_power)

    def expected(self, frame: Frame, encoded: Array, churn_risk: Array) -> tuple[Array, Array, Array]:
        """Expected GMV over the horizon and the two ends of its range, (n,) each, in currency.

        Parameters
        ----------
        encoded : (n, features) of the snapshot as the model encodes it. churn_risk : (n,) chance of no order over the churn horizon.
        """
        rows = self.rows(frame, encoded, churn_risk)
        expected = self.level * self.blend(rows)
        low, high = self.bands.range(expected, rows.base, rows.silent)
        return expected, low, high

    def rows(self, frame: Frame, encoded: Array, churn_risk: Array) -> Row:
        """What the members see of a snapshot."""
        return rows_of(self.carry, frame, encoded, self.silent(churn_risk))

    def blend(self, rows: Row) -> Array:
        """Expected GMV at a level of one, (n,)."""
        parts = [self.weights[name] * self.sizes[name].of(rows.base) * member.ratio(rows) for name, member in self.members.items()]
        return np.asarray(sum(parts) * rows.base)

    def to_files(self) -> dict[str, bytes]:
        """JSON and LightGBM text."""
        plain = {
            "carry": asdict(self.carry),
            "members": {name: _plain(member) for name, member in self.members.items()},
            "order": list(self.members),
            "sizes": {name: asdict(sizes) for name, sizes in self.sizes.items()},
            "bands": asdict(self.bands),
            **{name: getattr(self, name) for name in ("level", "usual", "silence_power")},
            **{name: dict(getattr(self, name)) for name in ("weights", "notes")},
        }
        trees = {name: member.head.text for name, member in self.members.items() if isinstance(member, Trees)}
        return {"value.json": plain_json(plain)} | {f"heads/value_{name}.txt": text.encode() for name, text in trees.items()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> ValueModel:
        """The model that `to_files` wrote; the files must have been checked before."""
        plain = json.loads(files["value.json"])
        members = {name: _member(plain["members"][name], files.get(f"heads/value_{name}.txt", b"")) for name in plain["order"]}
        sizes = {name: Sizes(**_tuples(plain["sizes"][name])) for name in members}
        weights = {name: plain["weights"][name] for name in members}
        carry, bands = Carry(**_tuples(plain["carry"])), Bands(**_tuples(plain["bands"]))
        rest = (plain["level"], plain["usual"], bands, plain["silence_power"], plain["notes"])
        return cls(carry, members, sizes, weights, *rest)


def _plain(member: Member) -> dict[str, Any]:
    if isinstance(member, Trees):
        return {"slope": member.head.slope, "intercept": member.head.intercept, "if_active": member.if_active}
    if isinstance(member, Rhythm):
        return {"orders": to_plain(member.orders), "spend": to_plain(member.spend), "horizon": member.horizon}
    return asdict(member)


def _member(line: Mapping[str, Any], text: bytes) -> Member:
    if text:
        return Trees(Head(text.decode(), line["slope"], line["intercept"]), line["if_active"])
    if not line:
        return Steady()
    if "orders" in line:
        return Rhythm(from_plain(line["orders"]), from_plain(line["spend"]), line["horizon"])
    return Linear(**_tuples(line))


def _tuples(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tupled(value) for name, value in line.items()}


def _tupled(value: Any) -> Any:
    return tuple(_tupled(one) for one in value) if isinstance(value, list) else value
