"""How much of the sales a few merchants bring: the 80/20 curve (Lorenz) and Gini's coefficient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serving.portfolio.book import Book, Column, Table
from serving.portfolio.groups import coded
from serving.reasons.numbers import percent

SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
DRAWN = 101


def concentration(book: Book) -> Table:
    """Which share of the sales of 90 days the largest merchants (or chains) bring, of all that sold in that time."""
    title = book.say("80/20: who brings the sales", "二八曲线：交易额集中度")
    chains = book.by == "chain"
    gmv = np.nan_to_num(book.numbers("gmv_90d"))
    if chains:
        code, names = coded(book, "chain")
        gmv = np.bincount(code, gmv, len(names)).astype(np.float64)
    sold = np.sort(gmv[gmv > 0])[::-1]
    if not len(sold):
        return book.absent("concentration", title, "nobody sold in the last 90 days", "近90天没有交易")
    reached = np.cumsum(sold) / sold.sum()
    rows = []
    for share in SHARES:
        number = max(1, round(share * len(sold)))
        rows.append({"share": share, "merchants": number, "gmv": float(sold[:number].sum()), "gmv_share": float(reached[number - 1])})
    columns = (
        Column("share", "the largest", "前", "percent"),
        Column("merchants", "chains" if chains else "merchants", "连锁数" if chains else "商户数", "count"),
        Column("gmv", "sales, 90 days", "近90天交易额", "money"),
        Column("gmv_share", "of all sales", "交易额占比", "percent"),
    )
    enough = int(np.searchsorted(reached, 0.8 - 1e-12) + 1)
    note = book.say(
        "the largest 20 % bring {twenty} of the sales; {enough:,} of {all:,} that sold ({part}) bring 80 %; Gini {gini:.3f}",
        "前20%带来{twenty}的交易额；{all:,}家动销商户中{enough:,}家（{part}）贡献80%；基尼系数{gini:.3f}",
        twenty=percent(rows[SHARES.index(0.2)]["gmv_share"], book.lang),
        enough=enough,
        all=len(sold),
        part=percent(enough / len(sold), book.lang),
        gini=gini(sold),
    )
    places = np.unique(np.linspace(0, len(sold), min(DRAWN, len(sold) + 1)).round().astype(int))
    curve = {"x": (places / len(sold)).tolist(), "y": np.concatenate([[0.0], reached])[places].tolist()}
    return Table("concentration", title, columns, rows, (note,), curve=curve)


def gini(values: NDArray[np.float64]) -> float:
    """Gini's coefficient: 0 where all have the same, near 1 where one has everything (Gini 1912).

    Examples
    --------
    >>> gini(np.array([1.0, 1, 1, 1])), gini(np.array([0.0, 0, 0, 8]))
    (0.0, 0.75)
    """
    rising = np.sort(values)
    number = len(rising)
    weights = 2 * np.arange(1, number + 1) - number - 1
    return float((weights * rising).sum() / (number * rising.sum()))
