"""A feature that is too good alone is questioned, loudly and wherever figures are shown; an honest one is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.training.test_report import context_of
from training.backtested import backtest_text
from training.dataset import Dataset
from training.gate import verdict
from training.leaks import alone, questions
from training.report import write_report


def data_of(rows: int = 400, **columns: Any) -> Dataset:
    """Half of them left at each of two cutoffs; a noisy feature, and the columns given as functions of who left."""
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([[f"m{i}" for i in range(rows)], pd.to_datetime(["2011-01-01", "2011-02-01"])], names=["merchant_id", "cutoff"])
    churned = pd.Series((rng.random(len(index)) < 0.5).astype(float), index)
    features = {"noise": rng.normal(size=len(index)) + churned, **{name: make(churned) for name, make in columns.items()}}
    return Dataset(pd.DataFrame(features, index), pd.DataFrame({"churned": churned}))


@pytest.mark.parametrize(
    "leak",
    [
        lambda churned: churned,
        lambda churned: -churned,
        lambda churned: churned.where(churned == 1),  # filled in only for those who left
        lambda churned: churned * 1e12,
    ],
    ids=["label", "turned round", "missing tells", "in millions"],
)
def test_a_leak_is_questioned_by_name(leak: Any) -> None:
    (asked,) = questions(data_of(cancelled=leak))
    assert asked.startswith("Is cancelled known before the cutoff? Alone it tells who leaves with an AUC of 1.000")
    assert asked.endswith("leave the table out until you are sure.")


def test_honest_constant_missing_and_text_columns_are_not_questioned() -> None:
    data = data_of(
        constant=lambda churned: 1.0,
        missing=lambda churned: np.nan,
        good=lambda churned: churned + np.random.default_rng(1).normal(0, 0.5, len(churned)),
        text=lambda churned: np.where(churned == 1, "left", "stayed"),
    )
    found = alone(data)
    assert questions(data) == []
    assert found["constant"] == found["missing"] == 0.5
    assert 0.9 < found["good"] < 0.99
    assert "text" not in found


def test_a_handful_of_leavers_proves_nothing() -> None:
    data = data_of(rows=3, perfect=lambda churned: churned)
    assert questions(data) == []


def test_a_question_is_loud(tmp_path: Path, evaluation: dict[str, Any]) -> None:
    asked = evaluation | {"questions": questions(data_of(cancelled=lambda churned: churned))}
    assert "QUESTION: Is cancelled known before the cutoff?" in backtest_text(asked)
    assert "Before you believe this" in write_report(tmp_path / "report.html", context_of(asked)).read_text("utf-8")
    assert "Before you believe this" not in write_report(tmp_path / "report.html", context_of(evaluation)).read_text("utf-8")
    judgement = verdict(asked)
    assert not judgement.passed
    assert judgement.reasons[0].startswith("Is cancelled known before the cutoff?")
