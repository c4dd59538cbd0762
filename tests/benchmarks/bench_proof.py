"""Whether `keepwell proof` keeps its promise: how often its 95 % intervals hold the planted effect of acting, and what it claims where there is none.

    uv run python tests/benchmarks/bench_proof.py                  # 800 repeats of each: about two minutes of CPU
    uv run python tests/benchmarks/bench_proof.py --repeats 200

A simulated market of 3,600 merchants with a known response to a call. Each repeat draws the holdout anew and acts on the others; then the
proof sees what a platform would see. A coverage measured over 200 repeats is itself uncertain by 1.5 percent points, over 800 by 0.8; the
lines below say what it says of some of the decisions alone, with the number it still needs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from serving.proof import joined, proof
from tests.serving.ledger.planted_effect import TAKE, Planted, coverage, planted_in, replayed, truths

LOW, HIGH = 0.93, 0.97
CLAIMS = 0.05
FEW = (100, 300, 1000)


def few(planted: Planted, number: int) -> str:
    """What is said of the first so many decisions, spread over both arms."""
    decisions, outcomes, deeds = replayed(planted, 1, response=True)
    some = decisions.sample(number, random_state=1)
    found = proof(joined(some, outcomes, deeds), take_rate=TAKE)
    need = "no number would do" if found.still_needed is None else f"{found.still_needed:,} more needed"
    return f"{number:>6,} decisions: {found.verdict}, {need}"


def main() -> None:
    """Repeat, print, and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=800)
    given = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        planted = planted_in(Path(folder) / "market")
        truth = truths(planted)
        rows = {name: coverage(planted, given.repeats, response) for name, response in (("planted", True), ("none", False))}
        said = [few(planted, number) for number in FEW]
    print(f"{len(planted.table):,} decisions, {given.repeats} repeats; planted: {truth['kept']:.1%} kept, {truth['gmv']:,.0f} of sales each")
    print(f"a coverage is uncertain by {100 * np.sqrt(0.95 * 0.05 / given.repeats):.1f} percent points")
    print(f"{'effect':<10}{'kept covered':>14}{'sales covered':>15}{'claims one':>12}")
    for name, found in rows.items():
        print(f"{name:<10}{found['kept']:14.1%}{found['gmv']:15.1%}{found['claims']:12.1%}")
    print("\n".join(said))
    holds = all(LOW <= found[what] <= HIGH for found in rows.values() for what in ("kept", "gmv"))
    print(f"95 % intervals cover {LOW:.0%} to {HIGH:.0%}: {'holds' if holds else 'MISSED'}")
    print(f"no effect planted, claimed in at most {CLAIMS:.0%}: {'holds' if rows['none']['claims'] <= CLAIMS else 'MISSED'}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
