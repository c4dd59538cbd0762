"""Lost merchants, what today's rules say of their past, and what the ledger knows of them: the material of the look back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import select

from features.cutoffs import day_date
from features.snapshot import Market
from serving.ledger import Ledger
from serving.ledger.bulk import read
from serving.ledger.schema import dispositions, runs, scores, warnings
from serving.retrospect_days import PAST, day_of
from serving.retrospect_evidence import evidence_features
from serving.retrospect_reasons import recomputed
from serving.rules import Rules, setting_values
from serving.score import with_scores

STEP = 28
"""Days between the cutoffs at which rules look at the past."""
ALIKE = ("orders_90d", "gmv_90d", "aov_90d", "tenure_days")
TOLD = ("quiet", "age", "unheard", "asked")
AT_ONCE = 1000
"""Merchants that the ledger is asked of at once."""


@dataclass(frozen=True)
class Lost:
    """Lost merchants with the days (numbers) of their last order and of what was last heard of them."""

    last: pd.Series
    heard: pd.Series
    frame: pd.DataFrame

    def sold_for(self, name: Any) -> int:
        """Days from the first order of a merchant to its last one."""
        row = self.frame.loc[name]
        return int(row["age"] - row["quiet"])


def lost_of(market: Market, end: int, horizon: int, first: int) -> Lost:
    """The merchants lost between two days (numbers), `first` and `end`."""
    named = evidence_features(market)
    looked = Market.of(market.source, {name: one for name, one in named.items() if name in TOLD})
    frame = looked.snapshot(end)
    quiet = frame["quiet"].astype(float)
    frame = frame[(quiet >= horizon) & (end - quiet + horizon >= first)]
    last = (end - frame["quiet"].astype(float)).astype(int)
    alive = frame[[name for name in TOLD if name in frame and name != "age"]].astype(float).min(axis=1)
    heard = (end - alive).astype(int).clip(upper=last + horizon - 1)
    return Lost(last, heard, frame)


def past_of(market: Market, rules: Rules, model: Any | None, found: Lost, tiers: Collection[str]) -> pd.DataFrame:
    """What today's rules say of past snapshots of the lost merchants: one row a merchant and cutoff, `kinds` that held among them.

    Those in one of `tiers` have `reasons` there too, as far as they have a score.
    """
    parts = []
    settings = setting_values(market.settings)
    start = max(int(found.last.min()) - PAST, int(market.source.first_day) + STEP)
    for day in range(start, int(found.last.max()) + STEP, STEP):
        wanted = found.last.index[(found.last >= day - STEP) & (found.last <= day + PAST)]
        frame = market.snapshot(day) if len(wanted) else pd.DataFrame()
        wanted = frame.index.intersection(wanted)
        if wanted.empty:
            continue
        active = (frame["days_since_last_order"] <= market.settings.churn.active_days).to_numpy()
        if model is not None and active.any():
            frame = with_scores(market, frame, model)
        graded = rules.apply(frame, settings, cutoff=day_date(day).date())
        kinds = graded.warnings[graded.warnings["merchant_id"].isin(wanted)].groupby("merchant_id")["kind"].agg(list)
        rows = graded.table.loc[wanted, ["tier", "stage", "points"]].copy()
        risk = frame["churn_risk"] if "churn_risk" in frame else pd.Series(np.nan, frame.index)
        rows["churn_risk"], rows["day"] = risk.reindex(wanted), day
        others = np.sort(risk[active].dropna().to_numpy(float))
        at = np.floor(rows["churn_risk"].to_numpy(float) * 20) / 20
        rows["flagged"] = 1 - np.searchsorted(others, at) / max(len(others), 1)
        rows["kinds"] = [kinds.get(name, []) for name in wanted]
        explained = wanted[(rows["tier"].isin(tiers) & rows["churn_risk"].notna()).to_numpy()]
        rows["reasons"] = recomputed(model, frame, explained, day, market.settings.timeline.currency).reindex(wanted)
        parts.append(rows.join(frame.loc[wanted, [name for name in ALIKE if name in frame]]))
    return pd.concat(parts) if parts else pd.DataFrame(columns=["tier", "stage", "points", "churn_risk", "day", "flagged", "kinds", "reasons"])


def from_ledger(ledger: Ledger | None, names: pd.Index) -> dict[Any, dict[str, pd.DataFrame]]:
    """What the ledger knows of lost merchants, as far as it does: `scores` (with `cutoff`), `warnings` and `dispositions` of each."""
    found: dict[Any, dict[str, pd.DataFrame]] = {}
    if ledger is None:
        return found
    for start in range(0, len(names), AT_ONCE):
        some = [str(name) for name in names[start : start + AT_ONCE]]
        of_run = select(runs.c.cutoff, scores.c.merchant_id, scores.c.churn_risk, scores.c.tier).join(scores, scores.c.run_no == runs.c.run_no)
        queries: dict[str, Any] = {"scores": of_run.where(scores.c.merchant_id.in_(some)).order_by(runs.c.cutoff, runs.c.run_no)}
        for table in (warnings, dispositions):
            key = next(iter(table.primary_key.columns))
            queries[table.name] = select(*table.c).where(table.c.merchant_id.in_(some)).order_by(key)
        with ledger.reading() as connection:
            tables = {name: read(connection, query) for name, query in queries.items()}
        parts = {name: dict(list(table.groupby("merchant_id"))) for name, table in tables.items()}
        for merchant in {one for part in parts.values() for one in part}:
            found[merchant] = {name: parts[name].get(merchant, table.iloc[:0]) for name, table in tables.items()}
    return found


def tier_before(past: pd.DataFrame, history: Mapping[str, dict[str, pd.DataFrame]], found: Lost) -> dict[str, Any]:
    """The tier of each merchant in the last run, else the last past snapshot, up to the day after its last order."""
    before = past[past["day"] <= found.last.reindex(past.index) + 1]
    tier = dict(before.sort_values("day").groupby(level=0)["tier"].last()) if len(before) else {}
    for name, tables in history.items():
        seen = tables["scores"]
        rows = seen[[day_of(cutoff) <= found.last[name] + 1 for cutoff in seen["cutoff"]]] if len(seen) else seen
        if len(rows):
            tier[name] = rows["tier"].iloc[-1]
    return tier
