"""Numbers as people write them, in English and Chinese: counts, money, percentages, days and dates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, Literal

Lang = Literal["en", "zh"]
SIGNS = {"GBP": "£", "USD": "$", "EUR": "€", "CNY": "¥", "JPY": "¥"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def count(value: float) -> str:
    """A number of things: whole from 10 on, with one decimal below if it has any.

    Examples
    --------
    >>> count(1240), count(1.62), count(3.0)
    ('1,240', '1.6', '3')
    """
    rounded = round(value, 1) if abs(value) < 9.95 else round(value)
    return f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:,.1f}"


def money(value: float, currency: str) -> str:
    """An amount with its currency: whole from 100 on, with cents below.

    Examples
    --------
    >>> money(1240.4, "GBP"), money(12.5, "EUR"), money(-770, "SEK")
    ('£1,240', '€12.50', '-SEK 770')
    """
    size = abs(value)
    digits = f"{size:,.0f}" if size >= 99.995 or size == int(size) else f"{size:,.2f}"
    minus = "-" if value < 0 and float(digits.replace(",", "")) else ""
    return f"{minus}{SIGNS.get(currency, f'{currency} ')}{digits}"


def percent(share: float, lang: Lang = "en") -> str:
    """A share as percentage; below one percent with a decimal.

    Examples
    --------
    >>> percent(0.384), percent(0.004), percent(0.384, "zh")
    ('38 %', '0.4 %', '38%')
    """
    size = share * 100
    digits = f"{size:,.1f}" if 0 < abs(size) < 0.95 else f"{size:,.0f}"
    return f"{digits} %" if lang == "en" else f"{digits}%"


def signed_percent(share: float, lang: Lang = "en") -> str:
    """A change as percentage with its sign; from fivefold on as a multiple.

    Examples
    --------
    >>> signed_percent(0.5), signed_percent(-0.38), signed_percent(15.4)
    ('+50 %', '-38 %', '× 16')
    """
    if share >= 4:
        return f"× {1 + share:,.0f}"
    text = percent(share, lang)
    return text if text.startswith("-") or not share > 0 else f"+{text}"


def of(value: float, noun: str, lang: Lang = "en") -> str:
    """A count and its noun, in English in the right number.

    Examples
    --------
    >>> of(1, "ticket"), of(34, "day"), of(34, "day", "zh")
    ('1 ticket', '34 days', '34')
    """
    digits = count(value)
    if lang == "zh":
        return digits
    return f"{digits} {noun}" if digits == "1" else f"{digits} {noun}s"


def day(value: date, cutoff: date, lang: Lang = "en") -> str:
    """A date, with its year when that is not the cutoff's.

    Examples
    --------
    >>> day(date(2025, 10, 3), date(2025, 11, 1)), day(date(2024, 10, 3), date(2025, 1, 1), "zh")
    ('3 Oct', '2024年10月3日')
    """
    same = value.year == cutoff.year
    if lang == "zh":
        return f"{'' if same else f'{value.year}年'}{value.month}月{value.day}日"
    return f"{value.day} {MONTHS[value.month - 1]}{'' if same else f' {value.year}'}"


@dataclass(frozen=True)
class Style:
    """How numbers are written in one language, for one market and cutoff."""

    lang: Lang
    currency: str
    cutoff: date

    def writer(self, kind: str) -> Callable[[Any], str]:
        """What writes a value of a kind: `count`, `money`, `percent`, `change`, `text`, `date` (days from the cutoff) or `of <noun>`."""
        if kind.startswith("of "):
            return partial(of, noun=kind.removeprefix("of "), lang=self.lang)
        writers: dict[str, Callable[[Any], str]] = {
            "count": count,
            "money": partial(money, currency=self.currency),
            "percent": partial(percent, lang=self.lang),
            "change": partial(signed_percent, lang=self.lang),
            "date": lambda days: day(self.cutoff + timedelta(days=int(days)), self.cutoff, self.lang),
            "text": str,
        }
        return writers[kind]

    def written(self, kind: str, values: Iterable[Any]) -> list[str]:
        """All values of a kind."""
        return [*map(self.writer(kind), values)]
