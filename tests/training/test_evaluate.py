"""What `evaluate` says of predictions: means, worst, intervals, tables and words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import ModelRefused
from training.bootstrap import Sorted, intervals
from training.evaluate import evaluate
from training.metrics import METRICS


def test_the_mean_is_over_cutoffs_and_the_worst_is_on_the_bad_side(evaluation: dict[str, Any]) -> None:
    rows = evaluation["cutoffs"].values()
    assert evaluation["mean"]["auc"] == pytest.approx(np.mean([row["auc"] for row in rows]))
    assert evaluation["worst"]["auc"] == min(row["auc"] for row in rows)
    assert evaluation["worst"]["ece"] == max(row["ece"] for row in rows)
    assert abs(evaluation["worst"]["bias"]) == max(abs(row["bias"]) for row in rows)
    assert abs(evaluation["worst"]["cover"] - 0.8) == max(abs(row["cover"] - 0.8) for row in rows)
    assert {"growth_auc", "recency_auc", *METRICS} <= set(evaluation["mean"])


def test_it_is_json_whatever_the_order_of_rows(predictions: pd.DataFrame) -> None:
    shuffled = predictions.sample(frac=1, random_state=1)
    first, second = (json.dumps(evaluate(frame, resamples=5), allow_nan=False) for frame in (predictions, shuffled))
    assert first == second


def test_dates_timestamps_and_strings_are_the_same_cutoff(predictions: pd.DataFrame) -> None:
    stamped = predictions.assign(cutoff=pd.to_datetime(predictions["cutoff"]))
    assert list(evaluate(stamped, resamples=2)["cutoffs"]) == ["2011-05-01", "2011-06-01", "2011-07-01"]


def test_absent_columns_leave_their_metrics_out(predictions: pd.DataFrame) -> None:
    bare = predictions[["merchant_id", "cutoff", "churn_risk", "expected_gmv", "churned", "value", "trailing"]]
    result = evaluate(bare, resamples=2)
    assert "auc" in result["mean"]
    assert not {"cover", "growth_auc", "recency_auc"} & set(result["mean"])
    assert result["groups"] == {}


def test_missing_growth_truth_is_left_out_and_not_counted_as_no(predictions: pd.DataFrame) -> None:
    known = evaluate(predictions.assign(grew=predictions["grew"].where(predictions.index % 2 == 0)), resamples=2)
    half = predictions[predictions.index % 2 == 0]
    assert known["mean"]["growth_brier"] == pytest.approx(evaluate(half, resamples=2)["mean"]["growth_brier"])


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_is_missing_and_said_so(predictions: pd.DataFrame, outcome: float) -> None:
    result = evaluate(predictions.assign(churned=outcome), resamples=3)
    assert result["mean"]["auc"] is None
    assert result["worst"]["auc"] is None
    assert result["interval"]["auc"] == {"low": None, "high": None}
    assert result["quality"]["word"] == "unknown"
    assert result["mean"]["brier"] is not None


def test_one_merchant_can_be_evaluated(predictions: pd.DataFrame) -> None:
    assert evaluate(predictions.head(1), resamples=3)["cutoffs"]["2011-05-01"]["n"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.assign(churn_risk=frame["churn_risk"].where(frame.index != 3)), r"1 of 1200 .* m0003 at 2011-05-01"),
        (lambda frame: frame.assign(expected_gmv=np.inf), "1200 of 1200"),
        (lambda frame: pd.concat([frame, frame.tail(1)]), "m0399 is predicted twice at 2011-07-01"),
        (lambda frame: frame.head(0), "no predictions"),
    ],
    ids=["missing", "infinite", "twice", "none"],
)
def test_broken_predictions_are_refused(predictions: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], said: str) -> None:
    with pytest.raises(ModelRefused, match=said):
        evaluate(change(predictions))


def test_a_draw_equals_repeating_its_merchants(predictions: pd.DataFrame) -> None:
    part = predictions[predictions["cutoff"] == "2011-05-01"].reset_index(drop=True)
    times = np.random.default_rng(0).integers(0, 3, len(part))
    repeated = part.loc[np.repeat(part.index, times)]
    drawn = Sorted.of(np.arange(len(part)), part["churned"].to_numpy(), part["churn_risk"].to_numpy()).measured(times.astype(float))
    for name, value in zip(("auc", "brier", "ece"), drawn, strict=True):
        assert value == pytest.approx(METRICS[name].function(repeated["churned"], repeated["churn_risk"]), abs=1e-12)


def test_intervals_hold_the_estimate_and_repeat(predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    first = intervals(predictions, resamples=100)
    for name, (low, high) in first.items():
        assert low < evaluation["mean"][name] < high
        assert high - low < 0.1
    assert intervals(predictions, resamples=100) == first
    assert intervals(predictions, resamples=100, seed=1) != first


def test_more_rows_of_the_same_merchants_are_not_news(made_up: Callable[..., pd.DataFrame]) -> None:
    one = made_up(300, ["2011-05-01"])
    copies = pd.concat([one.assign(cutoff=cutoff) for cutoff in ("2011-05-01", "2011-06-01", "2011-07-01", "2011-08-01")])
    (low, high), (low4, high4) = intervals(one)["auc"], intervals(copies)["auc"]
    assert high4 - low4 == pytest.approx(high - low)


def test_calling_more_catches_more_and_everybody_catches_all(evaluation: dict[str, Any]) -> None:
    curve = [row["recall"] for row in evaluation["curve"]]
    assert curve == sorted(curve)
    last = evaluation["curve"][-1]
    assert (last["recall"], last["value_captured"], last["lift"]) == (pytest.approx(1), pytest.approx(1), pytest.approx(1))
    ten = next(row for row in evaluation["capture"] if row["share"] == 0.1)
    assert ten["called"] == 40
    assert ten["caught"] + ten["false_alarms"] == pytest.approx(40)
    assert ten["precision"] == pytest.approx(evaluation["mean"]["precision_at"])


def test_tenths_cover_everybody_once_and_rise(evaluation: dict[str, Any]) -> None:
    rows = evaluation["calibration"]["all"]
    assert sum(row["n"] for row in rows) == 1200
    assert [row["predicted"] for row in rows] == sorted(row["predicted"] for row in rows)
    assert all(row["low"] <= row["observed"] <= row["high"] for row in rows)
    assert sum(row["realised_gmv"] for row in evaluation["value_tenths"]) == pytest.approx(
        sum(r["realised_gmv"] for r in evaluation["cutoffs"].values())
    )


def test_groups_add_up(evaluation: dict[str, Any]) -> None:
    for rows in evaluation["groups"].values():
        assert sum(row["share"] for row in rows) == pytest.approx(1)
        assert sum(row["n"] for row in rows) == 1200


def test_the_quality_is_told_in_the_fields_words(made_up: Callable[..., pd.DataFrame]) -> None:
    frame = made_up(1000, ["2011-05-01"])
    exact = evaluate(frame.assign(churn_risk=frame["churned"]), resamples=2)["quality"]
    blind = evaluate(frame.assign(churn_risk=0.3), resamples=2)["quality"]
    chance = round(100 * frame["churned"].mean())
    assert exact["sentence"] == f"excellent: of the 100 highest, 100 left; chance would be {chance}"
    assert (exact["lift"], blind["lift"]) == (100, 0)
    assert blind["sentence"] == f"poor: of the 100 highest, {chance} left; chance would be {chance}"
