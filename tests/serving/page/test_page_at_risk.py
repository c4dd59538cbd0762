"""The at-risk list as a page: what stands on it, how it is narrowed, ordered and paged, and that nothing in it can run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from serving.calls import call_list, calling
from serving.lists import team_of
from serving.page.formats import Formats

LISTED = "/?show=all"


def table_of(site: Any) -> pd.DataFrame:
    return call_list(site.run.merchants, team_of(site.run)).rows


def test_the_list_is_the_call_list_in_its_order(site: Any) -> None:
    rows = table_of(site)
    page = site.page("/")
    assert page.merchants == rows.index.tolist() and len(rows) > 5
    first = rows.iloc[0]
    assert f"{first['churn_risk'] * 100:.0f} of 100" in page.text and "leave within 90 days" in page.text
    assert first["action_en"] in page.text
    told = site.run.reasons
    told = told[(told["merchant_id"] == rows.index[0]) & (told["direction"] == "raises") & (told["head"] == "churn")]
    assert len(told) and all(sentence in page.text for sentence in told["sentence_en"][:3])


def test_on_top_stand_date_age_model_count_money_and_what_is_new(site: Any) -> None:
    page, rows = site.page("/"), table_of(site)
    assert "As of 1 Jan 2026" in page.text and "1 day old" in page.text and "abc123def456" in page.text
    before = site.published.of(site.run.header["previous"]).run
    new = int((~rows.index.isin(call_list(before.merchants, team_of(before)).rows.index)).sum())
    assert 0 < new < len(rows)
    numbers = re.findall(r'<dt>([^<]+)</dt><dd class="number">([^<]+)</dd>', page.source)
    assert dict(numbers)["new since last run"] == str(new) and dict(numbers)["merchants at risk"] == str(len(rows))
    assert dict(numbers)["margin at risk"] == Formats("en", "GBP").short(rows["value_at_risk"].sum())


def test_names_stay_text(site: Any) -> None:
    for path in (LISTED, f"/merchants/{table_of(site).index[0]}", "/model"):
        page = site.page(path)
        assert not page.all("img") and not page.all("style")
        assert all(set(given) <= {"src", "defer"} and str(given["src"]).startswith("/static/") for given in page.all("script"))
        assert not [name for _, given in page.tags for name in given if name == "style" or name.startswith("on")]
        assert "49" not in page.source.split("{{ 7 * 7 }}")[0][-3:]
    text = site.page(LISTED).text
    assert "<script>alert(1)</script>" in text and "{{ 7 * 7 }}" in text and "王记面包店" in text and "<b>East</b>" in text


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("tier={tier}", lambda rows, given: rows["tier"] == given["tier"]),
        ("stage={stage}", lambda rows, given: rows["stage"] == given["stage"]),
        ("owner=Ann+Lee", lambda rows, given: rows["owner"] == "Ann Lee"),
        ("owner=–", lambda rows, given: rows["owner"].isna()),
        ("region=西部", lambda rows, given: rows["region"] == "西部"),
        ("industry=bakery", lambda rows, given: rows["industry"] == "bakery"),
        ("q=面包", lambda rows, given: rows["name"].fillna("").str.contains("面包")),
        ("q=BAKERY+sons", lambda rows, given: rows["name"].fillna("").str.contains("Bakery & Sons")),
        ("q=m00", lambda rows, given: rows.index.str.contains("m00")),
    ],
)
def test_the_address_narrows_the_list(site: Any, query: str, fits: Callable[..., Any]) -> None:
    rows = table_of(site)
    given = rows.iloc[0]
    wanted = rows.index[fits(rows, given).to_numpy(bool) if hasattr(fits(rows, given), "to_numpy") else fits(rows, given)]
    found = site.page(f"{LISTED}&{query.format(**given)}&limit=500").merchants
    assert found == wanted.tolist() and 0 < len(found) < len(rows)


def test_what_is_asked_for_stays_in_the_form(site: Any) -> None:
    page = site.page("/?q=面包&sort=risk&show=all")
    assert page.all("input", id="q")[0]["value"] == "面包"
    chosen = [given["value"] for given in page.all("option") if "selected" in given]
    assert {"risk", "all"} <= set(chosen)


def test_sorting(site: Any) -> None:
    rows = table_of(site)
    assert site.page(f"{LISTED}&sort=risk").merchants == rows.sort_values("churn_risk", ascending=False, kind="stable").index.tolist()
    assert site.page(f"{LISTED}&sort=value").merchants[0] == rows["value_at_risk"].idxmax()


def test_new_ones_are_those_that_were_not_on_the_list_before(site: Any) -> None:
    before = site.published.of(site.run.header["previous"]).run
    listed = call_list(before.merchants, team_of(before)).rows.index
    assert set(site.page("/?show=new").merchants) == set(table_of(site).index) - set(listed)


def test_pages_repeat_and_skip_nobody(site: Any) -> None:
    found, address = list[str](), "/?limit=4&sort=risk"
    while address:
        page = site.page(address)
        found += page.merchants
        address = next((str(given["href"]) for given in page.all("a", rel="next")), "")
    assert found == site.page("/?sort=risk").merchants and len(found) > 8


def test_a_cursor_of_another_question_is_refused_as_a_page(site: Any) -> None:
    address = str(site.page("/?limit=4").all("a", rel="next")[0]["href"])
    answer = site.call(f"{address}&tier=A")
    assert answer.status_code == 422 and answer.headers["content-type"].startswith("text/html") and "cursor" in answer.text


@pytest.mark.parametrize("query", ["show=everything", "limit=0", "nonsense=1", "calls=-3"])
def test_what_is_not_understood_is_said_on_a_page(site: Any, query: str) -> None:
    answer = site.call(f"/?{query}")
    assert answer.status_code == 422 and query.split("=")[0] in answer.text and "<h1>" in answer.text


def test_nobody_fits(site: Any) -> None:
    page = site.page("/?q=nobody+is+called+so")
    assert "Nobody fits these filters." in page.text and not page.merchants


@pytest.mark.parametrize("number", [1, 3, 10_000])
def test_the_slider_reckons_as_the_command_line_does(site: Any, number: int) -> None:
    rows = table_of(site)
    number_listed = min(number, len(rows))
    last = calling(rows.head(number_listed), float(site.run.merchants["churn_risk"].sum())).iloc[-1]
    page = site.page(f"/?calls={number}")
    assert page.all("input", id="calls")[0]["value"] == str(number_listed)
    assert f"{last['leavers']:.1f}" in page.text or f"{last['leavers']:.0f}" in page.text


def test_chinese(site: Any) -> None:
    page = site.page("/?lang=zh")
    assert page.all("html")[0]["lang"] == "zh-CN"
    assert "截至2026年1月1日" in page.text and "每100家" in page.text and "流失风险商户" in page.text
    assert table_of(site).iloc[0]["action_zh"] in page.text


def test_language_and_colours_are_remembered(site: Any) -> None:
    answers = site.calls([("/?lang=zh", "GET", {}), ("/preferences?theme=dark&back=/%3Ftier%3DA", "GET", {}), ("/", "GET", {})])
    assert answers[1].status_code == 303 and answers[1].headers["location"] == "/?tier=A"
    assert 'lang="zh-CN" data-theme="dark"' in answers[2].text


@pytest.mark.parametrize("back", ["https://example.com/", "//example.com", "/\\example.com", "javascript:alert(1)"])
def test_preferences_lead_nowhere_else(site: Any, back: str) -> None:
    assert site.calls([("/preferences", "GET", {"params": {"theme": "dark", "back": back}})])[0].headers["location"] == "/"


def test_old_data_is_said_to_be_old(site: Any) -> None:
    site.later(days=30)
    assert "This data is 31 days old." in site.page("/").text


def test_without_a_run_the_page_says_what_to_type(site_at: Any, tmp_path: Path) -> None:
    for path in ("/", "/model", "/merchants/m001"):
        answer = site_at(tmp_path).call(path)
        assert answer.status_code == 503 and "keepwell score" in answer.text and answer.headers["content-type"].startswith("text/html")


def test_a_ledger_is_not_needed_to_look(site_at: Any, made: Path) -> None:
    site = site_at(made)
    assert site.page("/").merchants and site.page(f"/merchants/{site.page('/').merchants[0]}")


def test_a_run_without_weeks_or_predecessor_is_shown_without(site_at: Any, run: Any) -> None:
    page = site_at(run.path.parent.parent).page("/")
    assert page.merchants and "this is the first run" in page.text and "12 weeks" not in page.text


def test_the_security_policy_allows_nothing_inline(site: Any) -> None:
    policy = site.call("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
