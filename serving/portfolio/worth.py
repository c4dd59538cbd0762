"""What merchants are worth against what winning them cost: LTV/CAC by channel, industry and scale.

* LTV is the run's `lifetime_value`: the platform's margin on the sales of the next 365 days, discounted; merchants without a score have none.
* CAC is `acquisition_cost` plus the cost of leads. Where all leads are seen, those of a channel that were lost are shared out over its
  merchants; else it is that of the merchant's own.
* LTV/CAC sets the sum of the one against the other over the merchants that have both; below `LEAST` it is flagged.
* The return so far: what all merchants of the group, those who left too, have brought and are expected to bring, against what all of them cost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.portfolio.book import Book, Column, Table
from serving.portfolio.groups import NAMED, coded, has

LEAST = 3.0
GROUPED = ("channel", "industry", "scale")
FIGURES = (
    Column("merchants", "merchants", "商户数", "count"),
    Column("scored", "scored", "有评分", "count"),
    Column("lifetime_value", "LTV", "LTV", "money"),
    Column("acquisition_cost", "acquisition", "获客成本", "money"),
    Column("lead_cost", "leads", "线索成本", "money"),
    Column("ltv_cac", "LTV/CAC", "LTV/CAC", "points"),
    Column("is_low", "below 3", "低于3"),
    Column("return_cac", "return so far", "累计回报", "points"),
)


def by_group(by: str) -> Callable[[Book], Table]:
    """The table of one grouping."""

    def table(book: Book) -> Table:
        title = book.say("LTV/CAC by {en}", "LTV/CAC：按{zh}", en=NAMED[by][0], zh=NAMED[by][1])
        cost = book.costs
        if cost is None:
            why = "neither acquisition_cost in the merchants table nor a table of leads", "商户表没有 acquisition_cost，也没有线索表"
            return book.absent(f"ltv_{by}", title, *why)
        if not has(book, by):
            return book.absent(f"ltv_{by}", title, f"the merchants have no {by}", f"商户没有{NAMED[by][1]}")
        code, names = coded(book, by)
        told = [*(name or book.say("unknown", "未知") for name in names), book.say("all", "全部")]
        rows = [{"group": name} | row for name, row in zip(told, _rows(book, cost, code, len(names)), strict=True)]
        return Table(f"ltv_{by}", title, (Column("group", *NAMED[by]), *FIGURES), rows, _notes(book))

    return table


def ltv_cac(book: Book) -> float | None:
    """LTV/CAC of all merchants that have both; None where the cost is not known."""
    cost = book.costs
    return None if cost is None else _rows(book, cost, np.zeros(len(cost), np.int64), 1)[-1]["ltv_cac"]


def _rows(book: Book, cost: pd.DataFrame, code: NDArray[np.int64], groups: int) -> list[dict[str, float | bool | None]]:
    """The figures of each group, and last of all merchants together."""
    value, earned = book.numbers("lifetime_value"), book.numbers("gmv_ever") * book.take_rate
    paid = cost.sum(axis=1, min_count=1).to_numpy(np.float64)
    scored, costed = ~np.isnan(value), ~np.isnan(paid)
    both = scored & costed

    def added(values: NDArray[np.float64] | None, where: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The sums of some known values by group, or how many there are; and of all."""
        sums = np.bincount(code[where], None if values is None else values[where], groups).astype(np.float64)
        return np.append(sums, sums.sum())

    def over(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.divide(above, below, out=np.full(groups + 1, np.nan), where=below > 0)

    number = np.bincount(code, minlength=groups).astype(np.float64)
    parts = {str(name): cost[name].to_numpy(np.float64) for name in cost}
    worth, spent = added(value, both), added(paid, costed)
    with_cost = {name: over(added(values, ~np.isnan(values)), added(None, ~np.isnan(values))) for name, values in parts.items()}
    columns = {
        "merchants": np.append(number, number.sum()),
        "scored": added(None, scored),
        "lifetime_value": over(added(value, scored), added(None, scored)),
        **with_cost,
        "ltv_cac": over(worth, added(paid, both)),
        "return_cac": over(added(earned, costed & ~np.isnan(earned)) + worth, spent) if "gmv_ever" in book.merchants else np.full(groups + 1, np.nan),
    }
    rows = []
    for place in range(groups + 1):
        row: dict[str, float | bool | None] = {name: float(values[place]) for name, values in columns.items()}
        ratio = columns["ltv_cac"][place]
        rows.append(row | {"is_low": None if np.isnan(ratio) else bool(ratio < LEAST)})
    return rows


def _notes(book: Book) -> tuple[str, ...]:
    return (
        book.say(
            "LTV: margin on the sales of the next 365 days, of those with a score; LTV/CAC sets it against acquisition and lead cost of the same merchants",
            "LTV：有评分商户未来365天交易额的毛利（折现）；LTV/CAC以同一批商户的获客与线索成本为分母",
        ),
        book.say(
            "return so far: margin earned and expected of all merchants, those who left too, against what all of them cost",
            "累计回报：全部商户（含已流失）已赚取与预期的毛利除以其全部成本",
        ),
    )
