"""Which cutoffs are trained on: many per merchant, each with a label window that was complete at the instant of training."""

from __future__ import annotations

import pandas as pd

from features.cutoffs import day_date, day_number
from features.errors import DataRefused
from features.settings import Settings
from features.snapshot import Market
from training.labels import to_shorten, window_end

HISTORY_DAYS = 56
"""Days of orders that a training cutoff must have behind it."""
FRESH_DAYS = 14
"""If the last day with complete labels lies so far behind the last cutoff that is due, it becomes one too: the newest labels count most."""


def cutoffs_of(first: int, last: int, every: str) -> list[int]:
    """The days from `first` to `last`, both included, on which a snapshot is due.

    `"month"`: the first of each month; `"week"` and `"28d"`: counted back from `last`, so that the newest labels are used.
    """
    if every == "month":
        days = pd.date_range(day_date(first), day_date(last), freq="MS")
        return [day_number(day) for day in days]
    step = 7 if every == "week" else int(every.removesuffix("d"))
    return sorted(range(last, first - 1, -step))


def training_cutoffs(market: Market, as_of: int) -> list[int]:
    """The cutoffs whose labels were complete at `as_of`, oldest first.

    Raises
    ------
    DataRefused
        When there is none, with how much history is missing.
    """
    settings: Settings = market.settings
    span = window_end(0, settings)
    first, last = market.source.first_day + HISTORY_DAYS, as_of - span
    found = cutoffs_of(first, last, settings.timeline.every) if last >= first else []
    if last >= first and (not found or last - found[-1] >= FRESH_DAYS):
        found.append(last)
    if not found:
        lacking = f"{first - last} day{'s' * (first - last != 1)}"
        raise DataRefused(
            f"the orders reach from {day_date(market.source.first_day):%Y-%m-%d} to {day_date(as_of - 1):%Y-%m-%d}: too little history "
            f"for one label window, which needs {HISTORY_DAYS} days before a cutoff and {span} after it. Add {lacking} of orders, "
            f"or shorten {to_shorten(settings)}."
        )
    return found
