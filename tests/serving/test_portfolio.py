"""The tables of the portfolio on merchants counted by hand."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from rich.console import Console

from features.errors import UsageRefused
from serving.access.scope import ScopedRun
from serving.access.who import Who
from serving.portfolio import plots, portfolio, to_csv, to_html, to_json, to_terminal, to_xlsx
from serving.run import Run
from tests.serving.hand import hand_run

LEFT = {"days_since_last_order": 200.0, "churn_risk": None, "lifetime_value": None, "value_at_risk": None, "value_if_kept": None, "expected_profit": None}
MERCHANTS: dict[str, dict[str, Any]] = {
    "a1": {"tier": "A", "gmv_90d": 7000.0, "region": "North", "owner": "Ann", "lifetime_value": 300.0, "churn_risk": 0.1}
    | {"value_at_risk": 60.0, "value_if_kept": 600.0},
    "a2": {"tier": "A", "gmv_90d": 1000.0, "region": "North", "owner": "Ann", "stage": "growing"},
    "c1": {"gmv_90d": 1000.0, "region": "South", "owner": "Ben", "stage": "declining", "churn_risk": 0.9, "value_at_risk": 90.0, "expected_profit": 30.0},
    "e1": {"tier": "E", "gmv_90d": 0.0, "stage": "churned", "region": "South", "owner": "Ben"} | LEFT,
    "e2": {"tier": "E", "gmv_90d": 0.0, "stage": "joined", "region": None, "owner": "Ben"} | LEFT | {"days_since_last_order": None},
}
JOINED = {"a1": "2025-07-10", "a2": "2025-10-02", "c1": "2025-11-20", "e1": "2025-07-20", "e2": "2026-02-01"}
SOLD = {"a1": 0b111111111, "a2": 0b110001, "c1": 0b11111, "e1": 0b110000000, "e2": 0}  # bit 0: March 2026
FACTS = {
    name: {
        "joined_on": JOINED[name],
        "first_order_on": None if name == "e2" else JOINED[name],
        "sold_months": SOLD[name],
        "gmv_ever": 0.0 if name == "e2" else 2000.0,
        "orders_365d": 0.0 if name == "e2" else 10.0 if name == "e1" else 30.0,
        "gmv_365d": MERCHANTS[name]["gmv_90d"] * 3 + 1,
        "channel": "fair" if name in ("a1", "e1") else "search",
        "acquisition_cost": 10.0,
        "lead_cost": 20.0,
        "lead_on": "2025-06-01",
        "won_on": JOINED[name],
        "role": "owner" if name == "a1" else None,
        "functions_90d": {"a1": 6.0, "a2": 2.0}.get(name, 0.0),
    }
    for name in MERCHANTS
}
LEADS = pd.DataFrame({"channel": ["fair", "search"], "leads": [10, 3], "won": [2, 3], "joined": [2, 3], "cost": [400.0, 60.0], "days_to_win": [9.0, 9.0]})


@pytest.fixture
def whole(tmp_path: Path) -> Run:
    return hand_run(tmp_path, MERCHANTS, FACTS, leads=LEADS)


def table(found: dict[str, Any], key: str) -> dict[str, Any]:
    return next(one for one in found["tables"] if one["key"] == key)


def column(found: dict[str, Any], key: str, name: str) -> list[Any]:
    return [row[name] for row in table(found, key)["rows"]]


def test_the_funnel_goes_from_leads_to_mature_merchants(whole: Run) -> None:
    found = portfolio(whole)
    steps = dict(zip(column(found, "funnel", "key"), column(found, "funnel", "count"), strict=True))
    assert steps == {"leads": 13, "won": 5, "joined": 5, "first_order": 4, "selling": 3, "settled": 2, "mature": 1}
    assert column(found, "funnel", "of_before") == [None, 5 / 13, 1.0, 0.8, 0.75, pytest.approx(2 / 3), 0.5]
    assert column(found, "funnel", "of_first")[-1] == 1 / 13


def test_tiers_stand_with_their_part_of_the_sales(whole: Run) -> None:
    found = portfolio(whole)
    assert column(found, "pyramid", "merchants") == [2, 0, 1, 0, 2]
    assert column(found, "pyramid", "gmv_share") == [8 / 9, 0.0, 1 / 9, 0.0, 0.0]
    stages = {row["key"]: row for row in table(found, "stage_tier")["rows"]}
    assert stages["growing"]["A"] == 1 and stages["churned"]["E"] == 1 and stages["declining"]["value_at_risk"] == 90.0
    assert sum(row["all"] for row in stages.values()) == 5


def test_moves_between_tiers_add_up_on_both_sides(whole: Run, tmp_path: Path) -> None:
    before = {name: given | {"tier": {"a1": "B", "c1": "A"}.get(name, given.get("tier", "C"))} for name, given in MERCHANTS.items() if name != "e2"}
    found = portfolio(whole, previous=hand_run(tmp_path / "old", before | {"gone": {"tier": "D"}}, cutoff="2026-03-01"))
    rows = {row["from"]: row for row in table(found, "migration")["rows"]}
    assert rows["B"]["A"] == 1 and rows["A"]["C"] == 1 and rows["A"]["A"] == 1 and rows["E"]["E"] == 1
    assert rows["D"]["gone"] == 1 and rows["new"]["E"] == 1
    assert table(found, "migration")["notes"] == ["since 2026-03-01: 1 merchants moved up, 1 down, 2 stayed"]
    assert "no run before" in table(portfolio(whole), "migration")["absent"]


def test_the_curve_of_concentration_ends_at_everything(whole: Run) -> None:
    found = table(portfolio(whole), "concentration")
    assert found["rows"][0]["gmv_share"] == pytest.approx(7 / 9) and found["rows"][-1] == {"share": 1.0, "merchants": 3, "gmv": 9000.0, "gmv_share": 1.0}
    assert found["curve"]["x"][0] == found["curve"]["y"][0] == 0 and found["curve"]["y"][-1] == pytest.approx(1)
    assert "Gini 0.444" in found["notes"][0]  # mean absolute difference of 7, 1 and 1 is 8/3, over twice the mean of 3


def test_the_share_selling_counts_whoever_had_joined(whole: Run) -> None:
    rows = {row["month"]: row for row in table(portfolio(whole), "selling")["rows"]}
    assert rows["2026-03"] == {"month": "2026-03", "joined": 5, "selling": 3, "share": 0.6}
    assert rows["2025-07"] == {"month": "2025-07", "joined": 2, "selling": 2, "share": 1.0} and "2025-06" not in rows


def test_cohorts_follow_those_who_joined_together(whole: Run) -> None:
    rows = {row["cohort"]: row for row in table(portfolio(whole), "cohorts")["rows"]}
    assert rows["2025 Q3"] == {"cohort": "2025 Q3", "merchants": 2, "p0": 1.0, "p1": 0.5, "p2": 0.5}
    assert rows["2025 Q4"] == {"cohort": "2025 Q4", "merchants": 2, "p0": 1.0, "p1": 1.0}
    assert rows["2026 Q1"] == {"cohort": "2026 Q1", "merchants": 1, "p0": 0.0}
    months = table(portfolio(whole, every="month"), "cohorts")["rows"]
    assert months[0] == {"cohort": "2025-07", "merchants": 2, **{f"p{later}": 1.0 if later < 2 else 0.5 for later in range(9)}}


def test_a_period_that_has_only_begun_is_left_out(tmp_path: Path) -> None:
    facts = {name: given | {"sold_months": given["sold_months"] << 1} for name, given in FACTS.items()}
    found = portfolio(hand_run(tmp_path, MERCHANTS, facts, cutoff="2026-04-03"))
    assert table(found, "selling")["rows"][-1]["month"] == "2026-03"
    assert table(found, "cohorts")["rows"][-1]["cohort"] == "2026 Q1"


def test_value_against_cost_takes_in_the_leads_that_were_lost(whole: Run) -> None:
    rows = {row["group"]: row for row in table(portfolio(whole), "ltv_channel")["rows"]}
    assert rows["fair"]["lead_cost"] == 200.0 and rows["search"]["lead_cost"] == 20.0  # all leads of the channel over those who joined
    assert rows["fair"]["ltv_cac"] == pytest.approx(300 / 210) and rows["fair"]["is_low"] is True
    assert rows["search"]["ltv_cac"] == pytest.approx(200 / 60) and rows["search"]["is_low"] is False
    assert rows["search"]["return_cac"] == pytest.approx((2 * 100 + 200) / 90)  # two have sold, three have cost
    assert rows["all"]["merchants"] == 5 and rows["all"]["scored"] == 3


def test_who_uses_it_and_how_far(whole: Run) -> None:
    rows = table(portfolio(whole), "use")["rows"]
    assert sorted((row["role"], row["maturity"], row["merchants"]) for row in rows) == [
        ("nobody", "no login", 1),
        ("owner", "many functions", 1),
        ("unknown", "few functions", 1),
    ]


def test_sales_at_risk_are_the_margin_at_risk_over_the_take_rate(whole: Run) -> None:
    found = portfolio(whole)
    rows = {row["tier"]: row for row in table(found, "at_risk")["rows"]}
    assert rows["A"]["value_at_risk"] == 80.0 and rows["A"]["gmv_at_risk"] == pytest.approx(1600)
    assert rows["C"]["share_of_all"] == pytest.approx(90 / 170) and rows["E"]["share_at_risk"] is None
    assert {one["key"]: one["value"] for one in found["headline"]}["gmv_at_risk"] == pytest.approx(3400)


def test_groups_are_told_by_what_is_at_risk_and_add_up(whole: Run) -> None:
    found = portfolio(whole, by="region")
    rows = table(found, "groups")["rows"]
    assert [row["group"] for row in rows] == ["South", "North", "unknown"]
    assert sum(row["value_at_risk"] for row in rows) == 170.0 and rows[0]["selling_share"] == 0.5
    with pytest.raises(UsageRefused, match='"region"'):
        portfolio(whole, by="regoin")
    with pytest.raises(UsageRefused, match="have no parent_id; leave out --by chain"):
        portfolio(whole, by="chain")


def test_whoever_sees_some_merchants_is_told_of_those_alone(whole: Run) -> None:
    ann = ScopedRun.of(whole, Who("ann", "manager", frozenset({"Ann"}), None))  # type: ignore[arg-type]
    found = portfolio(ann, by="owner")
    assert [row["group"] for row in table(found, "groups")["rows"]] == ["Ann"]
    assert column(found, "funnel", "count") == [2, 2, 2, 2, 1] and "leads that were not won are told to those only" in table(found, "funnel")["notes"][0]
    assert table(found, "ltv_channel")["rows"][0]["lead_cost"] == 20.0  # its own lead, not those of others
    assert "only who see all merchants" in table(found, "proof")["absent"]
    alone = hand_run(whole.path.parent.parent / "alone", *({name: given[name] for name in ("a1", "a2")} for given in (MERCHANTS, FACTS)))
    same = portfolio(alone, by="owner")
    for key in ("pyramid", "rfm", "rfm_kinds", "cohorts", "concentration", "groups", "calling", "use"):
        assert table(found, key) == table(same, key), key


def test_a_run_without_the_portfolio_s_table_says_so(tmp_path: Path) -> None:
    found = portfolio(hand_run(tmp_path, MERCHANTS))
    for key in ("selling", "cohorts"):
        assert table(found, key)["absent"] == "this run was published without it; type keepwell score" and not table(found, key)["rows"]
    assert "acquisition_cost" in table(found, "ltv_scale")["absent"] and "logins" in table(found, "use")["absent"]
    assert column(found, "funnel", "key")[0] == "joined"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_plot_is_a_drawing_and_the_page_needs_nothing_else(whole: Run, lang: Any) -> None:
    found = portfolio(whole, previous=whole, by="region", lang=lang)
    drawn = plots(json.loads(to_json(found)))
    assert {"funnel", "pyramid", "stage_tier", "migration", "calling", "concentration", "rfm", "cohorts", "ltv_channel", "groups"} <= drawn.keys()
    for key, drawing in drawn.items():
        ElementTree.fromstring(f"<g>{drawing}</g>")
        assert "nan" not in drawing, key
    page = to_html(found).decode()
    assert f'<html lang="{lang}">' in page and "<script" not in page and not re.search(r"(src|href)=", page)
    english = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    if lang == "zh":
        assert not re.search(r"\b(merchants|sales|leads|share|risk)\b", english)


def test_files_hold_every_table_and_no_formula(whole: Run, tmp_path: Path) -> None:
    evil = {name: given | {"region": "=1+1"} for name, given in MERCHANTS.items()}
    found = portfolio(hand_run(tmp_path / "evil", evil, FACTS), by="region")
    lines = list(csv.reader(io.StringIO(to_csv(found).decode("utf-8-sig"))))
    assert [line[0] for line in lines if "1+1" in "".join(line)] == ["'=1+1"]
    with zipfile.ZipFile(io.BytesIO(to_xlsx(found))) as book:
        sheets = [book.read(name).decode() for name in book.namelist() if "worksheets/sheet" in name]
    assert len(sheets) == 1 + sum(not one["absent"] for one in found["tables"]) and not any("<f>" in sheet for sheet in sheets)
    assert "&lt;b&gt;" in to_html(portfolio(hand_run(tmp_path / "b", {"m1": {"region": "<b>"}}, None), by="region")).decode()


def test_a_narrow_terminal_still_shows_whole_numbers(whole: Run) -> None:
    console = Console(width=60, record=True, soft_wrap=True)
    console.print(to_terminal(portfolio(whole, by="region")))
    text = console.export_text()
    assert "leads contacted" in text and "€1,600" in text and "€7,000" in text and "…" not in text
