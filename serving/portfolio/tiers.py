"""The tier pyramid, stage by tier, and who moved between tiers since the run before."""

from __future__ import annotations

import numpy as np
import pandas as pd

from serving.portfolio.book import Book, Column, Table, share, total

ALL = Column("all", "all", "合计", "count")


def pyramid(book: Book) -> Table:
    """One row a tier, the best first: how many merchants, and how much of the sales they bring."""
    tier, gmv = book.merchants["tier"].astype(object).to_numpy(), book.numbers("gmv_90d")
    everyone, everything = len(tier), total(gmv)
    rows = []
    for name in book.tiers:
        mine = tier == name
        rows.append(
            {
                "tier": name,
                "words": book.named("tiers", name),
                "merchants": int(mine.sum()),
                "share": share(mine.sum(), everyone),
                "gmv_90d": total(gmv[mine]),
                "gmv_share": share(total(gmv[mine]), everything),
                "selling_share": share((mine & book.is_selling).sum(), mine.sum()),
            }
        )
    columns = (
        Column("tier", "tier", "分层"),
        Column("words", "in words", "说明"),
        Column("merchants", "merchants", "商户数", "count"),
        Column("share", "of all", "占比", "percent"),
        Column("gmv_90d", "sales, 90 days", "近90天交易额", "money"),
        Column("gmv_share", "of all sales", "交易额占比", "percent"),
        Column("selling_share", "selling", "动销率", "percent"),
    )
    return Table("pyramid", book.say("Tier pyramid", "分层金字塔"), columns, rows)


def stage_by_tier(book: Book) -> Table:
    """How many merchants of each stage are in each tier, and the value at risk of the stage."""
    counts = _counted(book.merchants["stage"], book.merchants["tier"], book.stages, book.tiers)
    code = pd.Index(book.stages).get_indexer(pd.Index(book.merchants["stage"].astype(object)))
    known = code >= 0
    value = np.bincount(code[known], np.nan_to_num(book.numbers("value_at_risk"))[known], len(book.stages))
    rows = [
        {"key": stage, "stage": book.named("stages", stage)}
        | dict(zip(book.tiers, counts[place].tolist(), strict=True))
        | {"all": int(counts[place].sum()), "value_at_risk": value[place]}
        for place, stage in enumerate(book.stages)
        if counts[place].any()
    ]
    columns = (
        Column("stage", "stage", "阶段"),
        *(Column(tier, tier, tier, "count") for tier in book.tiers),
        ALL,
        Column("value_at_risk", "value at risk", "在险价值", "money"),
    )
    return Table("stage_tier", book.say("Stage by tier", "阶段 × 分层"), columns, rows)


def migration(book: Book) -> Table:
    """From which tier to which merchants moved since the run before; who came and who went stands apart."""
    title = book.say("Who changed tier", "分层迁移")
    if book.previous is None:
        return book.absent("migration", title, "there is no run before this one to compare with", "没有更早的评分可比较")
    now = book.merchants["tier"].astype(object)
    before = book.previous.merchants["tier"].astype(object)
    place = before.index.get_indexer(now.index)
    there = pd.Series(np.concatenate([before.to_numpy(object), np.array([None], dtype=object)])[place], index=now.index)
    tiers = book.tiers
    counts = _counted(there, now, tiers, tiers)
    gone = np.delete(before.to_numpy(object), place[place >= 0])
    rows = [
        {"from": tier}
        | dict(zip(tiers, counts[place].tolist(), strict=True))
        | {"gone": int((gone == tier).sum()), "all": int(counts[place].sum() + (gone == tier).sum())}
        for place, tier in enumerate(tiers)
    ]
    new = now.to_numpy(object)[place < 0]
    arrived = {tier: int((new == tier).sum()) for tier in tiers}
    rows.append({"from": book.say("new", "新增")} | arrived | {"gone": 0, "all": len(new)})
    columns = (
        Column("from", "from \\ to", "原 \\ 现"),
        *(Column(tier, tier, tier, "count") for tier in tiers),
        Column("gone", "gone", "已不在", "count"),
        ALL,
    )
    up, down = int(np.tril(counts, -1).sum()), int(np.triu(counts, 1).sum())
    note = book.say(
        "since {day}: {up:,} merchants moved up, {down:,} down, {same:,} stayed",
        "自{day}以来：{up:,}家上升，{down:,}家下降，{same:,}家不变",
        day=book.previous.cutoff,
        up=up,
        down=down,
        same=int(np.trace(counts)),
    )
    return Table("migration", title, columns, rows, (note,))


def _counted(first: pd.Series, second: pd.Series, rows: list[str], columns: list[str]) -> np.ndarray:
    """(rows, columns) numbers of merchants; those with neither name are left out."""
    down, across = (pd.Index(names).get_indexer(pd.Index(values.astype(object))) for names, values in ((rows, first), (columns, second)))
    both = (down >= 0) & (across >= 0)
    return np.bincount(down[both] * len(columns) + across[both], minlength=len(rows) * len(columns)).reshape(len(rows), -1)
