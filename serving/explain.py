"""One merchant explained: scores, money, reasons, scorecard, warnings, what moved since the last run, and the next action."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pandas as pd

from features.errors import UsageRefused
from serving.benchmarks import compared
from serving.lists import closest, run_facts, words
from serving.movement import moved_parts
from serving.reasons.numbers import Lang
from serving.reasons.plain import declared_words
from serving.rows import ID
from serving.rules import Rules, parse_rules
from serving.rules.card import REMEMBERED, Line, Move, cheapest_way
from serving.rules.conditions import RANK
from serving.rules.entry import Words
from serving.run import Run

SCORES = (
    "churn_risk_third",
    "churn_risk_two_thirds",
    "churn_risk",
    "expected_gmv",
    "expected_gmv_p10",
    "expected_gmv_p90",
    "growth_potential",
    "churn_risk_low",
    "churn_risk_high",
    "days_to_last_order",
    "decline_risk",
    "activation_chance",
    "lifetime_value",
)
MONEY = ("value_if_kept", "value_at_risk", "expected_profit", "gmv_to_add", "growth_value")
SCORE_WORDS = {"growth_potential": {"en": "chance to grow", "zh": "成长概率"}, "churn_risk": {"en": "risk of leaving", "zh": "流失概率"}}
HISTORY = ("tier_since", "tier_pending", "tier_pending_since", "stage_since", "stage_days", "stuck")
REASON = {"head": "head", "direction": "direction", "group": "", "sentence": "", "contribution": "contribution"}
WARNING = {"kind": "kind", "severity": "severity", "words": "", "measure": "measure", "value": "value", "play": ""}
"""What is told of each, and the column it is in; that of words depends on the language."""
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
    row = run.rows("merchants").one(merchant)
    return {
        **run_facts(run),
        "merchant_id": merchant,
        **{name: row.get(name) for name in ("name", "owner", "industry", "region", "scale")},
        "no_score": row[f"no_score_{lang}"],
        "scores": {name: row.get(name) for name in SCORES},
        "money": {name: row.get(name) for name in MONEY},
        "tier": row["tier"],
        "tier_words": row["tier"] and words(run, "tiers", row["tier"], lang),
        "stage": row["stage"],
        "stage_words": row["stage"] and words(run, "stages", row["stage"], lang),
        "points": {name: value for name, value in row.items() if name.startswith("points")},
        "history": {name: row[name] for name in HISTORY if name in row},
        **_graded(run, merchant, row, lang),
        "reasons": run.rows("reasons").of(merchant, REASON | {"group": f"group_{lang}", "sentence": f"sentence_{lang}"}),
        "warnings": run.rows("warnings").of(merchant, WARNING | {"words": f"words_{lang}", "play": f"play_{lang}"}),
        "benchmarks": compared(run, merchant, lang) if "traits.parquet" in run.files else None,
        "action": row[f"action_{lang}"],
        "movement": moved_parts(run, merchant),
        "moved": moved(run, previous, merchant) if previous else None,
    }


def moved(run: Run, previous: Run, merchant: str) -> dict[str, Any] | None:
    """What is different from an earlier run, and whether model or rules changed in between; None for a merchant new since then."""
    before = previous.rows("merchants")
    if merchant not in before:
        return None
    now, then = run.rows("merchants").one(merchant, MOVING), before.one(merchant, MOVING)
    pairs = {name: {"from": then[name], "to": now[name]} for name in MOVING}
    return {
        "run_id": previous.run_id,
        "cutoff": previous.cutoff,
        "same_model": previous.model_version == run.model_version,
        "same_rules": previous.header["rules_hash"] == run.header["rules_hash"],
        "changes": {name: pair for name, pair in pairs.items() if pair["from"] != pair["to"]},
    }


def rules_of(run: Run) -> Rules:
    """The rules that a run was graded by."""
    return _parsed(run.rules_text)


@lru_cache(maxsize=4)
def _parsed(rules_text: str) -> Rules:
    return parse_rules(rules_text)


def plain(value: Any) -> Any:
    """A value as JSON has it: NaN and missing become null, numpy numbers plain ones."""
    if isinstance(value, list):
        return value
    if value is None or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return value.item() if hasattr(value, "item") else value


def _graded(run: Run, merchant: str, row: Mapping[str, Any], lang: Lang) -> dict[str, Any]:
    """The scorecard line by line, the cheapest way to the next tier, and what the present tier gets."""
    rules = rules_of(run)
    items = run.rows("scorecard").one(merchant)
    lines = rules.card({column: points for column, points in items.items() if column != ID and points is not None})
    return {
        "scorecard": [dict(_line(line, lang)) for line in lines],
        "next_tier": _next_tier(lines, row, lang),
        "benefits": [
            {"phase": benefit.phase, "words": _in(benefit.words, lang), "gets": _in(gets, lang)}
            for benefit in rules.benefits
            if isinstance(row["tier"], str) and (gets := getattr(benefit, row["tier"])) is not None
        ],
    }


@lru_cache(REMEMBERED)
def _line(line: Line, lang: Lang) -> Mapping[str, Any]:
    told = _in(line.step.words, lang) if line.step else None
    shown = {name: getattr(line, name) for name in ("points", "maximum", "missing", "known")}
    title = named(line.ladder.name, lang)
    return {"section": line.ladder.section, "name": line.ladder.name, "title": title, **shown, "met": line.step is not None, "words": told}


@lru_cache(maxsize=1024)
def named(name: str, lang: Lang) -> str:
    """What a name of the rules is called by people."""
    stem = name if declared_words(name).en != name else name.removesuffix(RANK)
    words = getattr(declared_words(stem), lang)
    return SCORE_WORDS.get(name, {}).get(lang, words if words != stem else name.replace("_", " "))


def _next_tier(lines: list[Line], row: Mapping[str, Any], lang: Lang) -> dict[str, Any] | None:
    """The tier above, the points that lack, and the moves that bring them with the least effort; `way` is null where none do."""
    if row.get("next_tier") is None:
        return None
    way = cheapest_way(lines, float(row["points_to_next"]))
    moves = None if way is None else [_move(move, lang) for move in way]
    return {"tier": row["next_tier"], "points": row["points_to_next"], "way": moves}


def _move(move: Move, lang: Lang) -> dict[str, Any]:
    avoid = {"en": "no longer: ", "zh": "消除："}[lang] if not move.line.ladder.earns else ""
    return {"name": move.line.ladder.name, "words": avoid + _in(move.step.words, lang), "points": move.points, "effort": move.effort}


def _in(words: Words, lang: Lang) -> str:
    return words.zh if lang == "zh" else words.en
