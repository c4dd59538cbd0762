"""One merchant explained: scores, money, reasons, scorecard, warnings, what moved since the last run, and the next action."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.errors import UsageRefused
from serving.lists import closest, run_facts, words
from serving.reasons.numbers import Lang
from serving.rules import parse_rules
from serving.run import Run

SCORES = (
    "churn_risk_third",
    "churn_risk_two_thirds",
    "churn_risk",
    "expected_gmv",
    "expected_gmv_p10",
    "expected_gmv_p90",
    "growth_potential",
)
MONEY = ("value_if_kept", "value_at_risk", "expected_profit", "growth_value")
MOVING = ("churn_risk", "growth_potential", "expected_gmv", "points", "tier", "stage")


def explain(run: Run, merchant: str, *, lang: Lang = "en", previous: Run | None = None) -> dict[str, Any]:
    """Everything that a run says of one merchant, ready for JSON.

    Parameters
    ----------
    previous : an earlier run to compare with.

    Raises
    ------
    UsageRefused : the run does not know the merchant.
    """
    if merchant not in run.merchants.index:
        ids = [str(name) for name in run.merchants.index]
        raise UsageRefused(f"merchant {merchant!r} is not in run {run.run_id}; {closest(merchant, ids)}")
    row = run.merchants.loc[merchant]
    return {
        **run_facts(run),
        "merchant_id": merchant,
        **{name: plain(row.get(name)) for name in ("name", "owner", "industry", "region", "scale")},
        "no_score": plain(row[f"no_score_{lang}"]),
        "scores": {name: plain(row.get(name)) for name in SCORES},
        "money": {name: plain(row.get(name)) for name in MONEY},
        "tier": plain(row["tier"]),
        "tier_words": words(run, "tiers", row["tier"], lang),
        "stage": plain(row["stage"]),
        "stage_words": words(run, "stages", row["stage"], lang),
        "points": {name: plain(row[name]) for name in run.merchants.columns if name.startswith("points")},
        "scorecard": _scorecard(run, merchant, lang),
        "reasons": _reasons(run, merchant, lang),
        "warnings": _warnings(run, merchant, lang),
        "action": plain(row[f"action_{lang}"]),
        "moved": moved(run, previous, merchant) if previous else None,
    }


def moved(run: Run, previous: Run, merchant: str) -> dict[str, Any] | None:
    """What is different from an earlier run, and whether model or rules changed in between; None for a merchant new since then."""
    if merchant not in previous.merchants.index:
        return None
    now, then = run.merchants.loc[merchant], previous.merchants.loc[merchant]
    pairs = {name: {"from": plain(then[name]), "to": plain(now[name])} for name in MOVING}
    return {
        "run_id": previous.run_id,
        "cutoff": previous.cutoff,
        "same_model": previous.model_version == run.model_version,
        "same_rules": previous.header["rules_hash"] == run.header["rules_hash"],
        "changes": {name: pair for name, pair in pairs.items() if pair["from"] != pair["to"]},
    }


def plain(value: Any) -> Any:
    """A value as JSON has it: NaN and missing become null, numpy numbers plain ones."""
    if value is None or pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _scorecard(run: Run, merchant: str, lang: Lang) -> list[dict[str, Any]]:
    table = run.table("scorecard").set_index("merchant_id")
    rules = parse_rules(run.rules_text)
    lines = [rules.item_line(str(column), points) for column, points in table.loc[[merchant]].iloc[0].to_dict().items()]
    shown = ("section", "name", "points", "maximum", "known", "met")
    return [{**{name: plain(line[name]) for name in shown}, "words": line[f"words_{lang}"] if line["met"] else None} for line in lines]


def _reasons(run: Run, merchant: str, lang: Lang) -> list[dict[str, Any]]:
    told = run.reasons[run.reasons["merchant_id"] == merchant]
    fields = {
        "head": "head",
        "direction": "direction",
        "group": f"group_{lang}",
        "sentence": f"sentence_{lang}",
        "contribution": "contribution",
    }
    return [{key: plain(row[name]) for key, name in fields.items()} for _, row in told.iterrows()]


def _warnings(run: Run, merchant: str, lang: Lang) -> list[dict[str, Any]]:
    raised = run.warnings[run.warnings["merchant_id"] == merchant]
    fields = {
        "kind": "kind",
        "severity": "severity",
        "words": f"words_{lang}",
        "measure": "measure",
        "value": "value",
        "play": f"play_{lang}",
    }
    return [{key: plain(row[name]) for key, name in fields.items()} for _, row in raised.iterrows()]
