"""Scale × role of the user × maturity of use: who works with the platform, how far, and what that goes with."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.portfolio.book import Book, Column, Table
from serving.portfolio.groups import codes_of

LEVELS = (("no login", "无登录"), ("few functions", "功能少"), ("some functions", "功能一般"), ("many functions", "功能多"))
"""Maturity of use by the functions used in 90 days: nobody logged in, then thirds of those who did."""
UNKNOWN = ""


def use(book: Book) -> Table:
    """One row for each scale, main role and maturity of use that merchants with an order have."""
    title = book.say("Scale, user's role and maturity of use", "规模 × 用户角色 × 使用成熟度")
    if "functions_90d" not in book.merchants:
        return book.absent("use", title, "no table of logins with their functions", "没有含功能的登录表")
    level, bounds = maturity(book.numbers("functions_90d"))
    table = pd.DataFrame({"level": level})
    for name in ("scale", "role"):
        code, names = codes_of(book.merchants[name]) if name in book.merchants else (np.zeros(len(table), np.int64), np.array([UNKNOWN], dtype=object))
        table[name] = pd.Categorical.from_codes(code, pd.Index(names))
    for name in ("churn_risk", "gmv_90d", "lifetime_value", "value_at_risk"):
        table[name] = book.numbers(name)
    found = table[book.is_selling].groupby(["scale", "role", "level"], sort=True, observed=True)
    sums = found.agg(
        merchants=("level", "size"), churn_risk=("churn_risk", "mean"), gmv_90d=("gmv_90d", "mean"), lifetime_value=("lifetime_value", "mean")
    )
    sums["value_at_risk"] = found["value_at_risk"].sum()
    unknown = book.say("unknown", "未知")
    rows = [
        {"scale": row["scale"] or unknown, "role": row["role"] or (book.say("nobody", "无人") if row["level"] == 0 else unknown)}
        | {"maturity": book.say(*LEVELS[row["level"]]), **{name: row[name] for name in sums}}
        for row in sums.reset_index().to_dict("records")
    ]
    columns = (
        Column("scale", "scale", "规模"),
        Column("role", "main user", "主要用户"),
        Column("maturity", "maturity of use", "使用成熟度"),
        Column("merchants", "merchants", "商户数", "count"),
        Column("churn_risk", "mean risk", "平均流失概率", "percent"),
        Column("gmv_90d", "mean sales, 90 days", "近90天平均交易额", "money"),
        Column("lifetime_value", "mean LTV", "平均LTV", "money"),
        Column("value_at_risk", "value at risk", "在险价值", "money"),
    )
    note = book.say(
        "merchants that sell now; few: up to {low:.0f} functions in 90 days, some: up to {high:.0f}, many: more; the main user is the role with the most logins",
        "当前动销商户；90天内使用功能：少为不超过{low:.0f}个，一般为不超过{high:.0f}个；主要用户为登录最多的角色",
        low=bounds[0],
        high=bounds[1],
    )
    return Table("use", title, columns, rows, (note,))


def maturity(functions: NDArray[np.float64]) -> tuple[NDArray[np.int64], tuple[float, float]]:
    """The level of each merchant, 0 to 3, and the most functions of the first and second level.

    Examples
    --------
    >>> maturity(np.array([np.nan, 0, 1, 2, 3, 6]))
    (array([0, 0, 1, 1, 2, 3]), (2.0, 3.0))
    """
    used = np.nan_to_num(functions)
    some = used[used > 0]
    low, high = (float(np.quantile(some, part, method="lower")) for part in (1 / 3, 2 / 3)) if len(some) else (0.0, 0.0)
    return np.where(used == 0, 0, 1 + (used > low).astype(np.int64) + (used > high)).astype(np.int64), (low, high)
