"""Looking back at a merchant that was lost: was it warned of, how long before, and did anybody act."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd

from serving.page.formats import absent
from serving.page.merchant import Case
from serving.page.visit import Visit


def look_back(case: Case, visit: Visit) -> list[str] | None:
    """What can be said of a lost merchant, as sentences; None for one that still sells or never did."""
    row, t, f = case.row, visit.t, visit.f
    since: Any = row.get("days_since_last_order")
    if row["no_score"] != "inactive" or absent(since) or case.history is None:
        return None
    days = int(case.run.header["settings"]["churn"]["active_days"])
    lost_on = date.fromisoformat(case.run.cutoff) - timedelta(days=int(since) - days)
    lines = [t("m_lost_means", days=days), t("m_lost_on", day=f.day(lost_on))]
    before = pd.Timestamp(lost_on)
    warned = case.history["warnings"]["opened_on"]
    warned = warned[warned < before]
    lines.append(t("m_lost_warned", number=f.count((before - warned.min()).days)) if len(warned) else t("m_lost_unwarned"))
    acted = case.history["dispositions"]["done_on"]
    acted = acted[acted <= before]
    lines.append(t("m_lost_acted", number=f.count(len(acted))) if len(acted) else t("m_lost_unacted"))
    scores = case.history["scores"].dropna(subset=["churn_risk"])
    scores = scores[scores["cutoff"] < before]
    if len(scores):
        highest = int(scores["churn_risk"].to_numpy(float).argmax())
        risk, day = float(scores["churn_risk"].iloc[highest]), scores["cutoff"].iloc[highest]
        lines.append(t("m_lost_risk", risk=f.of_100(risk), day=f.day(day)))
    return lines
