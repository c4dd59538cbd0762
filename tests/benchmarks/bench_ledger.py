"""How long the ledger takes for a night of many merchants: what it recalls, the watch over the warnings, and the transaction that adds the run.

    uv run python tests/benchmarks/bench_ledger.py
    uv run python tests/benchmarks/bench_ledger.py --merchants 250000
    uv run python tests/benchmarks/bench_ledger.py --url postgresql+psycopg://user@host/database

Beside the commit stands a bare `executemany` of the very same rows, ready as tuples, into tables without a key or an index, in one durable
transaction: what Python's SQLite can do at most.

Three nights a week apart: the first fills an empty ledger, the others change it. The random merchants of the rules' benchmark have about
one warning each, several times what real markets show, so this is the heavy end.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
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
from serving.ledger import Entry, Ledger
from serving.ledger.bulk import _plain
from serving.memory import recalled, remembered
from serving.money import money, trailing_gmv
from serving.rules import Rules, read_rules, setting_values

GUARDED = 45.0
"""Seconds of CPU that recalling, watching and committing a later night may take for a million merchants on SQLite."""
PARTS = ("recalled", "watched", "committed")
BARE = "bare"


@contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    """Note the seconds of a block, and those of CPU: on a machine that does other things too only these compare."""
    start, used = time.perf_counter(), time.process_time()
    yield
    figures[f"{name}, s"], figures[f"{name}, CPU s"] = time.perf_counter() - start, time.process_time() - used


def bare(entry: Entry, folder: str, figures: dict[str, Any]) -> int:
    """How many rows a run adds or changes; notes the seconds of writing them with nothing else done."""
    told = entry.told.assign(detail=[str(detail) for detail in entry.told["detail"]]) if len(entry.told) else entry.told
    frames = [entry.scores.reset_index(), entry.opened, entry.changed, entry.rearmed, entry.drawn, told]
    frames = [frame for frame in frames if len(frame)]
    rows = [list(zip(*(_plain(frame[name]) for name in frame), strict=True)) for frame in frames]
    path = Path(folder) / "bare.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        for place, frame in enumerate(frames):
            connection.execute(f"CREATE TABLE t{place} ({', '.join(f'c{number}' for number in range(frame.shape[1]))})")
        with timed(figures, BARE):
            connection.execute("BEGIN IMMEDIATE")
            for place, some in enumerate(rows):
                connection.executemany(f"INSERT INTO t{place} VALUES ({', '.join('?' * frames[place].shape[1])})", some)
            connection.execute("COMMIT")
    for file in path.parent.glob("bare.db*"):
        file.unlink()
    return sum(map(len, rows))


def night(ledger: Ledger, rules: Rules, frame: pd.DataFrame, number: int, folder: str) -> dict[str, Any]:
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
    figures |= {f"together, {unit}": sum(figures[f"{part}, {unit}"] for part in PARTS) for unit in ("s", "CPU s")}
    rows = bare(entry, folder, figures)
    figures["rows"] = rows
    figures |= {f"rows a second of CPU, {part}": round(rows / figures[f"{part}, CPU s"]) for part in ("committed", BARE)}
    sizes = {name: len(getattr(entry, name)) for name in ("opened", "changed", "rearmed", "drawn", "told")}
    return figures | sizes


def measure(rows: int, url: str, folder: str) -> list[dict[str, Any]]:
    """The figures of three nights."""
    rules = read_rules()
    with closing(Ledger.at(url)) as ledger:
        frames = [merchants(rows, seed=0), merchants(rows, seed=1)]
        mixed = np.random.default_rng(7).random(rows) < 0.1
        later = pd.concat([frames[0][~mixed], frames[1][mixed]]).sort_index()  # a tenth of the merchants changed within the week
        return [night(ledger, rules, frame, number, folder) for number, frame in enumerate((frames[0], later, frames[0]))]


def main() -> None:
    """Measure, print, and say whether the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merchants", type=int, default=MILLION)
    parser.add_argument("--url", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        nights = measure(given.merchants, given.url or f"sqlite:///{folder}/ledger.db", folder)
    bar = GUARDED * max(given.merchants / MILLION, 0.1)
    print(f"{given.merchants:,} merchants{'':<18}" + "".join(f"{f'night {number}':>12}" for number in range(1, len(nights) + 1)))
    for name in nights[0]:
        print(f"{name:<34}" + "".join(f"{one[name]:12,.2f}" if name.endswith("s") and "," in name else f"{one[name]:12,}" for one in nights))
    print(f"bar {bar:g} s of CPU for a later night: {'holds' if nights[-1]['together, CPU s'] <= bar else 'MISSED'}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
