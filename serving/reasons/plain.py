"""What is told where no sentence is true: the words of the feature that contributes most, and the merchant's value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from serving.reasons.facts import relative
from serving.reasons.numbers import Style

UNKNOWN = {"en": "unknown", "zh": "未知"}
FROM_NOTHING = {"en": "from nothing", "zh": "从无到有"}
KINDS = {"currency": "money", "share": "percent", "text": "text"}
CHANGES = ("_change_", "_pace_")
WAYS = {
    "_slope_": {"en": ("falling", "even", "rising"), "zh": ("下降", "平稳", "上升")},
    "_change_vs_": {"en": ("worse", "about as good", "better"), "zh": ("较差", "相近", "较好")},
}
"""Features whose number says little to a person, by a part of their names: what they are below, about and above zero."""
EVEN = 0.03
NO_CHANGES = ("_rank", "_vs_", "share_change", "late_delivery_change")


class Described(NamedTuple):
    """A feature's unit and its words in both languages."""

    unit: str
    en: str
    zh: str


Describe = Callable[[str], Described]


def declared_words(name: str) -> Described:
    """The unit and words that the catalogue has for a feature; its bare name for one that it does not have."""
    from features.declare import catalogue

    found = catalogue().get(name)
    return Described(found.unit, *found.reason) if found else Described("ratio", name, name)


def value_in_words(name: str, value: Any, unit: str, style: Style) -> str:
    """A feature's value; money and shares with their sign, of the rest the feature's words say the unit.

    Examples
    --------
    >>> from datetime import date
    >>> style = Style("en", "GBP", date(2026, 6, 1))
    >>> value_in_words("gmv_90d", 1240.0, "currency", style), value_in_words("gmv_change_28d", -1 / 3, "share", style)
    ('£1,240', '-50 %')
    >>> value_in_words("orders_slope_56d", 0.48, "ratio", style)
    'rising'
    """
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return UNKNOWN[style.lang]
    for part, words in WAYS.items():
        if part in name:
            return words[style.lang][1 + int(value > EVEN) - int(value < -EVEN)]
    if unit == "share" and any(part in name for part in CHANGES) and not any(part in name for part in NO_CHANGES):
        by = float(relative(np.array([value]))[0])
        return FROM_NOTHING[style.lang] if math.isnan(by) else style.writer("change")(by)
    if unit == "ratio":
        return f"{value:,.2f}"
    return style.writer(KINDS.get(unit, "count"))(value)


def plain_sentence(name: str, value: Any, described: Described, style: Style) -> str:
    """`Sales over the last 90 days: £1,240`."""
    said = value_in_words(name, value, described.unit, style)
    return f"{described.zh}：{said}" if style.lang == "zh" else f"{described.en[:1].upper()}{described.en[1:]}: {said}"
