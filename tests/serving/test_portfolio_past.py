"""What the ledger adds to the portfolio: expected churn against what happened, warnings, proof; and the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import serving.portfolio.expected as past
from features.settings import Churn, Growth
from serving.ledger import Ledger
from serving.matured import Matured
from serving.portfolio import portfolio
from serving.portfolio.expected import EXPECTED, judged
from serving.run import Run
from tests.serving.hand import hand_run

JULY = Matured("2025-07-01-aaaaaaaa", "2025-07-01", "abc", 100, 0.2, 0.3, 0.15, 0.25, 0.8, 0.1, 0.03, 900.0, 1000.0)
AUGUST = replace(JULY, run_id="2025-08-01-bbbbbbbb", cutoff="2025-08-01", happened=0.21)
SETTINGS = SimpleNamespace(churn=Churn(), growth=Growth())


def told(run: Run, key: str, **given: Any) -> dict[str, Any]:
    return next(one for one in portfolio(run, **given)["tables"] if one["key"] == key)


def test_a_matured_run_is_judged_once_and_never_before_its_horizon_has_passed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[date, frozenset[str]]] = []

    def found(ledger: Any, market: Any, *, until: date, but: frozenset[str]) -> list[Matured]:
        asked.append((until, but))
        return [one for one in (JULY, AUGUST) if date.fromisoformat(one.cutoff) <= until and one.run_id not in but]

    monkeypatch.setattr(past, "matured", found)
    market: Any = SimpleNamespace(settings=SETTINGS)
    first = judged(None, market, date(2025, 10, 1), None)  # type: ignore[arg-type]
    assert first["run_id"].tolist() == [JULY.run_id] and asked == [(date(2025, 7, 3), frozenset())]
    second = judged(None, market, date(2025, 11, 1), hand_run(tmp_path, {"m1": {}}, **{EXPECTED: first}))  # type: ignore[arg-type]
    assert second["cutoff"].tolist() == ["2025-07-01", "2025-08-01"] and asked[-1] == (date(2025, 8, 3), frozenset({JULY.run_id}))
    earlier = judged(None, market, date(2025, 10, 5), hand_run(tmp_path, {"m1": {}}, **{EXPECTED: second}))  # type: ignore[arg-type]
    assert earlier["cutoff"].tolist() == ["2025-07-01"]  # a run of the past is not told what came after it


def test_told_and_happened_stand_side_by_side(tmp_path: Path) -> None:
    table = pd.DataFrame([asdict(one) | {"level": one.level} for one in (JULY, AUGUST)])
    found = told(hand_run(tmp_path, {"m1": {}}, **{EXPECTED: table}), EXPECTED)
    assert [(row["told"], row["happened"], row["level"]) for row in found["rows"]] == [(0.2, 0.3, "off"), (0.2, 0.21, "as told")]
    assert "no earlier run's horizon has passed" in told(hand_run(tmp_path / "new", {"m1": {}}), EXPECTED)["absent"]


def test_warnings_and_proof_are_those_of_the_ledger(tmp_path: Path) -> None:
    ledger = Ledger.at("sqlite://")
    run = hand_run(tmp_path, {"m1": {}})
    assert told(run, "warnings", ledger=ledger)["absent"] == "no warning has fired yet"
    assert told(run, "proof", ledger=ledger, lang="zh")["absent"] == "尚未抽样"
    ledger.close()


@pytest.fixture
def at_home(tmp_path: Path) -> Path:
    """A platform whose run was published, with a merchant of a chain."""
    pd.DataFrame({"order_id": ["o1"], "merchant_id": ["m1"], "ordered_at": ["2026-01-01"], "amount": [1.0]}).to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "keepwell.toml").write_text('[source]\norders = "orders.csv"\n')
    hand_run(tmp_path / ".keepwell", {"m1": {"parent_id": "big"}, "m2": {"churn_risk": 0.3}, "m3": {"churn_risk": 0.05, "growth_potential": 0.05}})
    return tmp_path


Typed = Callable[..., Any]


@pytest.fixture
def typed() -> Typed:
    """`typed("portfolio", at=home)`; the fixture `run` of all tests is a published run here."""
    from tests.conftest import typed as said

    return said


def test_the_command_shows_writes_and_refuses(typed: Typed, at_home: Path) -> None:
    assert "Tier pyramid" in typed("portfolio", "--lang", "en", at=at_home).out
    assert json.loads(typed("portfolio", "--json", "--by", "chain", at=at_home).out)["tables"][0]["rows"][0]["group"] == "big"
    for name in ("p.html", "p.xlsx", "p.csv", "p.json"):
        said = typed("portfolio", "--out", name, "--lang", "zh", at=at_home)
        assert said.code == 0 and (at_home / name).stat().st_size > 1000
    for words, message in (
        (("--by", "industri"), 'did you mean "industry"'),
        (("--by", "owner"), "have no owner; leave out --by owner"),
        (("--every", "week"), "use quarter or month"),
        (("--out", "p.pdf"), "expected one of .html, .xlsx, .csv, .json"),
        (("--lang", "fr"), "language 'fr'"),
    ):
        said = typed("portfolio", *words, at=at_home)
        assert (said.code, said.out) == (2, "") and message in said.err and not (at_home / "p.pdf").exists()


def test_the_lists_roll_up_chains(typed: Typed, at_home: Path) -> None:
    rows = json.loads(typed("at-risk", "--by", "chain", "--json", at=at_home).out)["rows"]
    assert [row["chain"] for row in rows] == ["big", "m2"]
    assert typed("growth", "--by", "chain", "--out", "g.xlsx", at=at_home).out == "Wrote 2 chains to g.xlsx.\n"
    assert 'did you mean "chain"' in typed("at-risk", "--by", "chian", at=at_home).err
