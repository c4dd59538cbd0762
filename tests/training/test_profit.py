"""Expected maximum profit agrees with brute force over thresholds and acceptance, and is never below the declared cut-off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training import profit
from training.economics import CONTACT, INCENTIVE, WORTH
from training.profit import BETA, empb, mean_empb

pytestmark = pytest.mark.skipif(not profit.available(), reason="empulse is not installed (uv sync --extra peers)")


def by_hand(part: pd.DataFrame, draws: int = 2000) -> float:
    """The mean over acceptances drawn from the beta of the best threshold's profit per merchant."""
    worth, churned = WORTH * part["trailing"].to_numpy(), part["churned"].to_numpy()
    fee, gift = CONTACT * np.median(worth), INCENTIVE * worth
    order = np.argsort(-part["churn_risk"].to_numpy(), kind="stable")
    accepted = np.random.default_rng(0).beta(*BETA, draws)
    best = [max(0.0, np.cumsum((churned * (a * (worth - gift) - fee) - (1 - churned) * (gift + fee))[order]).max()) for a in accepted]
    return float(np.mean(best) / len(part))


def test_it_is_what_brute_force_finds(predictions: pd.DataFrame) -> None:
    part = predictions.head(400).assign(churn_risk=np.random.default_rng(0).permutation(400) / 400)
    part["churn_risk"] = 0.5 * part["churn_risk"] + 0.5 * part["churned"] * 0.8  # no ties
    found = empb(part)
    assert found["profit"] == pytest.approx(by_hand(part), rel=0.03)
    assert 0 < found["called"] < 1


def test_better_risks_earn_more(predictions: pd.DataFrame) -> None:
    truth, blind = (mean_empb(predictions.assign(churn_risk=risk)) for risk in (predictions["churned"], 1 - predictions["churned"]))
    own = mean_empb(predictions)
    assert blind["profit"] < own["profit"] < truth["profit"]


@pytest.mark.parametrize("change", [{"churned": 0.0}, {"churned": 1.0}, {"trailing": 0.0}])
def test_where_there_is_nothing_to_earn_it_is_missing(predictions: pd.DataFrame, change: dict[str, float]) -> None:
    assert mean_empb(predictions.assign(**change)) == {"profit": None, "called": None}
