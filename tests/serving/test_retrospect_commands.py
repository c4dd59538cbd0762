"""`keepwell retrospect` as it is typed: the list, one merchant, newcomers, files, both languages, and what it refuses."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lost_market import BRIEF, IDLE, LOST, lost_market

from serving.retrospect_kept import kept_of

Run = Callable[..., Any]
ALL = ("--tier", "A,B,C,D,E")


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Any:
    """`run("retrospect", at=home)`: the command line, as at the top of the tests (a run of the serving tests is something else)."""
    return request.config.pluginmanager.get_plugin(str(request.config.rootpath / "tests" / "conftest.py")).typed  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform on which nothing has run yet."""
    return lost_market(tmp_path_factory.mktemp("lost")).parent


@pytest.fixture(scope="module")
def asked(run: Run, home: Path) -> Callable[..., Any]:
    """What the command says to some words, asked once."""
    return cache(lambda *words: run("retrospect", "keepwell.toml", *words, at=home))


def test_as_json_everything_is_there_and_it_is_kept(run: Run, home: Path) -> None:
    said = run("retrospect", "keepwell.toml", *ALL, "--json", at=home)
    assert said.code == 0
    found = json.loads(said.out)
    causes = {row["merchant_id"]: row["cause"] for row in found["lost"]}
    assert causes["closed"] == "business closed" and {causes[name] for name in LOST[:4]} == set(LOST[:4])
    whole = {"timeline", "warned", "days_ahead", "acted_on", "rules_that_held", "rule_change", "likes", "confidence", "sure_zh", "evidence_zh"}
    assert whole <= set(found["lost"][0]) and {row["merchant_id"] for row in found["newcomers"]} > {BRIEF, IDLE}
    assert kept_of(home / ".keepwell", "rival") == next(row for row in found["lost"] if row["merchant_id"] == "rival")


def test_only_the_upper_tiers_unless_asked_for_others(asked: Callable[..., Any]) -> None:
    few, all_of_them = (json.loads(asked(*words, "--json").out)["lost"] for words in ((), ALL))
    assert {row["tier"] for row in few} <= {"A", "B"} and 0 < len(few) < len(all_of_them)


def test_the_list_ends_with_the_sums_and_says_what_it_stands_on(asked: Callable[..., Any]) -> None:
    said = asked(*ALL)
    assert said.code == 0 and "7 lost; causes: price 1, service 1, a rival 1, season 1, business closed 1, unknown 2" in said.out
    assert "4 newcomers left before they grew, 3 of them without a first order" in said.out
    assert "no run is in the ledger yet" in said.out and "no model was promoted yet" in said.out
    assert "clear" in said.out


def test_in_chinese_it_is_all_chinese(asked: Callable[..., Any]) -> None:
    said = asked(*ALL, "--lang", "zh")
    assert said.code == 0
    for words in ("流失商户复盘", "可能原因", "价格", "停业", "流失7家", "其中3家从未出单", "台账中尚无运行记录"):
        assert words in said.out.replace("\n", "")
    assert "likely cause" not in said.out and "lost;" not in said.out


def test_one_merchant_is_told_with_its_timeline(asked: Callable[..., Any]) -> None:
    said = asked(*ALL, "--merchant", "service")
    assert said.code == 0 and said.out.startswith("service · Service")
    text = " ".join(said.out.split())
    for part in ("Its last order was on 2025-08-13; it counts as lost since 2025-11-11.", "Likely cause: service (clear).", "late_delivery_surge"):
        assert part in text
    assert "(recomputed)" in text
    row = json.loads(asked(*ALL, "--merchant", "service", "--json").out)
    assert row["merchant_id"] == "service" and row["cause"] == "service"


def test_newcomers_are_told_what_was_missing(asked: Callable[..., Any]) -> None:
    told = " ".join(asked("--merchant", IDLE).out.split())
    assert "It joined on 2025-02-04 and never sold" in told and "nobody ever logged in; no campaign was begun for it" in told
    chinese = asked("--merchant", IDLE, "--lang", "zh").out.replace("\n", "")
    assert "从未登录；未安排任何活动" in chinese
    listed = asked("--newcomers", "--out", "new.csv", "--json")
    assert json.loads(listed.out) == {"out": "new.csv", "rows": 4}


def test_a_terminal_shows_the_first_of_a_long_list_and_says_so(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.retrospect_commands.SHOWN", 1)
    said = run("retrospect", "keepwell.toml", "--newcomers", at=home)
    assert said.code == 0 and "… and 3 more; --out FILE writes all of them" in said.out and "4 newcomers left" in said.out


@pytest.mark.parametrize("file", ["look.csv", "look.xlsx", "look.json"])
def test_it_writes_the_list_to_a_file(asked: Callable[..., Any], home: Path, file: str) -> None:
    said = asked(*ALL, "--out", file)
    assert said.code == 0 and f"Wrote 7 look backs to {file}." in said.out
    if file.endswith("csv"):
        assert "subsidy rose by" in (home / file).read_text(encoding="utf-8-sig")
    elif file.endswith("xlsx"):
        with zipfile.ZipFile(home / file) as book:
            assert "subsidy rose by" in book.read("xl/sharedStrings.xml").decode()
    else:
        assert len(json.loads((home / file).read_text())["lost"]) == 7


def test_nobody_lost_is_one_sentence_and_no_error(asked: Callable[..., Any]) -> None:
    said = asked("--since", "2025-12-31")
    assert said.code == 0 and said.err == ""
    text = " ".join(said.out.split())
    assert text.startswith("Nobody was lost from tier A, B between 2025-12-31 and 2025-12-31; give other tiers with --tier or an earlier --since.")
    assert asked("--since", "2025-12-31", "--lang", "zh").out.startswith("2025-12-31至2025-12-31之间，A, B层无商户流失")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--merchant", "servce"), "merchant 'servce' is not in the data; did you mean \"service\"?"),
        (("--merchant", "peer00"), "merchant 'peer00' has no look back: it was not lost from tier A, B between 2024-12-31 and 2025-12-31; give other"),
        (("--tier", "F"), "--tier 'F' is not a tier"),
        (("--since", "soon"), "--since 'soon' is not a date; write it as 2026-06-01."),
        (("--since", "2999-01-01"), "--since 2999-01-01 is after 2025-12-31, when the data ends"),
        (("--lang", "fr"), "fr"),
        (("--merchant", "price", "--out", "x.csv"), "--merchant tells of one merchant on the screen"),
        (("--out", "x.pdf"), "x.pdf"),
    ],
)
def test_a_refusal_is_one_sentence(asked: Callable[..., Any], home: Path, words: tuple[str, ...], sentence: str) -> None:
    said = asked(*words)
    assert said.code == 2 and said.out == ""
    assert sentence in said.err and said.err.count("\n") == 1 and "Traceback" not in said.err
    assert not list(home.glob("x.*"))


def test_a_refused_merchant_leaves_nothing_behind(asked: Callable[..., Any], home: Path, listing: Callable[[Path], dict[str, str]]) -> None:
    before = listing(home)
    assert asked("--merchant", "nobody").code == 2
    assert listing(home) == before


def test_a_file_of_another_kind_is_refused_before_anything_is_looked_at(run: Run, tmp_path: Path) -> None:
    assert "x.pdf ends in '.pdf'" in run("retrospect", "nowhere.toml", "--out", "x.pdf", at=tmp_path).err


def test_a_config_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    said = run("retrospect", "none.toml", at=tmp_path)
    assert said.code == 2 and "none.toml" in said.err
