"""Who sells when: the share of merchants selling (动销率) month by month, and how much of each joining cohort still sells later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.portfolio.book import Book, Column, Table, share
from serving.portfolio.facts import MONTHS, last_month
from serving.reasons.numbers import percent

LETTERS = {"quarter": "Q", "month": "M"}
ZH = {"quarter": "季度", "month": "月份"}
MOST = {"quarter": 12, "month": 18}
ENOUGH = 0.9
"""A running period counts from this share of its days on."""


def selling(book: Book) -> Table:
    """Month by month: merchants that had joined, those with an order, and their share."""
    title = book.say("Share of merchants selling", "动销率")
    if book.facts is None:
        return _unpublished(book, "selling", title)
    periods, sold = sold_in(book, "month")
    joined = _joined(book, "M")
    rows = []
    for place, period in list(enumerate(periods))[: MOST["month"]][::-1]:
        number, traded = int((joined <= period.ordinal).sum()), int(sold[:, place].sum())
        rows.append({"month": str(period), "joined": number, "selling": traded, "share": share(traded, number)})
    columns = (
        Column("month", "month", "月份"),
        Column("joined", "merchants", "商户数", "count"),
        Column("selling", "with an order", "有单商户", "count"),
        Column("share", "selling", "动销率", "percent"),
    )
    now = share(book.is_selling.sum(), len(book.merchants)) or 0.0
    note = book.say("in the last {days} days: {now}", "近{days}天：{now}", days=book.active_days, now=percent(now, book.lang))
    return Table("selling", title, columns, rows, (note,))


def cohorts(book: Book) -> Table:
    """Of the merchants that joined in a quarter (or month): which share had an order in it and in each one after it."""
    every = book.every
    title = book.say("Still selling, by {every} of joining", "留存：按入驻{zh}", every=every, zh=ZH[every])
    if book.facts is None:
        return _unpublished(book, "cohorts", title)
    periods, sold = sold_in(book, every)
    if not periods:
        return book.absent("cohorts", title, "no period is over yet", "尚无完整周期")
    joined = _joined(book, LETTERS[every])
    rows, shown = [], periods[: MOST[every]][::-1]
    for period in shown:
        mine = joined == period.ordinal
        if mine.any():
            after = {f"p{later}": share(sold[mine, at].sum(), mine.sum()) for later, at in enumerate(range(periods.index(period), -1, -1))}
            rows.append({"cohort": _named(period), "merchants": int(mine.sum())} | after)
    columns = (
        Column("cohort", "joined in", "入驻于"),
        Column("merchants", "merchants", "商户数", "count"),
        *(Column(f"p{later}", f"+{later}", f"+{later}", "percent") for later in range(len(shown))),
    )
    over = "only {every}s that are over, or nearly; +0 is that of joining", "仅含已结束（或近尾声）的{zh}；+0为入驻当期"
    notes = [book.say(*over, every=every, zh=ZH[every])]
    if (book.merchants["joined_on"] == book.merchants["first_order_on"]).all():
        notes.append(book.say("joining is the first order in the data, so +0 is 100 %", "入驻日取自首单，故+0为100%"))
    return Table("cohorts", title, columns, rows, tuple(notes))


def sold_in(book: Book, every: str) -> tuple[list[pd.Period], NDArray[np.bool_]]:
    """The periods that are over, the latest first and back to the first with an order, and who sold in them, (merchants, periods)."""
    bits = book.merchants["sold_months"].to_numpy(np.int64)
    months = int(np.bitwise_or.reduce(bits)).bit_length() if len(bits) else 0
    last = last_month(book.run.cutoff)
    letter = LETTERS[every]
    found: dict[pd.Period, int] = {}
    for back in range(min(months, MONTHS)):
        period = (last - back).asfreq(letter)
        found[period] = found.get(period, 0) | 1 << back
    cutoff = pd.Timestamp(book.run.cutoff)
    over = [period for period in found if (cutoff - period.start_time).days >= ENOUGH * ((period + 1).start_time - period.start_time).days]
    sold = [(bits & np.int64(found[period])) != 0 for period in over]
    return over, np.column_stack(sold) if sold else np.zeros((len(bits), 0), bool)


def _joined(book: Book, letter: str) -> NDArray[Any]:
    """The period in which each merchant joined, as pandas numbers them; NaN where unknown."""
    joined = book.merchants["joined_on"]
    days = joined.dropna()
    return pd.Series(days.dt.to_period(letter).astype("int64"), index=days.index).reindex(joined.index).to_numpy(np.float64)


def _named(period: pd.Period) -> str:
    return f"{period.year} Q{period.quarter}" if period.freqstr.startswith("Q") else str(period)


def _unpublished(book: Book, key: str, title: str) -> Table:
    return book.absent(key, title, "this run was published without it; type keepwell score", "该次评分未发布此数据；请运行 keepwell score")
