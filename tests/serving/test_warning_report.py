"""The report of the warnings: right or not, how early, acted on or not, told in a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from serving.warning_report import warning_report

DAY = "datetime64[s]"


def day(*given: str | None) -> Any:
    return pd.to_datetime(pd.Series(given)).astype(DAY).to_numpy()


@pytest.fixture
def report() -> pd.DataFrame:
    """Four warnings of one kind, half a year apart from today, and one of another that nothing is known of yet."""
    warnings = pd.DataFrame(
        {
            "warning_no": [1, 2, 3, 4, 5],
            "merchant_id": ["left", "fell", "stayed", "saved", "new"],
            "kind": ["silent"] * 4 + ["no_first_order"],
            "opened_on": day(*["2026-01-01"] * 4, "2026-06-01"),
            "closed_on": day("2026-02-01", None, "2026-01-08", "2026-01-03", None),
            "closed_why": ["lost", None, "wrong alarm", "resolved", None],
            "escalations": [2, 0, 0, 0, 0],
            "gmv_before": [100.0, 100.0, 100.0, 100.0, np.nan],
        }
    )
    outcomes = pd.DataFrame(
        {
            "merchant_id": ["left", "fell", "stayed", "saved"],
            "since": day(*["2026-01-01"] * 4),
            "settled_on": day(*["2026-04-01"] * 4),
            "churned": [True, False, False, False],
            "silent_on": day("2025-12-22", "2026-03-30", "2026-03-30", "2026-03-30"),
            "gmv": [0.0, 49.0, 50.0, 120.0],
        }
    )
    deeds = pd.DataFrame(
        {
            "merchant_id": ["saved", "left", "left"],
            "done_on": day("2026-01-02", "2025-12-31", "2026-05-01"),
            "kind": None,
        }
    )
    return warning_report(warnings, outcomes, deeds, active_days=90)


def test_right_is_churn_or_sales_below_half(report: pd.DataFrame) -> None:
    assert report.loc["silent", "precision"] == 0.5
    assert report.loc["silent", "precision_left_alone"] == pytest.approx(2 / 3), "the one that was acted on may have been saved"


def test_lead_is_to_the_day_on_which_a_merchant_counts_as_lost(report: pd.DataFrame) -> None:
    assert report.loc["silent", "lead_days"] == 80


def test_acted_on_is_while_it_mattered(report: pd.DataFrame) -> None:
    assert report.loc["silent", "acted_on"] == 0.25


def test_numbers_of_each_kind(report: pd.DataFrame) -> None:
    assert report.index.tolist() == ["silent", "no_first_order"]
    assert report.loc["silent", ["fired", "open", "escalated", "wrong_alarm", "matured"]].tolist() == [4, 1, 1, 1, 4]
    assert report.loc["no_first_order", ["fired", "open", "matured"]].tolist() == [1, 1, 0]
    assert np.isnan(report.loc["no_first_order", "precision"])


def test_no_warnings_no_rows() -> None:
    empty = pd.DataFrame(columns=["warning_no", "merchant_id", "kind", "closed_why", "escalations", "gmv_before"])
    empty = empty.assign(opened_on=day().astype(DAY), closed_on=day().astype(DAY))
    outcomes = pd.DataFrame(columns=["merchant_id", "churned", "gmv"]).assign(since=day(), settled_on=day(), silent_on=day())
    assert warning_report(empty, outcomes, pd.DataFrame(columns=["merchant_id", "kind"]).assign(done_on=day()), 90).empty
