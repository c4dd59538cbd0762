"""The time of the made-up market: local days and seconds in, UTC instants out.

Days are counted from the first simulated day (day 0; earlier days are negative) in the market's own time zone.
Events happen between 06:00 and midnight, where no clock change falls, so an event never slips into another local day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Anything = NDArray[Any]

EPOCH = date(1970, 1, 1)
BEFORE = 2000
"""Days before day 0 that still can be named (merchants that had joined long before)."""
AFTER = 800
"""Days after the last one that still can be named (planned deliveries, ends of contracts)."""
NEVER = 1_000_000
"""A day that does not come."""
NOTHING = np.iinfo(np.int64).min
"""An instant that is not known (empty in the table)."""


@dataclass(frozen=True)
class Clock:
    """`days` days from `start`, in `timezone`."""

    start: date
    days: int
    timezone: str

    @property
    def weeks(self) -> int:
        """Weeks that cover the days; the last one may be cut."""
        return -(-self.days // 7)

    @property
    def origin(self) -> int:
        """Day 0 in days since 1970-01-01."""
        return (self.start - EPOCH).days

    @cached_property
    def end(self) -> int:
        """The first instant after the simulation, in UTC seconds since 1970."""
        midnight = datetime.combine(self.start + timedelta(days=self.days), time(), ZoneInfo(self.timezone))
        return int(midnight.astimezone(UTC).timestamp())

    @cached_property
    def _offsets(self) -> Ints:
        zone = ZoneInfo(self.timezone)
        noons = [datetime.combine(self.start + timedelta(days=day), time(12), zone) for day in range(-BEFORE, self.days + AFTER)]
        return np.array([int(noon.utcoffset().total_seconds()) for noon in noons])  # type: ignore[union-attr]

    def utc(self, day: Ints, second: Ints) -> Ints:
        """UTC seconds since 1970 of the `second` (from 06:00 on) of a local `day`."""
        return (day + self.origin) * 86400 + second - self._offsets[day + BEFORE]

    def known(self, instant: Ints) -> Ints:
        """The instants, without those that lie after the end of the simulation."""
        return np.where(instant < self.end, instant, NOTHING)

    @cached_property
    def middles(self) -> Ints:
        """The middle day of each week."""
        return np.arange(self.weeks) * 7 + 3

    def day_of_year(self, day: Ints) -> Ints:
        """Days since 1 January, by a year of 365.25 days (a season does not mind one day)."""
        since = self.start.timetuple().tm_yday - 1 + day
        return np.floor(since % 365.25).astype(np.int64)

    def weekday(self, day: Ints) -> Ints:
        """0 is Monday."""
        return (day + self.start.weekday()) % 7
