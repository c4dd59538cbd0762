"""A whole run killed at each of its steps: the ledger is whole, the last list stands, and the rerun adds nothing twice."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from features.errors import DataRefused
from features.model import Model
from features.settings import Webhooks
from serving.ledger import Ledger
from serving.ledger.schema import metadata
from serving.nightly import run_once
from serving.rules import Rules
from serving.run import Run, current_run, published

STEPS = [
    "score",
    "start",
    *(f"write {name}" for name in ("merchants.parquet", "reasons.parquet", "warnings.parquet", "scorecard.parquet", "rules.toml", "run.json")),
    "manifest",
    "rename",
    *(f"ledger {name}" for name in ("begin", "run", "scores", "warnings", "decisions", "audit", "outbox", "commit")),
    "point",
    "done",
]
KILLER = """
import json, os, shutil, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_nightly import FIRST, SECOND, STEPS, night, stage
from serving.ledger import Ledger

folder, actors = Path(sys.argv[1]), stage()

def attempt(folder, wanted):
    def at(step):
        if step == wanted:
            os.kill(os.getpid(), 9)
    night(Ledger.at(f"sqlite:///{folder}/ledger.db"), folder, SECOND, *actors, at)

ledger = Ledger.at(f"sqlite:///{folder}/first/ledger.db")
night(ledger, folder / "first", FIRST, *actors)
ledger.close()
outcomes = {}
for number, step in enumerate(STEPS):
    shutil.copytree(folder / "first", folder / str(number))
    child = os.fork()
    if not child:
        try:
            attempt(folder / str(number), step)
        finally:
            os._exit(1)
    outcomes[step] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(outcomes))
"""
FIRST, SECOND = "2026-01-01", "2026-01-08"


def stage() -> tuple[Any, Any, Rules]:
    """The small market of these tests, in which a merchant changes between the two days, and its champion."""
    spec = importlib.util.spec_from_file_location("small_market", Path(__file__).parent.parent / "conftest.py")
    assert spec and spec.loader
    conftest: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    early = conftest.frame_of()
    late = early.copy()
    late.iloc[::3, late.columns.get_loc("days_since_last_order")] += 5
    ids = early.index
    owners = pd.DataFrame({"merchant_id": ids, "name": ids, "owner": ["Ann" if row % 2 else "Ben" for row in range(len(ids))]})
    settings = SimpleNamespace(
        churn=conftest.Churn(), growth=conftest.Growth(), economics=conftest.Economics(), timeline=conftest.Timeline(currency="GBP")
    )
    settings.webhooks = Webhooks(url="https://crm.example/")
    snapshots = {FIRST: early, SECOND: late}
    market = SimpleNamespace(
        settings=settings, merchants=owners, snapshot=lambda cutoff: snapshots[str(cutoff)], source=SimpleNamespace(fingerprint="f00d")
    )
    return market, SimpleNamespace(model=conftest.fitted(), model_version="abc"), conftest.read_rules()


def night(ledger: Ledger, folder: Path, cutoff: str, market: Any, champion: Any, rules: Rules, at: Any = lambda step: None) -> Run:
    return run_once(market, cutoff, champion, rules, ledger, state_dir=folder, created_at=f"{cutoff}T06:00", at=at)


def content(ledger: Ledger) -> dict[str, pd.DataFrame]:
    """All that is in a ledger."""
    return {name: ledger.table(name) for name in metadata.tables}


def same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> bool:
    return all(one[name].equals(other[name]) for name in one)


@pytest.fixture(scope="module")
def actors() -> Any:
    return stage()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """A folder for each step, in which the second night was killed at that step."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "first").mkdir()
    command = [sys.executable, "-c", KILLER, str(folder), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=pytestconfig.rootpath)
    assert json.loads(done.stdout) == dict.fromkeys(STEPS, -9), "a step was never reached"
    return folder


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_the_list_stands_the_ledger_is_whole_and_the_rerun_adds_nothing_twice(
    killed: Path, actors: Any, step: str
) -> None:
    folder = killed / str(STEPS.index(step))
    ledger = Ledger.at(f"sqlite:///{folder / 'ledger.db'}")
    after_kill = content(ledger)
    was_committed = STEPS.index(step) > STEPS.index("ledger commit")
    assert len(after_kill["runs"]) == 1 + was_committed
    assert len(after_kill["scores"]) == 60 * len(after_kill["runs"])
    assert (after_kill["audit"]["what"] == "run").sum() == len(after_kill["runs"])
    assert current_run(folder).cutoff == (SECOND if step == "done" else FIRST)

    run = night(ledger, folder, SECOND, *actors)
    once = content(ledger)
    assert current_run(folder).run_id == run.run_id and run.cutoff == SECOND
    assert len(published(folder)) == 2, "the rerun is the same run"
    assert len(once["runs"]) == 2 and once["warnings"]["opened_on"].nunique() == 2 and len(once["decisions"])
    assert not once["warnings"].duplicated(["merchant_id", "kind"]).any()
    assert not once["decisions"].duplicated(["merchant_id"]).any()
    opened = once["outbox"]["kind"] == "warning.opened"
    assert opened.sum() == (~once["warnings"]["is_held_out"].astype(bool)).sum() > 0, "each warning is told, those of the holdout are not"
    assert once["outbox"]["message_id"].is_unique
    if was_committed:
        assert same(once, after_kill)
    ledger.close()


