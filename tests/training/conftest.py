"""A made-up set of predictions whose risks are true by construction, for the tests of what follows a prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.evaluate import evaluate

CUTOFFS = ["2011-05-01", "2011-06-01", "2011-07-01"]


def predictions_of(merchants: int = 400, cutoffs: list[str] | None = None, seed: int = 7) -> pd.DataFrame:
    """Calibrated risks with ties, skewed money, and what then happened."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(5, 1.2, merchants)
    parts = []
    for cutoff in cutoffs or CUTOFFS:
        risk = np.round(rng.beta(1, 2.2, merchants), 2)
        churned = (rng.random(merchants) < risk).astype(float)
        value = np.where(churned == 1, 0.0, size * rng.lognormal(0, 0.5, merchants)).round(2)
        growth = rng.beta(1, 4, merchants)
        parts.append(
            pd.DataFrame(
                {
                    "merchant_id": [f"m{i:04d}" for i in range(merchants)],
                    "cutoff": cutoff,
                    "churn_risk_third": np.minimum(1, risk * 1.3),
                    "churn_risk_two_thirds": np.minimum(1, risk * 1.1),
                    "churn_risk": risk,
                    "expected_gmv": (1 - risk) * size * 1.1,
                    "expected_gmv_p10": np.where(risk > 0.1, 0.0, 0.5 * size),
                    "expected_gmv_p90": 1.9 * size,
                    "growth_potential": growth,
                    "recency": np.round(90 * risk + rng.normal(0, 20, merchants)).clip(0),
                    "tier": np.array(list("EDCBA"))[(pd.Series(size).rank(pct=True) * 4.99).astype(int)],
                    "stage": np.where(risk > 0.6, "fading", np.where(size > 200, "steady", "new")),
                    "churned": churned,
                    "value": value,
                    "trailing": size.round(2),
                    "grew": (rng.random(merchants) < growth).astype(float),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def made_up() -> Callable[..., pd.DataFrame]:
    """Predictions of so many merchants at some cutoffs."""
    return predictions_of


@pytest.fixture
def predictions() -> pd.DataFrame:
    """Three cutoffs of 400 merchants."""
    return predictions_of()


@pytest.fixture(scope="session")
def evaluation() -> dict[str, Any]:
    """Their evaluation, with few draws."""
    return evaluate(predictions_of(), resamples=20)
