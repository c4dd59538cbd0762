"""A market of two account managers and three regions, and services over it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from house import House

from serving.ledger import Ledger
from serving.rules import Rules
from serving.run import Run, publish
from serving.score import Scored

REGIONS = ("North", "South", "西部")


def _shared(name: str) -> Any:
    """The fixtures of the ledger's tests."""
    spec = importlib.util.spec_from_file_location("ledger_conftest", Path(__file__).parents[1] / "ledger" / "conftest.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


postgres, url, ledger = _shared("postgres"), _shared("url"), _shared("ledger")


@pytest.fixture(scope="session")
def placed(scored: Scored) -> Scored:
    """The small market with a region for each merchant, and a few that have neither owner nor region."""
    merchants = scored.tables["merchants"].copy()
    merchants["region"] = [REGIONS[row % 3] for row in range(len(merchants))]
    merchants.loc[merchants.index[-4:], ["owner", "region"]] = None
    return Scored(scored.header, {**scored.tables, "merchants": merchants})


@pytest.fixture(scope="session")
def placed_run(placed: Scored, rules: Rules, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """It published."""
    return publish(tmp_path_factory.mktemp("placed"), placed.header, placed.tables, rules.text)


@pytest.fixture
def house(placed_run: Run, tmp_path: Path) -> Iterator[House]:
    """A service on SQLite, without keys yet."""
    opened = Ledger.at(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield House(placed_run.path.parent.parent, opened)
    opened.close()


@pytest.fixture
def houses(placed_run: Run, ledger: Ledger) -> Callable[..., House]:
    """Services on the database of the test, SQLite and PostgreSQL."""
    return lambda **given: House(placed_run.path.parent.parent, ledger, **given)
