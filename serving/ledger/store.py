"""The ledger: one handle on the database that remembers runs, warnings, what was done, who was left alone and every change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine, make_url, select

from serving.ledger import runs as of_runs
from serving.ledger.bulk import read
from serving.ledger.connect import engine_of, migrate, reading, writing
from serving.ledger.runs import Entry, Step
from serving.ledger.schema import audit, decisions, dispositions, metadata, overrides, rates, runs, scores, warnings
from serving.ledger.watching import last_cutoff, warning_state
from serving.watch import State

FILE = "ledger.db"


def ledger_url(settings: Any) -> str:
    """The URL of the ledger that a keepwell.toml means."""
    return str(settings.state.ledger or f"sqlite:///{Path(settings.state_dir).absolute() / FILE}")


@dataclass(frozen=True)
class Ledger:
    """An open ledger of the present version."""

    engine: Engine

    @classmethod
    def open(cls, settings: Any) -> Ledger:
        """The ledger that a keepwell.toml means, made where there is none yet.

        Raises
        ------
        UsageRefused : its URL cannot be used.
        DataRefused : its database cannot be reached, or was written by a newer Keepwell.
        """
        return cls.at(ledger_url(settings))

    @staticmethod
    def is_made(settings: Any) -> bool:
        """Whether there is a ledger already; a database server is taken to have one."""
        url = make_url(ledger_url(settings)) if "://" in ledger_url(settings) else None
        return url is None or url.get_backend_name() != "sqlite" or not url.database or Path(url.database).exists()

    @classmethod
    def at(cls, url: str) -> Ledger:
        """The ledger at a URL, such as `sqlite:///ledger.db` or `postgresql+psycopg://user@host/database`."""
        ledger = cls(engine_of(url))
        try:
            migrate(ledger.engine)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def last_run(self) -> int:
        """The number of the last run committed; 0 for none."""
        with reading(self.engine) as connection:
            return of_runs.last_run(connection)

    def last_cutoff(self) -> date | None:
        """The latest cutoff of all runs."""
        with reading(self.engine) as connection:
            return last_cutoff(connection)

    def previous_grades(self, before: date) -> pd.DataFrame | None:
        """Tier and stage by the rules as of the last run with an earlier cutoff, indexed by merchant_id; None for none.

        Columns `tier, tier_since, tier_pending, tier_pending_since, stage, stage_since`; days are `datetime64[s]`.
        """
        with reading(self.engine) as connection:
            return of_runs.previous_grades(connection, before)

    def warning_state(self, day: date, longest_cooldown: int) -> State:
        """The open warnings, and the closed ones that may still keep a kind quiet on a day."""
        with reading(self.engine) as connection:
            return warning_state(connection, day, longest_cooldown)

    def open_warnings(self, columns: Sequence[str] = ()) -> pd.DataFrame:
        """Every open warning, oldest first; only some columns of it where they are named."""
        return self.table("warnings", warnings.c.closed_on.is_(None), columns=columns)

    def commit_run(self, entry: Entry, at: Step = lambda step: None) -> int:
        """Add a run in one transaction; the same run again adds nothing. Returns its number; see `serving.ledger.runs.commit`."""
        with self.writing() as connection:
            return of_runs.commit(connection, entry, at)

    def history(self, merchant_id: str) -> dict[str, pd.DataFrame]:
        """Everything the ledger knows of one merchant: scores by run, warnings, dispositions, overrides, decisions and the audit."""
        found: dict[str, pd.DataFrame] = {}
        with reading(self.engine) as connection:
            of_run = select(runs.c.run_id, runs.c.cutoff, *(column for column in scores.c if column.name != "run_no"))
            of_run = of_run.join(scores, scores.c.run_no == runs.c.run_no).where(scores.c.merchant_id == merchant_id)
            found["scores"] = read(connection, of_run.order_by(runs.c.cutoff, runs.c.run_no))
            for table in (warnings, dispositions, overrides, decisions, audit):
                key = next(iter(table.primary_key.columns))
                query = select(*table.c).where(table.c.merchant_id == merchant_id).order_by(key)
                found[table.name] = read(connection, query)
        return found

    def table(self, name: str, *where: Any, columns: Sequence[str] = ()) -> pd.DataFrame:
        """A table of the ledger in the order of its key, as far as some conditions hold; only some columns of it where they are named."""
        table = metadata.tables[name]
        asked = [table.c[one] for one in columns] or [*table.c]
        with reading(self.engine) as connection:
            return read(connection, select(*asked).where(*where).order_by(*table.primary_key.columns))

    def save_rates(self, before: date) -> dict[str, float]:
        """The last measured save rate of each action as of an earlier day; `any` is that of all actions together."""
        with reading(self.engine) as connection:
            query = select(rates.c.action, rates.c.save_rate).where(rates.c.measured_on <= before).order_by(rates.c.rate_no)
            return {str(action): float(rate) for action, rate in connection.execute(query)}

    def writing(self) -> Any:
        """A transaction that changes the ledger whole or not at all: `with ledger.writing() as connection`."""
        return writing(self.engine)

    def reading(self) -> Any:
        """A transaction that only reads."""
        return reading(self.engine)

