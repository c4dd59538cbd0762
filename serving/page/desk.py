"""What people did about the merchants of a list, from the ledger: who has it, until when, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.access.keys import last_entry
from serving.ledger import Ledger
from serving.ledger.schema import dispositions
from serving.page.board import Board

STATUSES = ("new", "open", "acknowledged", "snoozed", "done")
TODO = ("new", "open", "acknowledged")
SHOWS = ("todo", "new", "late", "acknowledged", "snoozed", "done", "all")
"""What can be asked for: a status, or several together."""


@dataclass(frozen=True)
class Desk:
    """The state of each row of a board, in its order.

    Attributes
    ----------
    table : owner, due_on, status (one of `STATUSES`), until (of a snooze), outcome, outcome_on.
    today : the day to judge by what is late.
    """

    table: pd.DataFrame
    today: date

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows each choice of status shows."""
        return {which: int(self.shows(which).sum()) for which in SHOWS}

    @cached_property
    def owners(self) -> list[str]:
        """Everybody who has a row."""
        return sorted({str(owner) for owner in self.table["owner"].dropna()})

    @cached_property
    def _has_status(self) -> dict[str, NDArray[np.bool_]]:
        status = self.table["status"].to_numpy(object)
        found = {one: status == one for one in STATUSES}
        todo = np.logical_or.reduce([found[one] for one in TODO])
        late = todo & (self.table["due_on"] < pd.Timestamp(self.today)).to_numpy(bool)
        return found | {"todo": todo, "late": late, "all": np.ones(len(status), bool)}

    def records(self, places: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Some rows as plain values."""
        names = ["owner", "due_on", "until", "status", "outcome", "outcome_on"]
        columns = [self.table[name].take(places).tolist() for name in names]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def shows(self, which: str) -> NDArray[np.bool_]:
        """Which rows a choice of status shows."""
        return self._has_status[which].copy()


def desk_of(board: Board, ledger: Ledger | None, today: date) -> Desk:
    """The state of a board's rows as the ledger has it now; worked out anew only where the audit has a new line, or a new day begins."""
    key = (last_change(ledger), today)
    kept = board.kept.get("desk")
    if kept is None or kept[0] != key:
        kept = board.kept["desk"] = (key, _desk(board, ledger, today))
    found: Desk = kept[1]
    return found


def last_change(ledger: Ledger | None) -> int:
    """The number of the audit's last line: where it stands, nothing in the ledger has changed."""
    if ledger is None:
        return -1
    with ledger.reading() as connection:
        return last_entry(connection)


def _desk(board: Board, ledger: Ledger | None, today: date) -> Desk:
    index, cutoff = board.rows.index, pd.Timestamp(board.run.cutoff)
    table = pd.DataFrame({"owner": board.rows.get("owner")}, index=index)
    table = table.join(_nothing() if ledger is None else _state(ledger, cutoff.date()))
    table["owner"] = table["assigned"].where(table["assigned"].notna(), table["owner"])
    now = pd.Timestamp(today)
    is_aside = (table["until"] > now) | (table["is_quiet"].isna() & (table["aside"] > now))
    table["until"] = table["until"].fillna(table["aside"])
    table["status"] = np.where(board.is_new, "new", "open")
    table.loc[table["acknowledged_on"] >= cutoff, "status"] = "acknowledged"
    table.loc[table["outcome"].notna(), "status"] = "done"
    table.loc[is_aside, "status"] = "snoozed"
    return Desk(table, today)


DAYS = ("due_on", "until", "outcome_on", "acknowledged_on", "aside")


def _nothing() -> pd.DataFrame:
    empty = {name: pd.Series(dtype="datetime64[s]") for name in DAYS}
    return pd.DataFrame(empty | {name: pd.Series(dtype=object) for name in ("outcome", "assigned", "is_quiet")})


def _state(ledger: Ledger, cutoff: date) -> pd.DataFrame:
    """By merchant: when something is due, until when all its warnings wait, what the desk says, and the last outcome since the cutoff."""
    open_now = ledger.open_warnings(("merchant_id", "kind", "due_on", "snoozed_until"))
    by_merchant = open_now.groupby("merchant_id")
    waits = by_merchant.agg(
        due_on=("due_on", "min"), until=("snoozed_until", "min"), waiting=("snoozed_until", "count"), all=("kind", "size")
    )
    waits["is_quiet"] = waits["waiting"] == waits["all"]
    waits.loc[~waits["is_quiet"], "until"] = pd.NaT
    done = (
        ledger.table("dispositions", dispositions.c.done_on >= cutoff).drop_duplicates("merchant_id", keep="last").set_index("merchant_id")
    )
    decided = ledger.table("desk").set_index("merchant_id").rename(columns={"owner": "assigned", "snoozed_until": "aside"})
    parts = [
        waits[["due_on", "until", "is_quiet"]],
        decided[["assigned", "acknowledged_on", "aside"]],
        done[["outcome", "done_on"]].rename(columns={"done_on": "outcome_on"}),
    ]
    return pd.concat(parts, axis=1)
