"""One training's way through a real MLflow store: logged, registered, promoted, rolled back, and cleaned up after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from features.errors import UsageRefused
from training.tracking import Store, open_store

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")  # MLflow's own, of SQLAlchemy 2.1
ROOT = Path(__file__).parents[2]
OPENS = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from types import SimpleNamespace as Settings
from training.tracking import open_store
open_store(Settings(mlflow=Settings(tracking_uri=None, artifact_location=None), path=Path("keepwell.toml")))
"""


def settings_of(folder: Path, **mlflow: str) -> Any:
    return SimpleNamespace(
        mlflow=SimpleNamespace(**{"tracking_uri": None, "artifact_location": None, **mlflow}), path=folder / "keepwell.toml"
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a space, what a training left, and no store yet."""
    home = tmp_path_factory.mktemp("a shop")
    for name, content in {"bundle/manifest.json": "{}", "bundle/heads/churn.txt": "tree", "artifacts/report.html": "<p>"}.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    return home


@pytest.fixture(scope="module")
def store(home: Path) -> Store:
    """The store, first touched by two processes at once."""
    other = subprocess.Popen([sys.executable, "-c", OPENS, str(ROOT)], cwd=home, stderr=subprocess.PIPE, text=True)
    store = open_store(settings_of(home), home / "mlruns")
    said = other.communicate(timeout=300)[1]
    assert (other.returncode, said) == (0, "")
    return store


def log(store: Store, home: Path, model_version: str) -> Any:
    metrics = {"2011-05-01": {"auc": 0.75, "ece": None}, "2011-06-01": {"auc": 0.85, "ece": float("nan")}}
    params = {"long": "x" * 9000, **{f"p{i}": i for i in range(150)}}
    return store.log_training(params, metrics, {"data_fingerprint": "9f2c"}, home / "artifacts", home / "bundle", model_version)


def test_a_training_goes_in_and_serves_and_comes_back(store: Store, home: Path) -> None:
    assert (store.champion(), store.challenger()) == (None, None)
    first, second = log(store, home, "aaa"), log(store, home, "bbb")
    run = store.client.get_run(first.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"auc": 0.85, "mean_auc": pytest.approx(0.8)}
    assert [(point.step, point.value) for point in store.client.get_metric_history(first.run_id, "auc")] == [
        (20110501, 0.75),
        (20110601, 0.85),
    ]
    assert (run.data.params["p149"], len(run.data.params), run.data.tags["data_fingerprint"]) == ("149", 151, "9f2c")
    assert (home / "mlruns" / "artifacts" / first.run_id / "artifacts" / "bundle" / "heads" / "churn.txt").read_text() == "tree"
    assert store.challenger() == second

    with pytest.raises(UsageRefused, match=r"Version 9 .* registered are 1, 2"):
        store.promote(9)
    store.refuse_unless_registered(1, "aaa")
    for version, model in ((9, "aaa"), (1, "bbb")):
        with pytest.raises(UsageRefused, match=rf"has no version {version} with model {model}; repeat the command in the directory"):
            store.refuse_unless_registered(version, model)
    assert store.promote(1) == first
    assert store.challenger() == second
    assert store.promote(2) == second == store.promote(2)
    assert (store.champion(), store.challenger()) == (second, None)
    assert store.rollback() == first == store.champion()
    with pytest.raises(UsageRefused, match="nothing to roll back to"):
        store.rollback()


def test_broken_and_killed_runs_do_not_stay_running(store: Store, home: Path) -> None:
    with pytest.raises(FileNotFoundError), store._run({"kind": "broken"}):
        raise FileNotFoundError
    ours = store.client.create_run(store.experiment, tags={"host": os.uname().nodename, "pid": "1", "started": "0", "kind": "killed"})
    alive = store.client.create_run(store.experiment, tags={"host": "another machine", "pid": "1", "started": "0", "kind": "alive"})
    with store._run({"kind": "here"}) as here:
        reopened = open_store(settings_of(home), home / "mlruns")
        assert reopened.client.get_run(here).info.status == "RUNNING"
    found = {run.data.tags["kind"]: run.info.status for run in store.client.search_runs([store.experiment], "tags.kind LIKE '%'")}
    assert found == {"broken": "FAILED", "killed": "KILLED", "alive": "RUNNING", "here": "FINISHED"}
    assert ours.info.run_id != alive.info.run_id


def test_a_store_elsewhere_and_one_that_cannot_be_opened(store: Store, home: Path) -> None:
    uri = f"sqlite:///{home / 'mlruns' / 'mlflow.db'}"
    moved = open_store(settings_of(home, tracking_uri=uri, artifact_location="elsewhere"), home / "other")
    run = moved.client.create_run(moved.experiment)
    moved.client.set_terminated(run.info.run_id)
    assert run.info.artifact_uri.startswith((home / "elsewhere").as_uri())
    assert moved.experiment != store.experiment
    with pytest.raises(UsageRefused, match=r"cannot open nonsense:.* tracking_uri in .*keepwell\.toml"):
        open_store(settings_of(home, tracking_uri="nonsense://"), home / "other")


def test_importing_it_does_not_import_mlflow() -> None:
    code = textwrap.dedent("""
        import json, sys
        import training.tracking, training.plots, training.report, training.bundle, training.gate, training.card, training.evaluate
        print(json.dumps([name for name in ("mlflow", "shap", "matplotlib", "sklearn") if name in sys.modules]))
    """)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
