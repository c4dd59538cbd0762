"""The level of the season ahead: by what factor all merchants' GMV will differ from what was carried forward.

A series holds the logarithm of actual over carried-forward GMV of the whole cohort at past cutoffs. Where the same season of the
year before is in it, the forecast leans on that, as far as a straight line does not explain the series as well; what such forecasts
missed on later windows is made good in part. Else it is the mean, late windows counting more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.trees import Array

YEAR = 365
NEAR = 46
"""Days around the same date of an earlier year within which a cutoff says something about this season."""
FADE = 0.6
"""What a season one year older counts for."""
RECENT = 180.0
"""Half-life in days of past windows' weight."""
LEAST_SEASON = 0.25
MISSED = 3.0
"""Windows' worth of doubt before past errors of the seasonal forecast are made good."""


@dataclass(frozen=True)
class Series:
    """Log levels at past cutoffs, oldest first, (k,) each: day numbers, levels, and how far the history was complete, in [0, 1]."""

    days: Array
    logs: Array
    complete: Array
    span: int
    """Days from a cutoff to the end of its label window."""

    def before(self, day: float) -> Series:
        """The part whose label windows were complete at a day."""
        known = self.days <= day - self.span
        return Series(self.days[known], self.logs[known], self.complete[known], self.span)

    def __len__(self) -> int:
        return len(self.days)


def completeness(days: Array, first: float, active: int) -> Array:
    """How far each cutoff's history fills the cohort's window, (k,), squared: a young platform's cohort is all newcomers."""
    return np.asarray(np.clip((days - first) / max(active, 1), 0.05, 1) ** 2)


def mean_level(series: Series) -> float:
    """Weighted mean of the log levels, late and complete windows counting more."""
    weight = series.complete * 0.5 ** ((series.days[-1] - series.days) / RECENT)
    return float((weight * series.logs).sum() / weight.sum())


def same_season(series: Series, day: float) -> tuple[float, float] | None:
    """The log level around the same date of earlier years, and how well it is known, in [0, 1]; None where it is not."""
    weight = np.zeros(len(series))
    for years in range(1, 4):
        apart = np.abs(series.days - (day - YEAR * years))
        weight += np.where(apart < NEAR, 1 - apart / NEAR, 0) * FADE ** (years - 1)
    weight = weight * series.complete
    if weight.sum() < 1e-9:
        return None
    return float((weight * series.logs).sum() / weight.sum()), float(min(1.0, weight.sum()))


def seasonality(series: Series) -> float:
    """Share of the series' ups and downs that no straight line explains, at least a quarter."""
    if len(series) < 4 or np.ptp(series.logs) < 1e-12:
        return LEAST_SEASON
    line = np.polyfit(series.days - series.days[0], series.logs, 1, w=np.sqrt(series.complete))
    left = series.logs - np.polyval(line, series.days - series.days[0])
    around = series.logs - np.average(series.logs, weights=series.complete)
    return float(np.clip((series.complete * left**2).sum() / (series.complete * around**2).sum(), LEAST_SEASON, 1))


def _season_missed(series: Series, day: float) -> float:
    """What seasonal forecasts missed on past windows, on average, pulled to zero where they were few."""
    total = count = 0.0
    for place, moment in enumerate(series.days):
        found = same_season(series.before(moment), moment)
        if found is not None:
            weight = found[1] * 0.5 ** ((day - moment) / RECENT)
            total, count = total + weight * (series.logs[place] - found[0]), count + weight
    return total / (count + MISSED)


def forecast(series: Series, day: float) -> float:
    """Log level expected for the window that begins at a day."""
    usual, season = mean_level(series), same_season(series, day)
    if season is None:
        return usual
    lean = season[1] * seasonality(series)
    return usual + lean * (season[0] + _season_missed(series, day) - usual)


def past_errors(series: Series) -> tuple[Array, Array]:
    """What the forecast would have missed on past windows, from what was known then, and the windows' weights, (m,) each."""
    missed = [(place, series.before(day)) for place, day in enumerate(series.days) if len(series.before(day))]
    errors = np.array([series.logs[place] - forecast(known, series.days[place]) for place, known in missed])
    return errors, np.array([series.complete[place] for place, _ in missed])


@dataclass(frozen=True)
class Anchor:
    """One way to carry all merchants forward: its past series, and its total at the day of the forecast."""

    series: Series
    total: float
    doubt: float
    """Error, in logarithms, to reckon with before there are past forecasts to look at."""


DOUBTED = 2.0
"""Windows' worth of that doubt."""


def mean_error(anchor: Anchor) -> float:
    """Mean squared error of an anchor's past forecasts, and of its doubt."""
    errors, weight = past_errors(anchor.series)
    return float(((weight * errors**2).sum() + DOUBTED * anchor.doubt**2) / (weight.sum() + DOUBTED))


def total_ahead(anchors: Mapping[str, Anchor], day: float) -> tuple[float, float]:
    """All merchants' GMV over the horizon, and the spread of its logarithm to reckon with.

    The anchors' forecasts are averaged in logarithms, each by the inverse of its past mean squared error.
    """
    logs = np.array([np.log(max(anchor.total, 1e-300)) + forecast(anchor.series, day) for anchor in anchors.values()])
    errors = np.array([mean_error(anchor) for anchor in anchors.values()])
    weight = (1 / errors) / (1 / errors).sum()
    return float(np.exp((weight * logs).sum())), float(np.sqrt((weight * errors).sum()))