def test_the_same_night_again_is_the_same_run(ledger: Ledger, tmp_path: Path) -> None:
    first, second = (night(ledger, tmp_path, cutoff, *stage()) for cutoff in (FIRST, SECOND))
    before = content(ledger)
    assert night(ledger, tmp_path, SECOND, *stage()).run_id == second.run_id != first.run_id
    assert same(content(ledger), before)


def test_an_earlier_cutoff_changes_no_warning_and_draws_nobody(ledger: Ledger, tmp_path: Path) -> None:
    night(ledger, tmp_path, SECOND, *stage())
    before = content(ledger)
    run = night(ledger, tmp_path, FIRST, *stage())
    after = content(ledger)
    assert run.cutoff == FIRST and len(after["runs"]) == 2 and len(run.warnings)
    assert after["warnings"].equals(before["warnings"]) and after["decisions"].equals(before["decisions"])


def test_who_is_left_alone_is_on_no_call_list_and_marked(ledger: Ledger, tmp_path: Path) -> None:
    from serving.lists import at_risk

    run = night(ledger, tmp_path, FIRST, *stage())
    held = run.merchants.index[run.merchants["arm"] == "hold"]
    assert len(held) and not set(held) & set(at_risk(run).rows["merchant_id"])
    assert run.warnings.loc[run.warnings["merchant_id"].isin(held), "is_held_out"].all()
    noted = ledger.table("decisions").set_index("merchant_id").loc[held]
    assert (noted["propensity"] == 0.1).all() and (noted["arm"] == "hold").all()


def test_tiers_of_the_night_before_are_what_the_next_starts_from(ledger: Ledger, tmp_path: Path, model: Model) -> None:
    first = night(ledger, tmp_path, FIRST, *stage())
    second = night(ledger, tmp_path, SECOND, *stage())
    same_tier = first.merchants["tier"] == second.merchants["tier"]
    assert same_tier.any() and (pd.to_datetime(second.merchants.loc[same_tier, "tier_since"]) == pd.Timestamp(FIRST)).all()


def test_the_first_night_makes_the_ledger_and_a_refused_one_none(tmp_path: Path) -> None:
    market, champion, rules = stage()
    silent = SimpleNamespace(**{**vars(market), "snapshot": lambda cutoff: market.snapshot(cutoff).iloc[:0]})

    def make() -> Ledger:
        return Ledger.at(f"sqlite:///{tmp_path / 'ledger.db'}")

    with pytest.raises(DataRefused, match="no merchant is known"):
        run_once(silent, FIRST, champion, rules, make, state_dir=tmp_path, created_at="t")
    assert list(tmp_path.iterdir()) == []
    run = run_once(market, FIRST, champion, rules, make, state_dir=tmp_path, created_at="t")
    ledger = make()
    assert ledger.table("runs")["run_id"].tolist() == [run.run_id]
    assert night(ledger, tmp_path, FIRST, market, champion, rules).run_id == run.run_id
    ledger.close()
