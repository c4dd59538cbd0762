"""A service with keys, the clock that it looks at, and a ledger that knows something of every merchant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
from sqlalchemy import insert

from features.settings import Serve
from serving.access.callers import Access
from serving.access.keyring import Keyring
from serving.access.keys import Grant, add_key, revoke_key
from serving.api.app import create_app
from serving.api.published import Published
from serving.ledger import Ledger
from serving.ledger.schema import audit, dispositions, runs, scores, warnings
from serving.run import Run
from serving.score import Scored

NOW = "2026-01-02T08:00:00+00:00"
ROLES = ("viewer", "retention", "analyst", "engineer", "admin")


@dataclass
class Clock:
    """A clock that tests set."""

    now: str = NOW

    def __call__(self) -> str:
        return self.now

    def on(self, **by: float) -> str:
        """Let time pass."""
        self.now = (datetime.fromisoformat(self.now) + timedelta(**by)).isoformat(timespec="seconds")
        return self.now


@dataclass
class House:
    """A service and its callers."""

    state: Path
    ledger: Ledger
    clock: Clock = field(default_factory=Clock)
    limits: Serve = field(default_factory=Serve)
    bound: str | None = None

    def __post_init__(self) -> None:
        self.access = Access(Keyring(lambda: self.ledger, self.clock), self.clock, self.limits, self.bound)
        self.app: Any = create_app(Published(self.state), self.access)

    def key(self, name: str, role: str = "admin", *, owners: Any = (), regions: Any = (), expires_at: str | None = None) -> str:
        """A new key; it counts from the next second on, like any change of the ledger."""
        with self.ledger.writing() as connection:
            made = add_key(connection, Grant(name, role, owners, regions, expires_at), "Root", self.clock())
        self.clock.on(seconds=1)
        return made

    def revoke(self, name: str) -> None:
        with self.ledger.writing() as connection:
            revoke_key(connection, name, "Root", self.clock())

    def call(self, path: str, method: str = "GET", *, key: str | None = None, base: str = "http://localhost", **given: Any) -> httpx.Response:
        """One request, as an app sends it."""
        return self.calls([(path, method, given)], key=key, base=base)[0]

    def calls(self, asked: list[tuple[str, str, dict[str, Any]]], *, key: str | None = None, base: str = "http://localhost") -> list[httpx.Response]:
        """Requests one after the other."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {key}"} if key else {}

        async def all_of_them() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
                return [await client.request(method, path, **given) for path, method, given in asked]

        return asyncio.run(all_of_them())

    def lines(self, what: str) -> list[dict[str, Any]]:
        """The audit's lines of a kind."""
        return self.ledger.table("audit", audit.c.what == what).to_dict("records")


def remember(ledger: Ledger, run: Run, names: Iterable[str] | None = None) -> None:
    """Give every merchant a past: a score, a warning, a disposition and a line of the audit, each naming it."""
    with ledger.writing() as connection:
        header = {name: run.header[name] for name in ("model_version", "rules_hash", "created_at")}
        connection.execute(insert(runs).values(run_no=1, run_id=run.run_id, cutoff=date(2026, 1, 1), merchants=len(run.merchants), **header))
        for name in run.merchants.index if names is None else names:
            known = {"merchant_id": name}
            connection.execute(insert(scores).values(run_no=1, churn_risk=0.5, tier="A", stage="mature", **known))
            days = {"opened_on": date(2026, 1, 1), "due_on": date(2026, 1, 3), "turned_on": date(2026, 1, 1)}
            flags = {"is_holding": True, "is_held_out": False, "recurrences": 0, "escalations": 0}
            connection.execute(insert(warnings).values(run_no=1, kind="silent", severity="high", owner="Ann", **days, **flags, **known))
            told = {"key": f"k-{name}", "digest": "d", "note": f"note of {name}", "recorded_at": NOW}
            connection.execute(insert(dispositions).values(done_on=date(2026, 1, 1), outcome="attempted", **told, **known))
            connection.execute(insert(audit).values(at=NOW, what="disposition", actor="Zoë", detail={"note": f"note of {name}", "key": f"k-{name}"}, **known))


def others_changed(placed: Scored, seen: set[str]) -> Scored:
    """The same market in which everyone outside a scope is another: numbers, names, tiers, warnings, reasons."""
    rng = np.random.default_rng(1)
    tables = {}
    for name, table in placed.tables.items():
        if "merchant_id" not in table:
            continue  # of nobody in particular: a scoped run is without it
        changed, outside = table.copy(), ~table["merchant_id"].isin(seen).to_numpy()
        for column in changed.columns.difference(["merchant_id", "owner", "region"]):
            values = changed.loc[outside, column].to_numpy(object)
            changed.loc[outside, column] = pd.Series(values[rng.permutation(len(values))], index=changed.index[outside]).astype(changed[column].dtype)
        tables[name] = changed[~outside | (rng.random(len(changed)) < 0.7)] if name in ("reasons", "warnings") else changed
    return Scored(placed.header | {"counts": {**placed.header["counts"], "expected_leavers": 1.5}}, tables)
