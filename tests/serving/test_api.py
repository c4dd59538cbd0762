"""The API over a published run: every answer carries its run, every refusal is a problem."""

from __future__ import annotations

import re

import pytest
from api_calls import Call, calls, pages, problem

from serving.api.cursor import Cursor
from serving.api.published import Published
from serving.run import Run

FACTS = ("run_id", "model_version", "cutoff", "currency")


@pytest.fixture(scope="module")
def call(run: Run) -> Call:
    """Calls the API over the small market's run."""
    return calls(Published(run.path.parent.parent))


@pytest.mark.parametrize("path", ["/v1/at-risk", "/v1/growth", "/v1/warnings", "/v1/merchants/m001", "/v1/model", "/readyz"])
def test_every_answer_carries_its_run(call: Call, run: Run, path: str) -> None:
    answer = call(path)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in FACTS} == {
        "run_id": run.run_id,
        "model_version": "abc123",
        "cutoff": "2026-01-01",
        "currency": "GBP",
    }
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"


def test_problems_carry_the_run_too(call: Call, run: Run) -> None:
    assert call("/v1/merchants/nobody").json()["run_id"] == run.run_id


def test_the_at_risk_list_is_that_of_the_run(call: Call, run: Run) -> None:
    answer = call("/v1/at-risk?limit=1000").json()
    scored = run.merchants[run.merchants["churn_risk"] >= run.merchants["churn_risk"].mean()]
    assert [row["merchant_id"] for row in answer["rows"]] == scored.sort_values("expected_profit", ascending=False).index.tolist()
    assert answer["count"] == len(answer["rows"]) > 3
    assert answer["value_at_risk"] == pytest.approx(scored["value_at_risk"].sum())
    first, row = answer["rows"][0], scored.loc[answer["rows"][0]["merchant_id"]]
    assert first["stage"] == row["stage"] and first["stage_words"] == run.header["words"]["stages"][row["stage"]]["en"]
    assert first["churn_risk"] == row["churn_risk"] and first["action"] == row["action_en"]
    assert first["reasons"] and all(isinstance(reason, str) for reason in first["reasons"])


def test_capacity_tier_and_language_choose(call: Call) -> None:
    whole = call("/v1/at-risk?limit=1000").json()
    assert call("/v1/at-risk?capacity=2").json()["rows"] == whole["rows"][:2]
    tier = whole["rows"][0]["tier"]
    one = call(f"/v1/at-risk?limit=1000&tier={tier}").json()
    assert 0 < one["count"] < whole["count"] and {row["tier"] for row in one["rows"]} == {tier}
    chinese = call("/v1/at-risk?capacity=1&lang=zh").json()["rows"][0]
    assert re.search("[一-鿿]", chinese["reasons"][0]) and chinese["churn_risk"] == whole["rows"][0]["churn_risk"]


def test_growth_is_listed_by_its_value(call: Call) -> None:
    values = [row["growth_value"] for row in call("/v1/growth").json()["rows"]]
    assert len(values) > 3 and values == sorted(values, reverse=True)


def test_warnings_begin_with_the_most_severe(call: Call, run: Run) -> None:
    rows = call("/v1/warnings?limit=1000").json()["rows"]
    levels = [["low", "medium", "high", "critical"].index(row["severity"]) for row in rows]
    assert len(rows) == len(run.warnings) and levels == sorted(levels, reverse=True)
    kind = rows[-1]["kind"]
    assert {row["kind"] for row in call(f"/v1/warnings?kind={kind}").json()["rows"]} == {kind}
    assert "known are" in problem(call("/v1/warnings?kind=nothing"), "invalid-request")


