"""Every peer keeps the contract, sees only the past it is given, and learns what is there to be learnt."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.btyd import BgNbd
from features.settings import Churn, Growth, Settings
from tests.features.test_btyd import lives
from training import peers
from training.backtested import backtest_text
from training.bootstrap import draws
from training.compare import as_peer, compared, peers_of, with_risk
from training.dataset import Dataset
from training.evaluate import evaluate
from training.metrics import auc
from training.peers import PEERS, Past, Peer, absent, gmv_over

MERCHANTS = 500
every_peer = pytest.mark.parametrize("name", PEERS)


def slice_of(cutoff: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Merchants drawn from a BG/NBD market, as a snapshot and its labels."""
    seen, ahead = lives(BgNbd(r=0.8, alpha=15, a=0.8, b=2.5), MERCHANTS, age=200 + seed, horizon=90)
    days, spend = seen.repeats + 1, np.random.default_rng(seed).gamma(3, 20, MERCHANTS)
    features = {
        "days_since_last_order": np.maximum(seen.age - seen.last, 1),
        "days_since_first_order": seen.age,
        "active_days_365d": days,
        "gap_mean": np.where(seen.repeats > 0, seen.last / np.maximum(seen.repeats, 1), np.nan),
        "orders_365d": days,
        "gmv_90d": days * spend * 0.4,
        "gmv_365d": days * spend,
        "constant": 1.0,
        "unknown": np.nan,
        "industry": np.where(np.arange(MERCHANTS) % 2, "food", "toys"),
    }
    index = pd.MultiIndex.from_product([[f"m{i}" for i in range(MERCHANTS)], [pd.Timestamp(cutoff)]], names=["merchant_id", "cutoff"])
    labels = {"churned": (ahead == 0).astype(float), "value": ahead * spend}
    return pd.DataFrame(features, index), pd.DataFrame(labels, index)


@pytest.fixture(scope="module")
def past() -> Past:
    parts = [slice_of("2011-01-01", 0), slice_of("2011-02-01", 1)]
    data = Dataset(pd.concat([features for features, _ in parts]), pd.concat([labels for _, labels in parts]))
    settings = Settings.model_construct(churn=Churn(active_days=180, horizon_days=90), growth=Growth(horizon_days=90))
    return Past(data, parts[1][0].droplevel("cutoff"), settings)


@pytest.fixture(scope="module")
def now() -> tuple[pd.DataFrame, pd.DataFrame]:
    return slice_of("2011-05-01", 2)


@every_peer
def test_it_predicts_every_row_honestly(name: str, past: Past, now: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    if not PEERS[name].available:
        pytest.skip(f"{PEERS[name].package} is not installed")
    rows, labels = now
    found = PEERS[name].predict(past, rows)
    assert set(found) <= {"churn_risk", "expected_gmv"}
    assert found
    for values in found.values():
        assert values.shape == (MERCHANTS,)
        assert np.isfinite(values).all()
    if "churn_risk" in found:
        assert ((found["churn_risk"] >= 0) & (found["churn_risk"] <= 1)).all()
        assert auc(labels["churned"], found["churn_risk"]) > 0.6
    if "expected_gmv" in found:
        assert np.corrcoef(found["expected_gmv"], labels["value"])[0, 1] > 0.2


@every_peer
def test_one_merchant_does_not_change_the_others(name: str, past: Past, now: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    if not PEERS[name].available:
        pytest.skip(f"{PEERS[name].package} is not installed")
    rows = now[0]
    together, alone = PEERS[name].predict(past, rows), PEERS[name].predict(past, rows.iloc[:1])
    for score, values in alone.items():
        assert values[0] == pytest.approx(together[score][0], rel=1e-9)


def test_the_plain_learner_sees_the_newest_slice_alone(past: Past) -> None:
    latest = past.latest
    assert set(latest.features.index.get_level_values("cutoff")) == {pd.Timestamp("2011-02-01")}
    assert len(latest.labels) == MERCHANTS


def test_recency_ranks_as_the_days_do(past: Past, now: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows, labels = now
    risk = PEERS["recency rule"].predict(past, rows)["churn_risk"]
    assert auc(labels["churned"], risk) == pytest.approx(auc(labels["churned"], rows["days_since_last_order"]))


def test_sales_are_carried_forward_from_the_nearest_window() -> None:
    rows = pd.DataFrame({"gmv_28d": [28.0], "gmv_90d": [9.0], "gmv_prior_90d": [1e9]})
    assert gmv_over(rows, 90).tolist() == [9]
    assert gmv_over(rows, 56).tolist() == [56]


def test_an_absent_package_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", {"oracle": Peer(lambda past, rows: {}, "", package="no_such_package")})
    assert absent() == ["The oracle is not beside it, because the package no_such_package is not installed: uv sync --extra peers."]


def test_a_peer_is_measured_as_if_it_were_the_model(predictions: pd.DataFrame) -> None:
    frame = predictions.assign(**{"churn_risk of twin": predictions["churn_risk"], "expected_gmv of twin": predictions["expected_gmv"]})
    assert peers_of(frame) == ["twin"]
    assert list(with_risk(frame)) == ["Keepwell", "twin"]
    assert list(as_peer(frame, "twin")["churn_risk"]) == list(frame["churn_risk"])
    found = compared(frame, draws(frame, 30), 30)["twin"]
    assert all(each == {"by": 0, "low": 0, "high": 0} for each in found["ahead"].values())
    assert {"auc", "brier", "profit", "rmse"} <= found["ahead"].keys()


def test_the_terminal_shows_the_peers_and_who_is_ahead(predictions: pd.DataFrame) -> None:
    noise = np.random.default_rng(0).random(len(predictions))
    found = evaluate(predictions.assign(**{"churn_risk of dice": noise}), resamples=30) | {"notes": ["Something is absent."]}
    text = backtest_text(found)
    line = next(line for line in text.splitlines() if line.startswith("dice"))
    assert "(+0." in line
    assert text.endswith("Something is absent.")
    assert "dice" not in backtest_text(evaluate(predictions, resamples=2))
