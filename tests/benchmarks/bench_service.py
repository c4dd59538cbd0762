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
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import httpx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "serving")]

from bench_page import AT_RISK  # noqa: E402
from other_servers import bare, fastapi, mlflow_models  # noqa: E402

from features.cutoffs import day_date  # noqa: E402
from features.settings import read_settings  # noqa: E402
from features.simulate import simulate  # noqa: E402
from features.snapshot import Market  # noqa: E402
from serving.champion import champion_pointer  # noqa: E402
from serving.durable import MANIFEST, manifest_of  # noqa: E402
from serving.ledger import Ledger  # noqa: E402
from serving.nightly import run_once  # noqa: E402
from serving.rules import read_rules  # noqa: E402
from serving.run import Run, current_run  # noqa: E402

CLIENTS = 8
LOOKS = 10
LEAST = 20
"""Predictions of a round, however long they take."""
DAYS = 400
Call = tuple[str, str | None]


@dataclass
class Verdicts:
    """What was measured, each figure beside its bar."""

    failed: list[str] = field(default_factory=list)

    def say(self, what: str, figure: float, unit: str, bar: str = "", passed: bool = True, judged: bool = True) -> None:
        """Print a figure and, where it has a bar, that and the verdict; one that is not judged is only told."""
        verdict = "ok" if passed else "MISSED" if judged else "missed (not judged here)"
        print(f"{what:<72} {figure:>9,.2f} {unit:<3}" + (f" bar {bar:<7} {verdict}" if bar else ""), flush=True)
        if judged and not passed:
            self.failed.append(what)


@dataclass(frozen=True)
class Bench:
    """What every measurement needs: how long each takes, how often, a place to write, and where the figures go."""

    seconds: float
    rounds: int
    judged: bool
    home: Path
    verdicts: Verdicts
    clients: list[float] = field(default_factory=list)

    def asked(self, calls: Sequence[Call], clients: int = CLIENTS, warm: float = 0.2, seconds: float | None = None, at_least: int = 1) -> dict[str, float]:
        """What callers in a process of their own measured."""
        told = {"calls": calls, "seconds": seconds or self.seconds, "clients": clients, "warm": warm, "at_least": at_least}
        command = [sys.executable, str(HERE / "closed_loop.py")]
        done = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        found: dict[str, float] = json.loads(done.stdout)
        self.clients.append(found["client"])
        return found

    def beside(self, ours: Sequence[Call], theirs: Sequence[Call], clients: int, at_least: int = 1) -> list[tuple[dict[str, float], dict[str, float]]]:
        """Both in turn, so that whatever else the machine does falls on both."""
        return [(self.asked(ours, clients, at_least=at_least), self.asked(theirs, clients, at_least=at_least)) for _ in range(self.rounds)]

    def say(self, what: str, figure: float, unit: str, bar: str, passed: bool) -> None:
        """A latency, judged on a quiet machine only."""
        self.verdicts.say(what, figure, unit, bar, passed, self.judged)


def small_market() -> Any:
    """The module with the small model of the tests."""
    spec = importlib.util.spec_from_file_location("small_market", ROOT / "tests" / "serving" / "conftest.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(folder: Path, merchants: int) -> Path:
    """A keepwell.toml over a made-up market, scored by a small model."""
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
def keepwell(config: Path, bench: Bench) -> Iterator[str]:
    """`keepwell serve`, with what its start takes, and its memory at the end."""
    began = perf_counter()
    command = [sys.executable, "-m", "keepwell", "serve", str(config), "--port", "0"]
    given = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=bench.home, env=given)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        if len(line) < 4:
            raise SystemExit("keepwell serve did not start; what it said is above.")
        address = line[3].rstrip("/")
        httpx.get(f"{address}/readyz", trust_env=False, timeout=60).raise_for_status()
        bench.say("start: ready after", perf_counter() - began, "s", "<= 15", perf_counter() - began <= 15)
        yield address
        rollup = Path(f"/proc/{process.pid}/smaps_rollup")
        if rollup.exists():
            pss = next(int(line.split()[1]) for line in rollup.read_text().splitlines() if line.startswith("Pss:")) / 1024
            bench.verdicts.say("memory at the end (PSS)", pss, "MB", "<= 400", pss <= 400)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def sent(cutoff: str, rows: int = 200) -> str:
    """A merchant with its last orders, one a day, as an app sends it."""
    last = date.fromisoformat(cutoff) - timedelta(days=1)
    orders = [{"order_id": f"o{row}", "ordered_at": str(last - timedelta(days=row)), "amount": 20.0 + row} for row in range(rows)]
    return json.dumps({"merchants": [{"merchant_id": "new-shop", "events": {"orders": orders}}], "explain": True})


