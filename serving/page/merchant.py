"""One merchant: what it is worth, why it may leave, what to do, what happened, and how it compares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import pandas as pd
from markupsafe import Markup

from serving.explain import MOVING, explain
from serving.holdout import HOLD
from serving.lists import words
from serving.movement import PARTS
from serving.movement import WORDS as MOVEMENT_WORDS
from serving.page import svg
from serving.page.at_risk import level, one_line
from serving.page.formats import absent
from serving.page.merchant_chart import chart, legend
from serving.page.past import Happened, kind_words, past
from serving.page.visit import Visit, merchant_path
from serving.run import Run
from serving.weeks import WEEKS, sold, weekly

SECTIONS = ("explicit", "potential", "growth", "negative")
TOLD_PART = 0.05
"""Parts of a movement below this round to nothing."""
LIKE = ("industry", "region", "scale")


@dataclass(frozen=True)
class Case:
    """All that is known of one merchant: what the run says, the run before, and what the ledger remembers (None where it cannot be read)."""

    run: Run
    merchant_id: str
    previous: Run | None = None
    history: dict[str, pd.DataFrame] | None = None
    runs: pd.DataFrame | None = None

    @cached_property
    def row(self) -> pd.Series:
        """The merchant's row of the run."""
        return self.run.merchants.loc[[self.merchant_id]].iloc[0]


def merchant(case: Case, visit: Visit) -> dict[str, Any]:
    """Everything that the template shows."""
    facts = explain(case.run, case.merchant_id, lang=visit.lang, previous=case.previous)
    lines = past(case.run, case.history, case.runs, visit) if case.history is not None and case.runs is not None else []
    return {
        "m": facts,
        "name": one_line(facts["name"]) or case.merchant_id,
        "like": [one_line(facts[name]) for name in LIKE if facts[name]],
        "standing": _standing(facts, visit),
        "figures": _figures(case, facts, visit),
        "reasons": _reasons(facts),
        "warnings": _warnings(case, facts, visit),
        "play": _play(case, visit),
        "moved": _moved(case, facts, visit),
        "parts": _parts(facts, visit),
        "card": _card(facts, visit),
        "peers": _peers(case, facts, visit),
        "lines": lines,
        "chart": _chart(case, lines, visit),
        "legend": legend(visit),
        "is_held_out": case.row.get("arm") == HOLD,
    }


def _standing(facts: dict[str, Any], visit: Visit) -> list[str]:
    """Since when it is in its stage and tier."""
    t, f, known = visit.t, visit.f, facts["history"]
    found = []
    if known.get("stage_since"):
        found.append(t("m_stage_since", day=f.day(known["stage_since"]), number=f.count(known["stage_days"])))
    if known.get("stuck"):
        found.append(t("m_stuck"))
    if known.get("tier_since"):
        found.append(t("m_tier_since", day=f.day(known["tier_since"])))
    if known.get("tier_pending"):
        found.append(t("m_pending", tier=known["tier_pending"], day=f.day(known["tier_pending_since"])))
    return found


def _figures(case: Case, facts: dict[str, Any], visit: Visit) -> list[dict[str, str]]:
    if facts["no_score"]:
        return []
    t, f, score, worth = visit.t, visit.f, facts["scores"], facts["money"]
    days = int(case.run.header["settings"]["churn"]["horizon_days"])
    thirds = {"third": f.of_100(score["churn_risk_third"]), "two": f.of_100(score["churn_risk_two_thirds"])}
    thirds |= {"days_third": round(days / 3), "days_two": round(2 * days / 3)}  # type: ignore[dict-item]
    return [
        {
            "key": "value",
            "number": t("leave", leave=f.of_100(score["churn_risk"])),
            "what": t("m_risk", days=days),
            "means": t("m_risk_means", **thirds),
        },
        {
            "number": f.money(worth["value_at_risk"]),
            "what": t("m_value"),
            "means": t("m_value_means", profit=f.money(worth["expected_profit"])),
        },
        {
            "number": f.short(score["expected_gmv"]),
            "what": t("m_sales"),
            "means": t("m_sales_means", low=f.short(score["expected_gmv_p10"]), high=f.short(score["expected_gmv_p90"])),
        },
        {
            "number": f.percent(score["decline_risk"]),
            "what": t("m_decline"),
            "means": t("m_decline_means", growth=f.percent(score["growth_potential"])),
        },
        {"number": f.short(score["lifetime_value"]), "what": t("m_ltv"), "means": t("m_ltv_means")},
    ]


