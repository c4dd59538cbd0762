"""What a merchant is worth, what is at risk, and what acting is expected to bring.

All in the market's currency, over the horizon:

* value if kept = take rate × E[GMV | kept]. The model's `expected_gmv` is unconditional, and a churner brings nothing, so
  E[GMV | kept] = expected_gmv / (1 − churn_risk). That explodes as the risk nears 1, so the risk in it is held at 0.95 and the
  result at twice the merchant's own trailing GMV scaled to the horizon (never below expected_gmv).
* value at risk = churn_risk × value if kept.
* GMV to add = growth_potential × half the trailing GMV: what growing by half, the least that counts as growth, brings; growth value =
  take rate × GMV to add.
* expected profit of acting = save_rate × value at risk − cost of acting. Where the play gives away an incentive, a share of the value,
  everybody who stays gets it, those as well who would have stayed anyway. The save rate is that of the play, an assumption of the rules
  until it is measured. The profit may be below zero: then acting costs more than it is expected to keep.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from features.sheet import Frame, Sheet, column

MOST_RISK = 0.95
MOST_GROWTH = 2.0
GROWN = 0.5
WINDOW = re.compile(r"gmv_(\d+)d")


def value_if_kept(churn_risk: ArrayLike, expected_gmv: ArrayLike, trailing_gmv: ArrayLike, take_rate: float) -> NDArray[np.float64]:
    """The platform's margin over the horizon if the merchant stays.

    Parameters
    ----------
    churn_risk : (n,) probability of leaving within the horizon.
    expected_gmv : (n,) unconditional expectation over the horizon.
    trailing_gmv : (n,) GMV of the past, scaled to the horizon's length; NaN where unknown, which bounds nothing.

    Examples
    --------
    >>> value_if_kept([0.5, 0.99], [1000, 100], [1500, 300], take_rate=0.05)
    array([100.,  30.])
    """
    expected = np.asarray(expected_gmv, np.float64)
    risk = np.minimum(np.asarray(churn_risk, np.float64), MOST_RISK)
    bound = np.fmax(MOST_GROWTH * np.asarray(trailing_gmv, np.float64), expected)
    bound = np.where(np.isnan(np.asarray(trailing_gmv, np.float64)), np.inf, bound)
    return np.minimum(expected / (1 - risk), bound) * take_rate


def profit_of_acting(
    churn_risk: ArrayLike, value: ArrayLike, save_rate: ArrayLike, cost: ArrayLike, incentive: ArrayLike = 0.0
) -> NDArray[np.float64]:
    """What a contact is expected to bring, less what it costs and gives away.

    Parameters
    ----------
    incentive : share of the value that whoever stays gets.

    Examples
    --------
    >>> profit_of_acting([0.5, 0.5], [1000, 100], save_rate=0.2, cost=15)
    array([85., -5.])
    >>> profit_of_acting([0.5, 0.0], [1000, 1000], save_rate=0.2, cost=15, incentive=0.05)
    array([ 55., -65.])
    """
    risk, worth = np.asarray(churn_risk, np.float64), np.asarray(value, np.float64)
    saved = np.asarray(save_rate, np.float64) * risk
    return (saved - np.asarray(incentive, np.float64) * (1 - risk + saved)) * worth - np.asarray(cost, np.float64)


def trailing_gmv(frame: Frame, horizon_days: int) -> NDArray[np.float64]:
    """GMV of the window nearest to the horizon in length, scaled to it; NaN where no window is in the snapshot.

    Examples
    --------
    >>> trailing_gmv(pd.DataFrame({"gmv_28d": [280.0], "gmv_90d": [450.0]}), horizon_days=56)
    array([560.])
    """
    windows = {name: int(match[1]) for name in (frame.names if isinstance(frame, Sheet) else map(str, frame.columns)) if (match := WINDOW.fullmatch(name))}
    if not windows:
        return np.full(len(frame), np.nan)
    name = min(windows, key=lambda name: (abs(windows[name] - horizon_days), windows[name]))
    return column(frame, name) * horizon_days / windows[name]


def money(frame: pd.DataFrame, settings: Any) -> pd.DataFrame:
    """The money columns of a run.

    Parameters
    ----------
    frame : `churn_risk`, `expected_gmv`, `growth_potential`, `action_cost`, `action_save_rate`, `action_incentive` (none if absent) and the
        snapshot's gmv windows; NaN without a score.
    settings : those of keepwell.toml.

    Returns
    -------
    `value_if_kept`, `value_at_risk`, `expected_profit`, `gmv_to_add`, `growth_value`, in currency over the horizon.
    """
    trailing = trailing_gmv(frame, settings.growth.horizon_days)
    risk = frame["churn_risk"].to_numpy(np.float64)
    value = value_if_kept(risk, frame["expected_gmv"], trailing, settings.economics.take_rate)
    profit = profit_of_acting(risk, value, frame["action_save_rate"], frame["action_cost"], frame.get("action_incentive", 0.0))
    to_add = frame["growth_potential"].to_numpy(np.float64) * trailing * GROWN
    table = {"value_if_kept": value, "value_at_risk": risk * value, "expected_profit": profit}
    return pd.DataFrame(table | {"gmv_to_add": to_add, "growth_value": settings.economics.take_rate * to_add}, index=frame.index)


def ranked(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows from the largest `by` to the smallest, ties by merchant_id so that a list never flickers; rows without it left out."""
    rows = frame[frame[by].notna()]
    falling = -rows[by].to_numpy(np.float64)
    if rows.index.is_monotonic_increasing:
        return rows.iloc[np.argsort(falling, kind="stable")]
    return rows.iloc[np.lexsort((rows.index.to_numpy(dtype=str), falling))]
