"""The funnel from the first contact to a mature merchant (AARRR: acquisition, activation, retention, revenue, referral)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.portfolio.book import Book, Column, Table, share
from serving.reasons.numbers import percent

COLUMNS = (
    Column("step", "step", "步骤"),
    Column("aarrr", "AARRR", "AARRR"),
    Column("count", "number", "数量", "count"),
    Column("of_before", "of the step before", "较上一步", "percent"),
    Column("of_first", "of the first", "较第一步", "percent"),
    Column("days", "days since the step before (median)", "距上一步天数（中位数）", "count"),
)
PARTS = (("acquisition", "获客"), ("activation", "激活"), ("retention", "留存"), ("revenue", "变现"))
SETTLED = ("growing", "mature", "seasonal")
MATURE = "mature"
REFERRED = ("referral", "推荐", "转介绍", "老带新")
"""Names of the channel of merchants that were sent by others."""


def funnel(book: Book) -> Table:
    """How many leads and merchants reached each step, and which share went on; each step is part of the one before."""
    selling = book.has_sold & book.is_selling
    stage = book.merchants["stage"]
    settled, mature = (selling & stage.isin(some).to_numpy(bool) for some in (SETTLED, (MATURE,)))
    joined = len(book.merchants) if book.facts is None else int(book.merchants["joined_on"].notna().sum())
    acquired, activated, retained, revenue = (book.say(*pair) for pair in PARTS)
    steps: list[tuple[str, str, str, int, float | None]] = [
        *_leads(book, acquired),
        ("joined", book.say("joined", "已入驻"), acquired, joined, _days(book, "won_on", "joined_on")),
        ("first_order", book.say("first order", "已出首单"), activated, int(book.has_sold.sum()), _days(book, "joined_on", "first_order_on")),
        ("selling", book.say("order in the last {days} days", "近{days}天有单", days=book.active_days), retained, int(selling.sum()), None),
        ("settled", book.say("growing, mature or in its season's quiet", "成长、成熟或季节性淡季"), revenue, int(settled.sum()), None),
        ("mature", book.say("mature", "成熟"), revenue, int(mature.sum()), None),
    ]
    rows: list[dict[str, Any]] = []
    for key, words, aarrr, number, days in steps:
        of_before = share(_came_on(book, key, number), rows[-1]["count"]) if rows else None
        rows.append({"key": key, "step": words, "aarrr": aarrr, "count": number, "of_before": of_before, "of_first": None, "days": days})
    for row in rows:
        row["of_first"] = share(row["count"], rows[0]["count"])
    return Table("funnel", book.say("From lead to mature", "从线索到成熟"), COLUMNS, rows, tuple(_notes(book, joined)))


def _leads(book: Book, acquired: str) -> list[tuple[str, str, str, int, float | None]]:
    """The steps before joining, for those who see all leads."""
    if book.leads is None:
        return []
    leads, won = int(book.leads["leads"].sum()), int(book.leads["won"].sum())
    words = book.say("leads contacted", "已联系线索"), book.say("leads won", "已转化线索")
    return [("leads", words[0], acquired, leads, None), ("won", words[1], acquired, won, _days(book, "lead_on", "won_on"))]


def _came_on(book: Book, key: str, number: int) -> int:
    """How many of a step came from the step before: merchants that joined without a lead did not come from one."""
    return number if key != "joined" or book.leads is None else int(book.leads["joined"].sum())


def _days(book: Book, start: str, end: str) -> float | None:
    """The usual days between two moments of merchants that know both."""
    if start not in book.merchants or end not in book.merchants:
        return None
    days = (book.merchants[end].to_numpy() - book.merchants[start].to_numpy()) / np.timedelta64(1, "D")
    later = np.floor(days[days >= 0])
    return float(np.median(later)) if len(later) else None


def _notes(book: Book, joined: int) -> list[str]:
    notes = []
    if book.leads is not None:
        without = joined - int(book.leads["joined"].sum())
        if without > 0:
            notes.append(book.say("{number:,} merchants joined without a lead", "{number:,}家商户入驻前没有线索记录", number=without))
    elif book.facts is not None and "lead_on" in book.facts:
        notes.append(book.say("leads that were not won are told to those only who see all merchants", "未转化的线索仅对可查看全部商户者显示"))
    else:
        notes.append(book.say("no table of leads, so the funnel begins at joining", "没有线索表，漏斗从入驻开始"))
    referred = _referred(book)
    if referred is not None:
        notes.append(book.say("referral: {share} of merchants came through others", "推荐：{share}的商户由他人推荐而来", share=percent(referred, book.lang)))
    return notes


def _referred(book: Book) -> float | None:
    if "channel" not in book.merchants or not book.merchants["channel"].notna().any():
        return None
    names: NDArray[np.bool_] = book.merchants["channel"].astype(str).str.lower().isin(REFERRED).to_numpy(bool)
    return share(float(names.sum()), float(book.merchants["channel"].notna().sum())) if names.any() else None
