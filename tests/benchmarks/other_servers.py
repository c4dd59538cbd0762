"""Servers to set beside ours: a bare BentoML endpoint, and the same live scoring behind bare FastAPI and behind `mlflow models serve`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from socket import socket
from time import monotonic, sleep

import httpx

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
"""With the programs of this environment, of which `mlflow models serve` calls one by its name."""
BARE = """
import bentoml, os, uvicorn
BODY = "x" * (int(os.environ["SIZE"]) - 2)

@bentoml.service(traffic={"timeout": 30}, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Bare:
    @bentoml.api(route="/constant")
    async def constant(self) -> str:
        return BODY

uvicorn.run(Bare.to_asgi(), port=int(os.environ["PORT"]), log_config=None, access_log=False)
"""
SCORING = """
import os
from pathlib import Path
from features.model import Model
from serving.api.schemas_predict import PREDICT
from serving.champion import champion_pointer, checked_bundle
from serving.live import Merchant, Surroundings, live_rows
from serving.run import current_run

state = Path(os.environ["STATE"])

def loaded(bundle=None):
    path = Path(bundle) if bundle else state / "bundles" / champion_pointer(state)["model_version"]
    return Surroundings(current_run(state)), Model.from_files(checked_bundle(path))

def scored(around, model, body):
    asked = PREDICT.validate_json(body)
    return live_rows(around, model, [Merchant(one.merchant_id, one.merchant, one.events) for one in asked.merchants], explain=True)
"""
FASTAPI = (
    SCORING
    + """
import uvicorn
from fastapi import FastAPI, Request

around, model = loaded()
app = FastAPI()

@app.post("/predict")
async def predict(request: Request) -> list:
    return scored(around, model, await request.body())

@app.get("/")
def ready() -> dict:
    return {}

uvicorn.run(app, port=int(os.environ["PORT"]), log_config=None, access_log=False)
"""
)
PYFUNC = (
    SCORING
    + """
import json
import mlflow

class Live(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.around, self.model = loaded(context.artifacts["bundle"])

    def predict(self, context, model_input, params=None):
        return [json.dumps(scored(self.around, self.model, body)) for body in model_input["body"]]

mlflow.models.set_model(Live())
"""
)
SAVE = """
import sys, warnings
warnings.simplefilter("ignore")
import mlflow
mlflow.pyfunc.save_model(sys.argv[1], python_model=sys.argv[2], artifacts={"bundle": sys.argv[3]}, pip_requirements=["lightgbm"])
"""


@contextmanager
def other(command: Sequence[str], home: Path, path: str, **environment: str) -> Iterator[str]:
    """Another server's address, once it answers; `{port}` in the command is the port it has to take.

    Raises
    ------
    RuntimeError : it ended, or never answered; with the last it wrote.
    """
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = {"BENTOML_HOME": str(home / "bentoml"), "BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    given = os.environ | {"PYTHONPATH": str(ROOT), "PORT": str(port), "PYTHONWARNINGS": "ignore", "PATH": PATH} | quiet | environment
    log = home / f"server-{port}.log"
    with log.open("wb") as out:
        filled = [part.replace("{port}", str(port)) for part in command]
        process = subprocess.Popen(filled, env=given, cwd=home, stdout=out, stderr=out, start_new_session=True)
    try:
        _wait(process, f"http://127.0.0.1:{port}{path}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):  # the group, for mlflow's server is a child of its command
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    late = monotonic() + SECONDS
    while monotonic() < late and process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(url, trust_env=False, timeout=5).status_code < 500:
                return
        sleep(0.1)
    raise RuntimeError(f"ended with {process.poll()}: " + " ".join(log.read_text(errors="replace").split())[-400:])


def bare(home: Path, size: int) -> AbstractContextManager[str]:
    """A BentoML endpoint that returns a constant of so many bytes, at `/constant`."""
    return other([sys.executable, "-c", BARE], home, "/livez", SIZE=str(size))


def fastapi(home: Path, state: Path) -> AbstractContextManager[str]:
    """The live scoring of a state directory behind bare FastAPI, at `/predict`."""
    return other([sys.executable, "-c", FASTAPI], home, "/", STATE=str(state))


@contextmanager
def mlflow_models(home: Path, state: Path, bundle: Path) -> Iterator[str]:
    """The same behind `mlflow models serve`, the bundle wrapped as a pyfunc model, at `/invocations`.

    Raises
    ------
    RuntimeError : the model could not be saved, or its server did not start.
    """
    script, model = home / "live_model.py", home / "model"
    script.write_text(PYFUNC)
    given = os.environ | {"PYTHONPATH": str(ROOT), "STATE": str(state), "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-c", SAVE, str(model), str(script), str(bundle)]
    saved = subprocess.run(command, env=given, cwd=home, capture_output=True, text=True, check=False)
    if saved.returncode:
        raise RuntimeError("not saved: " + " ".join(saved.stderr.split())[-400:])
    serve = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "-h", "127.0.0.1", "-p", "{port}", "--env-manager", "local"]
    with other(serve, home, "/ping", STATE=str(state)) as address:
        yield address
