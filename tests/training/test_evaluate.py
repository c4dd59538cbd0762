"""What `evaluate` says of predictions: means, worst, intervals, tables and words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import ModelRefused
from training.bootstrap import draws
from training.evaluate import evaluate
from training.lead import lead_time
from training.metrics import METRICS
from training.slices import sliced


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


DRAWN = ("auc", "average_precision", "brier", "ece", "precision_at", "profit", "rmse", "wape", "bias", "ngini", "cover")


@pytest.mark.parametrize("seed", range(4))
def test_a_draw_equals_repeating_its_merchants(predictions: pd.DataFrame, seed: int) -> None:
    part = predictions[predictions["cutoff"] == "2011-05-01"].head((400, 151, 40, 3)[seed]).reset_index(drop=True)
    times = np.bincount(np.random.default_rng(seed).integers(0, len(part), len(part)), minlength=len(part))
    repeated = part.loc[np.repeat(part.index, times)]
    drawn = draws(part, resamples=1, seed=seed)
    assert tuple(drawn.estimate) == DRAWN
    for place, name in enumerate(DRAWN):
        for found, rows in ((drawn.drawn[0, 0, place], repeated), (drawn.estimate[name].iloc[0], part)):
            metric = METRICS[name]
            assert found == pytest.approx(metric.function(*(rows[column] for column in metric.needs)), abs=1e-9, nan_ok=True), name


def test_intervals_hold_the_estimate_and_repeat(predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    first = draws(predictions, resamples=100)
    for name in ("auc", "brier", "ece"):
        low, high = first.interval(name)
        assert low < evaluation["mean"][name] < high
        assert high - low < 0.1
        at_low, at_high = first.interval(name, "2011-06-01")
        assert at_high - at_low > high - low
        assert draws(predictions, resamples=100).interval(name) == (low, high)
        assert draws(predictions, resamples=100, seed=1).interval(name) != (low, high)


def test_more_rows_of_the_same_merchants_are_not_news(made_up: Callable[..., pd.DataFrame]) -> None:
    one = made_up(300, ["2011-05-01"])
    copies = pd.concat([one.assign(cutoff=cutoff) for cutoff in ("2011-05-01", "2011-06-01", "2011-07-01", "2011-08-01")])
    (low, high), (low4, high4) = draws(one).interval("auc"), draws(copies).interval("auc")
    assert high4 - low4 == pytest.approx(high - low)


def noisy(frame: pd.DataFrame, spread: float) -> pd.Series:
    """The risks with noise: a worse prediction of the same rows."""
    noise = np.random.default_rng(1).normal(0, spread, len(frame))
    return (frame["churn_risk"] + noise).clip(0, 1)


def test_a_better_prediction_is_surely_ahead_and_an_equal_one_is_not(predictions: pd.DataFrame) -> None:
    ours, worse = draws(predictions), draws(predictions.assign(churn_risk=noisy(predictions, 0.3)))
    by, low, high = ours.ahead_of(worse, "auc")
    assert 0 < low < by < high
    assert ours.ahead_of(ours, "auc") == (0, 0, 0)
    close = draws(predictions.assign(churn_risk=noisy(predictions, 0.02)))
    _, low, high = ours.ahead_of(close, "auc")
    assert high - low < 0.2 * np.subtract(*reversed(ours.interval("auc")))  # the same merchants are drawn for both


def test_pairs_are_paired_whatever_the_order_of_rows(predictions: pd.DataFrame) -> None:
    shuffled = predictions.sample(frac=1, random_state=0)
    assert draws(predictions).ahead_of(draws(shuffled), "auc") == pytest.approx((0, 0, 0), abs=1e-12)


def test_peers_stand_beside_the_model(predictions: pd.DataFrame) -> None:
    columns = {"churn_risk of noise": noisy(predictions, 0.3), "expected_gmv of last month": predictions["trailing"]}
    found = evaluate(predictions.assign(**columns), resamples=50)["peers"]
    assert list(found) == ["noise", "last month"]
    ahead = found["noise"]["ahead"]
    assert ahead["auc"]["low"] > 0
    assert ahead["brier"]["low"] > 0  # lower is better, so what we are ahead by is still positive
    assert "rmse" not in found["noise"]["mean"]
    assert "auc" not in found["last month"]["mean"]
    expected = METRICS["wape"].function(predictions["value"][:400], predictions["trailing"][:400])
    assert found["last month"]["cutoffs"]["2011-05-01"]["wape"] == pytest.approx(expected)


def test_lead_time_counts_from_the_first_warning_to_the_day_of_evident_silence() -> None:
    rows = [  # merchant, cutoff, risk, recency, churned: last orders on 04-21 (gone), 05-16 (late) and never silent (stays)
        *(("gone", "2011-05-01", 0.9, 10, 1), ("gone", "2011-06-01", 0.9, 41, 1)),
        *(("late", "2011-05-01", 0.8, 5, 0), ("late", "2011-06-01", 0.7, 16, 1)),
        *(("missed", "2011-05-01", 0.1, 20, 1), ("missed", "2011-06-01", 0.1, 51, 1)),
        *(("stays", "2011-05-01", 0.2, 1, 0), ("stays", "2011-06-01", 0.2, 1, 0)),
        *(("warned too late", "2011-05-01", 0.15, 62, 1), ("warned too late", "2011-06-01", 0.95, 93, 1)),
        *(("evident before", "2011-05-01", 0.05, 120, 1), ("evident before", "2011-06-01", 0.05, 151, 1)),
    ]
    frame = pd.DataFrame(rows, columns=["merchant_id", "cutoff", "churn_risk", "recency", "churned"])
    found = lead_time(frame, horizon_days=90, share=0.5)
    assert found is not None
    assert (found["leavers"], found["warned"]) == (4, pytest.approx(2 / 4))
    assert found["median_days"] == pytest.approx((80 + 105) / 2)  # 90 days after 04-21 and after 05-16, both warned of on 05-01
    assert found["before_last_order"] == pytest.approx(1 / 4)
    assert lead_time(frame.assign(churned=0), 90) is None


def test_slices_are_told_apart_and_many_industries_are_put_together(predictions: pd.DataFrame) -> None:
    many = predictions.assign(tenure_days=np.arange(len(predictions)) % 900, industry=[f"i{row % 1000}" for row in range(len(predictions))])
    groups = evaluate(sliced(many), resamples=2)["groups"]
    assert next(row["name"] for row in groups["tenure"]) == "1. under 3 months"
    assert len(groups["industry"]) == 12
    assert sum(row["n"] for row in groups["industry"]) == len(many)
    assert "industry" not in sliced(many.assign(industry=None))


def test_calling_more_catches_more_and_everybody_catches_all(evaluation: dict[str, Any]) -> None:
    curve = [row["recall"] for row in evaluation["curve"]]
    assert curve == sorted(curve)
    last = evaluation["curve"][-1]
    assert (last["recall"], last["value_captured"], last["lift"]) == (pytest.approx(1), pytest.approx(1), pytest.approx(1))
    ten = next(row for row in evaluation["capture"] if row["share"] == 0.1)
    assert ten["called"] == 40
    assert ten["caught"] + ten["false_alarms"] == pytest.approx(40)
    assert ten["precision"] == pytest.approx(evaluation["mean"]["precision_at"])


def test_a_list_by_expected_profit_earns_most_of_equally_long_ones(made_up: Callable[..., pd.DataFrame]) -> None:
    found = evaluate(made_up(3000, ["2011-05-01"]), resamples=2)
    for row in found["capture"][:4]:
        assert row["profit_by_expected"] > row["profit"]
    everybody = found["curve"][-1]
    assert everybody["profit"] == pytest.approx(everybody["profit_by_expected"])
    assert max(row["profit_by_expected"] for row in found["curve"]) <= 100


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
