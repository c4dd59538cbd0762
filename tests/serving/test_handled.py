"""What people did about a merchant is on the list from the moment it is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from serving.explain import explain
from serving.explanation import explanation
from serving.export import to_csv, to_table
from serving.handled import handled, with_handled
from serving.ledger import Ledger
from serving.ledger.acts import Disposition
from serving.ledger.bulk import add
from serving.ledger.schema import runs, warnings
from serving.lists import at_risk
from serving.record import recorded, snoozed, waiting
from serving.run import Run


@pytest.fixture
def ledger(tmp_path: Path, run: Run) -> Iterator[Ledger]:
    """A ledger with the warnings of the run."""
    made = Ledger.at(f"sqlite:///{tmp_path / 'ledger.db'}")
    day = pd.Timestamp(run.cutoff)
    one = {"run_id": run.run_id, "cutoff": date.fromisoformat(run.cutoff), "model_version": "m", "rules_hash": "h", "created_at": "t", "merchants": 1}
    opened = run.warnings[["merchant_id", "kind", "severity"]].assign(
        opened_on=day, due_on=day, turned_on=day, is_holding=True, recurrences=0, escalations=0, is_held_out=False, run_no=1
    )
    with made.writing() as connection:
        connection.execute(runs.insert().values(one))
        add(connection, warnings, opened)
    yield made
    made.close()


def done(run: Run, merchant: str, days: int = 1, **more: str) -> Disposition:
    return Disposition(f"k{merchant}{days}", merchant, date.fromisoformat(run.cutoff) + timedelta(days), more.pop("outcome", "resolved"), **more)  # type: ignore[arg-type]


def printed(run: Run, said: dict[str, str]) -> str:
    console = Console(width=200, record=True, file=StringIO())
    console.print(to_table(with_handled(at_risk(run, capacity=3), said)))
    return console.export_text()


def test_where_nothing_was_done_the_list_says_nothing_and_files_have_the_same_columns(run: Run, ledger: Ledger) -> None:
    assert handled(ledger, run) == {}
    assert "✓" not in printed(run, {})
    for said in ({}, {"nobody": "resolved"}):
        listing = with_handled(at_risk(run), said)
        assert listing.notes == at_risk(run).notes
        assert to_csv(listing).decode("utf-8-sig").splitlines()[0].endswith(",handled")
        assert listing.rows["handled"].isna().all()


def test_the_last_deed_since_the_cutoff_is_told_with_its_day_and_who(run: Run, ledger: Ledger) -> None:
    first, second, third = at_risk(run).rows["merchant_id"].astype(str)[:3]
    recorded(ledger, run, done(run, first, outcome="attempted"), "t")
    recorded(ledger, run, done(run, first, 2, actor="Ann"), "t")
    recorded(ledger, run, done(run, second, -5), "t")
    recorded(ledger, run, done(run, third), "t")
    day, next_day = (date.fromisoformat(run.cutoff) + timedelta(days=days) for days in (2, 1))
    assert handled(ledger, run) == {first: f"resolved, {day} (Ann)", third: f"resolved, {next_day}"}
    assert handled(ledger, run, "zh") == {first: f"已解决：挽回，{day}（Ann）", third: f"已解决：挽回，{next_day}"}
    text = printed(run, handled(ledger, run))
    assert f"✓ resolved, {day} (Ann)" in text and text.count("✓ ") == 2
    assert f"handled since {run.cutoff}: 2 of the 3 shown, marked with ✓" in text
    facts = explain(run, first) | {"handled": handled(ledger, run)[first]}
    assert f"\n✓ resolved, {day} (Ann)\n" in explanation(facts)


def test_what_waits_is_told_until_its_day_and_not_beyond(run: Run, ledger: Ledger) -> None:
    warned = str(run.warnings["merchant_id"].iloc[0])
    calm = next(str(name) for name in run.merchants.index if name not in set(run.warnings["merchant_id"]))
    until = date.fromisoformat(run.cutoff) + timedelta(days=9)
    snoozed(ledger, run, warned, until, "=on holiday", kind=None, actor=None, at="t")
    waiting(ledger, run, calm, until, "moves house", actor=None, at="t")
    assert handled(ledger, run) == {warned: f"put aside until {until}: =on holiday", calm: f"put aside until {until}: moves house"}
    later = replace(run, header={**run.header, "cutoff": str(until)})
    assert handled(ledger, later) == {}


def test_a_merchant_with_one_loud_warning_does_not_wait(run: Run, ledger: Ledger) -> None:
    counts = run.warnings.groupby("merchant_id").size()
    merchant = str(counts[counts > 1].index[0])
    kind = str(run.warnings.loc[run.warnings["merchant_id"] == merchant, "kind"].iloc[0])
    snoozed(ledger, run, merchant, date.fromisoformat(run.cutoff) + timedelta(days=9), "asked", kind=kind, actor=None, at="t")
    assert handled(ledger, run) == {}


def test_the_column_of_a_file_is_guarded(run: Run, ledger: Ledger) -> None:
    first = str(at_risk(run).rows["merchant_id"].iloc[0])
    content = to_csv(with_handled(at_risk(run), {first: "=cmd"})).decode("utf-8-sig")
    assert content.splitlines()[0].endswith(",handled") and "'=cmd" in content
