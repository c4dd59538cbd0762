"""Look backs at a made-up market name the causes that were planted, where they show, far more often than chance would."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from features.simulate import simulate
from features.snapshot import Market
from serving.retrospect import look_back
from serving.rules import read_rules

SIGNALS = Path(__file__).resolve().parents[1] / "benchmarks" / "planted_signals.py"


def planted_signals() -> ModuleType:
    """The benchmark's test of whether a cause shows at all."""
    spec = importlib.util.spec_from_file_location("planted_signals", SIGNALS)
    assert spec and spec.loader
    sys.modules["planted_signals"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clear(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Leavers of a market, of any tier, whose planted cause shows: what was planted and what was named."""
    config = simulate(tmp_path_factory.mktemp("planted") / "market", 800, seed=4)
    found = pd.DataFrame(look_back(Market.open(config), read_rules(), tiers=("A", "B", "C", "D", "E"))["lost"]).set_index("merchant_id")
    truth = pd.read_parquet(config.with_name("truth.parquet"), columns=["merchant_id", "cause"]).set_index("merchant_id")["cause"].astype(object)
    rows = found.assign(planted=truth.reindex(found.index)).dropna(subset=["planted"])
    seen = planted_signals().signals(config.parent, (pd.to_datetime(rows["last_order"]) - pd.Timestamp(0)).dt.days)
    return rows[[seen.at[name, cause] for name, cause in rows["planted"].items()]]


@pytest.mark.slow
def test_planted_causes_that_show_are_named(clear: pd.DataFrame) -> None:
    right = clear["cause"] == clear["planted"]
    assert len(clear) >= 60 and right.mean() >= 0.6
    shuffled = np.random.default_rng(0).permutation(clear["planted"].to_numpy())
    assert right.mean() >= (clear["cause"].to_numpy() == shuffled).mean() + 0.3, "no better than naming any of them"


@pytest.mark.slow
def test_what_shows_is_seldom_called_unknown_and_the_sure_ones_are_right(clear: pd.DataFrame) -> None:
    assert (clear["cause"] == "unknown").mean() <= 0.3
    sure, unsure = ((clear["confidence"] > 0.9), (clear["confidence"] <= 0.7))
    assert (clear["cause"] == clear["planted"])[sure].mean() >= 0.75 > (clear["cause"] == clear["planted"])[unsure].mean()
