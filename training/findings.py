"""What a backtest found, in sentences: the answers to a reader's three questions, and what the numbers cannot promise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any

Evaluation = Mapping[str, Any]


def answers(evaluation: Evaluation) -> dict[str, str]:
    """A reader's questions, each with its answer."""
    found = {
        "Does it find those who leave?": _ranking(evaluation),
        "Can its percentages be taken at their word?": _trust(evaluation),
    }
    if evaluation["mean"].get("bias") is not None:
        found["Is the money right?"] = _money(evaluation)
    if evaluation["mean"].get("profit") is not None:
        found["What would calling have earned?"] = _earned(evaluation)
    if (evaluation.get("lead_time") or {}).get("median_days") is not None:
        found["How early does it warn?"] = _early(evaluation)
    rivals = beside(evaluation)
    return found | {"Is it better than what others do?": _against(rivals)} if rivals else found


def beside(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """By peer that predicts a risk: what the model's AUC is ahead by, with its interval."""
    ahead = {name: peer["ahead"].get("auc") for name, peer in (evaluation.get("peers") or {}).items()}
    return {name: one for name, one in ahead.items() if one and one["by"] is not None}


def caveats(evaluation: Evaluation, horizon_days: int) -> dict[str, str]:
    """What these numbers cannot promise, with this test's own figures."""
    found = {"Seasons move the base rate.": _seasons(evaluation)} if len(evaluation["cutoffs"]) > 1 else {}
    found["Small numbers are noisy."] = _noise(evaluation)
    if _overlap(evaluation, horizon_days):
        found["The cutoffs are not independent."] = (
            f"They lie closer together than the {horizon_days} days that are judged, so they share outcomes. The intervals draw "
            "merchants again, not seasons: a bad season may lie outside them."
        )
    found["To leave means to fall silent."] = (
        f"Somebody without an order in the {horizon_days} days counts as gone even if they come back later, and one small order "
        "counts as staying. A merchant who sells far less but still sells is not in these figures."
    )
    found["Risk is not the same as being persuadable."] = (
        "This test shows who left, not whom a call would have kept. Only a group left alone on purpose, at random, can show that."
    )
    return found


def _ranking(evaluation: Evaluation) -> str:
    quality, ten = evaluation["quality"], next(row for row in evaluation["capture"] if row["share"] == 0.1)
    sentence = quality["sentence"][0].upper() + quality["sentence"][1:] + "."
    if quality["lift"] is None:
        return sentence
    if ten["recall"] is not None:
        money = "" if ten["value_captured"] is None else f", and {100 * ten['value_captured']:.0f} % of the sales that left with them"
        sentence += f" Calling the riskiest tenth reaches {100 * ten['recall']:.0f} % of all who left{money}."
    rule = evaluation["mean"].get("recency_auc")
    return sentence if rule is None else f"{sentence} Sorting by days since the last order alone would have an AUC of {rule:.3f}."


def _trust(evaluation: Evaluation) -> str:
    mean, worst = evaluation["mean"], evaluation["worst"]
    excess = max(row["ece"] - row["ece_floor"] for row in evaluation["cutoffs"].values())
    word = "Yes" if excess <= 0.02 else "Roughly" if excess <= 0.05 else "Not in every season"
    return (
        f"{word}: promised and observed shares lie {100 * mean['ece']:.1f} points apart on average, {100 * worst['ece']:.1f} at the "
        f"worst cutoff; perfectly true percentages would show {100 * mean['ece_floor']:.1f} by chance among this many merchants."
    )


def _money(evaluation: Evaluation) -> str:
    off = [row["bias"] for row in evaluation["cutoffs"].values() if row["bias"] is not None]
    typical = sum(map(abs, off)) / len(off)
    span = f", between {_off(min(off))} and {_off(max(off))}" if len(off) > 1 else f": {_off(off[0])}"
    sentence = f"The total it promised was off by {100 * typical:.1f} % at a typical cutoff{span}."
    cover = evaluation["mean"].get("cover")
    return sentence if cover is None else f"{sentence} {100 * cover:.0f} of 100 merchants fell between P10 and P90; 80 should."


def _earned(evaluation: Evaluation) -> str:
    mean, sure = evaluation["mean"]["profit"], evaluation["interval"].get("profit", {})
    rivals = {name: peer["mean"]["profit"] for name, peer in (evaluation.get("peers") or {}).items() if peer["mean"].get("profit") is not None}
    sentence = f"Calling wherever the expected profit is positive, as was declared before the test, earns {mean:.1f} % of what perfect knowledge would"
    if sure.get("low") is not None:
        sentence += f" (95 % interval {sure['low']:.1f} to {sure['high']:.1f})"
    if rivals:
        best = max(rivals, key=rivals.__getitem__)
        sentence += f"; the best of the others, {best}, {rivals[best]:.1f} %"
    return f"{sentence}."


def _early(evaluation: Evaluation) -> str:
    lead = evaluation["lead_time"]
    return (
        f"Of {lead['leavers']:,} who left, {100 * lead['warned']:.0f} % were among the riskiest {100 * lead['share']:.0f} % at some tested cutoff before "
        f"their silence spoke for itself, half of those {lead['median_days']:.0f} days before or more; {100 * lead['before_last_order']:.0f} % "
        "while they were still ordering."
    )


def _against(rivals: Mapping[str, Mapping[str, float]]) -> str:
    behind = {name: one for name, one in rivals.items() if one["low"] <= 0}
    words = {name: f"{name} ({one['by']:+.3f})" for name, one in rivals.items()}
    if not behind:
        return f"Yes: its AUC is surely above those of {_listed(list(words.values()))}."
    surely = [word for name, word in words.items() if name not in behind]
    lost = [words[name] for name, one in behind.items() if one["high"] < 0]
    level = [words[name] for name in behind if words[name] not in lost]
    parts = [f"surely above {_listed(surely)}"] * bool(surely)
    parts += [f"not to be told from {_listed(level)}"] * bool(level) + [f"surely below {_listed(lost)}"] * bool(lost)
    return f"{'Not surely better than all' if not lost else 'No'}: its AUC is {', '.join(parts)}."


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _off(bias: float) -> str:
    return f"{100 * abs(bias):.1f} % too {'much' if bias > 0 else 'little'}"


def _seasons(evaluation: Evaluation) -> str:
    rates = {name: row["churned"] for name, row in evaluation["cutoffs"].items()}
    least, most = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
    return (
        f"Between {100 * rates[least]:.1f} % ({least}) and {100 * rates[most]:.1f} % ({most}) left. A list keeps its order through "
        "that better than its percentages: they are learnt from seasons that have passed, and the next one may differ."
    )


def _noise(evaluation: Evaluation) -> str:
    mean = evaluation["mean"]
    return (
        f"With {mean['n']:,.0f} merchants per cutoff even perfectly true risks would show a calibration error of "
        f"{100 * mean['ece_floor']:.1f} points. Only what lies above that floor is the model's."
    )


def _overlap(evaluation: Evaluation, horizon_days: int) -> bool:
    days = sorted(date.fromisoformat(name) for name in evaluation["cutoffs"])
    return any((later - earlier).days < horizon_days for earlier, later in pairwise(days))
