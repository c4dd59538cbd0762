"""Look backs at the planted leavers of made-up markets: is the cause named that was planted, and who was warned how early.

    uv run python tests/benchmarks/bench_retrospect.py                                            # causes, nine markets: five minutes of one core
    uv run python tests/benchmarks/bench_retrospect.py --seeds 21 --merchants 1000
    uv run python tests/benchmarks/bench_retrospect.py --seeds 11 12 13 --replay                  # with warnings, replays first: a quarter of an hour
    uv run python tests/benchmarks/bench_retrospect.py --seeds 11 12 13 --state /tmp/seed         # the same of what bench_replay.py --keep /tmp/seed left

Judged is what `keepwell retrospect --json` says of lost merchants of tiers A and B. A cause counts where its signal is in the tables
(`planted_signals` says when that is, without looking at how a cause is named); `all` stands beside it. Signs and their sizes were chosen on
seeds 1 to 10; seeds 11 to 19 judge them, all together: a season or a closing has ten look backs in one market, too few to judge by.
Who was warned is only known where runs were: without them tiers are graded afterwards, from the orders of back then.
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

from features.simulate import simulate

RIGHT = 0.60
"""Of look backs with a signal in the data, for each cause."""
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
    """Print the causes, together and market by market, and say whether the bar holds for each."""
    seeds = sorted(set(rows["seed"]))
    print(f"\n{'planted':<18}{'with signal, right':>22}" + "".join(f"{f'seed {seed}':>9}" for seed in seeds) + f"{'all, right':>22}")
    holds = True
    for cause in CAUSES:
        own = rows[rows["planted"] == cause]
        clear = own[own["has_signal"]]
        each = (clear.loc[clear["seed"] == seed, "is_right"] for seed in seeds)
        print(f"{cause:<18}{share(clear):>22}" + "".join(f"{f'{right.sum()}/{len(right)}':>9}" for right in each) + f"{share(own):>22}")
        holds &= bool(clear["is_right"].mean() >= RIGHT)
    clear = rows[rows["has_signal"]]
    print(f"\nwith a signal named unknown {(clear['cause'] == 'unknown').mean():.2f}, of all {(rows['cause'] == 'unknown').mean():.2f}")
    print(f"with a signal, planted across, named down\n{pd.crosstab(clear['cause'], clear['planted']).to_string()}")
    return holds


def show_named(rows: pd.DataFrame) -> None:
    """Print how often what was named was right: by cause, and by how sure it was said to be."""
    named = rows[rows["cause"] != "unknown"]
    print(f"\n{'named':<18}{'right':>22}")
    for cause, own in (*named.groupby("cause"), ("any", named)):
        print(f"{cause:<18}{share(own):>22}")
    print(f"\n{'confidence':<18}{'right':>22}")
    for span, own in named.groupby(pd.cut(named["confidence"], SURE), observed=True):
        print(f"{f'{span.left:.1f} to {span.right:.1f}':<18}{share(own):>22}")


def show_warned(rows: pd.DataFrame, sums: dict[str, Any]) -> None:
    """Print who was warned of one market, as far as runs were there to warn."""
    if not sums["covered"]:
        return
    ahead = rows["days_before_last_order"].dropna()
    print(
        f"  {sums['lost']} lost, {sums['covered']} covered by runs, warned {1 - sums['missed_churn_rate']:.2f}, {sums['median_days_ahead']:.0f} days ahead of "
        f"being counted lost at the median; before the last order {(ahead > 0).sum() / len(rows):.2f}, {ahead[ahead > 0].median():.0f} days"
    )


def main() -> None:
    """Measure, print, and say whether the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merchants", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(11, 20)))
    parser.add_argument("--replay", action="store_true", help="Replay the markets first, so that warnings can be judged.")
    parser.add_argument("--state", help="Replayed markets in folders named so and by their seed, in place of markets made now.")
    given = parser.parse_args()
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in given.seeds:
            home = Path(f"{given.state or f'{folder}/seed'}{seed}")
            if given.state is None and given.replay:
                one(seed, given.merchants, f"{folder}/seed")
            elif given.state is None:
                simulate(home, given.merchants, seed=seed)
            start = time.perf_counter()
            rows, sums = judged(home)
            parts.append(rows.assign(seed=seed))
            print(f"seed {seed}: {len(rows)} planted leavers of tiers A and B, {time.perf_counter() - start:.0f} s", flush=True)
            show_warned(rows, sums)
    rows = pd.concat(parts)
    holds = show(rows)
    show_named(rows)
    print(f"\neach cause right: bar {RIGHT:g} {'holds' if holds else 'MISSED'}")


if __name__ == "__main__":
    main()
