"""From event tables to a published list and back, through the command line, on a made-up market."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from features.simulate import simulate
from training import bundle, train
from training.bundle import damage

Run = Callable[..., Any]
ROOT = Path(__file__).parents[1]
TEST_CUTOFF = "2024-11-01"


def answered(said: Any) -> Any:
    """The JSON that a command answered; it must have gone well, in silence."""
    assert (said.code, said.err) == (0, ""), said.err
    return json.loads(said.out)


def refused(said: Any, code: int) -> str:
    """The sentence with which a command was refused."""
    assert said.code == code, said
    assert said.out == ""
    assert said.err.startswith("keepwell: ")
    assert "Traceback" not in said.err
    return str(said.err.removeprefix("keepwell: ").strip())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market of 800 merchants; commands run here, so MLflow's store is here too."""
    home = simulate(tmp_path_factory.mktemp("market") / "made", 800, seed=3, days=450, orders_per_merchant=20).parent
    rewrite(home / "keepwell.toml", 'every = "month"', 'every = "250d"')  # two cutoffs: one training is judged on one
    return home


def rewrite(config: Path, *pairs: str) -> None:
    """Replace what a configuration says."""
    text = config.read_text(encoding="utf-8")
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    config.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def trained(home: Path, run: Run) -> dict[str, Any]:
    return answered(run("train", "--json", at=home))


@pytest.fixture(scope="module")
def scored(home: Path, run: Run, trained: dict[str, Any]) -> dict[str, Any]:
    """The challenger promoted, and its first run."""
    promoted = answered(run("promote", "--json", at=home))
    assert (promoted["champion"], promoted["passed"]) == (trained["model_version"], True)
    return answered(run("score", "--json", at=home))


@pytest.fixture(scope="module")
def listed(home: Path, run: Run, scored: dict[str, Any]) -> dict[str, Any]:
    return answered(run("at-risk", "--json", at=home))


