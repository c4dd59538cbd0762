"""The model card: what a model is for, what it learnt from, how good it was and where it ends, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SECTIONS = {
    "predicts": "What it predicts",
    "cohort": "For whom",
    "windows": "Windows",
    "cutoffs": "Training cutoffs",
    "data": "Data",
    "metrics": "How good it was, out of time",
    "features": "Features",
    "categories": "Categories",
    "limits": "What it cannot do",
}
"""A card's own sections in order; whatever else a card holds follows under Settings."""

SHOWN = ("n", "churned", "auc", "average_precision", "brier", "ece", "ece_floor", "wape", "bias", "cover")
"""The metrics a card repeats from its out-of-time test; the rest is in MLflow."""

LIMITS = (
    "It knows the seasons it was trained on and no others; its percentages move with the base rate.",
    "It says who is likely to fall silent, not whom a call would keep.",
    "Merchants outside the cohort get no score.",
)


def model_card(card: Mapping[str, Any], name: str = "keepwell") -> str:
    """Markdown of a card; absent sections are left out, except the limits, which every model has.

    Examples
    --------
    >>> print(model_card({"predicts": "no order in 90 days", "seed": 7}, "demo").split("## What it cannot do")[0])
    # Model card: demo
    <BLANKLINE>
    ## What it predicts
    <BLANKLINE>
    no order in 90 days
    <BLANKLINE>
    <BLANKLINE>
    """
    known = {"limits": LIMITS, **_derived(card), **card}
    parts = [f"# Model card: {_line(name)}"]
    parts += [f"## {title}\n\n{_block(known[key])}" for key, title in SECTIONS.items() if known.get(key)]
    rest = {key: value for key, value in card.items() if key not in SECTIONS and key != "evaluation"}
    return "\n\n".join(parts + ([f"## Settings\n\n{_block(rest)}"] if rest else [])) + "\n"


def _derived(card: Mapping[str, Any]) -> dict[str, Any]:
    """Sections that follow from a fitted model's settings and its out-of-time test."""
    found: dict[str, Any] = {}
    if {"active_days", "gap_days", "horizons", "value_horizon_days", "growth_factor", "currency"} <= card.keys():
        start, end = (f"cutoff + {days} d" if days else "cutoff" for days in (card["gap_days"], card["gap_days"] + card["horizons"][-1]))
        days = ", ".join(map(str, card["horizons"]))
        found["predicts"] = (
            f"The probability that a merchant has no completed order in the first {days} days; the GMV over "
            f"{card['value_horizon_days']} days in {card['currency']}, with P10 and P90; and the probability that it is at least "
            f"{card['growth_factor']:g} times the last one's."
        )
        found["cohort"] = "Merchants with at least one completed order in the observation window."
        found["windows"] = {
            "observation": f"[cutoff − {card['active_days']} d, cutoff)",
            "label": f"[{start}, {end})",
        }
    if "evaluation" in card:
        rows = {**card["evaluation"].get("cutoffs", {}), "mean": card["evaluation"].get("mean", {})}
        found["metrics"] = {cutoff: {name: row[name] for name in SHOWN if name in row} for cutoff, row in rows.items()}
    return found


def _block(value: Any) -> str:
    if isinstance(value, Mapping):
        if value and all(isinstance(each, Mapping) for each in value.values()):
            return _table(value)
        return "\n".join(f"- {_line(key)}: {_inline(each)}" for key, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        short = all(isinstance(each, str) and " " not in each for each in value)
        return ", ".join(f"`{each}`" for each in value) if short else "\n".join(f"- {_inline(each)}" for each in value)
    return _inline(value)


def _table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    lines = ["| | " + " | ".join(map(_line, columns)) + " |", "|---|" + "---:|" * len(columns)]
    lines += [f"| {_line(name)} | " + " | ".join(_inline(row.get(key)) for key in columns) + " |" for name, row in rows.items()]
    return "\n".join(lines)


def _inline(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{_line(key)} {_inline(each)}" for key, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_inline, value))
    return _line(value)


def _line(value: Any) -> str:
    text = " ".join(str(value).split())
    return "".join(f"\\{letter}" if letter in "|<`*_[#" and "_" not in letter else letter for letter in text)
