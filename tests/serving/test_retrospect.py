"""Looking back at lost merchants: signs of one cause name that cause, and what a person said is believed."""

from __future__ import annotations

import pandas as pd
import pytest

from serving.retrospect_causes import causes_of

QUIET = {"orders_now": 30.0, "orders_before": 100.0, "gmv_now": 900.0, "gmv_before": 3000.0, "industry_orders_now": 3000.0}
QUIET |= {"industry_orders_before": 10000.0, "tickets_now": 1.0, "tickets_before": 3.0, "chain_stopped": 0.0, "about_fees": 0.0, "about_rival": 0.0}
QUIET |= {"logins_now": 50.0, "functions_now": 6.0, "functions_before": 6.0, "year": 200.0, "ahead": 30.0, "year_ago": 30.0, "age": 900.0}


def named(**signs: float) -> pd.Series:
    frame = pd.DataFrame([QUIET | signs], index=pd.Index(["m"], name="merchant_id"))
    return causes_of([frame], {}).loc["m"]


@pytest.mark.parametrize(
    ("cause", "signs"),
    [
        ("service", {"tickets_now": 12.0, "effort_now": 6.0}),
        ("price", {"about_fees": 3.0, "subsidy_now": 0.25, "subsidy_before": 0.05}),
        ("rival", {"orders_now": 6.0, "gmv_now": 180.0, "functions_now": 2.0}),
        ("season", {"ahead": 0.0}),
        ("product fit", {"refunds_now": 0.3, "refunds_before": 0.02}),
        ("business closed", {"chain_stopped": 2.0}),
        ("unknown", {}),
    ],
)
def test_the_signs_of_a_cause_name_it(cause: str, signs: dict[str, float]) -> None:
    found = named(**signs)
    assert found["cause"] == cause
    assert bool(found["evidence_en"]) == bool(found["evidence_zh"]) == bool(signs)


def test_a_fall_that_service_explains_is_no_rival() -> None:
    assert named(orders_now=6.0, gmv_now=180.0, tickets_now=12.0)["cause"] == "service"


def test_what_a_person_recorded_is_believed_before_the_signs() -> None:
    frame = pd.DataFrame([QUIET | {"tickets_now": 12.0}], index=pd.Index(["m"], name="merchant_id"))
    found = causes_of([frame], {"m": "business closed"}).loc["m"]
    assert (found["cause"], found["by"]) == ("business closed", "person")
