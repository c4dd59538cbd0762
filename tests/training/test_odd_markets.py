"""Markets that are tiny, one-sided, in odd units or of ten thousand industries: figures and reports stay right, or say why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.cutoffs import day_date
from features.errors import DataRefused
from features.simulate import simulate
from features.snapshot import Market
from tests.training.test_peers import MERCHANTS, past, slice_of  # noqa: F401
from tests.training.test_report import context_of
from training import profit
from training.backtested import backtest_text, backtested
from training.dataset import Dataset
from training.evaluate import evaluate
from training.peers import PEERS, Past, absent
from training.report import write_report

MONEY = ["value", "expected_gmv", "expected_gmv_p10", "expected_gmv_p90", "trailing"]


@pytest.mark.parametrize("unit", [1e-2, 1e2, 1e8])
def test_the_currencys_unit_changes_nothing_but_amounts(predictions: pd.DataFrame, unit: float) -> None:
    plain, other = (evaluate(frame, resamples=20)["mean"] for frame in (predictions, predictions.assign(**predictions[MONEY] * unit)))
    for name in ("auc", "profit", "wape", "ngini", "bias", "cover", "value_captured_at"):
        assert other[name] == pytest.approx(plain[name], rel=1e-9), name
    assert other["rmse"] == pytest.approx(plain["rmse"] * unit)


def tiny(predictions: pd.DataFrame, churned: float | None) -> pd.DataFrame:
    """Forty merchants beside a peer, all of one fate or of both."""
    few = predictions[predictions["merchant_id"] < "m0040"]
    few = few.assign(**{"churn_risk of dice": np.random.default_rng(0).random(len(few)), "tenure_days": 30.0})
    return few if churned is None else few.assign(churned=churned)


@pytest.mark.parametrize("churned", [None, 0.0, 1.0])
def test_forty_merchants_and_one_fate_are_reported(predictions: pd.DataFrame, churned: float | None, tmp_path: Path) -> None:
    found = evaluate(tiny(predictions, churned), resamples=30, horizon_days=90)
    json.dumps(found, allow_nan=False)
    assert (found["peers"]["dice"]["ahead"]["auc"]["by"] is None) is (churned is not None)
    assert "dice" in backtest_text(found)
    assert "nan" not in write_report(tmp_path / "report.html", context_of(found)).read_text("utf-8").lower().replace("finance", "")


@pytest.mark.parametrize("name", PEERS)
def test_ten_thousand_industries_and_money_in_millions_are_learnt_from(name: str, past: Past) -> None:  # noqa: F811
    if not PEERS[name].available:
        pytest.skip(f"{PEERS[name].package} is not installed")
    data = past.data
    money = [column for column in data.features if column.startswith("gmv_")]
    unique = np.array([f"industry {row}" for row in range(len(data.features))])
    large = Dataset(data.features.assign(industry=unique, **data.features[money] * 1e8), data.labels.assign(value=data.labels["value"] * 1e8))
    rows, _ = slice_of("2011-05-01", 2)
    now = rows.assign(industry="a new one", **rows[money] * 1e8)
    everybody = past.everybody.assign(**past.everybody[money] * 1e8)
    found = PEERS[name].predict(Past(large, everybody, past.settings), now)
    assert all(np.isfinite(values).all() and len(values) == MERCHANTS for values in found.values())
    if "expected_gmv" in found:
        plain = PEERS[name].predict(past, rows)["expected_gmv"]
        assert found["expected_gmv"].sum() == pytest.approx(plain.sum() * 1e8, rel=0.2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """A made-up market of forty merchants."""
    return Market.open(simulate(tmp_path_factory.mktemp("small") / "market", merchants=40, seed=5, days=500))


def ungraded(frame: pd.DataFrame, settings: Any) -> pd.DataFrame:
    """Everybody in one tier and stage."""
    return pd.DataFrame({"tier": "C", "stage": "steady"}, frame.index)


def test_a_market_of_forty_is_judged_beside_its_peers_or_refused_in_a_sentence(small: Market, tmp_path: Path) -> None:
    cutoff = small.source.end_day - 91
    try:
        predictions, found, context = backtested(small, [cutoff], ungraded, "keepwell backtest --peers", lambda *_: None, peers=True)
    except DataRefused as refusal:
        assert str(refusal).endswith(".")
        return
    assert np.isfinite(predictions[["churn_risk", "expected_gmv"]].to_numpy(float)).all()
    assert set(found["peers"]) == {name for name, one in PEERS.items() if one.available}
    assert found["notes"] == absent() + ([] if profit.available() else [profit.ABSENT])
    assert ("empb" in found) is profit.available()
    assert found["questions"] == []
    assert list(found["cutoffs"]) == [f"{day_date(cutoff):%Y-%m-%d}"]
    json.dumps(found, allow_nan=False)
    assert "AUC ahead by" in backtest_text(found)
    assert write_report(tmp_path / "report.html", context).stat().st_size > 10_000
