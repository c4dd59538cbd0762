"""Expected churn against what happened: runs whose horizon has passed, judged once when the first run after it is scored."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from features.errors import DataRefused
from features.snapshot import Market
from serving.ledger import Ledger
from serving.matured import LATEST, matured
from serving.outcomes import horizon_end
from serving.portfolio.book import Book, Column, Table
from serving.run import Run, current_run

EXPECTED = "expected"
"""The name of the run's table: one row a past run whose outcome is known; it is of nobody in particular."""
LEVELS = {"ok": ("as told", "相符"), "warn": ("somewhat off", "略有偏差"), "alarm": ("off", "偏差")}


def judged(ledger: Ledger, market: Market, day: date, before: Run | None) -> pd.DataFrame:
    """The past runs whose outcome is known on a day, the oldest first.

    Parameters
    ----------
    before : the run that stands: what it has judged is taken over.
    """
    had = before.table(EXPECTED) if before is not None and f"{EXPECTED}.parquet" in before.files else pd.DataFrame()
    over = day - timedelta(days=horizon_end(market.settings))
    had = had[pd.to_datetime(had["cutoff"]) <= pd.Timestamp(over)] if len(had) else had
    new = matured(ledger, market, until=over, but=frozenset(had["run_id"] if len(had) else ()))
    table = pd.concat([had, pd.DataFrame([asdict(one) | {"level": one.level} for one in new])], ignore_index=True)
    return table if table.empty else table.sort_values("cutoff", kind="stable").drop_duplicates("cutoff", keep="last").tail(LATEST).reset_index(drop=True)


def judged_before(ledger: Ledger, market: Market, day: date, state_dir: Path) -> dict[str, pd.DataFrame]:
    """What a run of a day adds to its tables: `EXPECTED`, where the outcome of a past run is known."""
    try:
        before = current_run(state_dir)
    except DataRefused:
        before = None
    table = judged(ledger, market, day, before)
    return {EXPECTED: table} if len(table) else {}


def expected(book: Book) -> Table:
    """One row a run whose horizon has passed: leavers and sales told, and what came."""
    title = book.say("Expected churn and what happened", "预期流失与实际")
    try:
        told = book.run.table(EXPECTED) if f"{EXPECTED}.parquet" in book.run.files else None
    except DataRefused:
        told = None
    if told is None:
        why = "no earlier run's horizon has passed yet, or it is not for you to see", "尚无预测期已结束的评分，或无权查看"
        return book.absent(EXPECTED, title, *why)
    rows = [
        {name: row[name] for name in ("cutoff", "model_version", "merchants", "told", "low", "high", "happened", "auc", "ece", "gmv_told", "gmv_happened")}
        | {"level": book.say(*LEVELS[row["level"]])}
        for row in told.to_dict("records")
    ]
    columns = (
        Column("cutoff", "told on", "预测日"),
        Column("model_version", "model", "模型"),
        Column("merchants", "merchants", "商户数", "count"),
        Column("told", "expected to leave", "预期流失", "percent"),
        Column("low", "at least", "下限", "percent"),
        Column("high", "at most", "上限", "percent"),
        Column("happened", "left", "实际流失", "percent"),
        Column("level", "verdict", "结论"),
        Column("gmv_told", "expected sales", "预期交易额", "money"),
        Column("gmv_happened", "sales", "实际交易额", "money"),
    )
    return Table(EXPECTED, title, columns, rows, (book.say("at least and at most: what chance alone allows (95 %)", "上下限：仅由随机性造成的范围（95%）"),))
