"""Values of the portfolio as people read them."""

from __future__ import annotations

from typing import Any

from serving.reasons.numbers import Lang, count, money, percent

NONE = "–"


def written(value: Any, kind: str, currency: str, lang: Lang) -> str:
    """A value of a kind; a dash where there is none.

    Examples
    --------
    >>> written(0.384, "percent", "EUR", "en"), written(12400.4, "money", "EUR", "en"), written(None, "count", "EUR", "en")
    ('38 %', '€12,400', '–')
    >>> written(2.345, "points", "EUR", "zh"), written(True, "text", "EUR", "zh")
    ('2.3', '是')
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return {"en": ("", "yes"), "zh": ("", "是")}[lang][value]
    if isinstance(value, str):
        return value
    if kind == "money":
        return money(round(value) if abs(value) >= 10 else value, currency)
    if kind == "percent":
        return percent(value, lang)
    return f"{value:,.1f}" if kind == "points" else count(value)
