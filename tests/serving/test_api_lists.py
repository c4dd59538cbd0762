"""Lists narrowed, searched, ordered, taken away as files, and recognised when they have not changed."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_calls import Call, calls, pages, problem

from serving.access.callers import Access
from serving.access.keyring import Keyring
from serving.api.endpoints.retrospectives import FILE
from serving.api.published import Published
from serving.ledger import Ledger
from serving.rules import Rules
from serving.run import Run, publish
from serving.score import Scored

NOW = "2026-01-02T08:00:00+00:00"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    opened = Ledger.at(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


@pytest.fixture
def call(run: Run, ledger: Ledger) -> Call:
    """Calls the API over the small market's run and a ledger."""
    return calls(Published(run.path.parent.parent), access=Access(Keyring(lambda: ledger, lambda: NOW), lambda: NOW))


def rows(call: Call, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(path).json()["rows"]
    return found


@pytest.mark.parametrize("path", ["/v1/at-risk", "/v1/growth"])
@pytest.mark.parametrize("name", ["stage", "tier", "owner"])
def test_a_filter_leaves_only_those_and_all_of_those(call: Call, path: str, name: str) -> None:
    whole = rows(call, f"{path}?limit=1000")
    for wanted in {row[name] for row in whole}:
        found = rows(call, f"{path}?limit=1000&{name}={wanted}")
        assert [row["merchant_id"] for row in found] == [row["merchant_id"] for row in whole if row[name] == wanted]
        assert [row["rank"] for row in found] == [*range(1, len(found) + 1)]


@pytest.mark.parametrize("path", ["/v1/at-risk", "/v1/growth", "/v1/warnings"])
def test_a_search_finds_chinese_inside_a_name_and_parts_of_an_id(call: Call, path: str) -> None:
    whole = rows(call, f"{path}?limit=1000")
    for q in ("记面", "äckerei", "M00"):
        wanted = [row["merchant_id"] for row in whole if q.casefold() in f"{row['name']} {row['merchant_id']}".casefold()]
        assert [row["merchant_id"] for row in rows(call, f"{path}?limit=1000&q={q}")] == wanted
    assert rows(call, f"{path}?q=nothing-like-it") == []


@pytest.mark.parametrize(("sort", "key"), [("risk", "churn_risk"), ("value", "value_at_risk"), ("profit", "expected_profit")])
def test_an_order_is_kept_over_pages(call: Call, sort: str, key: str) -> None:
    found = [row for page in pages(call, f"/v1/at-risk?limit=3&sort={sort}") for row in page["rows"]]
    values = [row[key] for row in found]
    assert values == sorted(values, reverse=True) and len(found) == call("/v1/at-risk").json()["count"]


def test_reasons_narrow_the_list(call: Call, run: Run) -> None:
    told = run.reasons[(run.reasons["head"] == "churn") & (run.reasons["direction"] == "raises") & (run.reasons["rank"] <= 3)]
    group = told["group"].iloc[0]
    found = {row["merchant_id"] for row in rows(call, f"/v1/at-risk?limit=1000&reason={group}")}
    listed = {row["merchant_id"] for row in rows(call, "/v1/at-risk?limit=1000")}
    assert found == listed & {*told.loc[told["group"] == group, "merchant_id"]} and found


@pytest.mark.parametrize("path", ["/v1/at-risk", "/v1/growth"])
def test_a_list_is_taken_away_whole_and_that_is_written_down(call: Call, ledger: Ledger, path: str) -> None:
    whole = rows(call, f"{path}?limit=1000")
    for given in ({"params": {"format": "csv", "limit": 1}}, {"headers": {"accept": "text/csv"}}):
        answer = call(path, **given)
        assert answer.headers["content-type"].startswith("text/csv") and "attachment" in answer.headers["content-disposition"]
        read = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row[1] for row in read[1:]] == [row["merchant_id"] for row in whole]
        assert not [cell for row in read for cell in row if cell.lstrip("\u00a0\u3000\ufeff \t\n")[:1] in ("=", "+", "@", "＝") and not cell.startswith("'")]
    book = zipfile.ZipFile(io.BytesIO(call(f"{path}?format=xlsx").content))
    assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")
    audit = ledger.table("audit")
    assert audit["what"].tolist() == ["exported"] * 3 and audit["detail"].iloc[0]["rows"] == len(whole)
    assert "format" in problem(call(f"{path}?format=pdf"), "invalid-request")


PATHS = ("/v1/at-risk", "/v1/growth", "/v1/warnings", "/v1/merchants/m001", "/v1/merchants/m001/reasons", "/v1/merchants/m001/history", "/v1/portfolio")


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_that_has_not_changed_is_not_sent_again(call: Call, path: str) -> None:
    first = call(path)
    tag = first.headers["etag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = call(path, headers={"If-None-Match": known})
        assert again.status_code == 304 and not again.content and again.headers["etag"] == tag
    assert call(path, headers={"If-None-Match": '"other"'}).content == first.content
    assert call(f"{path}?lang=zh").headers["etag"] != tag or path.endswith("history")


def test_history_and_reasons_tell_of_one_merchant(call: Call, run: Run) -> None:
    merchant = run.reasons["merchant_id"].iloc[0]
    told = call(f"/v1/merchants/{merchant}/reasons?lang=zh").json()
    own = run.reasons[run.reasons["merchant_id"] == merchant]
    assert [row["sentence"] for row in told["reasons"]] == own["sentence_zh"].tolist()
    history = call(f"/v1/merchants/{merchant}/history").json()
    assert history["merchant_id"] == merchant and history["audit"] == [] and history["desk"] is None
    for path in ("reasons", "history"):
        problem(call(f"/v1/merchants/nobody/{path}"), "unknown-merchant")


def test_the_lost_are_looked_back_on_in_one_language(scored: Scored, rules: Rules, tmp_path: Path) -> None:
    run = publish(tmp_path, scored.header, scored.tables, rules.text)
    call = calls(Published(tmp_path))
    assert call("/v1/retrospectives").json()["rows"] == []
    about = {"cause_en": "service", "cause_zh": "服务", "likes": []}
    lost = [{"merchant_id": name, "cause": cause, **about} for name, cause in (("m001", "a"), ("m002", "b"), ("gone", "a"))]
    facts = {"as_of": "2026-01-01", "since": "2025-01-01", "horizon_days": 90, "notes_en": ["n"], "notes_zh": ["注"]}
    (tmp_path / FILE).write_text(json.dumps(facts | {"lost": lost, "newcomers": [], "sums": {"lost": 3}}))
    told = call("/v1/retrospectives?lang=zh&cause=a").json()
    assert told["run_id"] == run.run_id and told["count"] == 1 and told["notes"] == ["注"]
    assert told["rows"] == [{"merchant_id": "m001", "cause": "a", "cause_words": "服务", "likes": []}]


def test_the_portfolio_is_cut_as_asked(call: Call, run: Run) -> None:
    told = call("/v1/portfolio?lang=zh").json()
    assert told["run_id"] == run.run_id and told["headline"] and {"key", "title", "columns", "rows"} <= {*told["tables"][0]}
    assert call("/v1/portfolio?format=csv").headers["content-type"].startswith("text/csv")
    problem(call("/v1/portfolio?by=nonsense"), "invalid-request")
