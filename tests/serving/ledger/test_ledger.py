"""The ledger on SQLite and PostgreSQL: migrated, durable, whole after a kill, and the same run twice adds nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from features.errors import DataRefused, UsageRefused
from serving.ledger import Entry, Ledger
from serving.ledger.schema import audit, metadata

DAY = "datetime64[s]"


def entry(cutoff: str = "2026-01-01", run_id: str = "", after: int = 0, risk: float = 0.5) -> Entry:
    header = {"run_id": run_id or f"{cutoff}-0000", "cutoff": cutoff, "model_version": "m", "rules_hash": "r", "created_at": f"{cutoff}T06:00:00"}
    since = pd.Series(pd.Timestamp(cutoff)).astype(DAY)[0]
    scores = pd.DataFrame(
        {
            "churn_risk": [risk, np.nan],
            "points": [80.0, 20.0],
            "tier": ["A", "D"],
            "tier_since": pd.Series([since, since]).astype(DAY).to_numpy(),
            "tier_pending": ["B", None],
            "tier_pending_since": pd.Series([since, pd.NaT]).astype(DAY).to_numpy(),
            "stage": ["mature", "joined"],
            "stage_since": pd.Series([since, since]).astype(DAY).to_numpy(),
        },
        index=pd.Index(['he said "hi", twice', "王记面包"], name="merchant_id"),
    )
    return Entry(header, scores, after=after)


def counted(ledger: Ledger) -> dict[str, int]:
    return {name: len(ledger.table(name)) for name in metadata.tables}


def test_the_migrated_tables_are_those_of_the_schema(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_sqlite_is_durable(tmp_path) -> None:
    opened = Ledger.at(f"sqlite:///{tmp_path / 'ledger.db'}")
    with opened.reading() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    opened.close()


def test_what_a_run_added_is_there_after_a_restart(ledger: Ledger, url: str) -> None:
    given = entry()
    assert ledger.commit_run(given) == 1
    ledger.close()
    again = Ledger.at(url)
    found = again.previous_grades(date(2026, 1, 2))
    assert found is not None
    names = [name for name in given.scores if name in found]
    pd.testing.assert_frame_equal(found[names].sort_index(), given.scores[names].sort_index(), check_dtype=False)
    assert str(found["tier_since"].dtype) == DAY and found["tier_pending_since"].isna().sum() == 1
    assert again.last_cutoff() == date(2026, 1, 1)
    again.close()


def test_the_same_run_twice_adds_nothing(ledger: Ledger) -> None:
    ledger.commit_run(entry())
    once = counted(ledger)
    assert ledger.commit_run(entry()) == 1
    assert counted(ledger) == once
    assert once["runs"] == 1 and once["scores"] == 2 and once["audit"] == 1


def test_a_run_computed_before_another_was_committed_is_refused(ledger: Ledger) -> None:
    ledger.commit_run(entry())
    with pytest.raises(DataRefused, match=r"another run was recorded while other .* type `keepwell score` again"):
        ledger.commit_run(entry(run_id="other", after=0))
    assert counted(ledger)["runs"] == 1
    ledger.commit_run(entry(run_id="other", after=1))


def test_previous_grades_are_of_an_earlier_cutoff(ledger: Ledger) -> None:
    assert ledger.previous_grades(date(2026, 1, 1)) is None
    ledger.commit_run(entry("2026-01-08"))
    assert ledger.previous_grades(date(2026, 1, 8)) is None, "a rerun must not see its own grades"
    assert ledger.previous_grades(date(2026, 1, 9)) is not None


@pytest.mark.parametrize("deed", ["UPDATE audit SET what = 'x'", "DELETE FROM audit"])
def test_the_audit_is_append_only(ledger: Ledger, deed: str) -> None:
    with ledger.writing() as connection:
        connection.execute(insert(audit).values(what="test", merchant_id="a", at="now", actor="Ann", detail={"n": 1}))
    with pytest.raises(DBAPIError, match="append-only"), ledger.writing() as connection:
        connection.execute(text(deed))
    line = ledger.table("audit").iloc[0]
    assert (line["what"], line["actor"], line["detail"]) == ("test", "Ann", {"n": 1})


def test_history_of_one_merchant(ledger: Ledger) -> None:
    ledger.commit_run(entry())
    ledger.commit_run(entry("2026-01-08", after=1, risk=0.7))
    history = ledger.history('he said "hi", twice')
    assert history["scores"]["churn_risk"].tolist() == [0.5, 0.7]
    assert history["scores"]["run_id"].tolist() == ["2026-01-01-0000", "2026-01-08-0000"]
    assert set(history) == {"scores", "warnings", "dispositions", "overrides", "decisions", "audit"}


def test_many_at_once_make_one_ledger(url: str) -> None:
    def opened(number: int) -> int:
        one = Ledger.at(url)
        number = one.commit_run(entry())
        one.close()
        return number

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(opened, range(6))) == {1}


KILLER = """
import json, os, sys
sys.path.insert(0, sys.argv[3])
from test_ledger import STEPS, entry
from serving.ledger import Ledger, runs

