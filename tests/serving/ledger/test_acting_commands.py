"""`keepwell record` and `keepwell proof` as a person types them, on a simulated market that was scored twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_nightly import content, same, stage

from features.settings import read_settings
from features.simulate import simulate
from features.snapshot import Market
from serving.ledger import Ledger
from serving.nightly import run_once
from serving.rules import read_rules
from serving.run import current_run


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Any:
    """`run("proof", at=home)`: the command line, as at the top of the tests (a run of the serving tests is something else)."""
    return request.config.pluginmanager.get_plugin(str(request.config.rootpath / "tests" / "conftest.py")).typed  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated market scored 120 and 7 days before its end."""
    home = tmp_path_factory.mktemp("acting") / "market"
    simulate(home, merchants=250, seed=5, days=420, orders_per_merchant=40)
    market = Market.open(home / "keepwell.toml")
    _, champion, rules = stage()
    ledger = Ledger.open(market.settings)
    for ago in (120, 7):
        run_once(market, market.source.end_day - ago, champion, rules, ledger, state_dir=market.settings.state_dir, created_at="t")
    ledger.close()
    return home


@pytest.fixture
def home(twice: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(twice, tmp_path / "market"))


@pytest.fixture
def opened(home: Path) -> Any:
    settings = read_settings(home / "keepwell.toml")
    ledger = Ledger.open(settings)
    run = current_run(settings.state_dir)
    yield SimpleNamespace(ledger=ledger, run=run, warned=str(run.warnings["merchant_id"].iloc[0]))
    ledger.close()


def test_a_deed_is_recorded_and_its_warnings_closed(run: Any, home: Path, opened: Any) -> None:
    words = ("record", opened.warned, "--outcome", "resolved", "--offer", "rebate", "--cost", "12.5", "--by", "Ann", "--key", "k1")
    said = run(*words, "--json", at=home)
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert answer["is_new"] and answer["closed"]
    row = opened.ledger.table("dispositions").iloc[0]
    assert (row["cost"], row["actor"], f"{row['done_on']:%Y-%m-%d}") == (12.5, "Ann", opened.run.cutoff)
    again = run(*words, at=home)
    assert again.code == 0 and "nothing was added" in again.out
    assert len(opened.ledger.table("dispositions")) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody", "--outcome", "resolved"), "is not in run"),
        (("MERCHANT", "--outcome", "reslved"), 'did you mean "resolved"'),
        (("MERCHANT",), "nothing was given to record"),
        (("MERCHANT", "--outcome", "lost", "--tier", "A"), "give one of"),
        (("MERCHANT", "--outcome", "lost", "--on", "yesterday"), "is not a date"),
        (("MERCHANT", "--outcome", "lost", "--on", "2999-01-01"), "has not come yet"),
        (("MERCHANT", "--tier", "Z", "--reason", "x"), "is not in the rules"),
        (("MERCHANT", "--tier", "A"), "needs a reason"),
        (("MERCHANT", "--snooze-until", "2999-01-01"), "needs a reason"),
        (("MERCHANT", "--lift", "tier"), "is not overridden"),
        (("MERCHANT", "--lift", "tire"), 'did you mean "tier"'),
        (("MERCHANT", "--outcome", "lost", "--on", "1900-01-01"), "over a year before the list of"),
        (("MERCHANT", "--outcome", "lost", "--cost", "1e308"), "is not an amount of money"),
        (("MERCHANT", "--outcome", "lost", "--lock"), "--lock does not go with --outcome"),
        (("MERCHANT", "--tier", "A", "--reason", "x", "--cost", "5"), "--cost does not go with --tier"),
        (("MERCHANT", "--snooze-until", "2999-01-01", "--note", "on holiday"), "--note does not go with --snooze-until"),
    ],
)
def test_what_cannot_be_recorded_is_one_sentence_and_nothing_is(run: Any, home: Path, opened: Any, words: tuple[str, ...], said: str) -> None:
    before = content(opened.ledger)
    answer = run("record", *(opened.warned if word == "MERCHANT" else word for word in words), at=home)
    assert answer.code == 2 and said in answer.err and answer.err.count("\n") == 1 and "Traceback" not in answer.err
    assert same(content(opened.ledger), before)


def test_snooze_override_and_lift(run: Any, home: Path, opened: Any) -> None:
    words = ("record", opened.warned, "--reason", "new owner")
    assert run(*words, "--snooze-until", "2999-01-01", at=home).code == 0
    assert run(*words, "--tier", "A", "--lock", at=home).code == 0
    assert opened.ledger.table("overrides")["is_locked"].tolist() == [True]
    assert run("record", opened.warned, "--lift", "tier", "--by", "Ann", at=home).code == 0
    assert opened.ledger.table("overrides")["lapsed_on"].notna().all()
    last = opened.ledger.table("audit").iloc[-1]
    assert (last["what"], last["merchant_id"], last["actor"], last["detail"]["field"]) == ("lifted", opened.warned, "Ann", "tier")


