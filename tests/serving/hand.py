"""Runs made by hand: merchants with just the numbers that a test is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from serving.rules import read_rules
from serving.rules.team import Team
from serving.run import Run, publish
from serving.score import words_of

DAY = "datetime64[s]"
BASE: dict[str, Any] = {
    "tier": "C",
    "stage": "mature",
    "churn_risk": 0.2,
    "growth_potential": 0.2,
    "expected_gmv": 1000.0,
    "lifetime_value": 100.0,
    "value_if_kept": 100.0,
    "value_at_risk": 20.0,
    "expected_profit": 5.0,
    "gmv_to_add": 50.0,
    "growth_value": 5.0,
    "points": 40.0,
    "days_since_last_order": 3.0,
    "orders_90d": 9.0,
    "gmv_90d": 900.0,
    "gmv_180d": 1800.0,
    "action": "call",
    "action_en": "call it",
    "action_zh": "致电",
    "action_cost": 5.0,
    "action_save_rate": 0.2,
    "action_incentive": 0.0,
    "no_score": None,
    "no_score_en": None,
    "no_score_zh": None,
}
REASONS = ("merchant_id", "head", "direction", "group_en", "group_zh", "sentence_en", "sentence_zh", "contribution")
WARNINGS = ("merchant_id", "kind", "severity", "words_en", "words_zh", "measure", "value", "play_en", "play_zh")


def hand_run(
    state: Path,
    merchants: dict[str, dict[str, Any]],
    facts: dict[str, dict[str, Any]] | None = None,
    cutoff: str = "2026-04-01",
    reasons: list[dict[str, Any]] | None = None,
    **tables: pd.DataFrame,
) -> Run:
    """A published run of merchants that differ from an everyday one as given; `facts` are of the table `portfolio`."""
    rules = read_rules()
    frame = pd.DataFrame.from_dict({name: BASE | given for name, given in merchants.items()}, orient="index").rename_axis("merchant_id")
    economics = {"take_rate": 0.05}
    header = {
        "cutoff": cutoff,
        "model_version": "abc",
        "created_at": "now",
        "rules_hash": rules.hash,
        "currency": "EUR",
        "settings": {"churn": {"active_days": 90}, "economics": economics},
        "counts": {"expected_leavers": round(float(frame["churn_risk"].sum()), 1)},
        "words": words_of(rules),
        "team": Team().model_dump(),
    }
    given = {"merchants": frame.reset_index(), "reasons": pd.DataFrame(reasons or [], columns=list(REASONS)), "warnings": pd.DataFrame(columns=list(WARNINGS))}
    if facts is not None:
        table = pd.DataFrame.from_dict(facts, orient="index").rename_axis("merchant_id").reset_index()
        for name in table.columns:
            table[name] = pd.to_datetime(table[name]).astype(DAY) if name.endswith("_on") else table[name]
        given["portfolio"] = table
    return publish(state, header, given | tables, rules.text)
