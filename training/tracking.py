"""Runs, models and their aliases in MLflow; the only file that knows it.

By default everything is in `mlruns/` of the current directory: `mlflow.db` (SQLite) and `artifacts/`. MLflow takes seconds to
import, so it is imported when a store is opened. Its telemetry stays off, and nothing is ever unpickled.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import UsageRefused

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from features.settings import Settings

NAME = "keepwell"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous_champions"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""What MLflow must find in the environment before it is imported."""


@dataclass(frozen=True)
class MlflowVersion:
    """One registered version: its number in MLflow, the run it came from, and the version of the bundle it holds."""

    run_id: str
    version: int
    model_version: str


def open_store(settings: Settings, folder: Path | None = None) -> Store:
    """The store of a configuration; it is made if it is not there, by one process at a time.

    Parameters
    ----------
    settings : `[mlflow] tracking_uri` and `artifact_location` come before the folder.
    folder : `mlruns/` of the current directory, unless given.

    Raises
    ------
    UsageRefused
        MLflow cannot open the store, or is not installed.
    """
    os.environ.update(QUIET)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError:
        raise UsageRefused(
            "MLflow is not installed: this machine can score and serve, but not train or promote; install the rest with uv sync."
        ) from None

    folder = (folder or Path("mlruns")).absolute()
    uri = settings.mlflow.tracking_uri or f"sqlite:///{folder / 'mlflow.db'}"
    location = _location(settings, folder)
    try:
        with _only_one(folder):
            store = Store(client := MlflowClient(tracking_uri=uri, registry_uri=uri), _experiment(client, location))
            if settings.mlflow.tracking_uri is None:
                with closing(sqlite3.connect(folder / "mlflow.db")) as database:
                    database.execute("PRAGMA journal_mode=WAL")
    except Exception as error:  # MLflow raises its own, SQLAlchemy's and the driver's errors alike
        reason = str(error).splitlines()[0][:200]
        raise UsageRefused(
            f"MLflow cannot open {uri}: {reason}. Check [mlflow] tracking_uri in {settings.path}, or move it away."
        ) from error
    store.close_zombies()
    return store


