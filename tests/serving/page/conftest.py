"""A market of two weeks with hostile names, two runs of it, a ledger, and a service over them whose clock stands still."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from features.model import Model
from serving.access.callers import Access
from serving.access.keyring import Keyring
from serving.api.app import create_app
from serving.api.published import Published
from serving.ledger import Entry, Ledger
from serving.memory import recalled
from serving.rules import Rules
from serving.run import Run, publish
from serving.score import Scored, score
from serving.weeks import WEEKS

CUTOFFS = ("2025-12-25", "2026-01-01")
NOW = "2026-01-02T08:00:00+00:00"
NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "=cmd|' /C calc'!A0",
    "{{ 7 * 7 }}",
    "مخبز الشرق",
    "🍞 Bäckerei",
    "王记面包店",
    "'; DROP TABLE merchants; --",
    "Line\nbreak\x00, Ltd",
    "@SUM(A1)",
    "Bakery & Sons",
    None,
)
REGIONS = ("North", "西部", "<b>East</b>")


def market_at(frame: pd.DataFrame, settings: SimpleNamespace) -> SimpleNamespace:
    """A stand-in for a market: two owners, three regions, names that want to be something else."""
    ids, rows = frame.index, range(len(frame))
    columns = {
        "name": [NAMES[row % len(NAMES)] for row in rows],
        "owner": [("Ann Lee", "周敏", None)[row % 3] for row in rows],
        "region": [REGIONS[row % 3] for row in rows],
        "industry": frame["industry"].to_numpy(),
    }
    merchants = pd.DataFrame({"merchant_id": ids, **columns})
    return SimpleNamespace(
        settings=settings, merchants=merchants, snapshot=lambda cutoff: frame, source=SimpleNamespace(fingerprint="f00d")
    )


def with_weeks(made: Scored) -> Scored:
    """With sales by week, which a stand-in cannot tell."""
    ids = made.tables["merchants"]["merchant_id"]
    sold = np.random.default_rng(1).lognormal(4, 1, (len(ids), WEEKS)).astype(np.float32)
    table = pd.DataFrame(sold, columns=[f"w{week:02d}" for week in reversed(range(WEEKS))]).assign(merchant_id=ids.to_numpy())
    return replace(made, tables={**made.tables, "weeks": table})


def publish_two(state: Path, ledger: Ledger, frame: pd.DataFrame, model: Model, rules: Rules, settings: SimpleNamespace) -> None:
    """Publish two runs a week apart; in the first one others are at risk."""
    before = frame.sample(frac=1, random_state=5).set_axis(frame.index)
    for cutoff, known in zip(CUTOFFS, (before, frame), strict=True):
        memory = recalled(ledger, pd.Timestamp(cutoff).date(), rules)
        found = score(
            market_at(known, settings), cutoff, model, rules, model_version="abc123def456", created_at=f"{cutoff}T06:00:00Z", memory=memory
        )
        whole, entry = with_weeks(found), found.entry
        assert entry is not None

        def commit(run_id: str, entry: Entry = entry) -> None:
            ledger.commit_run(replace(entry, header={**entry.header, "run_id": run_id}))

        publish(state, whole.header, whole.tables, rules.text, commit=commit)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, snapshot: pd.DataFrame, model: Model, rules: Rules, settings: SimpleNamespace) -> Path:
    """A state directory with two runs and their ledger; to be copied, not changed."""
    state = tmp_path_factory.mktemp("page") / "state"
    state.mkdir()
    with closing(Ledger.at(f"sqlite:///{state / 'ledger.db'}")) as ledger:
        publish_two(state, ledger, snapshot, model, rules, settings)
    return state


@dataclass
class Site:
    """A service over a state directory, its ledger and its clock."""

    state: Path
    ledger: Ledger | None
    now: str = NOW

    def __post_init__(self) -> None:
        self.published = Published(self.state)
        self.access = Access(Keyring(lambda: self.ledger, lambda: self.now), lambda: self.now)
        self.app = create_app(self.published, self.access)

    @property
    def run(self) -> Run:
        """The run that stands."""
        return self.published.now().run

    def call(self, path: str, method: str = "GET", **given: Any) -> httpx.Response:
        """One request of a browser on this machine, with its cookies kept."""
        return self.calls([(path, method, given)])[0]

    def calls(self, asked: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """Requests one after the other, by the same browser."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)

        async def all_of_them() -> list[httpx.Response]:
            headers = {"accept": "text/html", "origin": "http://localhost"}
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
                return [await client.request(method, path, **given) for path, method, given in asked]

        with ThreadPoolExecutor(1) as own:  # a browser's loop may be running in this one
            return own.submit(lambda: asyncio.run(all_of_them())).result()

    def page(self, path: str, **given: Any) -> Tags:
        """A page, read; it must be one."""
        answer = self.call(path, **given)
        assert answer.status_code == 200, answer.text
        return Tags(answer.text)

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.now = (pd.Timestamp(self.now) + timedelta(**by)).isoformat(timespec="seconds")


class Tags(HTMLParser):
    """A page as its tags, their attributes and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """A text."""
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All text with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """The attributes of all tags of a kind, of those with some attributes."""
        return [
            given for name, given in self.tags if name == tag and all(given.get(key.rstrip("_")) == value for key, value in wanted.items())
        ]

    @property
    def merchants(self) -> list[str]:
        """The ids of the rows of the list."""
        return [str(given["id"]).removeprefix("m-") for given in self.all("tr") if str(given.get("id", "")).startswith("m-")]


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Iterator[Site]:
    """A service of one's own."""
    state = tmp_path / "state"
    shutil.copytree(made, state)
    with closing(Ledger.at(f"sqlite:///{state / 'ledger.db'}")) as ledger:
        yield Site(state, ledger)


@pytest.fixture
def site_at() -> Callable[..., Site]:
    """Makes a service over any state directory."""
    return lambda state, ledger=None, **given: Site(state, ledger, **given)


@pytest.fixture
def tags() -> type[Tags]:
    """Reads a page."""
    return Tags