@pytest.mark.parametrize("path", ["/v1/at-risk", "/v1/growth?lang=zh", "/v1/warnings"])
def test_pages_join_to_the_whole_list(call: Call, path: str) -> None:
    link = "&" if "?" in path else "?"
    whole = call(f"{path}{link}limit=1000").json()["rows"]
    found = [*pages(call, f"{path}{link}limit=4")]
    assert len(found) == -(-len(whole) // 4) > 1
    assert [row for page in found for row in page["rows"]] == whole


def test_a_cursor_is_bound_to_its_question(call: Call) -> None:
    cursor = call("/v1/at-risk?limit=1").json()["next_cursor"]
    assert call(f"/v1/at-risk?limit=2&cursor={cursor}").status_code == 200
    for path in (f"/v1/growth?cursor={cursor}", f"/v1/at-risk?lang=zh&cursor={cursor}"):
        assert "another question" in problem(call(path), "invalid-request")


@pytest.mark.parametrize("cursor", ["x", "%00", "é", "2026-01-01-0a1b2c3d:1:9f", Cursor("../../etc", 1, "9f").text(), "a" * 201])
def test_a_cursor_of_someone_elses_making_is_refused(call: Call, cursor: str) -> None:
    detail = problem(call("/v1/at-risk", params={"cursor": cursor}), "invalid-request")
    assert "none of ours" in detail or "at most 200" in detail


def test_a_merchant_is_explained(call: Call, run: Run) -> None:
    scored = run.merchants.index[run.merchants["no_score"].isna()][0]
    told = call(f"/v1/merchants/{scored}").json()
    assert told["status"] == "scored" and told["no_score"] is None and told["horizon_days"] == 90
    assert told["scores"]["churn_risk"] == run.merchants.at[scored, "churn_risk"]
    assert told["scorecard"] and told["action"]


def test_a_merchant_outside_the_cohort_gets_a_reason_and_no_number(call: Call, run: Run) -> None:
    silent = run.merchants.index[run.merchants["no_score"] == "inactive"][0]
    told = call(f"/v1/merchants/{silent}?lang=zh").json()
    assert told["scores"] is None and told["money"] is None
    assert told["no_score"] == {"reason": "inactive", "words": "近90天没有订单"}


def test_an_unknown_merchant_is_told_nothing_of_the_others(call: Call) -> None:
    detail = problem(call("/v1/merchants/m0001"), "unknown-merchant")
    assert "'m0001'" in detail and not re.search(r"m\d{3}\b", detail)
    assert len(problem(call("/v1/merchants/" + "x" * 5000), "unknown-merchant")) < 400


def test_predict_answers_in_the_order_of_asking(call: Call, run: Run) -> None:
    silent = run.merchants.index[run.merchants["no_score"] == "no_order"][0]
    known = run.merchants.index[run.merchants["no_score"].isna()][1]
    answer = call("/v1/predict", "POST", json={"merchant_ids": [known, "nobody", silent, known]}).json()
    assert [row["status"] for row in answer["predictions"]] == ["scored", "unknown", "no_score", "scored"]
    first, unknown, without, again = answer["predictions"]
    assert first == again and first["scores"]["churn_risk"] == run.merchants.at[known, "churn_risk"]
    assert unknown["scores"] is None and unknown["no_score"] is None
    assert without["scores"] is None and without["no_score"] == {"reason": "no_order", "words": "has no order yet"}
    assert answer["run_id"] == run.run_id


def test_predict_takes_a_thousand_and_no_more(call: Call) -> None:
    assert len(call("/v1/predict", "POST", json={"merchant_ids": ["m001"] * 1000}).json()["predictions"]) == 1000
    assert "1000" in problem(call("/v1/predict", "POST", json={"merchant_ids": ["m001"] * 1001}), "invalid-request")


def test_events_belong_to_a_merchant(call: Call) -> None:
    body = {"merchant_ids": ["m001"], "events": {"orders": []}}
    assert "is not understood here" in problem(call("/v1/predict", "POST", json=body), "invalid-request")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"merchant_ids": []}', b'{"merchant_ids": [7]}', b'{"merchant_ids": ["\\ud800"]}'])
def test_a_body_that_is_not_understood_is_refused(call: Call, body: bytes) -> None:
    assert problem(call("/v1/predict", "POST", content=body, headers={"content-type": "application/json"}), "invalid-request")


def test_a_body_of_another_type_or_size_is_refused(call: Call) -> None:
    for kind in ("application/vnd.bentoml+pickle", "text/plain"):
        assert problem(call("/v1/predict", "POST", content=b"{}", headers={"content-type": kind}), "not-json")
    large = b'{"merchant_ids": ["' + b"x" * (16 << 20) + b'"]}'
    assert problem(call("/v1/predict", "POST", content=large, headers={"content-type": "application/json"}), "too-large")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "capacity=none", "lang=de", "tier=Q", "lang=zh&lang=en", "owner=Zed"])
def test_a_wrong_parameter_is_refused(call: Call, query: str) -> None:
    assert problem(call(f"/v1/at-risk?{query}"), "invalid-request")


def test_an_unknown_parameter_names_the_closest(call: Call) -> None:
    assert 'did you mean "capacity"?' in problem(call("/v1/at-risk?capacty=3"), "invalid-request")


def test_an_unknown_path_and_a_wrong_method_are_problems(call: Call) -> None:
    for path in ("/v1/nothing", "/v1/at-risk/", "/docs.json", "/static/../service.py"):
        problem(call(path), "not-found")
    answer = call("/v1/at-risk", "DELETE")
    assert "use " in problem(answer, "method-not-allowed") and "GET" in answer.headers["allow"]


def test_another_host_is_refused(run: Run) -> None:
    problem(calls(Published(run.path.parent.parent), "http://keepwell.evil.example")("/v1/at-risk"), "wrong-host")
    for base in ("http://127.0.0.1:3000", "http://[::1]:3000", "http://LOCALHOST"):
        assert calls(Published(run.path.parent.parent), base)("/readyz").status_code == 200
