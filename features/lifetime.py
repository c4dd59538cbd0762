"""What a merchant will bring the platform over the next year, if it goes on as forecast: take rate times discounted GMV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.trees import Array

YEAR = 365.0
MOST_RISK = 0.995
LEAST_RATE = 1e-9


@dataclass(frozen=True)
class Lifetime:
    """The terms: the platform's margin on GMV, the discount a year, the days that forecast and churn risk look ahead.

    `beyond` is the level of GMV after the forecast's horizon, relative to that of the season the forecast is of.
    """

    take_rate: float = 0.05
    discount_rate: float = 0.10
    value_days: int = 90
    churn_days: int = 90
    beyond: float = 1.0

    def value(self, expected_gmv: Array, churn_risk: Array) -> Array:
        """Discounted margin over the next 365 days, (n,), in currency.

        A merchant leaves at a constant hazard, so its expected GMV falls exponentially; over the forecast's horizon it adds up to
        the forecast. Money of day t is discounted by `(1 + discount_rate) ** (-t / 365)`.

        Examples
        --------
        >>> Lifetime(take_rate=0.1, discount_rate=0.0).value(np.array([90.0, 90.0]), np.array([0.0, 0.5])).round(2).tolist()
        [36.5, 16.92]
        """
        hazard = np.maximum(-np.log1p(-np.clip(churn_risk, 0, MOST_RISK)) / self.churn_days, LEAST_RATE)
        first = min(float(self.value_days), YEAR)
        start = expected_gmv * hazard / -np.expm1(-hazard * self.value_days)  # GMV a day, today
        falling = hazard + np.log1p(self.discount_rate) / YEAR
        near = -np.expm1(-falling * first) / falling
        far = (np.exp(-falling * first) - np.exp(-falling * YEAR)) / falling
        return np.asarray(self.take_rate * start * (near + self.beyond * far))
