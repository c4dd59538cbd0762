"""The quality gate lets through what is surely better than what serves, and says which test failed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import ModelRefused
from training import bundle, duel, train
from training.duel import Duel, judged, keep
from training.evaluate import evaluate
from training.gate import verdict


def moved(evaluation: dict[str, Any], name: str, by: float) -> dict[str, Any]:
    """The same evaluation with a metric moved at every cutoff."""
    other = deepcopy(evaluation)
    for row in (*other["cutoffs"].values(), other["mean"]):
        row[name] += by
    return other


def blurred(risk: pd.Series, spread: float) -> pd.Series:
    """A worse prediction of the same rows."""
    return (risk + np.random.default_rng(2).normal(0, spread, len(risk))).clip(0, 1)


def rows_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """What a training keeps, beside a champion that says the same."""
    size = predictions.groupby("merchant_id")["trailing"].transform("mean")
    return predictions.assign(tenure=np.where(size > size.median(), "old", "new"), told=predictions["churn_risk"])


def test_a_first_model_must_beat_recency(evaluation: dict[str, Any]) -> None:
    assert verdict(evaluation).passed
    worse = moved(evaluation, "recency_auc", 0.5)
    assert not verdict(worse).passed
    assert "does not beat days since the last order" in verdict(worse).reasons[0]


def test_a_first_model_must_be_calibrated(evaluation: dict[str, Any]) -> None:
    off = moved(evaluation, "ece", 0.12)
    assert not verdict(off).passed
    assert verdict(off).reasons[0].startswith("Its percentages do not hold")


def test_chance_does_not_pass(predictions: pd.DataFrame) -> None:
    blind = predictions.assign(churn_risk=predictions["churn_risk"].sample(frac=1, random_state=0).to_numpy(), recency=0.0)
    judgement = verdict(evaluate(blind))
    assert not judgement.passed
    assert "no better than chance" in judgement.reasons[0]


def test_a_surely_better_challenger_passes(predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    rows = rows_of(predictions)
    found = judged(rows.assign(told=blurred(rows["told"], 0.3)))
    assert found.ahead["auc"]["low"] > 0
    judgement = verdict(evaluation, found)
    assert judgement.passed, judgement.reasons
    assert any("surely better than the champion on the last 3 complete windows (400 merchants)" in reason for reason in judgement.reasons)


def test_a_surely_worse_challenger_does_not_pass(predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    rows = rows_of(predictions)
    judgement = verdict(evaluation, judged(rows.assign(churn_risk=blurred(rows["told"], 0.3))))
    assert not judgement.passed
    assert judgement.reasons[0].startswith("It is surely worse than the champion")


def test_better_by_less_than_chance_does_not_pass(predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    rows = rows_of(predictions)
    judgement = verdict(evaluation, judged(rows.assign(told=blurred(rows["told"], 0.005))))
    assert not judgement.passed
    assert "not surely better" in judgement.reasons[0]


def test_the_same_predictions_do_not_pass(predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    judgement = verdict(evaluation, judged(rows_of(predictions)))
    assert not judgement.passed
    assert "says exactly what the champion said" in judgement.reasons[0]


def test_a_slice_that_falls_holds_up_a_challenger_that_is_better_overall(predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    rows = rows_of(predictions)
    old = rows["tenure"] == "old"
    told = blurred(rows["told"], 0.5).where(~old, rows["told"])
    found = judged(rows.assign(churn_risk=blurred(rows["churn_risk"], 0.25).where(old, rows["churn_risk"]), told=told))
    assert found.ahead["auc"]["low"] > 0
    judgement = verdict(evaluation, found)
    assert not judgement.passed
    assert judgement.reasons[0].startswith("It is surely worse where tenure is old")


def test_lost_calibration_holds_up_a_challenger(predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    rows = rows_of(predictions)
    found = judged(rows.assign(told=blurred(rows["told"], 0.3)))
    judgement = verdict(evaluation, replace(found, ece=(0.05, 0.03)))
    assert not judgement.passed
    assert "calibration does not hold: error 0.050 against the champion's 0.030" in judgement.reasons[0]
    assert verdict(evaluation, replace(found, ece=(0.05, 0.041))).passed


def test_small_slices_are_not_judged(predictions: pd.DataFrame) -> None:
    rows = rows_of(predictions)
    assert {one["name"] for one in judged(rows).slices} == {"new", "old"}
    assert judged(rows.assign(tenure=rows["merchant_id"])).slices == []


def test_no_comparison_does_not_pass_and_every_reason_is_a_sentence(predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    assert verdict(evaluation, "It shares no cutoff with the champion.").reasons[0] == "It shares no cutoff with the champion."
    assert not verdict(evaluation, "It shares no cutoff with the champion.").passed
    for found in (None, judged(rows_of(predictions))):
        assert all(reason.endswith(".") for reason in verdict(evaluation, found).reasons)


@pytest.mark.parametrize(("outcome", "who"), [(0.0, "Nobody"), (1.0, "Everybody")])
def test_one_class_does_not_pass(predictions: pd.DataFrame, outcome: float, who: str) -> None:
    judgement = verdict(evaluate(predictions.assign(churned=outcome), resamples=2))
    assert not judgement.passed
    assert judgement.reasons[0].startswith(f"{who} left")


def test_a_missing_metric_does_not_pass(evaluation: dict[str, Any]) -> None:
    broken = deepcopy(evaluation)
    broken["mean"]["rmse"] = None
    assert not verdict(broken).passed


# --- what is kept, and what stands for the champion


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory whose bundles have cards and nothing else."""
    cards = {"new": {"horizon_days": 90}, "old": {"horizon_days": 90}, "other": {"horizon_days": 60}}
    monkeypatch.setattr(bundle, "card_of", lambda _, version: cards[version])
    monkeypatch.setattr(bundle, "champion", lambda _: {"model_version": "old"})
    for version in cards:
        (tmp_path / "bundles" / version).mkdir(parents=True)
    return tmp_path


