"""Backtests on real data, judged a second time from the events alone.

The shared judge knows nothing of Keepwell: it reads the orders and `predictions.parquet`, and must find the same figures. It
rounds to four decimals when it prints; here it is run with rounding switched off.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import keepwell
from features.demo_market import write_demo

RETAIL = Path(__file__).parent / "online_retail_II" / "keepwell.toml"
SHARED = Path(__file__).resolve().parents[3] / "shared"
INVOICES = SHARED / "data" / "online_retail_II" / "invoices.parquet"
JUDGE = SHARED / "tools" / "judge.py"
RETAIL_CUTOFFS = "2011-05-01,2011-06-01,2011-07-01,2011-08-01,2011-09-01"
BRAND_CUTOFFS = "2017-08-01,2017-09-01,2017-10-01,2017-11-01"
RETAIL_ORDERS = (
    f"SELECT customer_id AS merchant_id, invoice_ts AS ordered_at, amount FROM '{INVOICES}' "
    "WHERE NOT cancel AND amount > 0 AND customer_id IS NOT NULL"
)
SAME = {
    "n": "n",
    "churned": "churned",
    "auc": "auc",
    "average_precision": "ap",
    "brier": "brier",
    "ece": "ece",
    "ece_floor": "ece_floor",
    "precision_at": "precision10",
    "profit": "profit",
    "rmse": "rmse",
    "wape": "wape",
    "ngini": "ngini",
    "bias": "bias",
    "cover": "cover",
}
"""Our figures and the judge's names of them."""
UNROUNDED = """
import runpy, sys
import pandas as pd
pd.DataFrame.round = lambda frame, decimals: frame
pd.options.display.float_format = lambda value: repr(float(value))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

needs_retail = pytest.mark.skipif(not INVOICES.exists(), reason="Online Retail II is not beside the repository (shared/data/online_retail_II)")
needs_judge = pytest.mark.skipif(not JUDGE.exists(), reason="the judge is not beside the repository (shared/tools/judge.py)")


@dataclass(frozen=True)
class Backtest:
    """What `keepwell backtest` wrote, and how the judge is to be asked."""

    out: Path
    asked: tuple[str, ...]

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures of `metrics.json`."""
        return json.loads((self.out / "metrics.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def retail(tmp_path_factory) -> Backtest:
    """Wholesale customers of a giftware house."""
    out = tmp_path_factory.mktemp("retail")
    keepwell.backtest(RETAIL, RETAIL_CUTOFFS, out)
    return Backtest(out, ("--orders", RETAIL_ORDERS, "--active", "180", "--horizon", "90"))


@pytest.fixture(scope="session")
def brands(tmp_path_factory) -> Backtest:
    """Brands selling on a retailer's platform."""
    out = tmp_path_factory.mktemp("brands")
    config = write_demo(out / "market")
    keepwell.backtest(config, BRAND_CUTOFFS, out)
    return Backtest(out, ("--orders", str(config.parent / "data" / "orders.parquet"), "--active", "56", "--horizon", "56"))


def judged(done: Backtest) -> dict[str, dict[str, float]]:
    """The judge's table: cutoff or `mean` → figure → value; it refuses when a merchant of the population has no prediction."""
    command = [sys.executable, "-c", UNROUNDED, str(JUDGE), str(done.out / "predictions.parquet"), *done.asked]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    heading, *rows = (line.split() for line in found.stdout.splitlines())
    return {name: dict(zip(heading, map(float, values), strict=True)) for name, *values in rows}


def check_agreement(done: Backtest) -> None:
    """Assert that the judge finds our own figures at every cutoff, and print what it found."""
    table, metrics = judged(done), done.metrics
    assert set(table) - {"mean", "worst"} == set(metrics["cutoffs"])
    for name, ours in (metrics["cutoffs"] | {"mean": metrics["mean"]}).items():
        theirs = {figure: table[name][judges] for figure, judges in SAME.items()}
        assert theirs == pytest.approx({figure: ours[figure] for figure in SAME}, rel=1e-9, abs=1e-9), name
    print(f"mean AUC {table['mean']['auc']:.4f}, worst ECE {table['worst']['ece']:.4f}")


@needs_retail
def test_wholesale_customers_are_ranked_well(retail):
    metrics = retail.metrics
    print(f"worst ECE {max(row['ece'] for row in metrics['cutoffs'].values()):.3f}")
    assert len(metrics["cutoffs"]) == 5
    assert metrics["mean"]["auc"] >= 0.775


@needs_retail
@needs_judge
def test_the_judge_finds_the_same_of_wholesale_customers(retail):
    check_agreement(retail)


def test_brands_are_ranked_well(brands):
    metrics = brands.metrics
    print(f"worst ECE {max(row['ece'] for row in metrics['cutoffs'].values()):.3f}")
    assert len(metrics["cutoffs"]) == 4
    assert metrics["mean"]["auc"] >= 0.89


@needs_judge
def test_the_judge_finds_the_same_of_brands(brands):
    check_agreement(brands)


def test_the_report_is_written(brands):
    report = (brands.out / "report.html").read_text("utf-8")
    assert all(cutoff in report for cutoff in BRAND_CUTOFFS.split(","))
