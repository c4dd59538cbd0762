"""What warnings cost a team in a replay: how much of the time those who stay stand on its list, beside those who are about to leave."""

from __future__ import annotations

import numpy as np
import pandas as pd

from serving.replay import Replayed
from serving.warning_report import DECLINE

SOON = 28
"""Days before a merchant falls silent in which it should stand on the list."""


def right(done: Replayed) -> pd.Series:
    """Of each warning, whether it ended in churn or in sales below half of those before; NaN where that is not known yet."""
    table = done.warnings.merge(done.outcomes.rename(columns={"since": "opened_on"}), how="left", on=["merchant_id", "opened_on"])
    churned = table["churned"].eq(True)
    known = (churned | (table["gmv"] < DECLINE * table["gmv_before"])).where(table["churned"].notna())
    return known.astype(float).set_axis(done.warnings.index)


def under_warning(done: Replayed, fired: pd.DataFrame, lost: pd.DataFrame, tiers: tuple[str, ...], horizon: int) -> dict[str, float]:
    """The share of merchants and runs under a warning: of scored merchants that still sell.

    Parameters
    ----------
    fired : merchant_id, opened_on, closed_on of the warnings. lost : merchant_id, silent_on of everybody that was lost, once or more.
    tiers : of the merchant at the run; none for any.

    Returns
    -------
    `stayers` : those who do not fall silent within `horizon` days (so runs of the last horizon say nothing of them); `leavers` : those who do;
    `leavers_soon` : within `SOON` days. NaN where there are none.
    """
    rows = done.scores[done.scores["is_scored"]]
    rows = rows[rows["tier"].isin(tiers)] if tiers else rows
    rows = rows.sort_values("cutoff", kind="stable").reset_index(drop=True)
    after = lost[["merchant_id", "silent_on"]].astype({"silent_on": rows["cutoff"].dtype}).sort_values("silent_on", kind="stable")
    left = pd.merge_asof(
        rows, after, left_on="cutoff", right_on="silent_on", by="merchant_id", direction="forward", allow_exact_matches=False
    )
    before = pd.merge_asof(rows, after, left_on="cutoff", right_on="silent_on", by="merchant_id")
    days = (left["silent_on"] - rows["cutoff"]).dt.days
    is_on = _open(rows, fired)
    selling = before["silent_on"].isna() | (rows["cutoff"] - before["silent_on"]).dt.days.gt(horizon)
    staying = selling & ~(days <= horizon) & (rows["cutoff"] <= rows["cutoff"].max() - pd.Timedelta(days=horizon))
    groups = {"stayers": staying, "leavers": days <= horizon, "leavers_soon": days <= SOON}
    return {name: float(is_on[mask].mean()) if mask.any() else np.nan for name, mask in groups.items()}


def _open(rows: pd.DataFrame, fired: pd.DataFrame) -> pd.Series:
    """Whether a warning of the merchant is open after the run."""
    pairs = rows[["merchant_id", "cutoff"]].reset_index().merge(fired, on="merchant_id")
    holds = (pairs["opened_on"] <= pairs["cutoff"]) & (pairs["closed_on"].isna() | (pairs["closed_on"] > pairs["cutoff"]))
    return pd.Series(rows.index.isin(pairs.loc[holds, "index"]), index=rows.index)