@pytest.fixture(scope="module")
def again(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The same tables in another place, trained again by another process (in which sets have another order) into its own store."""
    other = tmp_path_factory.mktemp("elsewhere") / "again"
    shutil.copytree(home, other, ignore=shutil.ignore_patterns(".keepwell", "mlruns"))
    done = keepwell_process("train", "--json", at=other, PYTHONHASHSEED="1")
    assert done.returncode == 0, done.stderr
    return other, json.loads(done.stdout)


def keepwell_process(*words: str, at: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as a program of its own."""
    around = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run([sys.executable, "-m", "keepwell", *words], cwd=at, env=around, capture_output=True, text=True, check=False)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A market that trains in seconds: on a single cutoff, judged on a single one."""
    home = simulate(tmp_path / "tiny", 100, seed=1, days=290, orders_per_merchant=20).parent
    rewrite(home / "keepwell.toml", "_days = 90", "_days = 60", 'every = "month"', 'every = "400d"')
    return home


# --- the way there


def test_check_tells_what_the_tables_hold(home: Path, run: Run) -> None:
    facts = answered(run("check", "--json", at=home))
    assert (facts["merchants"], facts["orders"]) == (800, len(pd.read_parquet(home / "orders.parquet")))
    rates = {row["cutoff"]: row["churned"] for row in facts["churn_base_rates"]}
    assert list(rates) == ["2024-04-20", "2024-12-26"]
    assert all(0.05 < share < 0.5 for share in rates.values())
    text = run("check", at=home)
    assert (text.code, text.err) == (0, "")
    assert f"{facts['orders']:,} orders from {facts['first_order']} to {facts['last_order']}" in text.out
    assert "2024-12-26" in text.out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("at-risk",), 3, r"no run is published in .*; type `keepwell score` first\."),
        (("growth",), 3, r"no run is published in .*; type `keepwell score` first\."),
        (("explain", "m000001"), 3, r"no run is published in .*; type `keepwell score` first\."),
        (("score",), 5, r"no model was promoted in .* yet; type `keepwell train` and then `keepwell promote`\."),
        (("promote",), 2, r"there is no challenger to promote in .*; run keepwell train first\."),
        (("rollback",), 2, r"There is nothing to roll back to: no model is served\. Use `keepwell promote` to serve another\."),
    ],
)
def test_what_comes_too_early_is_refused(tiny: Path, run: Run, listing: Callable, words: tuple, code: int, sentence: str) -> None:
    before = listing(tiny)
    assert re.fullmatch(sentence, refused(run(*words, at=tiny), code))
    assert listing(tiny) == before


def test_training_registers_a_challenger_with_its_proof(home: Path, trained: dict[str, Any]) -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", trained["model_version"])
    assert trained["mean"]["auc"] > 0.8  # the causes of leaving were planted
    assert trained["passed"]
    assert list(trained["cutoffs"]) == ["2024-12-26"]
    assert damage(Path(trained["bundle"])) is None
    kept = home / "mlruns" / "artifacts" / trained["run_id"] / "artifacts"
    names = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
    assert {"calibration.png", "lift.png", "shap_beeswarm.png", "model_card.md", "bundle/manifest.json"} <= names


def test_the_list_is_the_same_on_the_terminal_in_csv_xlsx_and_json(home: Path, run: Run, listed: dict[str, Any], scored: dict) -> None:
    rows = listed["rows"]
    ids, profit = [row["merchant_id"] for row in rows], [row["expected_profit"] for row in rows]
    assert len(ids) == len(set(ids)) > 20
    assert profit == sorted(profit, reverse=True)
    assert all(row["reasons"] for row in rows)
    assert (listed["run_id"], listed["model_version"], listed["cutoff"]) == (scored["run_id"], scored["model_version"], scored["cutoff"])
    for name in ("list.csv", "list.xlsx", "list.json"):
        assert answered(run("at-risk", "--out", name, "--json", at=home)) == {"out": name, "rows": len(ids)}
    text = (home / "list.csv").read_bytes().decode("utf-8-sig")
    assert [row["merchant"] for row in csv.DictReader(io.StringIO(text))] == ids
    sheet = openpyxl.load_workbook(home / "list.xlsx").worksheets[0]
    assert [cell.value for cell in sheet["B"][1:]] == ids
    assert json.loads((home / "list.json").read_text(encoding="utf-8")) == listed
    shown = run("at-risk", "--capacity", "5", at=home)
    assert list(re.findall(r"\bm\d{6}\b", shown.out)) == ids[:5]
    assert f"run {scored['run_id']} · model {scored['model_version']}" in shown.out


def test_a_list_is_cut_to_a_tier_and_a_capacity(home: Path, run: Run, listed: dict[str, Any]) -> None:
    tier = listed["rows"][0]["tier"]
    rows = answered(run("at-risk", "--tier", tier, "--capacity", "3", "--json", at=home))["rows"]
    assert [row["merchant_id"] for row in rows] == [row["merchant_id"] for row in listed["rows"] if row["tier"] == tier][:3]


def test_growth_ranks_by_the_value_of_growth(home: Path, run: Run, scored: dict[str, Any]) -> None:
    rows = answered(run("growth", "--json", at=home))["rows"]
    value = [row["growth_value"] for row in rows]
    assert value == sorted(value, reverse=True)
    assert 0 < len(rows) < scored["counts"]["scored"]  # only those whose chance is above the average
    assert rows[0]["merchant_id"] in run("growth", "--capacity", "1", at=home).out


def test_explain_tells_the_lists_numbers_in_two_languages(home: Path, run: Run, listed: dict[str, Any]) -> None:
    first = listed["rows"][0]
    english, chinese = (answered(run("explain", first["merchant_id"], "--lang", lang, "--json", at=home)) for lang in ("en", "zh"))
    assert english["scores"]["churn_risk"] == pytest.approx(first["churn_risk"])
    assert english["scores"] == chinese["scores"]
    for facts, letters in ((english, r"[a-z]"), (chinese, r"[\u4e00-\u9fff]")):
        assert facts["reasons"]
        assert all(re.search(letters, reason["sentence"]) for reason in facts["reasons"])
        assert re.search(letters, facts["action"])
    said = run("explain", first["merchant_id"], at=home)
    assert said.code == 0
    assert f"tier {first['tier']}" in said.out
    assert first["reasons"][0] in said.out


def test_a_single_promotion_cannot_be_rolled_back(home: Path, run: Run, scored: dict[str, Any], listing: Callable) -> None:
    before = listing(home / ".keepwell")
    sentence = refused(run("rollback", at=home), 2)
    assert f"model {scored['model_version']} is the first that was promoted" in sentence
    assert listing(home / ".keepwell") == before


# --- the same again


def test_training_the_same_tables_again_gives_the_same_bundle_byte_for_byte(trained: dict, again: tuple[Path, dict], listing: Callable) -> None:
    _, second = again
    assert second["model_version"] == trained["model_version"]
    assert second["run_id"] != trained["run_id"]
    files = listing(Path(trained["bundle"]))
    assert listing(Path(second["bundle"])) == files
    assert {"heads/churn.txt", "calibration.json", "card.json", "golden.json", "manifest.json"} <= files.keys()


def test_scoring_again_gives_the_same_run(home: Path, run: Run, scored: dict[str, Any], again: tuple[Path, dict], listing: Callable) -> None:
    before = listing(home / ".keepwell" / "runs")
    assert answered(run("score", "--json", at=home))["run_id"] == scored["run_id"]
    assert listing(home / ".keepwell" / "runs") == before
    other, _ = again
    answered(run("promote", "--json", at=other))
    assert answered(run("score", "--json", at=other))["run_id"] == scored["run_id"]  # the same data and model in another place


def test_an_incomparable_challenger_is_held_at_the_gate_forced_and_rolled_back(
    run: Run, again: tuple[Path, dict], scored: dict, listed: dict
) -> None:
    """A model judged at another cutoff cannot be compared with the champion: exit 4; forced, it serves; rolled back, the first one does."""
    other, first = again
    rewrite(other / "keepwell.toml", "[churn]\n", "[churn]\ngap_days = 5\n")
    answered(run("promote", "--json", at=other))
    second = answered(run("train", "--json", at=other))
    assert second["model_version"] != first["model_version"]
    said = run("promote", at=other)
    assert "shares no cutoff with the champion" in refused(said, 4)
    assert bundle.champion(other / ".keepwell")["model_version"] == first["model_version"]
    assert answered(run("promote", "--force", "--json", at=other))["champion"] == second["model_version"]
    run_of_second = answered(run("score", "--json", at=other))
    assert run_of_second["model_version"] == second["model_version"]
    assert answered(run("rollback", "--json", at=other))["model_version"] == first["model_version"]
    assert bundle.champion(other / ".keepwell")["model_version"] == first["model_version"]
    moved = answered(run("explain", listed["rows"][0]["merchant_id"], "--json", at=other))["moved"]
    assert moved["run_id"] == scored["run_id"]
    assert not moved["same_model"]
    assert "churn_risk" in moved["changes"]


# --- what goes wrong on the way


@pytest.mark.parametrize("at", ["bundle._write", "train._track", "bundle.challenge"])
def test_a_training_that_is_stopped_leaves_nothing_half_written(
    tiny: Path, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Stopped in the third file of a bundle, before MLflow, and after it: no challenger, every bundle whole; then it works.

    It runs where there is a store already, which takes seconds to make.
    """
    config = tiny / "keepwell.toml"
    module, name = {"bundle": bundle, "train": train}[at.split(".")[0]], at.split(".")[1]
    was, calls = getattr(module, name), []

    def stopped(*given: Any, **more: Any) -> Any:
        calls.append(given)
        if name != "_write" or len(calls) == 3:
            raise KeyboardInterrupt
        return was(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(module, name, stopped)
        said = run("train", config, at=home)
    assert (said.code, said.out, said.err) == (130, "", "keepwell: stopped; nothing half-written was left.\n")
    state = tiny / ".keepwell"
    left = sorted(path.name for path in state.rglob("*") if path.parent == state or path.parent.name == "bundles")
    whole = [name for name in left if re.fullmatch("[0-9a-f]{12}", name)]
    assert left == sorted(["bundles", *["judged"] * (at == "bundle.challenge"), *whole])
    assert len(whole) == (at != "bundle._write")
    assert all(damage(state / "bundles" / version) is None for version in whole)
    assert "there is no challenger to promote" in refused(run("promote", config, at=home), 2)
    if at == "train._track":
        done = answered(run("train", config, "--json", at=home))
        assert [done["model_version"]] == whole


@pytest.mark.parametrize("broken", ["heads/churn.txt", "calibration.json", "manifest.json"])
def test_a_damaged_bundle_is_refused_and_the_last_run_stands(home: Path, run: Run, scored: dict, listed: dict, listing: Callable, broken: str) -> None:
    path = home / ".keepwell" / "bundles" / scored["model_version"] / broken
    sound = path.read_bytes()
    runs = listing(home / ".keepwell" / "runs")
    place = sound.index(b"0.") + 2 if broken != "manifest.json" else sound.index(b'"heads/churn.txt": "') + 25
    path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
    try:
        sentence = refused(run("score", at=home), 5)
        assert scored["model_version"] in sentence
        assert broken.replace("manifest.json", "heads/churn.txt") in sentence
        assert sentence.endswith("or go back with `keepwell rollback`.")
        assert listing(home / ".keepwell" / "runs") == runs
        assert answered(run("at-risk", "--json", at=home)) == listed
        refused(run("promote", at=home), 5)
    finally:
        path.write_bytes(sound)
    assert damage(path.parents[broken.count("/")]) is None


def test_a_damaged_run_is_refused(home: Path, run: Run, scored: dict[str, Any]) -> None:
    path = home / ".keepwell" / "runs" / scored["run_id"] / "merchants.parquet"
    sound = path.read_bytes()
    path.write_bytes(sound[:-9] + b"x" + sound[-8:])
    try:
        assert "file merchants.parquet is damaged" in refused(run("at-risk", at=home), 3)
    finally:
        path.write_bytes(sound)


# --- out of time


def test_a_backtest_does_not_see_what_came_after(home: Path, run: Run, tmp_path: Path) -> None:
    """The same predictions come out when what happened after the cutoff is another story altogether."""
    answered(run("backtest", "--cutoffs", TEST_CUTOFF, "--out", tmp_path / "a", "--json", at=home))
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"predictions.parquet", "metrics.json", "report.html"}
    found = pd.read_parquet(tmp_path / "a" / "predictions.parquet")
    promised = ["merchant_id", "cutoff", "churn_risk", "expected_gmv", "expected_gmv_p10", "expected_gmv_p90", "growth_potential", "tier", "stage"]
    assert list(found)[:9] == promised
    truth = json.loads((tmp_path / "a" / "metrics.json").read_text(encoding="utf-8"))["mean"]
    assert truth["n"] == len(found)

    other = tmp_path / "other"
    shutil.copytree(home, other, ignore=shutil.ignore_patterns(".keepwell", "mlruns"))
    orders = pd.read_parquet(home / "orders.parquet")
    known = pd.to_datetime(orders["completed_at"].fillna(orders["ordered_at"]), utc=True)
    late = known >= pd.Timestamp(TEST_CUTOFF, tz="UTC") + pd.Timedelta(days=1)
    assert (late & (known - pd.to_datetime(orders["ordered_at"], utc=True) > pd.Timedelta(days=2))).any()  # rows that arrive late, too
    keep = ~late | (orders.index % 3 == 0) | (orders["ordered_at"] == orders["ordered_at"].max())
    orders.loc[late, "amount"] = 7.0
    orders.loc[late, "subsidy"] = 0.0
    orders[keep].to_parquet(other / "orders.parquet", index=False)
    changed = answered(run("backtest", "--cutoffs", TEST_CUTOFF, "--out", tmp_path / "b", "--json", at=other))["mean"]
    assert changed["churned"] > truth["churned"]
    assert changed["realised_gmv"] < 0.8 * truth["realised_gmv"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "b" / "predictions.parquet"), found, check_exact=True)


def test_the_command_is_a_program(tiny: Path) -> None:
    """In a process of its own: the sentence on standard error, the exit code, and nothing else."""
    done = keepwell_process("at-risk", at=tiny)
    assert (done.returncode, done.stdout) == (3, "")
    assert re.fullmatch(r"keepwell: no run is published in .*; type `keepwell score` first\.\n", done.stderr)