def test_shared_cutoffs_are_compared_merchant_by_merchant(state: Path, predictions: pd.DataFrame) -> None:
    keep(state, "old", predictions[predictions["cutoff"] <= "2011-06-01"])
    keep(state, "new", predictions[predictions["cutoff"] >= "2011-06-01"].sample(frac=1, random_state=0))
    found = duel.duel(state, "new", "old")
    assert isinstance(found, Duel)
    assert (found.cutoffs, found.merchants, found.same) == (["2011-06-01"], 400, True)


def test_what_the_champion_itself_said_counts_before_what_its_training_said(state: Path, predictions: pd.DataFrame) -> None:
    keep(state, "old", predictions)
    late = predictions["cutoff"] == "2011-07-01"
    keep(state, "new", predictions.assign(**{"churn_risk of old": blurred(predictions["churn_risk"], 0.4).where(late)}))
    found = duel.duel(state, "new", "old")
    assert isinstance(found, Duel)
    assert len(found.cutoffs) == 3
    assert not found.same
    assert found.ahead["auc"]["by"] > 0


def test_without_shared_cutoffs_there_is_no_comparison(state: Path, predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    keep(state, "new", predictions)
    assert duel.duel(state, "new", "old") is None
    assert "shares no cutoff with the champion" in train.held_against_champion(state, "new", evaluation).reasons[0]


def test_a_damaged_comparison_is_refused_in_a_sentence(state: Path, predictions: pd.DataFrame) -> None:
    keep(state, "new", predictions)
    for version in ("old", "new"):
        (state / "judged" / f"{version}.parquet").write_bytes(b"not Parquet at all")
        with pytest.raises(ModelRefused, match=rf"judged/{version}\.parquet cannot be read \(.*\); move it away and type `keepwell train`"):
            duel.duel(state, "new", "old")


def test_another_target_cannot_be_compared(state: Path, evaluation: dict[str, Any]) -> None:
    said = train.held_against_champion(state, "other", evaluation)
    assert not said.passed
    assert "trained with horizon_days = 60 and the champion with 90" in said.reasons[0]


def test_the_champion_itself_passes(state: Path, evaluation: dict[str, Any]) -> None:
    assert train.held_against_champion(state, "old", evaluation).passed


def test_what_was_kept_of_removed_bundles_goes(state: Path, predictions: pd.DataFrame) -> None:
    keep(state, "gone", predictions)
    keep(state, "new", predictions)
    assert [path.name for path in (state / "judged").iterdir()] == ["new.parquet"]


class Told:
    """A champion that says half for everybody, and learnt from what was known on 2011-06-01."""

    card = {"as_of": "2011-06-01"}  # noqa: RUF012

    def scores(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"churn_risk": 0.5}, frame.index)


def test_the_champion_is_asked_only_about_what_it_cannot_have_learnt_from(
    state: Path, predictions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duel, "_model", lambda *_: Told())
    indexed = predictions.assign(cutoff=pd.to_datetime(predictions["cutoff"])).set_index(["merchant_id", "cutoff"])
    told = duel.with_champion(state, indexed)["churn_risk of old"]
    assert told.groupby(level="cutoff").count().tolist() == [0, 400, 400]
    monkeypatch.setattr(bundle, "champion", lambda _: None)
    assert duel.with_champion(state, indexed) is indexed
