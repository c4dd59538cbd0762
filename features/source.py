"""`keepwell.toml` to checked event streams: the one door through which a platform's tables come in.

Tables are read one after the other, refused with one sentence or turned into integer streams (`stream_<name>` in DuckDB).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from features import intake, streams
from features.reading import Cell, Clock
from features.refusals import Checker, cells_of
from features.settings import Settings, read_settings
from features.tables import ATTRIBUTES, STREAMS, TABLES


@dataclass(frozen=True)
class Source:
    """The checked tables of one platform.

    `merchants` has one row per merchant, sorted by id; its index is the `merchant` of the streams, which `connection` holds
    as `stream_<name>` with the fields that `streams` lists. Days are local, counted from 1970-01-01; `joined` and `known` are
    when a merchant joined and when that was known. `fingerprint` depends on the content alone, not on the order of rows.
    """

    settings: Settings
    connection: duckdb.DuckDBPyConnection
    merchants: pd.DataFrame
    streams: dict[str, tuple[str, ...]]
    first_day: int
    last_day: int
    fingerprint: str
    counts: dict[str, int]
    notes: list[str] = field(default_factory=list)

    @property
    def end_day(self) -> int:
        """The first cutoff that sees every order's day."""
        return self.last_day + 1


def read_source(path: Path, *, today: date | None = None) -> Source:
    """Read, check and convert every table that a `keepwell.toml` names.

    Parameters
    ----------
    path : the configuration.
    today : events after this local day are refused; without it none is.

    Raises
    ------
    UsageRefused
        The configuration or one of its queries is wrong.
    DataRefused
        A table cannot be used as it is.
    """
    settings = read_settings(path)
    connection = intake.connect(settings.home)
    checker = Checker(connection, settings, today)
    given: dict[str, dict[str, Cell]] = {}
    for table in (name for name in TABLES if name in settings.source):
        intake.take_in(connection, settings, table)
        with intake.reading(table, settings.source[table]):
            given[table] = cells_of(connection, table, settings.source[table], checker.notes)
            streams.view(connection, table, given[table], _clock(connection, settings, table, given[table]))
            checker.check(table, given[table])
    return _assembled(connection, settings, checker, given)


@contextmanager
def again(source: Source, table: str) -> Iterator[dict[str, Cell]]:
    """A checked table once more, for what no stream holds: inside, `read_<table>` is there as `features.streams.view` makes it.

    Yields its cells by name. Whoever reads it keeps to what was known before a cutoff, as features do.
    """
    connection, settings = source.connection, source.settings
    intake.take_in(connection, settings, table)
    try:
        with intake.reading(table, settings.source[table]):
            cells = cells_of(connection, table, settings.source[table], [])
            streams.view(connection, table, cells, _clock(connection, settings, table, cells))
            try:
                yield cells
            finally:
                connection.execute(f'DROP VIEW "read_{table}"')
    finally:
        intake.drop(connection, f"raw_{table}")


def _clock(connection: duckdb.DuckDBPyConnection, settings: Settings, table: str, cells: dict[str, Cell]) -> Clock:
    """Local days, fast between the first and the last event of a table."""
    zone = settings.timeline.timezone
    first = last = datetime(2000, 1, 1)
    if zone != "UTC":
        event = cells[TABLES[table].time].sql
        row = connection.execute(f'SELECT min({event}), max({event}) FROM "raw_{table}"').fetchone()
        low, high = datetime(1970, 1, 2), datetime(2199, 12, 31)
        first, last = (min(max(edge or low, low), high).replace(microsecond=0) for edge in row or (None, None))
    return Clock(zone, first, last + timedelta(seconds=1))


def _assembled(
    connection: duckdb.DuckDBPyConnection, settings: Settings, checker: Checker, given: dict[str, dict[str, Cell]]
) -> Source:
    with intake.reading("orders", settings.source["orders"]):
        streams.merchants(connection, given)
    present: dict[str, tuple[str, ...]] = {}
    parts = [_merchants_digest(connection), f"{sorted(checker.keys.items())}"]
    for name, stream in STREAMS.items():
        if {stream.day, "merchant_id"} <= given.get(stream.table, {}).keys():
            with intake.reading(stream.table, settings.source[stream.table]):
                present[name], names = streams.build(connection, name, given, checker.counts[stream.table])
            rows, content = streams.digest(connection, name, present[name])
            parts.append(f"{name} {present[name]} {rows} {content} {names}")
            if stream.day == TABLES[stream.table].time:
                checker.check_merchants(stream.table, rows)
    checker.note_early_orders("merchants" in given)
    frame = _frame(connection)
    span = connection.execute("SELECT min(day), max(day) FROM stream_orders").fetchone()
    assert span is not None
    for table in given:
        connection.execute(f'DROP VIEW "read_{table}"')
        intake.drop(connection, f"raw_{table}")
    fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return Source(settings, connection, frame, present, span[0], span[1], fingerprint, checker.counts, checker.notes)


def _merchants_digest(connection: duckdb.DuckDBPyConnection) -> str:
    row = connection.execute("SELECT count(*), sum(hash(merchants)) FROM merchants").fetchone()
    return f"merchants {row}"


def _frame(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The merchants as pandas: times as days (empty: NaN), money as floats, texts as objects (empty: None)."""
    frame = connection.execute("SELECT * EXCLUDE (code) FROM merchants ORDER BY code").df()
    for name, kind in {"merchant_id": "id", **ATTRIBUTES}.items():
        if name in frame and kind in ("id", "text"):
            texts = frame[name].astype(object)
            frame[name] = texts.where(texts.notna(), None)
        elif name in frame:
            whole = kind == "time" and frame[name].notna().all()
            frame[name] = frame[name].astype("int64" if whole else "float64")
    return frame.astype({"joined": "int64", "known": "int64"})
