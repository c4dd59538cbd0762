"""The quality gate lets through what is better than chance and not worse than what serves, and says why."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pandas as pd
import pytest

from training.evaluate import evaluate
from training.gate import verdict


def moved(evaluation: dict[str, Any], name: str, by: float) -> dict[str, Any]:
    """The same evaluation with a metric moved at every cutoff."""
    other = deepcopy(evaluation)
    for row in (*other["cutoffs"].values(), other["mean"]):
        row[name] += by
    return other


def test_a_first_model_must_beat_recency(evaluation: dict[str, Any]) -> None:
    assert verdict(evaluation).passed
    worse = moved(evaluation, "recency_auc", 0.5)
    assert not verdict(worse).passed
    assert "does not beat days since the last order" in verdict(worse).reasons[0]


def test_chance_does_not_pass(predictions: pd.DataFrame) -> None:
    blind = predictions.assign(churn_risk=predictions["churn_risk"].sample(frac=1, random_state=0).to_numpy(), recency=0.0)
    judged = verdict(evaluate(blind))
    assert not judged.passed
    assert "no better than chance" in judged.reasons[0]


@pytest.mark.parametrize(
    ("name", "by", "passes"),
    [("auc", 0.004, True), ("auc", 0.006, False), ("auc", -0.1, True), ("ece", -0.019, True), ("ece", -0.021, False), ("ece", 0.1, True)],
)
def test_the_champion_may_be_missed_by_a_little(evaluation: dict[str, Any], name: str, by: float, passes: bool) -> None:
    judged = verdict(evaluation, moved(evaluation, name, by))
    assert judged.passed is passes
    assert ("is worse than" in judged.reasons[0]) is not passes
    assert all(reason.endswith(".") for reason in judged.reasons)


def test_only_shared_cutoffs_are_compared(evaluation: dict[str, Any]) -> None:
    champion = moved(evaluation, "auc", 0.2)
    champion["cutoffs"]["2011-05-01"] = evaluation["cutoffs"]["2011-05-01"]
    champion["cutoffs"] = {"2011-05-01": champion["cutoffs"]["2011-05-01"], "2012-01-01": champion["cutoffs"]["2011-06-01"]}
    assert verdict(evaluation, champion).passed
    champion["cutoffs"].pop("2011-05-01")
    assert "shares no cutoff" in verdict(evaluation, champion).reasons[0]


@pytest.mark.parametrize(("outcome", "who"), [(0.0, "Nobody"), (1.0, "Everybody")])
def test_one_class_does_not_pass(predictions: pd.DataFrame, outcome: float, who: str) -> None:
    judged = verdict(evaluate(predictions.assign(churned=outcome), resamples=2))
    assert not judged.passed
    assert judged.reasons[0].startswith(f"{who} left")


def test_a_missing_metric_does_not_pass(evaluation: dict[str, Any]) -> None:
    broken = deepcopy(evaluation)
    broken["mean"]["rmse"] = None
    assert not verdict(broken).passed