def attempt(wanted, naive):
    ledger = Ledger.at(sys.argv[1])
    with ledger.writing() as connection:
        def at(step):
            if naive:  # what is easily written: every step committed by itself
                connection.connection.driver_connection.commit()
            if step == wanted:
                os.kill(os.getpid(), 9)
        runs.commit(connection, entry("2026-01-08", after=1), at)

outcomes = {}
for step in STEPS:
    child = os.fork()
    if not child:
        try:
            attempt(step, sys.argv[2] == "naive")
        finally:
            os._exit(1)
    outcomes[step] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if sys.argv[2] == "naive" and step == "ledger scores":
        break
print(json.dumps(outcomes))
"""
STEPS = ["ledger run", "ledger scores", "ledger warnings", "ledger decisions", "ledger audit", "ledger commit"]


def killed(url: str, how: str, root: Path) -> dict[str, int]:
    here = str(root / "tests" / "serving" / "ledger")
    done = subprocess.run([sys.executable, "-c", KILLER, url, how, here], capture_output=True, text=True, cwd=root)
    return json.loads(done.stdout)


def test_killed_at_any_step_it_holds_all_or_nothing(ledger: Ledger, url: str, pytestconfig: pytest.Config) -> None:
    ledger.commit_run(entry())
    before = counted(ledger)
    assert killed(url, "whole", pytestconfig.rootpath) == dict.fromkeys(STEPS, -9), "a step was never reached"
    assert counted(ledger) == before
    ledger.commit_run(entry("2026-01-08", after=1))
    assert counted(ledger)["runs"] == 2 and counted(ledger)["scores"] == 4


def test_a_naive_ledger_fails_that_test(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = Ledger.at(url)
    ledger.commit_run(entry())
    before = counted(ledger)
    killed(url, "naive", pytestconfig.rootpath)
    assert counted(ledger) != before
    ledger.close()


@pytest.mark.parametrize(
    ("url_given", "said"),
    [
        ("mysql://a/b", "only SQLite and PostgreSQL are known"),
        ("nonsense", "cannot be used"),
        ("postgresql+nodriver://a/b", "cannot be used"),
    ],
)
def test_an_unusable_url_is_refused_without_showing_a_password(url_given: str, said: str) -> None:
    with pytest.raises(UsageRefused, match=said):
        Ledger.at(url_given)


def test_a_damaged_file_is_a_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    place = tmp_path / "ledger.db"
    place.write_bytes(b"no database" * 1000)
    with pytest.raises(DataRefused, match="not a database.*move it away"):
        Ledger.at(f"sqlite:///{place}")
    assert place.read_bytes().startswith(b"no database"), "it is left as it is"


def test_a_database_that_does_not_answer_is_refused_without_its_password() -> None:
    with pytest.raises(DataRefused, match="cannot be used") as refused:
        Ledger.at("postgresql+psycopg://ann:secret@127.0.0.1:9/none")
    assert "secret" not in str(refused.value)


def test_a_ledger_of_a_newer_version_is_refused(ledger: Ledger, url: str) -> None:
    with ledger.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DataRefused, match="newer than this Keepwell; update Keepwell"):
        Ledger.at(url)
