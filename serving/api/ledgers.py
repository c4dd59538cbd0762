"""The ledger as the API reads and writes it: whoever cannot reach it is told so, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pandas as pd
from starlette.requests import Request

from features.errors import DataRefused
from serving.access.callers import Access
from serving.api.problem import Problem
from serving.api.published import View
from serving.explain import plain
from serving.ledger import Ledger

NEVER = "1970"
"""The year of a clock that nobody gave."""


def access_of(request: Request) -> Access:
    """What callers are asked, and the clock."""
    access: Access = request.app.state.access
    return access


def ledger_of(request: Request) -> Ledger:
    """The ledger.

    Raises
    ------
    Problem : there is none, or it cannot be reached.
    """
    with reached():
        ledger = access_of(request).keyring.opened()
    if ledger is None:
        raise Problem("no-ledger", "there is no ledger yet; type `keepwell score` to publish a run with one.")
    return ledger


def acted(request: Request) -> None:
    """Say that something was changed here just now, so that no answer made before it is given again."""
    request.app.state.acts = getattr(request.app.state, "acts", 0) + 1


def state_of(request: Request) -> tuple[int, int, str]:
    """What answers rest on beside the run: the last line of the audit that is known, what was done here since, and the day."""
    access = access_of(request)
    return access.keyring.known.entry, getattr(request.app.state, "acts", 0), access.clock()[:10]


@contextmanager
def reached() -> Iterator[None]:
    """Within this the ledger is read or written; that it cannot be is a problem of its own, and what was asked may be asked again."""
    try:
        yield
    except DataRefused as refused:
        if "ledger" not in str(refused):
            raise
        detail = "the ledger cannot be reached, so nothing was read or written; try again in a minute, with the same Idempotency-Key."
        raise Problem("no-ledger", detail, headers={"Retry-After": "5"}) from refused


def today(request: Request, view: View) -> date:
    """The present day; that of the run's cutoff where the service has no clock."""
    now = access_of(request).clock()
    return date.fromisoformat(view.run.cutoff if now.startswith(NEVER) else now[:10])


def day_or_none(value: Any) -> str | None:
    """A day as text; None where there is none."""
    return None if value is None or pd.isna(value) else f"{value:%Y-%m-%d}"


def day_texts(days: pd.Series) -> list[str | None]:
    """Days as texts, all at once; None where there is none."""
    texts: list[str | None] = days.dt.strftime("%Y-%m-%d").astype(object).where(days.notna(), None).tolist()
    return texts


def plain_rows(table: pd.DataFrame, hidden: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The rows of a table as JSON has them."""
    names = [str(name) for name in table if name not in hidden]
    return [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in zip(*(table[name] for name in names), strict=True)]


def _plain(value: Any) -> Any:
    return value if isinstance(value, dict | list) else plain(value)
