"""The merchants by chain, industry, region, owner, channel or scale: how many sell, what is at risk, what they are worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import UsageRefused, did_you_mean
from serving.chains import chain_of
from serving.portfolio.book import Book, Column, Table, share
from serving.reasons.numbers import percent

BY = ("chain", "industry", "region", "owner", "channel", "scale")
COLUMNS = {"chain": "parent_id"}
MOST = 200
"""So many groups are listed, those with the most at risk."""
NAMED = {
    "chain": ("chain", "连锁"),
    "industry": ("industry", "行业"),
    "region": ("region", "地区"),
    "owner": ("owner", "负责人"),
    "channel": ("channel", "渠道"),
    "scale": ("scale", "规模"),
}
FIGURES = (
    Column("merchants", "merchants", "商户数", "count"),
    Column("selling_share", "selling", "动销率", "percent"),
    Column("gmv_90d", "sales, 90 days", "近90天交易额", "money"),
    Column("expected_leavers", "expected leavers", "预计流失", "count"),
    Column("gmv_at_risk", "sales at risk", "在险交易额", "money"),
    Column("value_at_risk", "value at risk", "在险价值", "money"),
    Column("share_at_risk", "of its value", "占其价值", "percent"),
    Column("points", "points", "平均得分", "points"),
    Column("lifetime_value", "lifetime value", "生命周期价值", "money"),
)


def groups(book: Book) -> Table | None:
    """One row a group, the one with the most at risk first; None where no grouping was asked for."""
    if book.by is None:
        return None
    label, names = coded(book, book.by)
    rows = figures(book, label, len(names))
    order = np.lexsort((names.astype(str), -rows["value_at_risk"]))
    found = [{"group": names[place] or book.say("unknown", "未知")} | {name: values[place] for name, values in rows.items()} for place in order[:MOST]]
    en, zh = NAMED[book.by]
    notes = [book.say("merchants without a chain stand for themselves", "没有连锁的商户各自成行")] if book.by == "chain" else []
    if len(order) > MOST:
        notes.append(book.say("the {most} of {all:,} with the most at risk", "共{all:,}组，仅列在险价值最高的{most}组", most=MOST, all=len(order)))
    title = book.say("By {what}", "按{what}", what=book.say(en, zh))
    return Table("groups", title, (Column("group", en, zh), *FIGURES), found, tuple(notes))


def coded(book: Book, by: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The group of each merchant as a code, and the groups' names in order; "" for merchants of an unknown one.

    Raises
    ------
    UsageRefused : no such grouping, or the merchants of the run do not have it.
    """
    if by not in BY:
        raise UsageRefused(f"--by {by!r} is not a grouping; {did_you_mean(by, BY)}")
    column = COLUMNS.get(by, by)
    if column not in book.merchants or not book.merchants[column].notna().any():
        raise UsageRefused(f"the merchants of run {book.run.run_id} have no {column}; leave out --by {by}, or add it to the merchants table.")
    return codes_of(chain_of(book.merchants) if by == "chain" else book.merchants[column])


def codes_of(values: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """The place of each value among the different ones, and these in order; a missing one is "".

    Examples
    --------
    >>> codes, names = codes_of(pd.Series(["b", None, "a", "b"]))
    >>> codes.tolist(), names.tolist()
    ([2, 0, 1, 2], ['', 'a', 'b'])
    """
    code, found = pd.factorize(values)  # few different ones: only these are put in order
    missing = (code < 0).any() and not (found == "").any()
    told = [*np.asarray(found, dtype=object), *([""] if missing else [])]
    names = np.array(sorted(told), dtype=object)
    places = {name: place for place, name in enumerate(names)}
    new = np.array([*(places[name] for name in np.asarray(found, dtype=object)), places.get("", -1)], dtype=np.int64)
    return new[code], names


def has(book: Book, by: str) -> bool:
    """Whether merchants of the run can be grouped so."""
    column = COLUMNS.get(by, by)
    return column in book.merchants and bool(book.merchants[column].notna().any())


def figures(book: Book, code: NDArray[np.int64], groups: int) -> dict[str, NDArray[np.float64]]:
    """The figures of each group, by the columns' keys."""

    def added(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(code, np.nan_to_num(values.astype(np.float64)), groups).astype(np.float64)

    def averaged(name: str) -> NDArray[np.float64]:
        values = book.numbers(name)
        known = added(~np.isnan(values))
        return np.divide(added(values), known, out=np.full(groups, np.nan), where=known > 0)

    number, at_risk, kept = added(np.ones(len(code))), added(book.numbers("value_at_risk")), added(book.numbers("value_if_kept"))
    return {
        "merchants": number,
        "selling_share": added(book.is_selling) / np.maximum(number, 1),
        "gmv_90d": added(book.numbers("gmv_90d")),
        "expected_leavers": added(book.numbers("churn_risk")),
        "gmv_at_risk": at_risk / book.take_rate,
        "value_at_risk": at_risk,
        "share_at_risk": np.divide(at_risk, kept, out=np.full(groups, np.nan), where=kept > 0),
        "points": averaged("points"),
        "lifetime_value": averaged("lifetime_value"),
    }


def at_risk(book: Book) -> Table:
    """What is at risk, by tier."""
    tiers = book.tiers
    code = pd.Index(tiers).get_indexer(pd.Index(book.merchants["tier"].astype(object))).astype(np.int64)
    code[code < 0] = len(tiers)
    rows = figures(book, code, len(tiers) + 1)
    everything = float(rows["value_at_risk"].sum())
    found = [
        {"tier": tier, "words": book.named("tiers", tier)}
        | {column.key: rows[column.key][place] for column in FIGURES if column.key in rows}
        | {"share_of_all": share(rows["value_at_risk"][place], everything)}
        for place, tier in enumerate(tiers)
    ]
    columns = (Column("tier", "tier", "分层"), Column("words", "in words", "说明"), *FIGURES, Column("share_of_all", "of all at risk", "占全部在险", "percent"))
    note = book.say(
        "sales at risk: risk of leaving times the sales of the horizon if the merchant stays; value at risk: the platform's margin of {rate} on it",
        "在险交易额：流失概率乘以若留存时预测期内的交易额；在险价值：其中平台的毛利（{rate}）",
        rate=percent(book.take_rate, book.lang),
    )
    return Table("at_risk", book.say("Sales at risk", "在险交易额"), columns, found, (note,))
