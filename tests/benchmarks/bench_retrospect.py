"""Look backs at the planted leavers of made-up markets: is the cause named that was planted, and who was warned how early.

    uv run python tests/benchmarks/bench_retrospect.py                       # replays three markets first: an hour
    uv run python tests/benchmarks/bench_retrospect.py --state /tmp/seed     # uses what bench_replay.py --keep /tmp/seed left: two minutes

Judged is what `keepwell retrospect --json` says of lost merchants of tiers A and B. A cause counts where its signal is in the tables
(`planted_signals` says when that is, without looking at how a cause is named); `of all` stands beside it. Signs and their sizes were chosen on
seeds 1 to 3, seeds 11 to 13 judge them, all together: a season or a closing has ten look backs in one market.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from bench_replay import one
from planted_signals import CAUSES, signals

RIGHT = 0.60
"""Of look backs with a signal in the data, for each cause."""
TABLES = "*.parquet"
SURE = (0.5, 0.7, 0.8, 0.9, 1.0)


def look_backs(market: Path) -> dict[str, Any]:
    """What the command says of a market, its state copied so that nothing is left there."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "market"
        shutil.copytree(market, home)
        command = [Path(sys.executable).with_name("keepwell"), "retrospect", "keepwell.toml", "--json"]
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{market}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def judged(market: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The lost merchants with a planted cause: what was planted and named, and whether its signal is in the data; and the sums of all."""
    found = look_backs(market)
    rows = pd.DataFrame(found["lost"]).set_index("merchant_id")
    truth = pd.read_parquet(market / "truth.parquet", columns=["merchant_id", "cause"]).set_index("merchant_id")["cause"].astype(object)
    rows = rows.assign(planted=truth.reindex(rows.index)).dropna(subset=["planted"])
    seen = signals(market, (pd.to_datetime(rows["last_order"]) - pd.Timestamp(0)).dt.days)
    rows["has_signal"] = [seen.at[name, cause] for name, cause in rows["planted"].items()]
    rows["is_right"] = rows["cause"] == rows["planted"]
    return rows, found["sums"]


def share(rows: pd.DataFrame) -> str:
    """So many right of so many."""
    return f"{int(rows['is_right'].sum()):4d} of {len(rows):4d}  {rows['is_right'].mean() if len(rows) else float('nan'):4.2f}"


def show(rows: pd.DataFrame) -> bool:
    """Print the causes, and say whether the bar holds for each."""
    print(f"\n{'planted':<18}{'with signal, right':>22}{'all, right':>22}   named instead, of those with signal")
    holds = True
    for cause in CAUSES:
        own = rows[rows["planted"] == cause]
        clear = own[own["has_signal"]]
        other = clear.loc[~clear["is_right"], "cause"].value_counts()
        print(f"{cause:<18}{share(clear):>22}{share(own):>22}   {', '.join(f'{name} {number}' for name, number in other.items())}")
        holds &= bool(clear["is_right"].mean() >= RIGHT)
    print(f"\n{'named':<18}{'right':>22}")
    for cause, own in rows.groupby("cause"):
        print(f"{cause:<18}{share(own) if cause != 'unknown' else f'{len(own):4d}':>22}")
    named = rows[rows["cause"] != "unknown"]
    print(f"\n{'confidence':<18}{'right':>22}")
    for span, own in named.groupby(pd.cut(named["confidence"], SURE), observed=True):
        print(f"{f'{span.left:.1f} to {span.right:.1f}':<18}{share(own):>22}")
    return holds


def main() -> None:
    """Measure, print, and say whether the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merchants", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--state", help="Replayed markets in folders named so and by their seed; by default they are replayed now.")
    given = parser.parse_args()
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in given.seeds:
            if given.state is None:
                one(seed, given.merchants, f"{folder}/seed")
            start = time.perf_counter()
            rows, sums = judged(Path(f"{given.state or f'{folder}/seed'}{seed}"))
            parts.append(rows.assign(seed=seed))
            missed = sums["missed_churn_rate"]
            print(
                f"seed {seed}: {sums['lost']} lost, {sums['covered']} covered by runs, warned {'–' if missed is None else f'{1 - missed:.2f}'}, "
                f"{sums['median_days_ahead']} days ahead of being counted lost at the median; {time.perf_counter() - start:.0f} s"
            )
    rows = pd.concat(parts)
    ahead = rows["days_before_last_order"].dropna()
    print(f"planted leavers {len(rows)}; warned before the last order {(ahead > 0).sum() / len(rows):.2f}, {ahead[ahead > 0].median():.0f} days at the median")
    holds = show(rows)
    print(f"\neach cause right: bar {RIGHT:g} {'holds' if holds else 'MISSED'}")


if __name__ == "__main__":
    main()
