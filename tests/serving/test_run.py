"""Runs are published whole or not at all: killed at any step, the last good run stands; a naive writer fails the same test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from features.errors import DataRefused
from serving.run import Run, current_run, earlier_run, publish, published, read_run, run_before

HEADER = {"cutoff": "2026-01-01", "model_version": "abc", "created_at": "now", "rules_hash": "r", "currency": "GBP"}
STEPS = [
    "start",
    "write merchants.parquet",
    "write reasons.parquet",
    "write rules.toml",
    "write run.json",
    "manifest",
    "rename",
    "point",
    "done",
]
KILLER = """
import json, os, sys
from pathlib import Path
import pandas as pd
from serving import run as runs
from serving.run import current_run, publish

folder, steps, how = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
header = {"model_version": "abc", "created_at": "now", "rules_hash": "r", "currency": "GBP"}

def tables(value):
    return {"merchants": pd.DataFrame({"merchant_id": ["a"], "value": [value]}), "reasons": pd.DataFrame({"merchant_id": ["a"]})}

def naive(state, header, tables, rules_text="", *, at=lambda step: None):
    # what is easily written: in place, file by file, the pointer when it seems done
    path = Path(state) / "runs" / "2026-01-01-00000000"
    path.mkdir(parents=True, exist_ok=True)
    at("start")
    files = {f"{name}.parquet": runs._parquet(table) for name, table in tables.items()}
    files |= {"rules.toml": b"", "run.json": runs._json({**header, "run_id": path.name})}
    for name, content in files.items():
        at(f"write {name}")
        (path / name).write_bytes(content)
    at("manifest")
    (path / "manifest.json").write_bytes(runs.manifest_of(files))
    at("rename")
    at("point")
    (path.parent / "CURRENT").write_text(path.name)
    at("done")

write = naive if how == "naive" else publish

def die_at(wanted):
    def at(step):
        if step == wanted:
            os._exit(9)
    return at

def attempt(number, step):
    state = folder / str(number)
    write(state, {**header, "cutoff": "2026-01-01"}, tables(1))
    write(state, {**header, "cutoff": "2026-01-01"}, tables(2), at=die_at(step))
    os._exit(0)

outcomes = {}
for number, step in enumerate(steps):
    child = os.fork()
    if not child:
        try:
            attempt(number, step)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    outcomes[step] = os.waitstatus_to_exitcode(status)
