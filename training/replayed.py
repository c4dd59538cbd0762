"""Models of the past: what would have been trained at each of some days, from nothing that was not known then."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from features.cutoffs import day_date
from features.errors import DataRefused, UsageRefused
from features.model import Model
from features.snapshot import Market
from training.backtest import trained
from training.dataset import cohort_snapshots
from training.labels import to_shorten, window_end
from training.timeline import HISTORY_DAYS, training_cutoffs

EVERY = re.compile(r"([1-9]\d{0,3})d")
MONTH, ONCE = "month", "once"


def step_of(every: str, option: str) -> int:
    """The days of a step written as `7d`.

    Raises
    ------
    UsageRefused : it is written otherwise.
    """
    found = EVERY.fullmatch(every)
    if found is None:
        raise UsageRefused(f"{option} {every!r} is not a number of days; write it as 7d.")
    return int(found[1])


def replayed_days(market: Market, first: int | None, last: int | None, step: int) -> list[int]:
    """The days to score again, oldest first: counted back from the last one, as far as a model could have been trained.

    Parameters
    ----------
    first, last : day numbers, both included; by default all that the orders allow.

    Raises
    ------
    UsageRefused : they lie outside of what can be replayed.
    DataRefused : no day can be replayed: there is no label window behind any.
    """
    earliest, end = market.source.first_day + HISTORY_DAYS + window_end(0, market.settings), market.source.end_day
    if earliest > end:
        raise DataRefused(
            f"the orders reach from {day_date(market.source.first_day):%Y-%m-%d} to {day_date(end - 1):%Y-%m-%d}, and the first model could be "
            f"trained on {day_date(earliest):%Y-%m-%d}, so nothing can be replayed. Add {earliest - end} days of orders, "
            f"or shorten {to_shorten(market.settings)}."
        )
    start, stop = earliest if first is None else first, end if last is None else last
    if first is not None and last is not None and first > last:
        raise UsageRefused(f"--from {day_date(first):%Y-%m-%d} lies after --to {day_date(last):%Y-%m-%d}, so nothing can be replayed; swap them.")
    if start < earliest or stop > end or start > stop:
        raise UsageRefused(
            f"{day_date(start):%Y-%m-%d} to {day_date(stop):%Y-%m-%d} cannot be replayed; give --from and --to between "
            f"{day_date(earliest):%Y-%m-%d}, when the first model could be trained, and {day_date(end):%Y-%m-%d}, the day after the last order."
        )
    return sorted(range(stop, start - 1, -step))


def training_days(days: Sequence[int], retrain: str) -> dict[int, int]:
    """For each day of scoring, oldest first, the day on which its model is trained: always one of them, never a later one.

    Parameters
    ----------
    retrain : `month` (on the first of the days of each month), `once` (on the first), or as many days apart as `28d`.

    Examples
    --------
    >>> training_days([0, 7, 28, 35], "28d")
    {0: 0, 7: 0, 28: 28, 35: 28}
    """
    step = 0 if retrain in (MONTH, ONCE) else step_of(retrain, "--retrain (month, once, or a number of days)")
    chosen: dict[int, int] = {}
    last = days[0]
    for day in days:
        is_new_month = day_date(day).to_period("M") != day_date(last).to_period("M")
        if is_new_month if retrain == MONTH else retrain != ONCE and day - last >= step:
            last = day
        chosen[day] = last
    return chosen


@dataclass
class Retrained:
    """The model of each day of scoring, trained when its day comes; days are asked for in rising order.

    Attributes
    ----------
    trained_on : the day on which the model of each day is trained. tell : what is done now. notes : trainings that were refused, and why.
    """

    market: Market
    trained_on: dict[int, int]
    tell: Callable[..., None] = lambda *_: None
    notes: list[str] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)
    _snapshots: pd.DataFrame | None = None
    _model: Model | None = None
    _asked: int | None = None

    def __call__(self, day: int) -> tuple[Model, str] | None:
        """The model of a day and its name; None while there was too little to learn from."""
        on = self.trained_on[day]
        if on != self._asked:
            self._asked = on
            self._train(on)
        return None if self._model is None else (self._model, self.trainings[-1])

    def _train(self, on: int) -> None:
        self.tell(f"training as of {day_date(on):%Y-%m-%d}")
        try:
            self._model, _ = trained(self.market, on, self._known())
            self.trainings.append(f"as of {day_date(on):%Y-%m-%d}")
        except DataRefused as refusal:
            self.notes.append(f"no model could be trained on {day_date(on):%Y-%m-%d}: {refusal}")

    def _known(self) -> pd.DataFrame:
        """The cohort's snapshots at the cutoffs of all trainings, made in one pass."""
        if self._snapshots is None:
            cutoffs = {day for on in set(self.trained_on.values()) for day in training_cutoffs(self.market, on)}
            self._snapshots = cohort_snapshots(self.market, sorted(cutoffs))
        return self._snapshots