@dataclass(frozen=True)
class Store:
    """An open tracking store and registry."""

    client: MlflowClient
    experiment: str

    def log_training(
        self,
        params: Mapping[str, Any],
        metrics_per_cutoff: Mapping[str, Mapping[str, float | None]],
        tags: Mapping[str, str],
        artifacts_dir: Path,
        bundle_dir: Path,
        model_version: str,
    ) -> MlflowVersion:
        """Record one training and register its bundle as the challenger.

        Each metric is logged once per cutoff (step 20110501 for 2011-05-01) and as `mean_<metric>`; missing ones are left out.
        A run that fails on the way is marked so and registers nothing.
        """
        with self._run(tags) as run_id:
            self._log_params(run_id, params)
            self._log_metrics(run_id, metrics_per_cutoff)
            self.client.log_artifacts(run_id, str(artifacts_dir))
            self.client.log_artifacts(run_id, str(bundle_dir), "bundle")
        source = f"{self.client.get_run(run_id).info.artifact_uri}/bundle"
        if not self.client.search_registered_models(f"name = '{NAME}'"):
            self.client.create_registered_model(NAME)
        made = self.client.create_model_version(NAME, source, run_id, tags={"model_version": model_version})
        self.client.set_registered_model_alias(NAME, CHALLENGER, str(made.version))
        return _version(made)

    def champion(self) -> MlflowVersion | None:
        """The version that serves, or None."""
        return self._alias(CHAMPION)

    def challenger(self) -> MlflowVersion | None:
        """The version trained last and not promoted, or None."""
        return self._alias(CHALLENGER)

    def refuse_unless_registered(self, version: int, model_version: str) -> None:
        """Refuse, before anything is moved, a version that this store does not have, or has of another model.

        Raises
        ------
        UsageRefused
            It is another store than the one that the training was recorded in, such as that of another directory.
        """
        found = self._known().get(int(version))
        if found is None or found.tags.get("model_version") != model_version:
            raise UsageRefused(
                f"MLflow's store of this directory has no version {version} with model {model_version}; repeat the command in the directory where "
                "`keepwell train` ran, or train anew here."
            )

    def promote(self, version: int) -> MlflowVersion:
        """Make a version the champion and remember the one before; it stops being the challenger.

        Raises
        ------
        UsageRefused
            There is no such version.
        """
        known = self._known()
        if int(version) not in known:
            listed = ", ".join(map(str, sorted(known))) or "none"
            raise UsageRefused(f"Version {version} of {NAME} is not in the registry; registered are {listed}. Promote one of these.")
        before, challenger = self.champion(), self.challenger()
        if before and before.version != int(version):
            self._remember([before.version, *self._previous()])
        self.client.set_registered_model_alias(NAME, CHAMPION, str(version))
        if challenger and challenger.version == int(version):
            self.client.delete_registered_model_alias(NAME, CHALLENGER)
        return _version(known[int(version)])

    def rollback(self) -> MlflowVersion:
        """Make the champion before the champion again.

        Raises
        ------
        UsageRefused
            There was none.
        """
        previous = self._previous()
        if not previous:
            raise UsageRefused("There is nothing to roll back to: no other version was ever the champion. Use `keepwell promote`.")
        self.client.set_registered_model_alias(NAME, CHAMPION, str(previous[0]))
        self._remember(previous[1:])
        return _version(self.client.get_model_version(NAME, str(previous[0])))

    def close_zombies(self) -> int:
        """Close runs of this machine whose process is gone (killed ones stay RUNNING for ever), and say how many."""
        running = self.client.search_runs([self.experiment], f"attributes.status = 'RUNNING' and tags.host = '{_host()}'")
        gone = [run.info.run_id for run in running if _started(int(run.data.tags.get("pid", 0))) != run.data.tags.get("started")]
        for run_id in gone:
            self.client.set_terminated(run_id, "KILLED")
        return len(gone)

    @contextmanager
    def _run(self, tags: Mapping[str, str]) -> Iterator[str]:
        own = {"host": _host(), "pid": str(os.getpid()), "started": _started(os.getpid()) or ""}
        run_id = self.client.create_run(self.experiment, tags={**tags, **own}).info.run_id
        status = "FAILED"
        try:
            yield run_id
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            self.client.set_terminated(run_id, status)

    def _log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        rows = [Param(str(key), str(value)[:6000]) for key, value in params.items()]
        for start in range(0, len(rows), 100):
            self.client.log_batch(run_id, params=rows[start : start + 100])

    def _log_metrics(self, run_id: str, metrics_per_cutoff: Mapping[str, Mapping[str, float | None]]) -> None:
        from mlflow.entities import Metric

        seen: dict[str, list[float]] = {}
        rows, when = [], self.client.get_run(run_id).info.start_time
        for cutoff, metrics in metrics_per_cutoff.items():
            for name, value in metrics.items():
                if value is not None and math.isfinite(value):
                    rows.append(Metric(name, value, when, int(cutoff.replace("-", ""))))
                    seen.setdefault(f"mean_{name}", []).append(value)
        rows += [Metric(name, sum(values) / len(values), when, 0) for name, values in seen.items()]
        for start in range(0, len(rows), 1000):
            self.client.log_batch(run_id, metrics=rows[start : start + 1000])

    def _known(self) -> dict[int, ModelVersion]:
        return {int(each.version): each for each in self.client.search_model_versions(f"name = '{NAME}'")}

    def _alias(self, alias: str) -> MlflowVersion | None:
        models = self.client.search_registered_models(f"name = '{NAME}'")
        version = models[0].aliases.get(alias) if models else None
        return None if version is None else _version(self.client.get_model_version(NAME, str(version)))

    def _previous(self) -> list[int]:
        models = self.client.search_registered_models(f"name = '{NAME}'")
        return list(json.loads(models[0].tags.get(PREVIOUS, "[]"))) if models else []

    def _remember(self, versions: list[int]) -> None:
        self.client.set_registered_model_tag(NAME, PREVIOUS, json.dumps(versions))


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Two processes that first touch one store at a time break it for good."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _location(settings: Settings, folder: Path) -> str:
    given = settings.mlflow.artifact_location
    if given and "://" in given:
        return given
    return ((settings.path.parent / given).absolute() if given else folder / "artifacts").as_uri()


def _experiment(client: MlflowClient, location: str) -> str:
    """The experiment whose artifacts go to a location; paths in MLflow are absolute, so a moved store gets a second experiment."""
    for name in (NAME, f"{NAME}-{sha256(location.encode()).hexdigest()[:6]}"):
        found = client.get_experiment_by_name(name)
        if found is None:
            return str(client.create_experiment(name, artifact_location=location))
        if found.artifact_location == location and found.lifecycle_stage == "active":
            return str(found.experiment_id)
    raise UsageRefused(f"the experiment {name} was deleted; restore it with `mlflow experiments restore`")


def _version(found: ModelVersion) -> MlflowVersion:
    return MlflowVersion(str(found.run_id), int(found.version), found.tags.get("model_version", ""))


def _host() -> str:
    return socket.gethostname().replace("'", "")


def _started(pid: int) -> str | None:
    """When a process began, as the system counts it (empty where it does not say); None when there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    status = Path(f"/proc/{pid}/stat")
    return status.read_text().rpartition(")")[2].split()[19] if status.exists() else ""
