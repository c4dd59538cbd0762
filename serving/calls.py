"""Whom to call: the order of the call list, what calling the first so many catches and wastes, and whether the order can be relied on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.money import profit_of_acting, ranked
from serving.rules.team import Team

STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
COMPARED = 10
"""So many times the capacity are compared when the save rates are varied; who is further down would not come up."""
STABLE = 0.8
"""From this share of the first on that stay the same whatever save rate is assumed, the order is taken as it is."""
HOLD = "hold"
"""The arm of merchants that are left alone on purpose."""
USUAL = 40
"""The capacity that is looked at when none is given."""


@dataclass(frozen=True)
class Calls:
    """A call list, best first, and how many of the scored merchants were left out and why."""

    rows: pd.DataFrame
    average: float
    sure: int
    lost: int
    held_out: int


def call_list(merchants: pd.DataFrame, team: Team, within: pd.DataFrame | None = None) -> Calls:
    """Scored merchants by expected profit of acting, without sure things, lost causes and the holdout.

    Parameters
    ----------
    merchants : all of a run: their average risk is what a sure thing is measured by.
    within : those of them that the list is for; all if None.
    """
    average = float(merchants["churn_risk"].mean())
    rows = merchants if within is None else within
    rows = rows[rows["expected_profit"].notna()]
    sure, lost = _beyond_help(rows, average, team)
    held = (rows["arm"] == HOLD).to_numpy(bool) if "arm" in rows else np.zeros(len(rows), bool)
    keep = ~(sure | lost | held)
    return Calls(ranked(rows[keep], "expected_profit"), average, int(sure.sum()), int(lost.sum()), int((held & ~sure & ~lost).sum()))


def worth_acting(merchants: pd.DataFrame, team: Team) -> NDArray[np.bool_]:
    """Who would be acted on, if there were hands enough: neither sure things nor lost causes, and acting is expected to bring more than it
    costs.
    """
    sure, lost = _beyond_help(merchants, float(merchants["churn_risk"].mean()), team)
    return (merchants["expected_profit"].to_numpy(np.float64) > 0) & ~(sure | lost)


def _beyond_help(rows: pd.DataFrame, average: float, team: Team) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Sure things and lost causes; nobody without a score is one."""
    risk = rows["churn_risk"].to_numpy(np.float64)
    return risk < team.sure_below * average, risk > team.lost_above


def growth_list(merchants: pd.DataFrame, team: Team, within: pd.DataFrame | None = None) -> pd.DataFrame:
    """Scored merchants with more than the average chance to grow, by the GMV that they could add: a giant that stays what it is
    needs no support.
    """
    rows = merchants if within is None else within
    least = team.grows_from * float(merchants["growth_potential"].mean())
    return ranked(rows[rows["growth_potential"] >= least], "growth_value")


def cut_to(rows: pd.DataFrame, capacity: int | None, per_owner: int) -> pd.DataFrame:
    """The first that the team can act on: `capacity` in all, and so many of one account manager at most."""
    if capacity is None:
        return rows
    if "owner" in rows:
        turn = rows.groupby("owner", dropna=False, sort=False).cumcount()
        rows = rows[(turn < per_owner) | rows["owner"].isna()]
    return rows.head(capacity)


def calling(rows: pd.DataFrame, expected_leavers: float, capacity: int | None = None) -> pd.DataFrame:
    """What calling the first so many of a list is expected to catch and to waste.

    Parameters
    ----------
    rows : a call list, best first.
    expected_leavers : of all the run, listed or not.

    Returns
    -------
    One row for each number of `calls`: `leavers` among them and their `share_of_leavers`, `wasted` calls to merchants who would have stayed,
    `value_at_risk`, `saved` leavers, `cost` and `profit`, all expected, under the save rates that the plays assume or have measured.
    """
    last = len(rows)
    steps = sorted({step for step in (*STEPS, capacity or last, last) if 0 < step <= last})
    place = np.array(steps, np.int64) - 1
    risk = rows["churn_risk"].to_numpy(np.float64)
    sums = {
        "leavers": risk,
        "value_at_risk": rows["value_at_risk"].to_numpy(np.float64),
        "saved": risk * rows["action_save_rate"].to_numpy(np.float64),
        "cost": rows["action_cost"].to_numpy(np.float64),
        "profit": rows["expected_profit"].to_numpy(np.float64),
    }
    table = pd.DataFrame({"calls": np.array(steps, np.int64)} | {name: np.cumsum(values)[place] for name, values in sums.items()})
    table.insert(2, "share_of_leavers", table["leavers"] / expected_leavers if expected_leavers else np.nan)
    table.insert(3, "wasted", table["calls"] - table["leavers"])
    return table


def sensitivity(rows: pd.DataFrame, capacity: int | None = None) -> tuple[int, str | None]:
    """How many of the first would be others under other save rates than the assumed ones.

    Every play that is not measured yet (`save_rate_measured`) is taken at half and at twice its assumed rate, one at a time, and all of them at one rate.

    Returns
    -------
    The most that change, and the play whose rate it hangs on; None where it is that all are alike.
    """
    first = min(capacity or USUAL, len(rows))
    rows = rows.head(max(COMPARED * first, 1000))
    standing = set(range(first))
    rate, action = rows["action_save_rate"].to_numpy(np.float64), rows["action"].to_numpy(object)
    assumed = ~rows["save_rate_measured"].to_numpy(bool) if "save_rate_measured" in rows else np.ones(len(rows), bool)
    if not assumed.any():
        return 0, None
    tried: list[tuple[str | None, NDArray[np.float64]]] = [(None, np.where(assumed, rate[assumed].mean(), rate))]
    for play in dict.fromkeys(action[assumed][: 2 * first]):
        tried += [(play, np.where(action == play, np.minimum(rate * factor, 1), rate)) for factor in (0.5, 2.0)]
    changed = [(len(standing - _first(rows, rates, first)), play) for play, rates in tried]
    return max(changed, key=lambda pair: pair[0])


def _first(rows: pd.DataFrame, rate: NDArray[np.float64], first: int) -> set[int]:
    """Places of the first under other save rates."""
    incentive = rows.get("action_incentive", 0.0)
    profit = profit_of_acting(rows["churn_risk"], rows["value_if_kept"], rate, rows["action_cost"], incentive)
    return {*np.argsort(-profit, kind="stable")[:first].tolist()}