def test_an_outcome_is_known_however_it_is_written_and_a_repeat_is_said(run: Any, home: Path, opened: Any) -> None:
    words = ("record", opened.warned, "--outcome", "No Issue", "--by", "Ann")
    first = run(*words, at=home)
    assert first.code == 0 and "no issue for" in first.out and "before" not in first.out
    assert "The same was recorded for" in run(*words, at=home).out
    assert "The same" not in run("record", opened.warned, "--outcome", "no issue", "--by", "Bob", at=home).out


def test_proof_settles_what_is_due_and_cannot_tell_yet(run: Any, home: Path, opened: Any) -> None:
    said = run("proof", at=home)
    assert said.code == 0, said.err
    assert "Cannot tell yet" in said.out and "Warnings" in said.out
    settled = opened.ledger.table("outcomes")
    assert len(settled) and settled["since"].nunique() == 1, "only the first run's horizon has passed"
    facts = json.loads(run("proof", "--json", at=home).out)
    assert facts["verdict"] == "cannot tell yet" and facts["matured"] > 0
    kinds = {row["kind"]: row for row in facts["warnings"]}
    assert kinds and all(row["fired"] >= row["matured"] for row in kinds.values())
    assert len(opened.ledger.table("outcomes")) == len(settled)


# --- rules and capacities that make no sense, as typed


BAD_RULES = {
    "unknown score": ('"growth_potential", op = ">=", value = 0.45', '"growth_potental", op = ">=", value = 0.45', 'did you mean "growth_potential"'),
    "99 points": ('value = 0.2, points = 13', 'value = 0.2, points = 12', "most that can be earned is 99 points"),
    "until tighter than when": ('op = "<", value = 0.38 }', 'op = "<", value = 0.6 }', "is tighter than its `when`"),
    "two tiers match": ("below = 66", "below = 70", "overlap between 66 and 70 points"),
    "no cost": (', cost = "contact_cost"', "", "a play without `cost`"),
    "all held out": ("share = 0.1 ", "share = 1.0 ", "nobody could be acted on"),
    "capacity 0": ("capacity_per_owner = 40", "capacity_per_owner = 0", "greater than or equal to 1"),
}


@pytest.mark.parametrize("what", BAD_RULES)
def test_bad_rules_are_one_sentence_and_nothing_is_applied(run: Any, home: Path, listing: Any, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Checked, previewed or scored with: the runs, the ledger and the list stay as they were."""
    monkeypatch.setattr("serving.champion.load_champion", lambda state: stage()[1])
    old, new, said = BAD_RULES[what]
    text = read_rules().text
    assert old in text
    (home / "bad.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    before, list_before = listing(home), run("at-risk", "--json", at=home).out
    for words in (("rules", "check", "bad.toml"), ("rules", "preview", "bad.toml"), ("score", "--rules", "bad.toml")):
        answer = run(*words, at=home)
        assert (answer.code, answer.out) == (2, ""), (words, answer)
        assert said in answer.err and answer.err.count("\n") == 1 and answer.err.strip()[-1] in ".?"
    assert listing(home) == before and run("at-risk", "--json", at=home).out == list_before


def test_good_rules_would_have_been_applied(run: Any, home: Path, listing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the test before would hold for a command that never scores."""
    monkeypatch.setattr("serving.champion.load_champion", lambda state: stage()[1])
    (home / "good.toml").write_text(read_rules().text + "\n# mine\n", encoding="utf-8")
    before = listing(home)
    answer = run("score", "--rules", "good.toml", at=home)
    assert answer.code == 0, answer.err
    assert listing(home) != before


@pytest.mark.parametrize("name", ["at-risk", "growth"])
def test_a_capacity_of_nobody_is_refused(run: Any, home: Path, listing: Any, name: str) -> None:
    before = listing(home)
    answer = run(name, "--capacity", "0", "--out", "list.csv", at=home)
    assert answer.code == 2 and answer.out == "" and "capacity 0 is less than one merchant" in answer.err
    assert listing(home) == before


def test_a_key_used_for_something_else_is_refused_and_nothing_recorded(run: Any, home: Path, opened: Any) -> None:
    words = ("record", opened.warned, "--outcome", "attempted", "--key", "k1")
    assert run(*words, at=home).code == 0
    before = content(opened.ledger)
    answer = run(*words, "--cost", "5", at=home)
    assert answer.code == 2 and "was already used for another disposition" in answer.err and answer.err.count("\n") == 1
    assert same(content(opened.ledger), before)
