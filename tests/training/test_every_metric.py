"""Contracts that every metric inherits: perfect is best, constant is the baseline, rows have no order, judge agrees."""

from __future__ import annotations

import doctest
import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training import card, charts, economics, metrics, ranks, report, slices
from training.metrics import METRICS, Metric

JUDGE = Path(__file__).parents[2].parent / "shared" / "tools" / "judge.py"
IN_JUDGE = {
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
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())


@pytest.fixture(scope="module")
def rows(made_up: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """One cutoff; everybody has a value of their own, and P10 and P90 are its true quantiles."""
    frame = made_up(1000, ["2011-05-01"])
    middle = frame["trailing"]
    return frame.assign(
        value=middle * np.random.default_rng(3).uniform(0.5, 1.5, len(frame)),
        expected_gmv_p10=0.6 * middle,
        expected_gmv_p90=1.4 * middle,
        lost=frame["churned"] * middle,
        expected_loss=frame["churn_risk"] * middle,
    )


TRUTHS = ("churned", "value", "lost", "trailing")


def perfect(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the truth in place of each prediction (true quantiles stay what they are)."""
    return rows.assign(churn_risk=rows["churned"], expected_gmv=rows["value"], expected_loss=rows["lost"])


def score(metric: Metric, rows: pd.DataFrame) -> float:
    return metric.function(*(rows[name] for name in metric.needs))


def fixed(point: object, metric: Metric, rows: pd.DataFrame) -> float:
    return float(point(rows[metric.needs[0]].to_numpy(float)) if callable(point) else point)  # type: ignore[arg-type]


def badness(metric: Metric, value: float) -> float:
    if metric.better == "target":
        assert isinstance(metric.perfect, float)
        return abs(value - metric.perfect)
    return -value if metric.better == "higher" else value


@every_metric
def test_the_truth_scores_what_the_metric_says_and_nothing_scores_better(metric: Metric, rows: pd.DataFrame) -> None:
    best = score(metric, perfect(rows))
    tolerance = 0.05 if metric.better == "target" else 1e-9
    assert best == pytest.approx(fixed(metric.perfect, metric, perfect(rows)), abs=tolerance)
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(len(rows))
        wrong = {name: rows[name].to_numpy()[order] for name in metric.needs if name not in TRUTHS}
        assert badness(metric, best) <= badness(metric, score(metric, rows.assign(**wrong))) + tolerance


@every_metric
def test_the_same_number_for_everybody_scores_the_baseline(metric: Metric, rows: pd.DataFrame) -> None:
    alike = rows.assign(
        churn_risk=rows["churned"].mean(),
        expected_gmv=rows["value"].mean(),
        expected_loss=1.0,
        trailing=100.0,
        expected_gmv_p10=rows["value"].quantile(0.1),
        expected_gmv_p90=rows["value"].quantile(0.9),
    )
    shuffled = [score(metric, alike.sample(frac=1, random_state=seed)) for seed in range(20)]
    assert np.mean(shuffled) == pytest.approx(fixed(metric.constant, metric, alike), abs=metric.slack)


@every_metric
def test_the_order_of_rows_does_not_matter(metric: Metric, rows: pd.DataFrame) -> None:
    for seed in range(5):
        assert score(metric, rows.sample(frac=1, random_state=seed)) == pytest.approx(score(metric, rows), rel=1e-9, abs=metric.slack)


@every_metric
@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_is_finite_or_missing_and_never_an_error(metric: Metric, rows: pd.DataFrame, outcome: float) -> None:
    alone = rows.assign(churned=outcome, lost=outcome * rows["trailing"], value=(1 - outcome) * rows["value"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = score(metric, alone)
    assert not np.isinf(value)


@pytest.mark.parametrize("name", ["auc", "average_precision"])
@pytest.mark.parametrize("outcome", [0, 1])
def test_ranking_one_class_is_missing(name: str, outcome: int) -> None:
    assert np.isnan(METRICS[name].function([outcome] * 4, [0.1, 0.2, 0.3, 0.4]))


@pytest.mark.parametrize("name", ["profit", "value_captured_at", "wape", "bias", "ngini"])
def test_shares_of_nothing_are_missing(name: str) -> None:
    columns = ([0.0] * 3 if column in TRUTHS else [0.2, 0.5, 0.9] for column in METRICS[name].needs)
    assert np.isnan(METRICS[name].function(*columns))


@every_metric
def test_no_rows_are_missing(metric: Metric) -> None:
    assert np.isnan(metric.function(*([] for _ in metric.needs)))


@every_metric
def test_has_an_example_and_declares_which_way_is_better(metric: Metric) -> None:
    assert ">>>" in (metric.function.__doc__ or "")
    assert metric.better in {"higher", "lower", "target"}


@pytest.mark.parametrize("module", [card, charts, economics, metrics, ranks, report, slices], ids=lambda module: module.__name__)
def test_the_examples_run(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.failed == 0
    assert result.attempted > 0


@pytest.mark.parametrize("seed", range(4))
def test_the_judge_agrees(seed: int, made_up: Callable[..., pd.DataFrame]) -> None:
    if not JUDGE.exists():
        pytest.skip("the shared judge.py is not beside this checkout, so agreement with it is not tested")
    spec = importlib.util.spec_from_file_location("judge", JUDGE)
    assert spec and spec.loader
    judge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(judge)
    frame = made_up((1, 137, 200, 1000)[seed] + 20, ["2011-05-01"], seed=seed)
    frame["expected_gmv"] = frame["expected_gmv"].round(-2)  # many ties
    if seed == 2:
        frame["churn_risk"] = np.random.default_rng(0).random(len(frame))  # none at all
    theirs = judge.judged(frame)
    for ours, name in IN_JUDGE.items():
        assert score(METRICS[ours], frame) == pytest.approx(theirs[name], abs=1e-9), ours


def test_ties_are_not_sorted_by_the_label() -> None:
    churned = np.repeat([1, 0], 50)
    for name in ("precision_at", "average_precision"):
        assert METRICS[name].function(churned, np.full(100, 0.3)) == pytest.approx(0.5)


def test_tenths_without_ties_are_of_equal_size() -> None:
    assert np.bincount(ranks.tenths(np.arange(200.0))).tolist() == [20] * 10


def test_a_call_costs_a_share_of_the_median_value_and_not_of_the_giants() -> None:
    churned, risk, trailing = [1, 1, 0], [0.9, 0.9, 0.01], [1000, 1000, 1e6]
    assert METRICS["profit"].function(churned, risk, trailing) == pytest.approx(100)
