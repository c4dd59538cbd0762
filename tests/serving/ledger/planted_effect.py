"""A simulated market in which acting has a planted effect, acted on again and again with other draws: does the interval hold the truth?"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.cutoffs import day_date
from features.simulate import simulate
from features.snapshot import Market
from serving.holdout import HOLD, drawn
from serving.outcomes import settled
from serving.proof import joined, proof

TAKE = 0.05


class Planted(NamedTuple):
    """A market, its merchants worth acting on at two days with what was known of them, and what became of them left alone."""

    market: Market
    table: pd.DataFrame
    alone: pd.DataFrame


def planted_in(folder: Path) -> Planted:
    """A market made in a folder that is not there yet."""
    simulate(folder, merchants=3600, seed=3, days=400, orders_per_merchant=25, effect_of_call=1.0)
    market = Market.open(folder / "keepwell.toml")
    truth = pd.read_parquet(folder / "truth.parquet").set_index("merchant_id")
    parts = [_known(market, day_date(market.source.end_day - ago), truth) for ago in (90, 180)]
    table = pd.concat(parts, ignore_index=True).sort_values(["decided_on", "merchant_id"], ignore_index=True)
    asked = table.rename(columns={"decided_on": "since"})[["merchant_id", "since"]]
    return Planted(market, table, asked.merge(settled(market, asked), how="left", on=["merchant_id", "since"]))


def _known(market: Market, day: pd.Timestamp, truth: pd.DataFrame) -> pd.DataFrame:
    frame = market.snapshot(day, only=["days_since_last_order", "silence_ratio", "gmv_90d"])
    frame = frame[(frame["days_since_last_order"] <= 90) & (frame["silence_ratio"] >= 0.8)].astype(float)
    table = pd.DataFrame(
        {
            "tier": np.where(frame["gmv_90d"].rank(pct=True) > 0.7, "A", "B"),
            "churn_risk": 0.1 + 0.4 * frame["silence_ratio"].rank(pct=True),
            "expected_gmv": 0.7 * frame["gmv_90d"],
            "gmv_before": frame["gmv_90d"],
            "action": "call",
            "action_save_rate": 0.2,
            "action_cost": 5.0,
            "response": truth["response_to_call"].reindex(frame.index),
            "decided_on": day.as_unit("s"),
        },
        index=frame.index,
    )
    return table.reset_index()


def replayed(planted: Planted, seed: int, response: bool) -> tuple[Any, Any, Any]:
    """Draw the arms, act on the one, and see what becomes of it: a call keeps a leaver with the chance that was planted, or never."""
    _, table, alone = planted
    rng = np.random.default_rng(seed)
    days = [drawn(rows.set_index("merchant_id"), 0.3, f"salt {seed}", day.date(), 90) for day, rows in table.groupby("decided_on")]
    decisions = pd.concat(days, ignore_index=True).assign(decision_no=np.arange(len(table)))
    assert decisions["merchant_id"].tolist() == table["merchant_id"].tolist()
    acted = (decisions["arm"] != HOLD).to_numpy()
    kept = acted & alone["churned"].to_numpy() & (rng.random(len(table)) < table["response"].fillna(0).to_numpy()) & response
    outcomes = alone.assign(churned=alone["churned"].to_numpy() & ~kept, gmv=np.where(kept, table["gmv_before"], alone["gmv"]))
    deeds = decisions.loc[acted, ["merchant_id", "decided_on"]].rename(columns={"decided_on": "done_on"})
    return decisions, outcomes, deeds.assign(outcome="resolved", cost=np.nan, kind=None)


def truths(planted: Planted) -> dict[str, float]:
    """The planted effect of a call on those worth acting on."""
    _, table, alone = planted
    kept = alone["churned"] * table["response"].fillna(0)
    return {"kept": float(kept.mean()), "gmv": float((kept * (table["gmv_before"] - alone["gmv"])).mean())}


def coverage(planted: Planted, repeats: int, response: bool) -> dict[str, float]:
    """The share of repeats whose 95 % interval holds the truth, of `kept` and of `gmv`, and the share of `claims` of any effect."""
    truth = truths(planted) if response else {"kept": 0.0, "gmv": 0.0}
    hits: dict[str, int] = dict.fromkeys((*truth, "claims"), 0)
    for seed in range(repeats):
        found = proof(joined(*replayed(planted, seed, response)), take_rate=TAKE)
        for name, value in truth.items():
            hits[name] += getattr(found, name).low <= value <= getattr(found, name).high
        hits["claims"] += found.verdict in ("helps", "harms")
    return {name: hit / repeats for name, hit in hits.items()}
