"""The story of one lost merchant: its risk, reasons, warnings and actions day by day, and which rule held or would have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from serving.retrospect_days import PAST, Tables, Told, date_text, day_of

IN_TIME = 21
"""Days ahead of the loss that a rule must fire to be of use."""
MOST_FLAGGED = 0.3
"""A threshold that warns of a larger share of all merchants is no rule."""
ORDER = ("risk", "reasons", "warning", "action")
Row = dict[str, Any]


def story(
    tables: Tables, last: int, lost_on: int, kinds: Collection[str], past: pd.DataFrame | None = None, reasons: Sequence[tuple[str, Told]] = ()
) -> Row:
    """What happened before one merchant was lost: warned or not, acted on or not, and which rule would have caught it.

    It was warned of if a warning that says so was open at its last order, or fired within the horizon before it or in the silence after it: what
    was closed long before was about something else.

    Parameters
    ----------
    kinds : of warning that say that a merchant is leaving.
    tables : what the ledger knows of it: `scores` (with `cutoff`), `warnings`, `dispositions`.
    last, lost_on : the days (numbers) of its last order, and on which the horizon was full.
    past : what today's rules say of its past snapshots; without it the ledger alone is asked.
    reasons : what published runs gave as reasons, by cutoff.
    """
    known = pd.DataFrame() if past is None else past
    told, covered = timeline(known, tables, last, lost_on, reasons)
    warned = _warned(tables.get("warnings", pd.DataFrame()), last, lost_on, kinds)
    acts = [row for row in told if row["what"] == "action" and day_of(row["on"]) < lost_on]
    return {
        "last_order": date_text(last),
        "lost_on": date_text(lost_on),
        "is_covered": covered,
        "warned": bool(warned) if covered else None,
        "warned_by": sorted(warned),
        "days_ahead": lost_on - min(warned.values()) if warned else None,
        "days_before_last_order": last - min(warned.values()) if warned else None,
        "acted_on": bool(acts) if covered or acts else None,
        "actions": len(acts),
        **catching(told, known, last, lost_on),
        "timeline": told,
    }


def _warned(warnings: pd.DataFrame, last: int, lost_on: int, kinds: Collection[str]) -> dict[str, int]:
    """The kinds that warned of this loss, and the day on which each first did."""
    first: dict[str, int] = {}
    for row in warnings.to_dict("records"):
        opened = day_of(row["opened_on"])
        stood = pd.isna(row["closed_on"]) or day_of(row["closed_on"]) > last
        if row["kind"] in kinds and opened < lost_on and (stood or opened >= last - (lost_on - last)):
            first[row["kind"]] = min(opened, first.get(row["kind"], opened))
    return first


def timeline(
    past: pd.DataFrame, tables: Tables, last: int, lost_on: int, reasons: Sequence[tuple[str, Told]] = ()
) -> tuple[list[Row], bool]:
    """Risk, reasons, warnings and actions by day, and whether the ledger covers them.

    It does where it has a run from before the last order; else recomputed ones stand beside it. Reasons are told when they change.
    """
    scores = tables.get("scores", pd.DataFrame())
    covered = len(scores) > 0 and min(day_of(cutoff) for cutoff in scores["cutoff"]) <= last
    rows = _published(tables)
    points = past.sort_values("day").to_dict("records") if len(past) else []
    rows += [] if covered else _recomputed(points)
    told = [(cutoff, one, False) for cutoff, one in reasons]
    told = told or [(date_text(point["day"]), point["reasons"], True) for point in points if isinstance(point.get("reasons"), dict)]
    rows += _changes(told)
    kept = (row for row in rows if day_of(row["on"]) <= lost_on)
    return sorted(kept, key=lambda row: (str(row["on"]), ORDER.index(row["what"]))), bool(covered)


def _published(tables: Tables) -> list[Row]:
    """Risk, warnings and actions as the ledger has them."""
    rows: list[Row] = []
    for row in tables.get("scores", pd.DataFrame()).to_dict("records"):
        risk = None if row["churn_risk"] is None or pd.isna(row["churn_risk"]) else float(row["churn_risk"])
        rows.append({"on": date_text(day_of(row["cutoff"])), "what": "risk", "risk": risk, "tier": row["tier"], "is_recomputed": False})
    for row in tables.get("warnings", pd.DataFrame()).to_dict("records"):
        rows.append({"on": date_text(day_of(row["opened_on"])), "what": "warning", "kind": row["kind"], "is_recomputed": False})
    for row in tables.get("dispositions", pd.DataFrame()).to_dict("records"):
        done = {name: row[name] for name in ("outcome", "offer")}
        rows.append({"on": date_text(day_of(row["done_on"])), "what": "action", **done, "is_recomputed": False})
    return rows


def _recomputed(points: list[dict[Any, Any]]) -> list[Row]:
    """Risk and new warnings of past snapshots."""
    rows: list[Row] = []
    open_kinds: set[str] = set()
    for point in points:
        risk = None if pd.isna(point["churn_risk"]) else round(float(point["churn_risk"]), 4)
        rows.append({"on": date_text(point["day"]), "what": "risk", "risk": risk, "tier": point["tier"], "is_recomputed": True})
        new = [kind for kind in point["kinds"] if kind not in open_kinds]
        rows += [{"on": date_text(point["day"]), "what": "warning", "kind": kind, "is_recomputed": True} for kind in new]
        open_kinds = set(point["kinds"])
    return rows


def _changes(told: list[tuple[str, Told, bool]]) -> list[Row]:
    """Reasons that differ from those before."""
    rows: list[Row] = []
    before: Told | None = None
    for on, one, is_recomputed in told:
        if one != before:
            rows.append({"on": on, "what": "reasons", **one, "is_recomputed": is_recomputed})
        before = one
    return rows


def catching(timeline: list[Row], past: pd.DataFrame, last: int, lost_on: int) -> Row:
    """Which rules held and how long before; else the churn threshold that would have fired in time, and what it would have cost."""
    first: dict[str, int] = {}
    for row in timeline:
        if row["what"] == "warning" and last - PAST <= day_of(row["on"]) <= last + 1:
            first.setdefault(row["kind"], lost_on - day_of(row["on"]))
    held = [{"kind": kind, "days_ahead": days} for kind, days in sorted(first.items(), key=lambda one: -one[1])]
    change, highest = None, None
    if len(past):
        usable = past[(past["day"] <= lost_on - IN_TIME) & (past["day"] <= last + 1) & past["churn_risk"].notna()]
        change, highest = _change(usable, lost_on) if len(usable) else (None, None)
    en, zh = _caught_words(held, change, highest)
    return {"rules_that_held": held, "rule_change": change, "caught_en": en, "caught_zh": zh}


def _change(usable: pd.DataFrame, lost_on: int) -> tuple[Row | None, float]:
    """The churn threshold that would have fired, if it is no alarm for everybody, and the highest risk."""
    best = usable.iloc[int(usable["churn_risk"].to_numpy(float).argmax())]
    bound, flags = float(np.floor(best["churn_risk"] * 20) / 20), round(float(best["flagged"]), 4)
    change = {"kind": "churn_risk", "when": f"churn_risk >= {bound:.2f}", "days_ahead": lost_on - int(best["day"]), "flags": flags}
    return (change if flags <= MOST_FLAGGED else None), float(best["churn_risk"])


def _caught_words(held: list[Row], change: Row | None, highest: float | None) -> tuple[str, str]:
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
