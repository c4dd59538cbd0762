"""What each kind of warning was worth: how often it fired, how often it was right, how early, and whether anybody acted on it."""

from __future__ import annotations

import pandas as pd

DECLINE = 0.5
"""Below this share of the sales before the warning, a merchant has declined."""


def warning_report(warnings: pd.DataFrame, outcomes: pd.DataFrame, dispositions: pd.DataFrame, active_days: int) -> pd.DataFrame:
    """One row a kind, most often fired first.

    Parameters
    ----------
    warnings, outcomes, dispositions : those of the ledger.
    active_days : after so many days without an order a merchant counts as lost.

    Returns
    -------
    Indexed by `kind`:

    * `fired`, `open`, `escalated`, `wrong_alarm` (a person said so): numbers of warnings; `matured`: those whose horizon has passed.
    * `precision`: share of the matured that ended in churn, or in sales below half of those before; `precision_left_alone`: the same among
      those that nobody acted on, which acting cannot have proved wrong.
    * `lead_days`: days from the warning to the day on which the merchant counted as lost, median over those that were.
    * `acted_on`: share of all for whose merchant something was recorded while they were open or before their horizon had passed.
    """
    table = warnings.merge(outcomes.rename(columns={"since": "opened_on"}), how="left", on=["merchant_id", "opened_on"])
    table["was_acted_on"] = _acted_on(table, dispositions)
    table["is_matured"] = table["churned"].notna()
    churned = table["churned"].fillna(False).astype(bool)
    table["was_right"] = (churned | (table["gmv"] < DECLINE * table["gmv_before"])).where(table["is_matured"]).astype(float)
    lost_on = table["silent_on"] + pd.Timedelta(days=active_days)
    table["lead"] = (lost_on - table["opened_on"]).dt.days.where(churned).astype(float)
    table["right_alone"] = table["was_right"].where(~table["was_acted_on"])
    by_kind = table.groupby("kind")
    report = pd.DataFrame(
        {
            "fired": by_kind.size(),
            "open": by_kind["closed_on"].apply(lambda closed: int(closed.isna().sum())),
            "escalated": by_kind["escalations"].apply(lambda times: int((times > 0).sum())),
            "wrong_alarm": by_kind["closed_why"].apply(lambda why: int((why == "wrong alarm").sum())),
            "matured": by_kind["is_matured"].sum().astype(int),
            "precision": by_kind["was_right"].mean(),
            "precision_left_alone": by_kind["right_alone"].mean(),
            "lead_days": by_kind["lead"].median(),
            "acted_on": by_kind["was_acted_on"].mean(),
        }
    )
    return report.sort_values("fired", ascending=False, kind="stable")


def _acted_on(table: pd.DataFrame, dispositions: pd.DataFrame) -> pd.Series:
    """Whether something was recorded for the merchant from the day of the warning to the end of its horizon, or until it closed."""
    deeds = table[["warning_no", "merchant_id", "opened_on", "closed_on", "settled_on"]].merge(
        dispositions[["merchant_id", "done_on", "kind"]], on="merchant_id"
    )
    end = deeds["settled_on"].fillna(deeds["closed_on"])
    within = (deeds["done_on"] >= deeds["opened_on"]) & ((deeds["done_on"] <= end) | end.isna())
    return table["warning_no"].isin(deeds.loc[within, "warning_no"])
