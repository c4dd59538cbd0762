"""How long the server works on the at-risk page: the first 50 rows of 5,000 merchants at risk, warm and right after a new run.

uv run python tests/benchmarks/bench_page.py
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from features.settings import Churn, Economics, Growth, Timeline
from serving.ledger import Ledger
from serving.rules import read_rules

AT_RISK = 5_000
MERCHANTS = 15_500
TIMES = 30
LIMIT_MS = 150


def fixtures(name: str, *parts: str) -> Any:
    """A conftest of the tests, for the market it makes."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1].joinpath(*parts))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Measure and print."""
    took = measured(["/", "/?sort=risk&tier=C", "/?q=面包", "/?lang=zh", "/merchants/m000"])
    for path, (first, usual, worst) in took.items():
        print(f"{path:<24} first {first:6.0f} ms   median {usual:6.1f} ms   worst of {TIMES} {worst:6.1f} ms")
    usual = took["/"][1]
    print(
        f"first 50 rows of {AT_RISK:,} and more at risk: {usual:.0f} ms (limit {LIMIT_MS} ms: {'held' if usual <= LIMIT_MS else 'missed'})"
    )


def measured(paths: list[str], times: int = TIMES) -> dict[str, tuple[float, float, float]]:
    """The first answer, the median and the worst of the next, in milliseconds, of pages of a market with so many at risk."""
    serving, page = fixtures("serving_conftest", "serving", "conftest.py"), fixtures("page_conftest", "serving", "page", "conftest.py")
    settings = SimpleNamespace(churn=Churn(), growth=Growth(), economics=Economics(), timeline=Timeline(currency="GBP"))
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with closing(Ledger.at(f"sqlite:///{state / 'ledger.db'}")) as ledger:
            page.publish_two(state, ledger, serving.frame_of(MERCHANTS), serving.fitted(), read_rules(), settings)
            site = page.Site(state, ledger)
            site.published.prepare(site.published.now(), lambda: True)  # as the service does before a run is seen
            gc.collect()
            gc.freeze()
            try:
                return asyncio.run(timed(site, paths, times))
            finally:
                gc.unfreeze()


async def timed(site: Any, paths: list[str], times: int) -> dict[str, tuple[float, float, float]]:
    """In this process, so that nothing but the server counts."""
    transport = httpx.ASGITransport(site.app)
    found = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in paths:
            took = []
            for _ in range(times + 1):
                start = time.perf_counter()
                answer = await client.get(path)
                took.append((time.perf_counter() - start) * 1000)
                assert answer.status_code == 200, answer.text
            found[path] = (took[0], statistics.median(took[1:]), max(took[1:]))
    return found


if __name__ == "__main__":
    main()