def of_first_calls(address: str, ids: list[str], bench: Bench) -> None:
    """Pages, and merchants by id, as soon as the service is ready, each for the first time: told, not judged, for it is over within a minute."""
    for path in ("/", "/?lang=zh", "/portfolio"):
        took = httpx.get(f"{address}{path}", trust_env=False, timeout=60).raise_for_status().elapsed.total_seconds()
        bench.verdicts.say(f"GET {path}, right after the start, for the first time", took * 1000, "ms")
    calls = [(f"{address}/v1/merchants/{one}", None) for one in ids]
    found = bench.asked(calls, warm=0, seconds=min(1.0, bench.seconds))
    name = "GET /v1/merchants/{id}, right after the start, none asked before"
    bench.verdicts.say(f"{name}: p50", found["p50"], "ms")
    bench.verdicts.say(f"{name}: p99", found["p99"], "ms")
    bench.verdicts.say(f"{name}: rate", found["rate"], "/s")


def of_lookups(address: str, ids: list[str], bench: Bench) -> None:
    """Merchants by id and the list's API, against a bare endpoint that answers as much."""
    for what, calls in (
        (f"GET /v1/merchants/{{id}}, any of {len(ids):,}", [(f"{address}/v1/merchants/{one}", None) for one in ids]),
        ("GET /v1/at-risk, 50 rows", [(f"{address}/v1/at-risk?limit=50", None)]),
    ):
        size = int(bench.asked(calls, seconds=0.2)["bytes"])
        with bare(bench.home, size) as other:
            both = bench.beside(calls, [(f"{other}/constant", "{}")], CLIENTS)
        ours, ratio = min((one for one, _ in both), key=lambda one: one["p99"]), median(one["rate"] / two["rate"] for one, two in both)
        theirs = max((two for _, two in both), key=lambda one: one["rate"])
        bench.verdicts.say(f"{what}: p50, {CLIENTS} clients", ours["p50"], "ms")
        bench.say(f"{what}: p99, best of {bench.rounds}", ours["p99"], "ms", "<= 20", ours["p99"] <= 20)
        bench.verdicts.say(f"{what}: answers a second ({size:,} bytes)", ours["rate"], "/s")
        bench.verdicts.say("  a bare BentoML endpoint of as many bytes: answers a second", theirs["rate"], "/s")
        bench.verdicts.say("  and its p99, best: what the machine adds to anybody's", min(two["p99"] for _, two in both), "ms")
        bench.verdicts.say("  ours, times its rate (median)", ratio, "x", ">= 0.8", ratio >= 0.8)


def of_ids(address: str, ids: list[str], bench: Bench) -> None:
    """A thousand predictions by id in one call."""
    many = json.dumps({"merchant_ids": [ids[row % len(ids)] for row in range(1000)], "explain": True})
    found = bench.asked([(f"{address}/v1/predict", many)], clients=1)
    bench.say("POST /v1/predict, 1,000 ids with reasons: p50", found["p50"], "ms", "<= 150", found["p50"] <= 150)


def of_live(address: str, state: Path, run: Run, bench: Bench) -> None:
    """A live prediction, beside the same computation behind other servers."""
    body = sent(run.cutoff)
    answer = httpx.post(f"{address}/v1/predict", content=body, headers={"content-type": "application/json"}, trust_env=False, timeout=60)
    one = answer.raise_for_status().json()["predictions"][0]
    if one["status"] != "scored" or not one["reasons"]:
        raise SystemExit(f"the live prediction has no score or no reasons: {one}")
    live: list[Call] = [(f"{address}/v1/predict", body)]
    with fastapi(bench.home, state) as other:
        both = bench.beside(live, [(f"{other}/predict", body)], 1, LEAST)
    ours, ratio = min((one for one, _ in both), key=lambda one: one["p50"]), median(one["p50"] / two["p50"] for one, two in both)
    what = "POST /v1/predict live, 200 events, with reasons"
    bench.say(f"{what}: p50", ours["p50"], "ms", "<= 25", ours["p50"] <= 25)
    bench.say(f"{what}: p99", ours["p99"], "ms", "<= 80", ours["p99"] <= 80)
    bench.verdicts.say("  the same behind bare FastAPI: p50", min(two["p50"] for _, two in both), "ms")
    bench.verdicts.say("  ours, times its p50 (median)", ratio, "x", "<= 1.3", ratio <= 1.3)
    _beside_mlflow(live, body, state, one["merchant_id"], bench)


