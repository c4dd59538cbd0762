"""`spec`: an ASCII table, a cutoff and the expected answer, asked of every engine, of every way to ask, and of the oracle."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pytest
from markets import by_numpy
from oracle import Oracle, Value, agrees, day_number

from features.declare import Attributes, Feature, catalogue
from features.snapshot import Market
from features.source import Source
from features.tables import STREAMS, TABLES
from features.verbs import Column, Events, Ref

ENGINES: dict[str, Callable[[Path], Market]] = {"duckdb": Market.open}
"""How a configuration becomes a market, engine by engine."""
Expect = Mapping[str, Value]


def ascii_table(text: str) -> pd.DataFrame:
    """The texts of a table drawn with `|`; what follows a `#` is a comment."""
    lines = [line.partition("#")[0] for line in text.strip().splitlines()]
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.strip()]
    return pd.DataFrame(rows, columns=head, dtype=object).rename(columns={"merchant": "merchant_id"})


def contract_tables(drawn: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """The drawn tables with keys numbered, orders (of one merchant elsewhere) and merchants added where they are not drawn.

    A row without its event's time only says that there is such a merchant. `merchants=""` leaves merchants to be derived.
    """
    rows = {table: ascii_table(text) for table, text in drawn.items() if text}
    if "orders" not in rows:
        rows["orders"] = ascii_table("merchant | ordered_at | amount\nelsewhere | 2000-01-01 | 1")
    everybody = sorted({who for frame in rows.values() for who in frame["merchant_id"]} - {""})
    if "merchants" not in drawn:
        rows["merchants"] = pd.DataFrame({"merchant_id": everybody, "joined_at": "2000-01-01"}, dtype=object)
    tables = {}
    for table, frame in rows.items():
        frame = frame[frame[TABLES[table].time] != ""].reset_index(drop=True)
        key = TABLES[table].key
        if key and key not in frame:
            frame.insert(0, key, [f"{table} {number}" for number in range(len(frame))])
        tables[table] = frame
    return tables


def declared(body: str | Callable[..., Column]) -> tuple[str, dict[str, Feature]]:
    """The name of a feature and the catalogue with it; a function is declared for the occasion."""
    if isinstance(body, str):
        return body, catalogue()
    needs = tuple(name for name, need in inspect.signature(body).parameters.items() if need.default is need.empty)
    given = [Attributes() if need == "merchants" else Events(need) if need in STREAMS else Ref(need) for need in needs]
    feature = Feature("asked", "count", ("asked", "所问"), "Asked.", "spec", needs, body(*given))
    return "asked", catalogue() | {"asked": feature}


@dataclass
class Spec:
    """Asks one engine in every way and compares with what was expected."""

    opened: Callable[..., tuple[dict[str, pd.DataFrame], Source]]

    def __call__(self, feature: str | Callable[..., Column], cutoff: str, expect: Expect, timezone: str = "UTC", **drawn: str) -> None:
        tables, source = self.opened(timezone, tuple(drawn.items()))
        name, features = declared(feature)
        market = Market.of(source, features)
        assert name in market.features, f"{name} needs a table or column that is not drawn"
        oracle = Oracle(tables, timezone, features)
        true = [oracle.value(name, who, day_number(cutoff)) for who in expect]
        for way, found in self._ways(market, cutoff, name, list(expect)).items():
            shown = found.reindex(list(expect))
            assert agrees(shown, expect.values()), f"{way}: {shown.to_dict()}, expected {dict(expect)}"
            assert agrees(shown, true), f"{way}: {shown.to_dict()}, oracle {true}"

    def _ways(self, market: Market, cutoff: str, name: str, merchants: list[str]) -> dict[str, pd.Series]:
        around = [day_number(cutoff) + shift for shift in (-400, -1, 0, 1, 31)]
        in_pass = market.snapshots(around, only=[name])[name].xs(pd.Timestamp(cutoff), level="cutoff")
        fresh = Market.of(market.source, market.features)  # answers for one merchant first
        alone = [fresh.snapshot(cutoff, merchants=[who], only=[name])[name] for who in merchants]
        return {
            "in a batch": market.snapshot(cutoff, only=[name])[name],
            "at many cutoffs": in_pass,
            "alone": pd.concat(alone),
            "on tiles by numpy": by_numpy(market).snapshot(cutoff, only=[name])[name],
        }


def written(tables: Mapping[str, pd.DataFrame], timezone: str, home: Path) -> Path:
    """The tables as CSV files, and their configuration."""
    home.mkdir()
    for table, rows in tables.items():
        rows.to_csv(home / f"{table}.csv", index=False)
    lines = ["[source]", *(f'{table} = "{table}.csv"' for table in tables), "[timeline]", f'timezone = "{timezone}"']
    path = home / "keepwell.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(params=ENGINES, scope="session")
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Spec:
    """`spec(feature, cutoff=…, orders=…, expect={merchant: value})`: see the module's first line.

    `feature` is a name of the catalogue, or a function over streams, `merchants` and features that is declared for the occasion.
    Other tables are drawn by their names; cells are texts, `merchant` is short for `merchant_id`. A merchant that is expected
    must have a row at the cutoff; `None` is a missing value.
    """
    home, numbers = tmp_path_factory.mktemp("spec"), itertools.count()

    @lru_cache(maxsize=4)
    def opened(timezone: str, drawn: tuple[tuple[str, str], ...]) -> tuple[dict[str, pd.DataFrame], Source]:
        tables = contract_tables(dict(drawn))
        path = written(tables, timezone, home / f"market {next(numbers)}")
        return tables, ENGINES[request.param](path).source

    return Spec(opened)
