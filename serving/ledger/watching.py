"""The state of the warnings as the ledger has it."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
from sqlalchemy import Connection, or_, select

from serving.ledger.bulk import read
from serving.ledger.schema import runs, warnings
from serving.watch import State

CLOSED = ("warning_no", "merchant_id", "kind", "owner", "opened_on", "closed_on", "rearmed_on")
OPEN = [column for column in warnings.c if column.name != "run_no"]


def warning_state(connection: Connection, day: date, longest_cooldown: int) -> State:
    """The open warnings, and the closed ones that may still keep a kind quiet on a day."""
    since = day - timedelta(days=longest_cooldown)
    open_now = read(connection, select(*OPEN).where(warnings.c.closed_on.is_(None)).order_by(warnings.c.warning_no))
    quiet = or_(warnings.c.closed_on >= since, warnings.c.rearmed_on.is_(None))
    columns = [warnings.c[name] for name in CLOSED]
    closed = read(connection, select(*columns).where(warnings.c.closed_on.is_not(None), quiet).order_by(warnings.c.warning_no))
    return State(_typed(open_now), closed)


def last_cutoff(connection: Connection) -> date | None:
    """The latest cutoff of all runs."""
    return connection.execute(select(runs.c.cutoff).order_by(runs.c.cutoff.desc()).limit(1)).scalar_one_or_none()


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The types of the columns also where there is no row or no value."""
    numbers = ("value", "churn_risk", "value_at_risk", "gmv_before", "escalated_from", "snooze_risk")
    flags = ("is_holding", "is_held_out")
    return frame.astype(dict.fromkeys(numbers, "float64") | dict.fromkeys(flags, bool))