def _beside_mlflow(live: list[Call], body: str, state: Path, merchant: str, bench: Bench) -> None:
    name = "  the same behind mlflow models serve"
    frame = json.dumps({"dataframe_split": {"columns": ["body"], "data": [[body]]}})
    bundle = state / "bundles" / str(champion_pointer(state)["model_version"])
    try:
        with mlflow_models(bench.home, state, bundle) as other:
            told = httpx.post(f"{other}/invocations", content=frame, headers={"content-type": "application/json"}, trust_env=False, timeout=60)
            rows = json.loads(told.raise_for_status().json()["predictions"][0])
            assert rows[0]["merchant_id"] == merchant and rows[0]["reasons"], rows
            both = bench.beside(live, [(f"{other}/invocations", frame)], 1, LEAST)
    except RuntimeError as error:
        print(f"{name}: NOT MEASURED, {error}", flush=True)
        return
    ratio = median(one["p50"] / two["p50"] for one, two in both)
    bench.verdicts.say(f"{name}: p50", min(two["p50"] for _, two in both), "ms")
    bench.verdicts.say("  ours, times its p50 (median)", ratio, "x", "< 1", ratio < 1)


def of_pages(address: str, scored: int, bench: Bench) -> None:
    """The list page of this run over HTTP, and of 5,000 merchants at risk on the server alone."""
    page = bench.asked([(f"{address}/", None)], clients=1)
    bench.say(f"the list page, {scored:,} merchants scored: p50", page["p50"], "ms", "<= 150", page["p50"] <= 150)


def large_page() -> subprocess.Popen[str]:
    """The list page of 5,000 merchants at risk being measured in a process of its own, for the making of such a market takes a core."""
    script = f"import json, bench_page; print(json.dumps(bench_page.measured(['/'], times={LOOKS})['/']))"
    return subprocess.Popen([sys.executable, "-c", script], cwd=HERE, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)


def of_large_page(process: subprocess.Popen[str], bench: Bench) -> None:
    """Its first 50 rows, without a network: what the server alone takes."""
    out, _ = process.communicate(timeout=300)
    if process.returncode:
        raise SystemExit("the list page of a large market was not measured; why is above.")
    first, usual, _ = json.loads(out)
    bench.say(f"the list page, {AT_RISK:,} merchants at risk, 50 rows: median", usual, "ms", "<= 150", usual <= 150)
    bench.verdicts.say("  the very first view after a new run", first, "ms")


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a short run that judges ratios and memory only, for a machine that does other things too")
    parser.add_argument("--config", type=Path, help="a keepwell.toml that was scored, instead of a market of its own")
    parser.add_argument("--merchants", type=int, default=None, help="of that market")
    options = parser.parse_args()
    judged, verdicts, began = not options.small, Verdicts(), perf_counter()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; latencies {'are' if judged else 'are not'} judged", flush=True)
    with tempfile.TemporaryDirectory() as name:
        seconds, rounds, merchants = (3.0, 3, 2000) if judged else (0.4, 3, 150)
        bench = Bench(seconds, rounds, judged, Path(name), verdicts)
        large = large_page()
        config = (options.config or made(bench.home / "market", options.merchants or merchants)).resolve()
        state = read_settings(config).state_dir
        run = current_run(state)
        ids, scored = [str(one) for one in run.merchants.index], int(run.merchants["no_score"].isna().sum())
        Random(0).shuffle(ids)
        of_large_page(large, bench)
        with keepwell(config, bench) as address:
            of_first_calls(address, ids, bench)
            of_ids(address, ids, bench)
            of_live(address, state, run, bench)
            of_pages(address, scored, bench)
            of_lookups(address, ids, bench)
    busiest = max(bench.clients)
    print(f"the client took at most {busiest:.0%} of a core, so it {'WAS' if busiest > 0.85 else 'was not'} what limited the rates")
    print(f"took {perf_counter() - began:.0f} s; load at the end {os.getloadavg()[0]:.1f}")
    print(f"missed: {', '.join(verdicts.failed)}" if verdicts.failed else "everything that is judged holds")
    return 1 if verdicts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