def _reasons(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The reasons of the risk of leaving with their bars, those that raise it first."""
    told = [row for row in facts["reasons"] if row["head"] == "churn"]
    most = max((abs(row["contribution"]) for row in told), default=0.0)
    order = sorted(told, key=lambda row: -row["contribution"])
    return [{**row, "sentence": one_line(row["sentence"]), "bar": svg.signed_bar(row["contribution"], most)} for row in order]


def _warnings(case: Case, facts: dict[str, Any], visit: Visit) -> list[dict[str, Any]]:
    """The warnings of the run; where the ledger is read, with since when, until when, and whether they wait."""
    t, f = visit.t, visit.f
    kept: dict[str, Any] = {}
    shown = facts["warnings"]
    if case.history is not None:
        table = case.history["warnings"]
        kept = {row["kind"]: row for row in table[table["closed_on"].isna()].to_dict("records")}
        shown = [{"kind": kind, "severity": row["severity"]} for kind, row in kept.items()]
    found = []
    for one in shown:
        row = kept.get(one["kind"], {})
        notes = [t("m_since", day=f.day(row["opened_on"])), t("due", day=f.short_day(row["due_on"]))] if row else []
        if row and not absent(row["snoozed_until"]):
            notes.append(f"{t('status_snoozed', day=f.short_day(row['snoozed_until']))}: {one_line(row['snooze_reason'])}")
        found.append(
            {
                "severity": one["severity"],
                "severity_words": t(f"m_severity_{one['severity']}"),
                "words": kind_words(case.run, one["kind"], visit),
                "notes": notes,
            }
        )
    return found


def _play(case: Case, visit: Visit) -> dict[str, Any] | None:
    row, t, f = case.row, visit.t, visit.f
    if absent(row.get(f"action_{visit.lang}")):
        return None
    how = t("m_measured" if row.get("save_rate_measured") else "m_assumed")
    return {
        "words": row[f"action_{visit.lang}"],
        "costs": t("m_costs", cost=f.money(row["action_cost"]), rate=f.percent(row["action_save_rate"]), how=how),
    }


def _moved(case: Case, facts: dict[str, Any], visit: Visit) -> dict[str, Any] | None:
    """What changed since the run before."""
    if case.previous is None:
        return None
    t, moved = visit.t, facts["moved"]
    if moved is None:
        return {"day": visit.f.day(case.previous.cutoff), "why": t("m_moved_first"), "rows": []}
    why = [t("m_other_model")] if not moved["same_model"] else []
    why += [t("m_other_rules")] if not moved["same_rules"] else []
    rows = [
        {"what": t(f"m_{name}"), **{side: _written(case, name, moved["changes"][name][side], visit) for side in ("from", "to")}}
        for name in MOVING
        if name in moved["changes"]
    ]
    rows = [row for row in rows if row["from"] != row["to"]]
    return {"day": visit.f.day(moved["cutoff"]), "why": " ".join(why) or t("m_same"), "rows": rows}


def _parts(facts: dict[str, Any], visit: Visit) -> list[dict[str, Any]]:
    """Why risk and points moved: what behaviour, rules, model and corrected data did to each; they add up to the whole change."""
    found, told = [], facts.get("movement") or {}
    for name, scale in (("risk", 100), ("points", 1)):
        values = told.get(name)
        if values:
            most = max(abs(values[part]) for part in PARTS)
            rows = [
                {
                    "words": MOVEMENT_WORDS[visit.lang][part],
                    "number": f"{values[part] * scale:+.1f}",
                    "bar": svg.signed_bar(_badly(name, values[part]), most),
                }
                for part in PARTS
                if abs(values[part]) * scale >= TOLD_PART
            ]
            found.append(
                {
                    "title": visit.t(f"m_parts_{name}", change=f"{values['change'] * scale:+.1f}", day=visit.f.day(told["cutoff"])),
                    "rows": rows,
                }
            )
    return found


def _badly(name: str, value: float) -> float:
    """Positive for what is bad news: more risk, fewer points."""
    return value if name == "risk" else -value


def _written(case: Case, name: str, value: Any, visit: Visit) -> str:
    if absent(value):
        return "–"
    if name == "stage":
        return words(case.run, "stages", value, visit.lang)
    if name == "tier":
        return str(value)
    return {"expected_gmv": visit.f.money, "points": visit.f.points}.get(name, visit.f.percent)(value)


def _card(facts: dict[str, Any], visit: Visit) -> dict[str, Any] | None:
    """The scorecard by section, so that it adds up by hand."""
    points = facts["points"]
    if absent(points["points"]):
        return None
    t, f = visit.t, visit.f
    lines = [
        {
            "section": line["section"],
            "words": line["words"]
            or t(
                "m_none_lost" if line["section"] == "negative" and line["known"] else "m_unmet" if line["known"] else "m_unknown",
                title=line["title"],
            ),
            "points": f"{line['points']:+g}" if line["points"] else "0",
            "of": t("m_of", most=f.points(line["maximum"])),
            "share": abs(line["points"]) / line["maximum"] if line["maximum"] else 0.0,
            "known": line["known"],
        }
        for line in facts["scorecard"]
    ]
    sections = [
        {
            "title": t(f"m_{name}"),
            "key": name,
            "points": f.points(points[f"points_{name}"]),
            "lines": [line for line in lines if line["section"] == name],
        }
        for name in SECTIONS
    ]
    held = round(points["points"] - sum(line["points"] for line in facts["scorecard"]), 1)
    return {
        "sum": t("m_card_sum", points=f.points(points["points"]), known=f.points(points["points_known"])),
        "sections": sections,
        "held": f"{held:+g}" if held else None,
    }


def _peers(case: Case, facts: dict[str, Any], visit: Visit) -> dict[str, Any] | None:
    found = facts["benchmarks"]
    if found is None:
        return None
    names = case.run.merchants["name"] if "name" in case.run.merchants else pd.Series(dtype=object)
    merchants = [
        {
            "path": merchant_path(one["merchant_id"]),
            "name": one_line(names.get(one["merchant_id"])) or one["merchant_id"],
            "tier": one["tier"],
            "points": visit.t("m_points_of", points=visit.f.points(one["points"])),
        }
        for one in found["merchants"]
    ]
    like = ", ".join(map(one_line, found["like_it"].values())) or visit.t("m_peers_any")
    return {
        "like": visit.t("m_peers_like", number=visit.f.count(found["peers"]), like=like),
        "merchants": merchants,
        "apart": found["apart"],
    }


def _chart(case: Case, lines: list[Happened], visit: Visit) -> Markup | None:
    weeks = weekly(case.run)
    if weeks is None:
        return None
    values = sold(weeks, pd.Index([case.merchant_id]), WEEKS)[0]
    own = pd.DataFrame({"cutoff": [case.run.cutoff], "churn_risk": [case.row["churn_risk"]]})
    scores = case.history["scores"] if case.history is not None else own
    return chart(values, scores, lines, date.fromisoformat(case.run.cutoff), visit)


def snooze_days(case: Case, today: date) -> dict[str, str]:
    """The first day that a snooze can end on, and the one that is proposed."""
    first = max(today, date.fromisoformat(case.run.cutoff)) + timedelta(days=1)
    return {"earliest": str(first), "until": str(first + timedelta(days=13))}


__all__ = ["Case", "level", "merchant", "snooze_days"]
