"""How long the ledger takes for a night of many merchants: what it recalls, the watch over the warnings, and the transaction that adds the run.

    uv run python tests/benchmarks/bench_ledger.py
    uv run python tests/benchmarks/bench_ledger.py --merchants 250000
    uv run python tests/benchmarks/bench_ledger.py --url postgresql+psycopg://user@host/database

Three nights a week apart: the first fills an empty ledger, the others change it. The random merchants of the rules' benchmark have about
one warning each, several times what real markets show, so this is the heavy end.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from bench_rules import DAY, MILLION, SETTINGS, merchants

from serving.calls import worth_acting
from serving.ledger import Ledger
from serving.memory import recalled, remembered
from serving.money import money, trailing_gmv
from serving.rules import Rules, read_rules, setting_values

GUARDED = 45.0
"""Seconds that recalling, watching and committing a later night may take for a million merchants on SQLite."""


@contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    """Note the seconds of a block."""
    start = time.perf_counter()
    yield
    figures[f"{name}, s"] = time.perf_counter() - start


def night(ledger: Ledger, rules: Rules, frame: pd.DataFrame, number: int) -> dict[str, Any]:
    """One night's figures."""
    day = DAY + timedelta(days=7 * number)
    figures: dict[str, Any] = {}
    with timed(figures, "recalled"):
        memory = recalled(ledger, day, rules)
    graded = rules.apply(frame, setting_values(SETTINGS), cutoff=day, previous=memory.previous)
    run = pd.concat([frame[["churn_risk", "expected_gmv", "growth_potential", "owner"]], money(frame.join(graded.table), SETTINGS), graded.table], axis=1)
    run = run.assign(tier_by_rules=run["tier"], stage_by_rules=run["stage"], gmv_before=trailing_gmv(frame, 90))
    run["worth_acting"] = worth_acting(run, rules.team)
    header = {"cutoff": str(day), "model_version": "m", "rules_hash": "r", "created_at": f"{day}T02:00", "data_fingerprint": "d"}
    with timed(figures, "watched"):
        kept = remembered(memory, rules, graded, run, day, 90, header)
    entry = replace(kept.entry, header={**header, "run_id": f"{day}-run"})
    with timed(figures, "committed"):
        ledger.commit_run(entry)
    sizes = {name: len(getattr(entry, name)) for name in ("opened", "changed", "rearmed", "drawn", "told")}
    return figures | {"together, s": sum(figures.values())} | sizes


def measure(rows: int, url: str) -> list[dict[str, Any]]:
    """The figures of three nights."""
    rules = read_rules()
    with closing(Ledger.at(url)) as ledger:
        frames = [merchants(rows, seed=0), merchants(rows, seed=1)]
        mixed = np.random.default_rng(7).random(rows) < 0.1
        later = pd.concat([frames[0][~mixed], frames[1][mixed]]).sort_index()  # a tenth of the merchants changed within the week
        return [night(ledger, rules, frame, number) for number, frame in enumerate((frames[0], later, frames[0]))]


def main() -> None:
    """Measure, print, and say whether the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merchants", type=int, default=MILLION)
    parser.add_argument("--url", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        nights = measure(given.merchants, given.url or f"sqlite:///{folder}/ledger.db")
    bar = GUARDED * max(given.merchants / MILLION, 0.1)
    print(f"{given.merchants:,} merchants{'':<12}" + "".join(f"{f'night {number}':>12}" for number in range(1, len(nights) + 1)))
    for name in nights[0]:
        print(f"{name:<28}" + "".join(f"{one[name]:12,.2f}" if name.endswith("s") and "," in name else f"{one[name]:12,}" for one in nights))
    print(f"bar {bar:g} s for a later night: {'holds' if nights[-1]['together, s'] <= bar else 'MISSED'}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
