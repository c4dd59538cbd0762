"""All tables of the portfolio, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from serving.ledger import Ledger
from serving.lists import run_facts
from serving.portfolio import acting, cohorts, concentration, expected, funnel, groups, rfm, tiers, use, worth
from serving.portfolio.book import Book, Table, share, total
from serving.reasons.numbers import Lang
from serving.run import Run

TABLES: tuple[Callable[[Book], Table | None], ...] = (
    groups.groups,
    funnel.funnel,
    tiers.pyramid,
    tiers.stage_by_tier,
    tiers.migration,
    groups.at_risk,
    acting.calling,
    concentration.concentration,
    rfm.rfm_grid,
    rfm.rfm_kinds,
    cohorts.selling,
    cohorts.cohorts,
    *map(worth.by_group, worth.GROUPED),
    use.use,
    expected.expected,
    acting.warnings,
    acting.proof,
)
TITLE = {"en": "Portfolio", "zh": "商户组合"}


def portfolio(
    run: Run,
    *,
    previous: Run | None = None,
    ledger: Ledger | None = None,
    by: str | None = None,
    every: Literal["quarter", "month"] = "quarter",
    lang: Lang = "en",
) -> dict[str, Any]:
    """Everything that the portfolio tells of a run, ready for JSON; see `serving.portfolio`.

    Parameters
    ----------
    previous : the run before, of the same merchants to see. ledger : for those only who see all merchants.
    by : one of `serving.portfolio.BY`. every : the periods of the cohorts.

    Raises
    ------
    UsageRefused : a grouping that there is not.
    """
    book = Book(run, previous, ledger, lang, by, every)
    tables = [table.facts(lang) for make in TABLES if (table := make(book)) is not None]
    told = {"lang": lang, "title": TITLE[lang], "by": by, "every": every, "headline": headline(book)}
    return {**run_facts(run), **told, "tables": tables}


def headline(book: Book) -> list[dict[str, Any]]:
    """The figures that come first."""
    at_risk, kept = total(book.numbers("value_at_risk")), total(book.numbers("value_if_kept"))
    selling = share(book.is_selling.sum(), len(book.merchants))
    figures = (
        ("merchants", "merchants", "商户", len(book.merchants), "count"),
        ("selling_share", f"sold in the last {book.active_days} days", f"近{book.active_days}天动销率", selling, "percent"),
        ("gmv_90d", "sales, 90 days", "近90天交易额", total(book.numbers("gmv_90d")), "money"),
        ("expected_leavers", "expected leavers", "预计流失商户", float(np.nansum(book.numbers("churn_risk"))), "count"),
        ("gmv_at_risk", "sales at risk", "在险交易额", at_risk / book.take_rate, "money"),
        ("share_at_risk", "of all its value", "占全部价值", share(at_risk, kept), "percent"),
        ("ltv_cac", "LTV/CAC", "LTV/CAC", worth.ltv_cac(book), "points"),
    )
    return [{"key": key, "words": book.say(en, zh), "value": value, "kind": kind} for key, en, zh, value, kind in figures if value is not None]
