"""How long all rules take for a million merchants: scorecard, tiers after a run before, stages, warnings, plays, money and the call list.

    uv run python tests/benchmarks/bench_rules.py
    uv run python tests/benchmarks/bench_rules.py --merchants 50000

The merchants are random rows with every number that the built-in rules look at, so that no rule is left out; about every second one has a
warning, as in the demo's and the simulated markets.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd

from features.declare import catalogue
from features.settings import Churn, Economics, Growth
from serving.calls import call_list, calling, growth_list, sensitivity, worth_acting
from serving.money import money
from serving.rules import read_rules, setting_values
from serving.rules.conditions import GRADES, RANK

GUARDED = 5.0
"""Seconds that the rules may take for a million merchants."""
MILLION = 1_000_000
DAY = date(2026, 1, 1)
SETTINGS = SimpleNamespace(churn=Churn(), growth=Growth(), economics=Economics())


def merchants(rows: int, seed: int = 0) -> pd.DataFrame:
    """Random merchants as a snapshot joined with its scores: one in three is not in the cohort, one in ten values is missing."""
    rng = np.random.default_rng(seed)
    names = sorted({name if name in catalogue() else name.removesuffix(RANK) for name in read_rules().names} - {*GRADES, "scale"})
    frame = {name: _numbers(name, rows, rng) for name in names}
    scored = rng.random(rows) < 2 / 3
    for name in ("churn_risk", "growth_potential", "decline_risk", "activation_chance"):
        frame[name] = np.where(scored, rng.beta(1, 5, rows), np.nan)
    frame |= {"expected_gmv": np.where(scored, rng.lognormal(8, 2, rows), np.nan), "gmv_90d": rng.lognormal(8, 2, rows).astype(np.float32)}
    frame["scale"] = np.array(["large", "medium", "small", None], dtype=object)[rng.integers(0, 4, rows)]
    frame["owner"] = np.array([f"owner {number}" for number in range(200)], dtype=object)[rng.integers(0, 200, rows)]
    return pd.DataFrame(frame, index=pd.Index([f"m{row:07d}" for row in range(rows)], name="merchant_id"))


def _numbers(name: str, rows: int, rng: np.random.Generator) -> np.ndarray:
    if "change" in name:
        values = rng.normal(0.05, 0.25, rows).clip(-1, 1)
    elif RANK in name:
        values = rng.random(rows)
    elif "share" in name or "rate" in name:
        values = rng.beta(1, 19, rows)
    elif "left" in name or "tenure" in name or "first" in name or "age" in name:
        values = rng.exponential(400, rows)
    else:
        values = rng.exponential(15 if "days_since" in name else 1, rows)
    return np.where(rng.random(rows) < 0.1, np.nan, values).astype(np.float32)


def seconds(work: Callable[[], object], runs: int = 3) -> float:
    """Best seconds of some runs: the one that was disturbed least."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def measure(rows: int) -> dict[str, float]:
    """All figures for so many merchants."""
    rules, frame, values = read_rules(), merchants(rows), setting_values(SETTINGS)
    before = rules.apply(merchants(rows, seed=1), values, cutoff=DAY).history.iloc[rows // 100 :]
    graded = rules.apply(frame, values, cutoff=DAY, previous=before)
    joined = frame.join(graded.table)
    run = joined.join(money(joined, SETTINGS))

    def all_rules() -> None:
        rules.apply(frame, values, cutoff=DAY + timedelta(days=7), previous=before)

    def lists() -> None:
        rows = call_list(run, rules.team).rows
        calling(rows, 1.0)
        sensitivity(rows, 40)
        growth_list(run, rules.team)
        worth_acting(run, rules.team)

    figures = {"merchants": rows, "warnings that hold": len(graded.warnings), "all rules, s": seconds(all_rules)}
    figures |= {"money, s": seconds(lambda: money(joined, SETTINGS)), "call list and growth list, s": seconds(lists)}
    figures["together, s"] = figures["all rules, s"] + figures["money, s"] + figures["call list and growth list, s"]
    return figures | {"peak memory, GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def main() -> None:
    """Measure, print, and say whether the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merchants", type=int, default=MILLION)
    given = parser.parse_args()
    bar = GUARDED * max(given.merchants / MILLION, 0.1)
    for name, value in measure(given.merchants).items():
        verdict = f"   bar {bar:g}: {'holds' if value <= bar else 'MISSED'}" if name == "all rules, s" else ""
        print(f"{name:<32} {value:12,.2f}{verdict}")


if __name__ == "__main__":
    main()
