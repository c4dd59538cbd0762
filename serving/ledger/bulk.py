"""Many rows at once between frames and the ledger: PostgreSQL's COPY, SQLite's executemany.

Days are `datetime64[s]` in frames; a missing value of any type is NULL.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import JSON, Boolean, Connection, Date, Select, String, Table, type_coerce

CODED = (Boolean, JSON)
"""Types that a driver may hand over as something else."""
PART = 200_000
"""Rows handed to the database at a time."""


def read(connection: Connection, query: Select) -> pd.DataFrame:
    """The rows of a query as a frame."""
    days = [column.name for column in query.selected_columns if isinstance(column.type, Date)]
    if connection.dialect.name == "sqlite":  # whose days are texts, which pandas turns into days faster
        query = query.with_only_columns(
            *(type_coerce(column, String).label(column.name) if column.name in days else column for column in query.selected_columns)
        )
    rows, plain = connection.execute(query), not any(isinstance(column.type, CODED) for column in query.selected_columns)
    # the driver's own rows are made twice as fast; of SQLAlchemy's, pandas asks each one what else it may be
    found = rows.cursor.fetchall() if plain and rows.cursor is not None else [tuple(row) for row in rows.fetchall()]
    frame = pd.DataFrame.from_records(found, columns=list(rows.keys()))
    for name in days:
        frame[name] = pd.to_datetime(frame[name], format=None if frame[name].empty else "%Y-%m-%d").astype("datetime64[s]")
    return frame


def add(connection: Connection, table: Table, rows: pd.DataFrame) -> None:
    """Add rows; `rows` has some of the table's columns."""
    if rows.empty:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table.name, rows)
    else:
        names = ", ".join(rows.columns)
        _many(connection, f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * rows.shape[1])})", rows)


def change(connection: Connection, table: Table, key: str, rows: pd.DataFrame, where: str = "TRUE") -> None:
    """Set the columns of `rows` where `key` is that of the row, as far as `where` holds."""
    if rows.empty:
        return
    names = [str(name) for name in rows.columns if name != key]
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE changed ON COMMIT DROP AS SELECT {key}, {', '.join(names)} FROM {table.name} LIMIT 0")
        _copy(connection, "changed", rows)
        settings = ", ".join(f"{name} = changed.{name}" for name in names)
        guard = f"{table.name}.{key} = changed.{key} AND ({where.replace('closed_on', f'{table.name}.closed_on')})"
        connection.exec_driver_sql(f"UPDATE {table.name} SET {settings} FROM changed WHERE {guard}")
        connection.exec_driver_sql("DROP TABLE changed")
    else:
        settings = ", ".join(f"{name} = ?" for name in names)
        _many(connection, f"UPDATE {table.name} SET {settings} WHERE {key} = ? AND ({where})", rows[[*names, key]])


def _copy(connection: Connection, name: str, rows: pd.DataFrame) -> None:
    """PostgreSQL's own way in: a missing value is an empty field without quotes, an empty text one with them."""
    content = pa.Table.from_pandas(rows, preserve_index=False)
    for position, field in enumerate(content.schema):
        if pa.types.is_timestamp(field.type):
            content = content.set_column(position, field.name, content.column(position).cast(pa.date32()))
    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pyarrow.csv.write_csv(content, buffer, options)
    statement = f"COPY {name} ({', '.join(rows.columns)}) FROM STDIN (FORMAT csv)"
    with connection.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined]
        copy.write(buffer.getvalue())


def _many(connection: Connection, statement: str, rows: pd.DataFrame) -> None:
    for start in range(0, len(rows), PART):
        part = rows.iloc[start : start + PART]
        values = list(zip(*(_plain(part[name]) for name in part), strict=True))
        connection.connection.driver_connection.executemany(statement, values)  # type: ignore[union-attr]


def _plain(column: pd.Series) -> Iterable[Any]:
    """The values as SQLite takes them."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):  # few different days: each is written out once
        places, days = pd.factorize(column)
        return np.array([*pd.DatetimeIndex(days).strftime("%Y-%m-%d"), None], dtype=object)[places].tolist()
    if pd.api.types.is_float_dtype(column.dtype):  # SQLite takes NaN as NULL
        return column.tolist()
    missing = column.isna().to_numpy()
    values = column.tolist()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)] if missing.any() else values
