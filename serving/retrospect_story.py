"""The story of one lost merchant: its risk, warnings and actions day by day, and which rule held or would have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from serving.retrospect_past import PAST, Tables, date_text, day_of

IN_TIME = 21
"""Days ahead of the loss that a rule must fire to be of use."""

MOST_FLAGGED = 0.3
"""A threshold that warns of a larger share of all merchants is no rule."""


def timeline(past: pd.DataFrame, tables: Tables, last: int, lost_on: int) -> tuple[list[dict[str, Any]], bool]:
    """Risk, warnings and actions by day; the ledger's where it has a run from before the last order, else recomputed ones beside them."""
    rows: list[dict[str, Any]] = []
    scores = tables.get("scores", pd.DataFrame())
    covered = len(scores) > 0 and min(day_of(cutoff) for cutoff in scores["cutoff"]) <= last
    for row in scores.to_dict("records"):
        risk = None if row["churn_risk"] is None or pd.isna(row["churn_risk"]) else float(row["churn_risk"])
        rows.append({"on": date_text(day_of(row["cutoff"])), "what": "risk", "risk": risk, "tier": row["tier"], "is_recomputed": False})
    for row in tables.get("warnings", pd.DataFrame()).to_dict("records"):
        rows.append({"on": date_text(day_of(row["opened_on"])), "what": "warning", "kind": row["kind"], "is_recomputed": False})
    for row in tables.get("dispositions", pd.DataFrame()).to_dict("records"):
        rows.append({"on": date_text(day_of(row["done_on"])), "what": "action", "outcome": row["outcome"], "offer": row["offer"], "is_recomputed": False})
    open_kinds: set[str] = set()
    for point in () if covered else past.sort_values("day").to_dict("records"):
        risk = None if pd.isna(point["churn_risk"]) else round(float(point["churn_risk"]), 4)
        rows.append({"on": date_text(point["day"]), "what": "risk", "risk": risk, "tier": point["tier"], "is_recomputed": True})
        new = [kind for kind in point["kinds"] if kind not in open_kinds]
        rows += [{"on": date_text(point["day"]), "what": "warning", "kind": kind, "is_recomputed": True} for kind in new]
        open_kinds = set(point["kinds"])
    return sorted((row for row in rows if day_of(row["on"]) <= lost_on), key=lambda row: str(row["on"])), bool(covered)


def catching(timeline: list[dict[str, Any]], past: pd.DataFrame, last: int, lost_on: int) -> dict[str, Any]:
    """Which rules held and how long before; else the churn threshold that would have fired in time, and what it would have cost."""
    first: dict[str, int] = {}
    for row in timeline:
        if row["what"] == "warning" and last - PAST <= day_of(row["on"]) <= last + 1:
            first.setdefault(row["kind"], lost_on - day_of(row["on"]))
    held = [{"kind": kind, "days_ahead": days} for kind, days in sorted(first.items(), key=lambda one: -one[1])]
    usable = past[(past["day"] <= lost_on - IN_TIME) & (past["day"] <= last + 1) & past["churn_risk"].notna()]
    change, highest = None, None
    if len(usable):
        highest = float(usable["churn_risk"].max())
        best = usable.loc[[usable["churn_risk"].to_numpy().argmax() == place for place in range(len(usable))]].iloc[0]
        bound = float(np.floor(best["churn_risk"] * 20) / 20)
        flags, days = round(float(best["flagged"]), 4), lost_on - int(best["day"])
        if flags <= MOST_FLAGGED:
            change = {"kind": "churn_risk", "when": f"churn_risk >= {bound:.2f}", "days_ahead": days, "flags": flags}
    en, zh = _caught_words(held, change, highest)
    return {"rules_that_held": held, "rule_change": change, "caught_en": en, "caught_zh": zh}


def _caught_words(held: list[dict[str, Any]], change: dict[str, Any] | None, highest: float | None) -> tuple[str, str]:
    if held:
        best = held[0]
        return f"{best['kind']} held {best['days_ahead']} days ahead of the loss", f"{best['kind']}在流失前{best['days_ahead']}天已成立"
    if change is None and highest is not None:
        return f"no rule came near: its risk was {highest:.0%} at most", f"无规则接近：风险最高仅{highest:.0%}"
    if change is None:
        return "no rule came near: it had no score before its last order", "无规则接近：最后一单前没有评分"
    return (
        f"no rule held; churn when {change['when'][11:]} would have fired {change['days_ahead']} days ahead, and for {change['flags']:.0%} of all",
        f"无规则成立；流失预警阈值改为{change['when'][11:]}可提前{change['days_ahead']}天触发，同时覆盖全部的{change['flags']:.0%}",
    )


