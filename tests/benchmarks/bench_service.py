"""What the service takes: lists, merchants, predictions, start and memory, against a bare endpoint and other servers in the same run.

    uv run python tests/benchmarks/bench_service.py [--small] [--config keepwell.toml]

Without a configuration it makes a market and a small model of its own. Each figure is printed with its bar. Latencies depend on what else
the machine does, so the load is printed too, and the ratios compare servers one right after the other; `--small` judges the ratios only.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep
from types import SimpleNamespace
from typing import Any

import httpx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "serving")]
CLIENTS = 8
DAYS = 400
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
FASTAPI = """
import os, sys
from pathlib import Path
import uvicorn
from fastapi import FastAPI
from serving.api.schemas_predict import PredictEvents
from serving.champion import load_champion
from serving.live import Merchant, Surroundings, live_rows
from serving.run import current_run

state = Path(os.environ["STATE"])
champion, around, app = load_champion(state), Surroundings(current_run(state)), FastAPI()

@app.post("/predict")
def predict(asked: PredictEvents) -> list:
    merchants = [Merchant(one.merchant_id, one.merchant, one.events) for one in asked.merchants]
    return live_rows(around, champion.model, merchants, explain=True)

@app.get("/")
def ready() -> dict:
    return {}

uvicorn.run(app, port=int(os.environ["PORT"]), log_config=None, access_log=False)
"""


@dataclass
class Verdicts:
    """What was measured, each figure beside its bar."""

    failed: list[str] = field(default_factory=list)

    def say(self, what: str, figure: float, unit: str, bar: str, passed: bool, judged: bool = True) -> None:
        """Print a figure, its bar and the verdict; one that is not judged is only told."""
        verdict = "ok" if passed else "MISSED" if judged else "missed (not judged here)"
        print(f"{what:<68} {figure:>9,.1f} {unit:<6} bar {bar:<14} {verdict}", flush=True)
        if judged and not passed:
            self.failed.append(what)


def asked(calls: list[tuple[str, str | None]], seconds: float, clients: int = CLIENTS, warm: float = 0.5) -> dict[str, float]:
    """What callers in a process of their own measured."""
    told = json.dumps({"calls": calls, "seconds": seconds, "clients": clients, "warm": warm})
    done = subprocess.run([sys.executable, str(HERE / "closed_loop.py")], input=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextmanager
def other(script: str, home: Path, path: str, **environment: str) -> Iterator[str]:
    """Another server, waited for."""
    from socket import socket

    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = os.environ | {"PYTHONPATH": str(ROOT), "PORT": str(port), "BENTOML_HOME": str(home / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"} | environment
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", script], env=given, cwd=home, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            try:
                httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=5)
                break
            except httpx.HTTPError:
                sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def small_market() -> Any:
    """The module with the small model of the tests."""
    spec = importlib.util.spec_from_file_location("small_market", ROOT / "tests" / "serving" / "conftest.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(folder: Path, merchants: int) -> Path:
    """A keepwell.toml over a made-up market, scored by a small model."""
    from features.settings import read_settings
    from features.simulate import simulate
    from features.snapshot import Market, day_date
    from serving.durable import MANIFEST, manifest_of
    from serving.ledger import Ledger
    from serving.nightly import run_once
    from serving.rules import read_rules

    simulate(folder, merchants, seed=3, days=DAYS)
    small, settings = small_market(), read_settings(folder)
    model, version = small.fitted(), "abcdef012345"
    market = Market.open(folder / "keepwell.toml", day_date(2**15).date())
    cutoff = market.source.end_day
    with closing(Ledger.open(settings)) as ledger:
        champion = SimpleNamespace(model=model, model_version=version)
        run_once(market, cutoff, champion, read_rules(), ledger, state_dir=settings.state_dir, created_at="2026-01-01T06:00:00+00:00")
    frame = small.frame_of(5, seed=3)[list(small.FEATURES)]
    texts = frame.astype(object).where(frame.notna(), None)
    features = {name: [value.item() if hasattr(value, "item") else value for value in texts[name]] for name in small.FEATURES}
    golden = {"features": features, "scores": {name: model.scores(frame)[name].tolist() for name in small.SCORES}}
    files = {**model.to_files(), "golden.json": json.dumps(golden).encode()}
    bundle = settings.state_dir / "bundles" / version
    for name, content in files.items():
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_bytes(content)
    (bundle / MANIFEST).write_bytes(manifest_of(files, model_version=version))
    (settings.state_dir / "champion.json").write_text(json.dumps({"model_version": version, "previous": []}))
    return folder / "keepwell.toml"


@contextmanager
def keepwell(config: Path, home: Path, verdicts: Verdicts, judged: bool) -> Iterator[str]:
    """`keepwell serve`, with what its start takes."""
    began = perf_counter()
    command = [sys.executable, "-m", "keepwell", "serve", str(config), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=home, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    address = process.stdout.readline().split()[3].rstrip("/")
    httpx.get(f"{address}/readyz", trust_env=False, timeout=60).raise_for_status()
    verdicts.say("start: ready after", perf_counter() - began, "s", "<= 15", perf_counter() - began <= 15, judged)
    try:
        yield address
        rollup = Path(f"/proc/{process.pid}/smaps_rollup")
        if rollup.exists():
            pss = next(int(line.split()[1]) for line in rollup.read_text().splitlines() if line.startswith("Pss:")) / 1024
            verdicts.say("memory at the end (PSS)", pss, "MB", "<= 400", pss <= 400)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def sent(rows: int = 200) -> str:
    """A merchant with its last orders, as an app sends it."""
    return json.dumps({"merchants": [{"merchant_id": "new-shop", "merchant": {}, "events": {"orders": _orders(rows)}}], "explain": True})


def _orders(rows: int) -> list[dict[str, Any]]:
    from datetime import date, timedelta

    last = date.fromisoformat(os.environ["CUTOFF"]) - timedelta(days=1)
    return [{"order_id": f"o{row}", "ordered_at": str(last - timedelta(days=row)), "amount": 20.0 + row} for row in range(rows)]


def of_lookups(address: str, ids: list[str], seconds: float, home: Path, verdicts: Verdicts, judged: bool) -> None:
    """Merchants by id and the list's API, against a bare endpoint that answers as much."""
    for what, calls in (
        ("GET /v1/merchants/{id} of 50", [(f"{address}/v1/merchants/{one}", None) for one in ids[:50]]),
        ("GET /v1/at-risk, 50 rows", [(f"{address}/v1/at-risk?limit=50", None)]),
    ):
        asked(calls, 0.2, warm=2.0)
        size = int(asked(calls, 0.2)["bytes"])
        with other(BARE, home, "/livez", SIZE=str(size)) as bare:
            both = [(asked(calls, seconds), asked([(f"{bare}/constant", "{}")], seconds)) for _ in range(3)]
        ours, ratios = min((one for one, _ in both), key=lambda one: one["p99"]), sorted(one["rate"] / two["rate"] for one, two in both)
        verdicts.say(f"{what}: p50 at {CLIENTS} clients", ours["p50"], "ms", "", True)
        verdicts.say(f"{what}: p99 at {CLIENTS} clients, best of 3", ours["p99"], "ms", "<= 20", ours["p99"] <= 20, judged)
        verdicts.say(f"{what}: answers a second ({size:,} bytes)", ours["rate"], "/s", "", True)
        verdicts.say(f"{what}: times a bare endpoint's rate, median of 3", ratios[1], "x", ">= 0.8", ratios[1] >= 0.8)


