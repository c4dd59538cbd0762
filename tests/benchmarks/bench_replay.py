"""Made-up markets replayed week by week: who was warned before it left, against who could have been.

    uv run python tests/benchmarks/bench_replay.py
    uv run python tests/benchmarks/bench_replay.py --merchants 600 --seeds 11

The rules' bounds were chosen on seeds 1 to 3; seeds 11 to 13 judge them. Leaving is drawn from a hazard, so not even who knows everybody's true
hazard could foresee all of it: `true hazard` is the share that it would have caught, warning of as many of those who stayed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.simulate import simulate
from features.snapshot import Market, day_number
from serving.replay import Replayed
from serving.replay_commands import left, replayed
from serving.replay_report import RUN_IN, UPPER, stayers, with_tier
from serving.rules import read_rules
from training.replayed import Retrained, replayed_days, training_days

WARNED, AHEAD, PRECISION = 0.70, 21.0, 0.5
"""Of the planted leavers of tiers A and B; days at the median; of the kind churn_risk."""
SINCE = "2024-07-03"


def ceiling(done: Replayed, truth: Path, horizon: int, allowed: float) -> float:
    """The share of leavers of tiers A and B that an alarm on the true hazard catches before they leave, where it is on for no larger a share
    of stayers than `allowed`.
    """
    first, last = done.weeks["cutoff"].min() + pd.Timedelta(days=RUN_IN), done.weeks["cutoff"].max()
    lost = with_tier(left(truth), done.scores)
    kept = stayers(done.sample, lost, horizon)
    daily = pd.read_parquet(truth.with_name("truth_daily.parquet"), columns=["merchant_id", "day", "hazard"])
    daily["day"] = pd.to_datetime(daily["day"])
    weekly = daily[daily["day"].isin(done.weeks["cutoff"])]
    hazard = weekly.pivot_table(index="merchant_id", columns="day", values="hazard", observed=True).fillna(0)
    groups = [rows[rows["tier"].isin(UPPER) & (rows["silent_on"] > first) & (rows["silent_on"] <= last)] for rows in (lost, kept)]
    leaving, staying = (_highest(hazard, rows, horizon) for rows in groups)
    return max((float((leaving >= bound).mean()) for bound in np.unique(staying) if (staying >= bound).mean() <= allowed), default=0.0)


def _highest(hazard: pd.DataFrame, rows: pd.DataFrame, horizon: int) -> np.ndarray:
    """The highest hazard of each merchant at the runs of the horizon before its day."""
    days = hazard.columns.to_numpy()[None, :]
    until = rows["silent_on"].to_numpy()[:, None]
    values = hazard.reindex(rows["merchant_id"]).fillna(0).to_numpy()
    return np.where((days < until) & (days >= until - np.timedelta64(horizon, "D")), values, 0).max(axis=1)


def measure(config: Path) -> dict[str, Any]:
    """The figures of one market."""
    start = time.perf_counter()
    market = Market.open(config)
    days = replayed_days(market, day_number(SINCE), None, 7)
    models = Retrained(market, training_days(days, "month"))
    truth = config.with_name("truth.parquet")
    facts, done = replayed(market, days, models, read_rules(), lambda *_: None, truth)
    upper = facts["lost"]["warned"][0]
    found, own = upper["churn_warnings"], {row["kind"]: row for row in facts["kinds"]}
    horizon = market.settings.churn.gap_days + market.settings.churn.horizon_days
    return {
        "planted leavers, A and B": upper["lost"],
        "warned before they left": found["warned"],
        "days ahead, median": found["days_ahead"],
        "of stayers warned": found["stayers"],
        "true hazard would warn": ceiling(done, truth, horizon, found["stayers"]),
        "warned before counted lost": found["in_silence"],
        "days before counted lost": found["days_before_lost"],
        "churn_risk right": own["churn_risk"]["precision"],
        "blind guess right": facts["by_chance"]["precision"],
        "warnings a week": own["all"]["a_week"],
        "tier changes a quarter, median": facts["tiers"]["median_a_quarter"],
        "fired inside cool-down": facts["repeats_in_cooldown"],
        "runs": facts["runs"],
        "models": facts["models"],
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    """Measure, print, and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merchants", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    given = parser.parse_args()
    found = []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(simulate(Path(folder) / "market", given.merchants, seed=seed)))
    print(f"{given.merchants:,} merchants{'':<19}" + "".join(f"{f'seed {seed}':>10}" for seed in given.seeds))
    for name in found[0]:
        print(f"{name:<32}" + "".join(f"{one[name]:10,.2f}" for one in found))
    bars = {"warned before they left": WARNED, "days ahead, median": AHEAD, "churn_risk right": PRECISION}
    for name, bar in bars.items():
        print(f"{name}: bar {bar:g} {'holds' if all(one[name] >= bar for one in found) else 'MISSED'}")


if __name__ == "__main__":
    main()
