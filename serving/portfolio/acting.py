"""What calling is worth: the curve of calling so many, the warnings' precision and lead time, and whether acting was proved to help."""

from __future__ import annotations

import numpy as np

from serving.calls import call_list
from serving.calls import calling as calls_table
from serving.effect import Estimate
from serving.explain import rules_of
from serving.lists import team_of
from serving.portfolio.book import Book, Column, Table
from serving.proof import joined
from serving.proof import proof as measured
from serving.warning_report import warning_report

DRAWN = 60
NEEDED = ("churn_risk", "expected_profit", "arm", "value_at_risk", "action_save_rate", "action_cost")
"""Columns that a call list is added up from."""
VERDICTS = {
    "helps": ("Acting helps.", "采取行动有效。"),
    "harms": ("Acting harms.", "采取行动有害。"),
    "no effect": ("No effect of acting was found.", "未发现行动有效果。"),
    "cannot tell yet": ("Cannot tell yet whether acting helps.", "尚无法判断行动是否有效。"),
}
HIDDEN = "told to those only who see all merchants, once keepwell proof has looked at outcomes", "仅对可查看全部商户者显示，且需先运行 keepwell proof"


def calling(book: Book) -> Table:
    """What calling the first so many of the call list catches and wastes."""
    title = book.say("Calling so many: caught and wasted", "联系多少家：命中与浪费")
    team = team_of(book.run)
    rows = call_list(book.merchants[[name for name in NEEDED if name in book.merchants]], team).rows
    if rows.empty:
        return book.absent("calling", title, "nobody is on the call list", "没有需要联系的商户")
    leavers = float(book.run.header["counts"]["expected_leavers"])
    found = calls_table(rows, leavers)
    columns = (
        Column("calls", "calls", "联系", "count"),
        Column("leavers", "leavers caught", "将流失", "count"),
        Column("share_of_leavers", "of all leavers", "占全部流失", "percent"),
        Column("wasted", "wasted", "本会留下", "count"),
        Column("value_at_risk", "value at risk", "在险价值", "money"),
        Column("saved", "kept by calling", "预计挽留", "count"),
        Column("cost", "cost", "成本", "money"),
        Column("profit", "profit", "期望收益", "money"),
    )
    places = np.unique(np.linspace(0, len(rows), DRAWN + 1).round().astype(int))
    risk, profit = (np.concatenate([[0.0], np.cumsum(rows[name].to_numpy(np.float64))])[places] for name in ("churn_risk", "expected_profit"))
    curve = {"calls": [float(place) for place in places], "leavers": risk.tolist(), "profit": profit.tolist()}
    best = int(np.argmax(np.cumsum(rows["expected_profit"].to_numpy(np.float64)))) + 1
    note = book.say("the profit is highest at {best:,} calls", "联系{best:,}家时期望收益最高", best=best)
    return Table("calling", title, columns, found.to_dict("records"), (note,), curve=curve)


def warnings(book: Book) -> Table:
    """By kind: how often it fired, how often it was right, how early, whether anybody acted."""
    title = book.say("What the warnings were worth", "预警的价值")
    if book.ledger is None:
        return book.absent("warnings", title, *HIDDEN)
    fired, outcomes, deeds = (book.ledger.table(name) for name in ("warnings", "outcomes", "dispositions"))
    found = warning_report(fired, outcomes, deeds, book.active_days)
    if found.empty:
        return book.absent("warnings", title, "no warning has fired yet", "尚无预警")
    kinds = {kind.kind: kind.words for kind in rules_of(book.run).warnings}
    rows = [
        {"kind": row["kind"], "words": getattr(kinds[row["kind"]], book.lang) if row["kind"] in kinds else row["kind"]}
        | {name: row[name] for name in ("fired", "open", "matured", "precision", "precision_left_alone", "lead_days", "acted_on")}
        for row in found.reset_index().to_dict("records")
    ]
    columns = (
        Column("kind", "kind", "类型"),
        Column("words", "in words", "说明"),
        Column("fired", "fired", "触发", "count"),
        Column("open", "open", "未关闭", "count"),
        Column("matured", "outcome known", "已有结果", "count"),
        Column("precision", "right", "准确率", "percent"),
        Column("precision_left_alone", "right, left alone", "未干预准确率", "percent"),
        Column("lead_days", "days ahead", "提前天数", "count"),
        Column("acted_on", "acted on", "已行动", "percent"),
    )
    return Table("warnings", title, columns, rows)


def proof(book: Book) -> Table:
    """Whether acting helped, against the merchants left alone at random."""
    title = book.say("Does acting help?", "行动是否有效")
    if book.ledger is None:
        return book.absent("proof", title, *HIDDEN)
    decisions, outcomes, deeds = (book.ledger.table(name) for name in ("decisions", "outcomes", "dispositions"))
    if decisions.empty:
        return book.absent("proof", title, "nobody was drawn yet", "尚未抽样")
    found = measured(joined(decisions, outcomes, deeds), take_rate=book.take_rate, power=rules_of(book.run).holdout.power)
    lines: list[tuple[str, Estimate | None, float]] = [
        (book.say("kept of 100 worth acting on", "每100家值得行动者的挽留数"), found.kept, 100),
        (book.say("sales added for each", "每家增加的交易额"), found.gmv, 1),
        (book.say("saved in all", "合计挽回毛利"), found.saved, 1),
        (book.say("left after cost", "扣除成本后"), found.net, 1),
    ]
    rows = [{"what": words, "value": one.value * times, "low": one.low * times, "high": one.high * times} for words, one, times in lines if one]
    columns = (
        Column("what", "what", "项目"),
        Column("value", "estimate", "估计", "points"),
        Column("low", "at least", "下限", "points"),
        Column("high", "at most", "上限", "points"),
    )
    notes = [
        book.say(*VERDICTS[found.verdict]),
        book.say(
            "{matured:,} decisions have an outcome ({acted:,} to act on, {left:,} left alone), {waiting:,} wait for theirs",
            "{matured:,}个决策已有结果（行动{acted:,}，对照{left:,}），{waiting:,}个待定",
            matured=found.matured,
            acted=found.acted,
            left=found.left_alone,
            waiting=found.waiting,
        ),
    ]
    if not found.is_known and found.still_needed:
        notes.append(book.say("about {number:,} more are needed", "约还需{number:,}个", number=found.still_needed))
    return Table("proof", title, columns, rows, tuple(notes))
