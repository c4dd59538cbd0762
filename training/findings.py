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
    return found if evaluation["mean"].get("bias") is None else found | {"Is the money right?": _money(evaluation)}


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
