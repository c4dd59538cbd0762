"""The at-risk list as HTML, every text escaped."""

from __future__ import annotations

import unicodedata
from datetime import date
from functools import cache
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from serving.api.asking import Place
from serving.api.schemas import Lang, MerchantsQuestion
from serving.lists import Listing
from serving.page.words import WORDS
from serving.reasons.numbers import MONTHS, count, money

FEW, MOST = 0.005, 0.995
SHOWN_REASONS = 3
BAR = 56


@cache
def templates() -> Environment:
    """The templates; a name that is missing is an error, and everything filled in is escaped."""
    loader = PackageLoader("serving.page", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def at_risk_page(where: Place, listing: Listing, rows: list[dict[str, Any]], question: MerchantsQuestion, days: int) -> str:
    """The at-risk list of a run, a page of it at a time.

    Parameters
    ----------
    rows : those of the page, as the API lists them.
    days : the horizon of the risk.
    """
    lang, total = question.lang, len(listing.rows)
    first = min(where.offset + 1, total)
    shown = {"first": count(first), "last": count(where.offset + len(rows)), "count": count(total)}
    template = templates().get_template("at_risk.html.jinja")
    return template.render(
        lang=lang,
        words=_filled(lang, days=days, limit=where.limit, cutoff=_day(listing.facts["cutoff"], lang), **shown),
        figures=_figures(where, listing, lang, days),
        facts=listing.facts,
        rows=[_row(row, lang, listing.currency, days) for row in rows],
        tiers=[(None, "/?" + _query(question, tier=None)), *((tier, "/?" + _query(question, tier=tier)) for tier in _tiers(where))],
        tier=question.tier,
        other="/?" + _query(question, lang="zh" if lang == "en" else "en"),
        begin="/?" + _query(question) if where.offset else None,
        following=_following(where, question, total),
        notes=listing.notes,
    )


def refusal_page(detail: str, lang: Lang) -> str:
    """What is shown where there is no run."""
    return templates().get_template("refusal.html.jinja").render(lang=lang, words=WORDS[lang], detail=detail)


def leave_of_100(risk: float, lang: Lang, days: int) -> tuple[str, str]:
    """The risk as so many of a hundred: the number, and the sentence.

    Examples
    --------
    >>> leave_of_100(0.3149, "en", 90), leave_of_100(0.001, "en", 90)[0], leave_of_100(0.999, "zh", 56)[0]
    (('31', '31 of 100 leave within 90 days'), '< 1', '> 99')
    """
    words, whole = WORDS[lang], f"{risk * 100:.0f}"
    number, key = ("< 1", "leave_few") if risk < FEW else ("> 99", "leave_most") if risk > MOST else (whole, "leave")
    return number, words[key].format(leave=whole, days=days)


def _row(row: dict[str, Any], lang: Lang, currency: str, days: int) -> dict[str, Any]:
    _, sentence = leave_of_100(row["churn_risk"], lang, days)
    return {
        **{key: _line(value) if isinstance(value, str) else value for key, value in row.items()},
        "sentence": sentence,
        "bar": round(row["churn_risk"] * BAR, 1),
        "level": "high" if row["churn_risk"] >= 0.6 else "middle" if row["churn_risk"] >= 0.3 else "low",
        "value": _money(row["value_at_risk"], currency),
        "profit": WORDS[lang]["value_profit"].format(profit=_money(row["expected_profit"], currency)),
        "reasons": [_line(reason) for reason in row["reasons"][:SHOWN_REASONS]],
    }


def _figures(where: Place, listing: Listing, lang: Lang, days: int) -> list[dict[str, str]]:
    """The four numbers on top: each with what it counts and what that means."""
    words, counts = WORDS[lang], where.view.run.header["counts"]
    pays = listing.rows["expected_profit"][listing.rows["expected_profit"] > 0]
    profit = _money(float(pays.sum()), listing.currency)
    figures = (
        (count(len(listing.rows)), "listed", words["listed_of"].format(scored=count(counts["scored"]))),
        (_money(float(listing.rows["value_at_risk"].sum()), listing.currency), "at_stake", words["at_stake_over"].format(days=days)),
        (count(len(pays)), "paying", words["paying_brings"].format(profit=profit)),
        (count(round(counts["expected_leavers"])), "leavers", words["leavers_within"].format(days=days)),
    )
    return [{"number": number, "what": words[what], "meaning": meaning} for number, what, meaning in figures]


def _tiers(where: Place) -> list[str]:
    return sorted(where.view.run.header["counts"]["tiers"])


def _following(where: Place, question: MerchantsQuestion, total: int) -> str | None:
    cursor = where.following(total)
    return f"/?{_query(question)}&{urlencode({'cursor': cursor})}" if cursor else None


def _query(question: MerchantsQuestion, **changed: Any) -> str:
    """A question as a query string, from its beginning."""
    asked = question.model_dump(exclude={"cursor"}) | changed
    kept = {name: value for name, value in asked.items() if value is not None}
    return urlencode(kept)


def _filled(lang: Lang, **values: Any) -> dict[str, str]:
    """All words with what is known filled in; words that need a merchant's own numbers stay as they are."""
    filled = {}
    for key, text in WORDS[lang].items():
        try:
            filled[key] = text.format(**values)
        except KeyError:
            filled[key] = text
    return filled


def _day(text: str, lang: Lang) -> str:
    day = date.fromisoformat(text)
    return f"{day.year}年{day.month}月{day.day}日" if lang == "zh" else f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _money(amount: float | None, currency: str) -> str:
    if amount is None:
        return "–"
    return money(round(amount) if abs(amount) >= 10 else amount, currency)


def _line(text: str) -> str:
    """A text on one line: control characters become spaces."""
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text)
