"""Recency, frequency, monetary: five classes each, as a grid, and the eight usual kinds of merchant.

Fader, Hardie & Lee (2005) call the three a sufficient summary of a history of purchases; the eight kinds are those of Chinese retail practice.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.portfolio.book import Book, Column, Table, share, total

CLASSES = 5
KINDS: dict[tuple[bool, bool, bool], tuple[str, str]] = {
    (True, True, True): ("valuable: recent, often, much", "重要价值商户"),
    (True, False, True): ("to develop: recent and much, not often", "重要发展商户"),
    (False, True, True): ("to keep: often and much, not lately", "重要保持商户"),
    (False, False, True): ("to win back: much, neither often nor lately", "重要挽留商户"),
    (True, True, False): ("small but often: recent", "一般价值商户"),
    (True, False, False): ("small and new: recent", "一般发展商户"),
    (False, True, False): ("small, often, not lately", "一般保持商户"),
    (False, False, False): ("small, seldom, not lately", "一般挽留商户"),
}
"""By recency, frequency and money in the better half or not."""


def rfm_grid(book: Book) -> Table:
    """How many merchants are in each class of recency and frequency; 5 is best. Only those with an order in the span are in it."""
    title = book.say("Recency and frequency", "RFM：最近一次 × 频次")
    here, since, often, _, days = _measures(book)
    if not here.any():
        return book.absent("rfm", title, f"nobody had an order in the last {days} days", f"近{days}天没有商户出单")
    recency, frequency = classes(-since[here]), classes(often[here])
    counts = np.bincount((recency - 1) * CLASSES + frequency - 1, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    bounds = [since[here][recency == level] for level in range(1, CLASSES + 1)]
    rows = [
        {"recency": f"R{level}", "days": _span(bounds[level - 1])}
        | {f"f{place + 1}": int(counts[level - 1, place]) for place in range(CLASSES)}
        | {"all": int(counts[level - 1].sum())}
        for level in range(CLASSES, 0, -1)
    ]
    columns = (
        Column("recency", "class", "等级"),
        Column("days", "days since the last order", "距最近一单天数"),
        *(Column(f"f{level}", f"F{level}", f"F{level}", "count") for level in range(1, CLASSES + 1)),
        Column("all", "all", "合计", "count"),
    )
    without = int(len(since) - here.sum())
    note = book.say(
        "classes of about equally many merchants, 5 the best, by the days since the last order (R) and the orders of {days} days (F); "
        "{without:,} merchants without an order in that time are not in it",
        "各级商户数大致相等，5为最佳；R为距最近一单天数，F为近{days}天订单数；不含期内无单的{without:,}家商户",
        days=days,
        without=without,
    )
    return Table("rfm", title, columns, rows, (note,))


def rfm_kinds(book: Book) -> Table:
    """The eight kinds by recency, frequency and money above the median or not."""
    title = book.say("Kinds of merchant by recency, frequency, money", "RFM 八类商户")
    here, since, often, much, days = _measures(book)
    if not here.any():
        return book.absent("rfm_kinds", title, f"nobody had an order in the last {days} days", f"近{days}天没有商户出单")
    flags = [_upper(values[here]) for values in (-since, often, much)]
    value, spent, risk = np.nan_to_num(book.numbers("value_at_risk"))[here], much[here], book.numbers("churn_risk")[here]
    everyone, everything = int(here.sum()), total(spent)
    rows = []
    for kind, (en, zh) in KINDS.items():
        mine = np.logical_and.reduce([flag == wanted for flag, wanted in zip(flags, kind, strict=True)])
        scored = mine & ~np.isnan(risk)
        rows.append(
            {
                "kind": book.say(en, zh),
                "merchants": int(mine.sum()),
                "share": share(mine.sum(), everyone),
                "gmv": total(spent[mine]),
                "gmv_share": share(total(spent[mine]), everything),
                "churn_risk": float(risk[scored].mean()) if scored.any() else None,
                "value_at_risk": float(value[mine].sum()),
            }
        )
    columns = (
        Column("kind", "kind", "类别"),
        Column("merchants", "merchants", "商户数", "count"),
        Column("share", "of all", "占比", "percent"),
        Column("gmv", f"sales, {days} days", f"近{days}天交易额", "money"),
        Column("gmv_share", "of all sales", "交易额占比", "percent"),
        Column("churn_risk", "mean risk", "平均流失概率", "percent"),
        Column("value_at_risk", "value at risk", "在险价值", "money"),
    )
    return Table("rfm_kinds", title, columns, rows)


def classes(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Five classes of about equally many, the largest values in 5; equal values share a class.

    Examples
    --------
    >>> classes(np.array([1.0, 2, 3, 4, 5, 5])).tolist()
    [1, 2, 3, 3, 5, 5]
    """
    place = (pd.Series(values).rank().to_numpy() - 0.5) / len(values)
    return np.minimum((place * CLASSES).astype(np.int64), CLASSES - 1) + 1


def _upper(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a value is in the better half; equal values are together."""
    return (pd.Series(values).rank().to_numpy() - 0.5) / len(values) >= 0.5


def _measures(book: Book) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], int]:
    """Who had an order in the span, days since the last one, orders, sales, and the span in days: a year where it is known."""
    days, orders, gmv = (365, "orders_365d", "gmv_365d") if "orders_365d" in book.merchants else (90, "orders_90d", "gmv_90d")
    often = book.numbers(orders)
    return (np.nan_to_num(often) > 0) & book.has_sold, book.numbers("days_since_last_order"), often, book.numbers(gmv), days


def _span(days: NDArray[np.float64]) -> str:
    return f"{days.min():.0f}–{days.max():.0f}" if len(days) else "–"
