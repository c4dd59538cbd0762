"""What features cost, measured against the limit of one bare GROUP BY in the same run.

    uv run python tests/benchmarks/bench_features.py            # 10 million simulated orders of 100,000 merchants
    uv run python tests/benchmarks/bench_features.py --merchants 2000

Prints: the bare GROUP BY (merchant, day) of the orders' Parquet; reading and checking all tables; all features of orders,
refunds and merchants at 24 cutoffs and at one; a single merchant from kept tiles and from 500 raw orders; peak memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np

from features.declare import catalogue
from features.snapshot import Market
from features.source import read_source

CUTOFFS = 24
GUARDED = {
    "24 cutoffs against the bare GROUP BY": 10.0,
    "24 cutoffs against 1": 1.5,
    "peak memory, GB": 2.0,
    "kept tiles, ms": 2.0,
    "500 raw orders, ms": 5.0,
}
"""Bars: at most these, for 10 million orders of 100,000 merchants."""
FULL_SIZE = 100_000
"""Merchants from which on the bars apply."""
CONFIG = """[source]
orders = "{market}/orders*.parquet"
refunds = "{market}/refunds*.parquet"
merchants = "{market}/merchants*.parquet"
"""


def timed(work: Callable[[], object], runs: int = 3) -> float:
    """Best seconds of some runs: the one that was disturbed least."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


class Memory:
    """The most memory that this process and its children held together, in GB; pages that they share count once."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._sample)

    def __enter__(self) -> Memory:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    def _sample(self) -> None:
        while not self._done.wait(0.25):
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            self.peak = max(self.peak, sum(_share(pid) for pid in ["self", *children]) / 2**20)


def _share(pid: str) -> int:
    """A process's share of memory in KiB, shared pages split among those that share them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def bare_group_by(orders: str) -> float:
    """Seconds of the least that any snapshot must do."""
    query = f"SELECT merchant_id, CAST(ordered_at AS DATE) AS day, count(*), sum(amount) FROM '{orders}' GROUP BY ALL"
    return timed(lambda: duckdb.connect().execute(query).fetchnumpy())


def online(market: Market, merchants: list[str], cutoff: int, runs: int = 300) -> float:
    """Median milliseconds of one merchant's snapshot from kept tiles."""
    market.snapshot(cutoff, merchants=merchants[:1])
    seconds = []
    for run in range(runs):
        start = time.perf_counter()
        market.snapshot(cutoff, merchants=[merchants[run % len(merchants)]])
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def from_raw(market: Market, cutoff: int, runs: int = 300) -> float:
    """Median milliseconds from 500 raw orders of one merchant to its features."""
    rng = np.random.default_rng(0)
    day = np.sort(rng.integers(cutoff - 365, cutoff, 500))
    rows = {"merchant": np.zeros(500, np.int64), "day": day, "seen": day + rng.integers(0, 3, 500)}
    fields = market.source.streams["orders"]
    rows |= {name: rng.integers(1, 50_000, 500) for name in fields}
    profile = market.merchants.iloc[0].to_dict()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        market.snapshot_of(cutoff, {"orders": rows}, profile)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def measure(folder: Path) -> dict[str, float]:
    """All figures for a simulated market."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "keepwell.toml"
        config.write_text(CONFIG.format(market=folder))
        bare = bare_group_by(f"{folder}/orders*.parquet")
        start = time.perf_counter()
        source = read_source(config)
        opened = time.perf_counter() - start
    days = np.linspace(source.end_day - 600, source.end_day, CUTOFFS).astype(int)

    rows: list[int] = []

    def build(cutoffs: np.ndarray) -> None:
        for part in Market.of(source).parts(cutoffs):
            rows.append(len(part))

    with Memory() as memory:
        many = timed(lambda: build(days), 2)
    one = timed(lambda: build(days[-1:]), 2)
    market = Market.of(source)
    cutoff = int(days[-1])
    frame = market.snapshot(cutoff)
    return {
        "orders": source.counts["orders"],
        "merchants": source.counts["merchants"],
        "features": frame.shape[1],
        "bare GROUP BY, s": bare,
        "read and check, s": opened,
        "24 cutoffs, s": many,
        "1 cutoff, s": one,
        "24 cutoffs against the bare GROUP BY": many / bare,
        "24 cutoffs against 1": many / one,
        "peak memory, GB": memory.peak,
        "kept tiles, ms": online(market, frame.index[:200].tolist(), cutoff),
        "500 raw orders, ms": from_raw(market, cutoff),
    }


def main() -> None:
    """Measure, print, and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merchants", type=int, default=100_000)
    parser.add_argument("--market", type=Path, help="a market that keepwell simulate wrote; by default one is made")
    given = parser.parse_args()
    assert catalogue()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.market
        if folder is None:
            from features.simulate import simulate

            folder = simulate(Path(scratch) / "market", merchants=given.merchants).parent
        found = measure(folder)
        for name, value in found.items():
            bar = GUARDED.get(name) if found["merchants"] >= FULL_SIZE else None
            print(f"{name:<40} {value:12,.2f}" + (f"   bar {bar:g}: {'holds' if value <= bar else 'MISSED'}" if bar else ""))


if __name__ == "__main__":
    main()