print(json.dumps(outcomes))
"""


def tables(value: int = 1) -> dict[str, pd.DataFrame]:
    return {"merchants": pd.DataFrame({"merchant_id": ["a"], "value": [value]}), "reasons": pd.DataFrame({"merchant_id": ["a"]})}


def killed(folder: Path, how: str) -> dict[str, object]:
    """What stands after a kill at each step: the value of the run, or the refusal."""
    done = subprocess.run([sys.executable, "-c", KILLER, str(folder), json.dumps(STEPS), how], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == dict.fromkeys(STEPS, 9), "a step was never reached"
    standing: dict[str, object] = {}
    for number, step in enumerate(STEPS):
        try:
            standing[step] = int(current_run(folder / str(number)).merchants.loc["a", "value"])
        except DataRefused as refused:
            standing[step] = str(refused)
    return standing


def test_killed_at_any_step_the_last_good_run_stands(tmp_path: Path) -> None:
    standing = killed(tmp_path, "publish")
    assert {standing[step] for step in STEPS[:-1]} == {1}
    assert standing["done"] == 2


def test_a_naive_writer_fails_that_test(tmp_path: Path) -> None:
    standing = killed(tmp_path, "naive")
    assert any(isinstance(value, str) and "damaged" in value for value in standing.values())


def test_after_a_kill_the_next_run_is_published_and_the_remains_are_gone(tmp_path: Path) -> None:
    (tmp_path / "runs" / ".tmp-2026-01-01-00000000").mkdir(parents=True)
    run = publish(tmp_path, HEADER, tables(), "rules")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [".lock", run.run_id, "CURRENT"]


def test_what_is_published_is_read_back(tmp_path: Path) -> None:
    run = publish(tmp_path, HEADER, tables(7), "the rules")
    read = current_run(tmp_path)
    assert read.run_id == run.run_id and read.cutoff == "2026-01-01" and read.model_version == "abc"
    assert read.merchants.loc["a", "value"] == 7
    assert read.rules_text == "the rules"
    assert read.header["previous"] is None


def test_the_id_follows_from_inputs_and_results_alone(tmp_path: Path) -> None:
    first = publish(tmp_path, HEADER, tables(1))
    again = publish(tmp_path, {**HEADER, "created_at": "later"}, tables(1))
    other = publish(tmp_path, HEADER, tables(2))
    assert first.run_id == again.run_id != other.run_id
    assert again.header["created_at"] == "now", "a published run never changes"
    assert other.header["previous"] == first.run_id
    assert publish(tmp_path, {**HEADER, "model_version": "xyz"}, tables(1)).run_id != first.run_id
    assert len(published(tmp_path)) == 3


def test_publishing_an_old_result_again_makes_it_current(tmp_path: Path) -> None:
    first = publish(tmp_path, HEADER, tables(1))
    publish(tmp_path, HEADER, tables(2))
    publish(tmp_path, HEADER, tables(1))
    assert current_run(tmp_path).run_id == first.run_id


def test_a_run_is_compared_with_the_one_before_and_with_an_earlier_day(tmp_path: Path) -> None:
    def of_day(day: str, value: int) -> Run:
        return publish(tmp_path, HEADER | {"cutoff": day}, tables(value))

    def ids(found: list[Run | None]) -> list[str]:
        return [run.run_id if run else "" for run in found]

    first = of_day("2026-05-01", 1)
    second, again, older = of_day("2026-06-01", 2), of_day("2026-06-01", 3), of_day("2026-05-15", 4)
    runs = (first, second, again, older)
    assert ids([run_before(tmp_path, run) for run in runs]) == ["", first.run_id, second.run_id, again.run_id]
    assert ids([earlier_run(tmp_path, run) for run in runs]) == ["", first.run_id, older.run_id, first.run_id]
    (tmp_path / "runs" / first.run_id / "run.json").write_text("{", encoding="utf-8")
    assert run_before(tmp_path, second) is earlier_run(tmp_path, second) is None, "a damaged run is no run"


def test_without_a_run_it_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"no run is published .* type `keepwell score` first"):
        current_run(tmp_path)


@pytest.mark.parametrize("name", ["merchants.parquet", "run.json", "rules.toml", "manifest.json"])
def test_one_flipped_bit_is_refused_and_publishing_anew_heals_it(tmp_path: Path, name: str) -> None:
    run = publish(tmp_path, HEADER, tables(), "rules")
    content = bytearray((run.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run.path / name).write_bytes(content)
    with pytest.raises(DataRefused, match="cannot be used"):
        current_run(tmp_path)
    assert publish(tmp_path, HEADER, tables(), "rules").run_id == run.run_id
    assert current_run(tmp_path).merchants.loc["a", "value"] == 1


@pytest.mark.parametrize("pointer", ["", "../../etc", "2026-01-01-0000000g"])
def test_a_damaged_pointer_is_refused(tmp_path: Path, pointer: str) -> None:
    publish(tmp_path, HEADER, tables())
    (tmp_path / "runs" / "CURRENT").write_text(pointer)
    with pytest.raises(DataRefused, match="expected the name of a run"):
        current_run(tmp_path)


def test_an_unknown_run_is_refused_with_those_there_are(tmp_path: Path) -> None:
    run = publish(tmp_path, HEADER, tables())
    with pytest.raises(DataRefused, match=f"published are {run.run_id}"):
        read_run(tmp_path, "2020-01-01-00000000")