def of_predictions(address: str, ids: list[str], state: Path, seconds: float, home: Path, verdicts: Verdicts, judged: bool) -> None:
    """Predictions by id and live, against the same behind bare FastAPI."""
    many = json.dumps({"merchant_ids": [ids[row % len(ids)] for row in range(1000)], "explain": True})
    found = asked([(f"{address}/v1/predict", many)], seconds, clients=1)
    verdicts.say("POST /v1/predict 1,000 ids with reasons: p50", found["p50"], "ms", "<= 150", found["p50"] <= 150, judged)
    live = [(f"{address}/v1/predict", sent())]
    with other(FASTAPI, home, "/", STATE=str(state)) as bare:
        both = [(asked(live, seconds, clients=1), asked([(f"{bare}/predict", sent())], seconds, clients=1)) for _ in range(3)]
    ours = min((one for one, _ in both), key=lambda one: one["p50"])
    ratio = sorted(one["p50"] / two["p50"] for one, two in both)[1]
    verdicts.say("POST /v1/predict live, 200 events, with reasons: p50", ours["p50"], "ms", "<= 25", ours["p50"] <= 25, judged)
    verdicts.say("POST /v1/predict live, 200 events, with reasons: p99", ours["p99"], "ms", "<= 80", ours["p99"] <= 80, judged)
    verdicts.say("  times bare FastAPI around the same computation, p50", ratio, "x", "<= 1.3", ratio <= 1.3)


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a short run that judges ratios only, for a machine that does other things too")
    parser.add_argument("--config", type=Path, help="a keepwell.toml that was scored, instead of a market of its own")
    parser.add_argument("--merchants", type=int, default=None)
    options = parser.parse_args()
    seconds, merchants = (1.0, 200) if options.small else (4.0, 2000)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; latencies {'are not' if options.small else 'are'} judged")
    verdicts, judged = Verdicts(), not options.small
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        from features.settings import read_settings
        from serving.run import current_run

        config = (options.config or made(home / "market", options.merchants or merchants)).resolve()
        state = read_settings(config).state_dir
        run = current_run(state)
        os.environ["CUTOFF"] = run.cutoff
        ids = [str(one) for one in run.merchants.index[run.merchants["no_score"].isna()]]
        with keepwell(config, home, verdicts, judged) as address:
            of_lookups(address, ids, seconds, home, verdicts, judged)
            of_predictions(address, ids, state, seconds, home, verdicts, judged)
            page = asked([(f"{address}/", None)], seconds, clients=1)
            verdicts.say(f"the page, {len(ids):,} merchants scored: p50", page["p50"], "ms", "<= 150", page["p50"] <= 150, judged)
    print(f"missed: {', '.join(verdicts.failed)}" if verdicts.failed else "everything that is judged holds")
    return 1 if verdicts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
