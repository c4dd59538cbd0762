"""The seam behind which event tables are held and grouped: DuckDB embedded; another engine offers the same method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import duckdb
import numpy as np


class Engine(Protocol):
    """Answers the SQL of `features.tiles` over the stream tables."""

    def columns(self, sql: str) -> Mapping[str, np.ndarray]:
        """The answer's columns by name; missing values masked."""


@dataclass(frozen=True)
class DuckEngine:
    """DuckDB in this process, over an open connection that holds the tables `stream_<name>`."""

    connection: duckdb.DuckDBPyConnection

    def columns(self, sql: str) -> Mapping[str, np.ndarray]:
        """The answer's columns by name; missing values masked."""
        return dict(self.connection.execute(sql).fetchnumpy())  # type: ignore[arg-type]
