"""What people read of one merchant: a scorecard that adds up, the way to the next tier, and no English under --lang zh."""

from __future__ import annotations

import re

import pytest

from serving.explain import MOVING, explain
from serving.explanation import MOVED, explanation
from serving.lists import at_risk
from serving.run import Run

LATIN = re.compile(r"[A-Za-z]{3,}")


@pytest.fixture(scope="module")
def merchant(run: Run) -> str:
    return str(at_risk(run).rows["merchant_id"].iloc[0])


def test_the_scorecard_adds_up_by_hand(run: Run) -> None:
    for name in run.merchants.index:
        told = explain(run, name)
        total = round(sum(line["points"] for line in told["scorecard"]), 1)
        assert told["points"]["points"] == min(max(total, 0), 100)
        assert round(sum(line["maximum"] for line in told["scorecard"] if line["section"] != "negative"), 1) == 100


def test_the_way_to_the_next_tier_brings_what_lacks(run: Run) -> None:
    ways = 0
    for name in run.merchants.index:
        found = explain(run, name)["next_tier"]
        if found and found["way"]:
            ways += 1
            assert round(sum(move["points"] for move in found["way"]), 1) >= found["points"]
            assert all(move["effort"] > 0 and move["words"] for move in found["way"])
    assert ways > 5


def test_the_text_says_points_tier_and_benefits(run: Run, merchant: str) -> None:
    text = explanation(explain(run, merchant))
    assert re.search(r"^[\d.]+ points = explicit value [\d.]+ \+ potential value", text, re.MULTILINE)
    assert "what tier " in text and "next: " in text and "in this stage since " in text
    assert "points points" not in text


def test_the_chinese_text_is_chinese(run: Run, merchant: str) -> None:
    told = explain(run, merchant, lang="zh")
    text = explanation(told | {"name": None, "merchant_id": "1"}, "zh")
    lines = [line for line in text.splitlines() if "GBP" not in line]
    words = [word for line in lines for word in LATIN.findall(line) if word not in (*run.merchants.index, "bakery", "florist")]
    assert words == []


def test_what_moved_is_told_in_words_and_whole_numbers(run: Run, merchant: str) -> None:
    pairs = {"churn_risk": (0.491, 0.519), "growth_potential": (None, 0.4), "expected_gmv": (1234.5, 98765.0), "points": (36.5, 33.0), "tier": ("B", "C")}
    changes = {key: {"from": was, "to": now} for key, (was, now) in pairs.items()}
    facts = explain(run, merchant) | {"moved": {"cutoff": "2026-01-01", "changes": changes}}
    sentence = "since 2026-01-01: risk 49.1% → 51.9%, chance to grow – → 40.0%, expected sales 1,234 → 98,765, points 36.5 → 33, tier B → C"
    assert sentence in explanation(facts).splitlines()
    zh = explanation(facts, "zh")
    assert "流失概率 49.1% → 51.9%" in zh and "expected_gmv" not in zh
    assert set(MOVED) == set(MOVING)
