"""The ledger: what was scored, warned of, done, left alone and overridden, on SQLite or PostgreSQL, through SQLAlchemy with migrations."""

from __future__ import annotations

from serving.ledger.runs import Entry
from serving.ledger.store import Ledger, ledger_url

__all__ = ["Entry", "Ledger", "ledger_url"]
