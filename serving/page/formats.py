"""Numbers, money and days as the page writes them: those of `serving.reasons.numbers`, and short ones for headlines and axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
from babel.numbers import format_compact_decimal

from serving.reasons import numbers
from serving.reasons.numbers import MONTHS, SIGNS, Lang

NONE = "–"
LOCALE = {"en": "en", "zh": "zh_CN"}


@dataclass(frozen=True)
class Formats:
    """How numbers are written in one language and currency; what is missing is a dash."""

    lang: Lang
    currency: str

    def money(self, amount: Any) -> str:
        """An amount, whole from ten on.

        Examples
        --------
        >>> Formats("en", "GBP").money(1240.4), Formats("zh", "CNY").money(None)
        ('£1,240', '–')
        """
        if absent(amount):
            return NONE
        value = float(amount)
        return numbers.money(round(value) if abs(value) >= 9.995 else value, self.currency)

    def short(self, amount: Any) -> str:
        """An amount for a headline or an axis.

        Examples
        --------
        >>> Formats("en", "GBP").short(12_400), Formats("zh", "CNY").short(3_400_000), Formats("en", "EUR").short(-5)
        ('£12.4K', '¥340万', '-€5')
        """
        if absent(amount):
            return NONE
        if abs(amount) < 10_000:
            return self.money(amount)
        digits = format_compact_decimal(abs(float(amount)), locale=LOCALE[self.lang], fraction_digits=1 if abs(amount) < 1e8 else 2)
        return f"{'-' if amount < 0 else ''}{SIGNS.get(self.currency, f'{self.currency} ')}{digits}"

    def count(self, number: Any) -> str:
        """A number of things."""
        return NONE if absent(number) else numbers.count(float(number))

    def percent(self, share: Any) -> str:
        """A share."""
        return NONE if absent(share) else numbers.percent(float(share), self.lang)

    def of_100(self, risk: Any) -> str:
        """A probability as so many of a hundred.

        Examples
        --------
        >>> Formats("en", "EUR").of_100(0.3149), Formats("en", "EUR").of_100(0.001), Formats("zh", "EUR").of_100(0.999)
        ('31', '< 1', '> 99')
        """
        if absent(risk):
            return NONE
        return "< 1" if risk < 0.005 else "> 99" if risk > 0.995 else f"{risk * 100:.0f}"

    def number(self, value: Any, digits: int = 3) -> str:
        """A plain number with so many digits after the point."""
        return NONE if absent(value) else f"{float(value):,.{digits}f}"

    def points(self, value: Any) -> str:
        """Points of the scorecard."""
        return NONE if absent(value) else f"{float(value):g}"

    def day(self, value: Any) -> str:
        """A day with its year.

        Examples
        --------
        >>> Formats("en", "EUR").day("2026-01-02"), Formats("zh", "EUR").day(date(2026, 1, 2))
        ('2 Jan 2026', '2026年1月2日')
        """
        if absent(value):
            return NONE
        day = as_date(value)
        return f"{day.year}年{day.month}月{day.day}日" if self.lang == "zh" else f"{day.day} {MONTHS[day.month - 1]} {day.year}"

    def short_day(self, value: Any) -> str:
        """A day without its year."""
        if absent(value):
            return NONE
        day = as_date(value)
        return f"{day.month}月{day.day}日" if self.lang == "zh" else f"{day.day} {MONTHS[day.month - 1]}"


def absent(value: Any) -> bool:
    """Whether there is no value."""
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def as_date(value: Any) -> date:
    """A date, a timestamp or an ISO text as date."""
    return value if type(value) is date else pd.Timestamp(value).date()
