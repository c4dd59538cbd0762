"""A person's tier or stage is shown beside that of the rules from the moment it is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from serving.explain import explain
from serving.explanation import explanation
from serving.ledger import Ledger
from serving.ledger.acts import Override, lift, override
from serving.lists import at_risk
from serving.override_words import in_force, override_facts, with_overrides
from serving.run import Run


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger.at(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def put(ledger: Ledger, run: Run, merchant: str, field: str = "tier", value: str = "A", **more: object) -> None:
    with ledger.writing() as connection:
        override(connection, Override(merchant, field, value, "signs for a year", date.fromisoformat(run.cutoff), **more), "now")  # type: ignore[arg-type]


def test_who_set_what_why_and_until_when(run: Run, ledger: Ledger) -> None:
    merchant = str(at_risk(run).rows["merchant_id"].iloc[0])
    by_rules = run.merchants.loc[merchant, "tier"]
    assert override_facts(run, in_force(ledger, merchant)) == []
    put(ledger, run, merchant, actor="Ann")
    (found,) = override_facts(run, in_force(ledger, merchant))
    assert (found["value"], found["by_rules"], found["actor"], found["is_locked"]) == ("A", by_rules, "Ann", False)
    sentence = f"tier A (key merchant) set by Ann: signs for a year; lapses at the next scoring; the rules say {by_rules}"
    assert found["words"] == sentence
    facts = explain(run, merchant) | {"overrides": [found]}
    assert explanation(facts).splitlines()[1] == sentence
    (zh,) = override_facts(run, in_force(ledger, merchant), "zh")
    assert zh["words"].startswith("分层A（核心商户）由Ann设定：")


def test_a_locked_one_says_so_and_a_lifted_one_is_gone(run: Run, ledger: Ledger) -> None:
    merchant = str(run.merchants.index[1])
    put(ledger, run, merchant, "stage", "mature", is_locked=True)
    (found,) = override_facts(run, in_force(ledger))
    assert found["words"].startswith("stage mature (mature) set by somebody: signs for a year; locked until it is lifted; the rules say ")
    with ledger.writing() as connection:
        assert lift(connection, merchant, "stage", date.fromisoformat(run.cutoff))
    assert override_facts(run, in_force(ledger)) == []


def test_a_list_has_a_note_for_its_own_merchants_alone(run: Run, ledger: Ledger) -> None:
    listing = at_risk(run)
    first, other = str(listing.rows["merchant_id"].iloc[0]), str(next(name for name in run.merchants.index if name not in set(listing.rows["merchant_id"])))
    for merchant in (first, other, "unknown"):
        put(ledger, run, merchant)
    notes = with_overrides(listing, run, in_force(ledger)).notes
    assert len(notes) == len(listing.notes) + 1 and notes[-1].startswith(f"{first}: tier A")
