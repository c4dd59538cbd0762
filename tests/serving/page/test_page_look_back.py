"""The look back on a merchant's page: what `keepwell retrospect` kept of it, else what the ledger knows, in the same sentences."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert

from serving.ledger.schema import dispositions
from serving.retrospect_kept import keep
from serving.retrospect_words import told

SILENT, NEVER, SELLS = "m005", "m007", "m001"
"""Silent for 200 days before the run of 1 January 2026; joined and never sold; sells."""
LAST, LOST_ON = "2025-06-15", "2025-09-13"
ROW: dict[str, Any] = {"kind": "lost", "merchant_id": SILENT, "last_order": LAST, "lost_on": LOST_ON, "warned": True, "days_ahead": 77}
ROW |= {"acted_on": False, "actions": 0, "cause": "price", "cause_en": "price", "cause_zh": "价格", "sure_en": "clear", "sure_zh": "明确"}
ROW |= {"evidence_en": ["subsidy <b>rose</b>"], "evidence_zh": ["补贴上升"], "caught_en": "silent held", "caught_zh": "silent已成立", "timeline": []}
ROW |= {"likes": [{"merchant_id": "m010"}, {"merchant_id": "hidden"}], "likes_with_same_signs": ["hidden"]}


@pytest.fixture
def looked(site: Any) -> Any:
    """A service over a state in which a look back was kept."""
    keep(site.state, {"lost": [ROW], "newcomers": []})
    return site


def test_the_page_says_what_the_command_says(looked: Any) -> None:
    text = looked.page(f"/merchants/{SILENT}").text
    for sentence in told(ROW, "en", lambda day: {LAST: "15 Jun 2025", LOST_ON: "13 Sep 2025"}[day], {"m010"}):
        assert sentence in text
    assert "Likely cause: price (clear)." in text and "First warned 77 days before it was lost." in text
    assert "most like it: m010." in text and "hidden" not in text


def test_it_says_so_in_chinese(looked: Any) -> None:
    text = looked.page(f"/merchants/{SILENT}?lang=zh").text
    assert "可能原因：价格（明确）。" in text and "2025年9月13日起计为流失" in text and "流失前77天首次预警" in text


def test_texts_of_others_are_no_markup(looked: Any) -> None:
    assert "<b>rose</b>" not in looked.call(f"/merchants/{SILENT}").text


def test_where_none_was_kept_the_ledger_is_asked(site: Any) -> None:
    text = site.page(f"/merchants/{SILENT}").text
    assert "Its last order was on 15 Jun 2025; it counts as lost since 13 Sep 2025." in text
    assert "no run is from before its last order" in text and "Likely cause" not in text and "caught it" not in text
    row = {"key": "k", "digest": "d", "merchant_id": SILENT, "outcome": "attempted", "recorded_at": "2025-08-01T00:00:00Z"}
    with site.ledger.writing() as connection:
        connection.execute(insert(dispositions), [row | {"done_on": date(2025, 8, 1)}])
    site.later(minutes=5)
    assert "Acted on 1 times before that." in site.page(f"/merchants/{SILENT}").text


def test_a_kept_look_back_at_an_earlier_silence_is_not_told(site: Any) -> None:
    keep(site.state, {"lost": [ROW | {"last_order": "2025-01-01", "lost_on": "2025-04-01"}], "newcomers": []})
    text = site.page(f"/merchants/{SILENT}").text
    assert "Likely cause" not in text and "15 Jun 2025" in text


def test_a_later_look_back_replaces_an_earlier_one(looked: Any) -> None:
    assert "price (clear)" in looked.page(f"/merchants/{SILENT}").text
    keep(looked.state, {"lost": [ROW | {"cause": "rival", "cause_en": "a rival"}], "newcomers": []})
    assert "a rival (clear)" in looked.page(f"/merchants/{SILENT}").text


def test_who_never_sold_is_told_what_was_missing(site: Any) -> None:
    assert "never sold" not in site.page(f"/merchants/{NEVER}").text
    row = {"kind": "newcomers", "merchant_id": NEVER, "joined": "2025-06-01", "first_order": None, "last_order": None, "lost_on": "2025-08-30"}
    row |= {"last_step": "joined", "last_step_en": "joined", "last_step_zh": "已入驻", "missing_en": ["nobody ever logged in"], "missing_zh": ["从未登录"]}
    keep(site.state, {"lost": [], "newcomers": [row | {"cause": None}]})
    text = site.page(f"/merchants/{NEVER}").text
    assert "It joined on 1 Jun 2025 and never sold" in text and "What was missing: nobody ever logged in." in text
    assert "缺少：从未登录。" in site.page(f"/merchants/{NEVER}?lang=zh").text


def test_who_sells_is_not_looked_back_on(looked: Any) -> None:
    keep(looked.state, {"lost": [ROW | {"merchant_id": SELLS}], "newcomers": []})
    assert "Looking back" not in looked.page(f"/merchants/{SELLS}").text


@pytest.mark.parametrize("content", ["{", "[]", "null", json.dumps({"lost": None})])
def test_a_damaged_file_is_as_good_as_none(site: Any, content: str) -> None:
    (site.state / "retrospect.json").write_text(content)
    assert "15 Jun 2025" in site.page(f"/merchants/{SILENT}").text
