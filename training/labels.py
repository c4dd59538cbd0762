"""What happened after a cutoff: the only code of Keepwell that reads past one.

Observation windows end at the cutoff; label windows are `[cutoff + gap, cutoff + gap + horizon)`. A label exists only where
its whole window lies before `as_of`, the instant up to which the future is known; nothing known at or after it counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.cutoffs import day_date
from features.errors import UsageRefused
from features.settings import Settings
from features.snapshot import Market
from features.tables import SCALE
from features.tiles import Tiles
from features.verbs import Measure

AMOUNT, ORDERS = Measure("amount"), Measure("orders")
ACTIVATION_DAYS = 30
GROWTH = 1.5
DECLINE = 0.5


@dataclass(frozen=True)
class After:
    """The orders of every merchant around one cutoff, as known at `as_of`."""

    tiles: Tiles
    merchants: int
    cutoff: int
    gap: int
    horizon: int
    value_horizon: int
    as_of: int
    active: int = 0

    def _sum(self, measure: Measure, start: int, end: int, known: int) -> np.ndarray:
        rows = (self.tiles.day >= start) & (self.tiles.day < end) & (self.tiles.seen < known)
        return np.bincount(self.tiles.merchant[rows], self.tiles.measures[measure][rows], self.merchants)

    def orders_within(self, days: int) -> np.ndarray:
        """Orders in the first `days` days of the label window."""
        start = self.cutoff + self.gap
        return self._sum(ORDERS, start, start + days, self.as_of)

    def gmv_ahead(self) -> np.ndarray:
        """GMV over the value horizon."""
        start = self.cutoff + self.gap
        return self._sum(AMOUNT, start, start + self.value_horizon, self.as_of) / SCALE["money"]

    def gmv_before(self, days_ago: int = 0) -> np.ndarray:
        """GMV of the last period as long as the value horizon, known before the cutoff; or of one `days_ago` days earlier."""
        end = self.cutoff - days_ago
        return self._sum(AMOUNT, end - self.value_horizon, end, self.cutoff) / SCALE["money"]

    def gmv_active(self) -> np.ndarray:
        """GMV of the days in which a member of the cohort has an order, known before the cutoff."""
        return self._sum(AMOUNT, self.cutoff - self.active, self.cutoff, self.cutoff) / SCALE["money"]

    def ordered_before(self) -> np.ndarray:
        """Whether the merchant had any order known before the cutoff."""
        return self._sum(ORDERS, 0, self.cutoff, self.cutoff) > 0


def third(horizon: int, thirds: int) -> int:
    """A third of the horizon, or two, in whole days (30 and 60 of 90)."""
    return max(1, round(horizon * thirds / 3))


def churned(after: After) -> np.ndarray:
    """No completed order in the whole horizon."""
    return after.orders_within(after.horizon) == 0


def churned_two_thirds(after: After) -> np.ndarray:
    """No completed order in the first two thirds of the horizon."""
    return after.orders_within(third(after.horizon, 2)) == 0


def churned_third(after: After) -> np.ndarray:
    """No completed order in the first third of the horizon."""
    return after.orders_within(third(after.horizon, 1)) == 0


def value(after: After) -> np.ndarray:
    """GMV over the value horizon."""
    return after.gmv_ahead()


def grew(after: After) -> np.ndarray:
    """GMV over the horizon at least 1.5 times that of the last period of equal length, and not zero."""
    ahead = after.gmv_ahead()
    return (ahead >= GROWTH * after.gmv_before()) & (ahead > 0)


def declined(after: After) -> np.ndarray:
    """GMV over the horizon below half of the own seasonal expectation.

    That is the last period's GMV times how the whole market moved at this time last year (times 1 where there is no last year).
    """
    year, length = 365, after.value_horizon
    season_before, season_ahead = after.gmv_before(year).sum(), after.gmv_before(year - length).sum()
    season = season_ahead / season_before if season_before > 0 and season_ahead > 0 else 1.0
    return after.gmv_ahead() < DECLINE * season * after.gmv_before()


def activated(after: After) -> np.ndarray:
    """A first order in the next 30 days; missing for merchants that had one before."""
    return np.where(after.ordered_before(), np.nan, after.orders_within(ACTIVATION_DAYS) > 0)


def trailing(after: After) -> np.ndarray:
    """GMV of the last `active_days`: no label, but what goes when a merchant goes."""
    return after.gmv_active()


LABELS: dict[str, Callable[[After], np.ndarray]] = {
    one.__name__: one for one in (churned, churned_two_thirds, churned_third, value, grew, declined, activated, trailing)
}
"""All labels by name. To add one, write its function above and name it here."""


def window_end(cutoff: int, settings: Settings) -> int:
    """The first day after everything that a cutoff's labels look at."""
    return cutoff + settings.churn.gap_days + max(settings.churn.horizon_days, settings.growth.horizon_days, ACTIVATION_DAYS)


def to_shorten(settings: Settings) -> str:
    """What to shorten for labels to be complete sooner, in words: the longer of the two horizons, or both."""
    churn, growth = settings.churn.horizon_days, settings.growth.horizon_days
    sections = [name for name, days in (("[churn]", churn), ("[growth]", growth)) if days == max(churn, growth)]
    return f"horizon_days of {' and '.join(sections)} in keepwell.toml"


def refuse_incomplete(cutoff: int, as_of: int, settings: Settings) -> None:
    """Refuse a cutoff whose label window is not over.

    Raises
    ------
    UsageRefused
        It ends after `as_of`.
    """
    end = window_end(cutoff, settings)
    if end > as_of:
        raise UsageRefused(
            f"cutoff {day_date(cutoff):%Y-%m-%d} has labels only until {day_date(as_of):%Y-%m-%d}, but the horizon ends on "
            f"{day_date(end):%Y-%m-%d}. Use a cutoff on or before {day_date(as_of - (end - cutoff)):%Y-%m-%d}, or shorten {to_shorten(settings)}."
        )


def labels(market: Market, cutoff: int, as_of: int) -> pd.DataFrame:
    """All labels of all merchants at a cutoff, indexed by `merchant_id`.

    Raises
    ------
    UsageRefused
        When a label window is not complete at `as_of`.
    """
    settings = market.settings
    refuse_incomplete(cutoff, as_of, settings)
    tiles = market.tiles("orders", (AMOUNT, ORDERS))
    churn = settings.churn
    spans = (churn.gap_days, churn.horizon_days, settings.growth.horizon_days)
    after = After(tiles, len(market.merchants), cutoff, *spans, as_of, churn.active_days)
    columns = {name: label(after).astype(float) for name, label in LABELS.items()}
    return pd.DataFrame(columns, index=pd.Index(market.merchants["merchant_id"], name="merchant_id"))
