"""Checked tables to the integer streams that features count, in SQL over the `read_<table>` views."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd

from features.errors import DataRefused
from features.reading import Cell, Clock
from features.tables import SCALE, STREAMS, TABLES, Field, Stream

EXACT = 2**53
"""Sums below this are exact as 64-bit floats too."""
CHUNK = 20_000_000
"""Hashes held in memory at a time."""


def view(connection: duckdb.DuckDBPyConnection, table: str, cells: dict[str, Cell], clock: Clock) -> None:
    """Make `read_<table>`: each contract column as read, its local day as `<name>_day`, its unread cell as `<name>_raw`."""
    parts = []
    for name, cell in cells.items():
        parts += [f'{cell.sql} AS "{name}"', f'"{cell.raw}" AS "{name}_raw"']
        if cell.kind == "time":
            parts.append(f'{cell.day(clock)} AS "{name}_day"')
    connection.execute(f'CREATE TEMP VIEW "read_{table}" AS SELECT {", ".join(parts)} FROM "raw_{table}"')


def merchants(connection: duckdb.DuckDBPyConnection, cells: dict[str, dict[str, Cell]]) -> None:
    """Make `merchants`: every merchant once, with its code, sorted by id; taken from the orders where no table is given.

    A merchant derived from its orders joined on the day of the first order that became known, on the day that it did.
    """
    if "merchants" in cells:
        columns = ", ".join(
            _attribute(name, cell) for name, cell in cells["merchants"].items() if name not in ("merchant_id", "known_at")
        )
        known = "coalesce(known_at_day, joined_at_day)" if "known_at" in cells["merchants"] else "joined_at_day"
        rows = f'SELECT merchant_id, {columns}, joined_at_day AS joined, {known} AS known FROM "read_merchants"'
    else:
        seen = _seen(STREAMS["orders"], set(cells["orders"]))
        rows = f"""SELECT merchant_id, joined AS joined_at, joined, known FROM (
            SELECT merchant_id, arg_min(day, (seen, day)) AS joined, min(seen) AS known
            FROM (SELECT merchant_id, ordered_at_day AS day, {seen} AS seen FROM read_orders) GROUP BY merchant_id)"""
    connection.execute(
        f"CREATE TEMP TABLE merchants AS SELECT CAST(row_number() OVER (ORDER BY merchant_id) - 1 AS INTEGER) AS code, * FROM ({rows})"
    )


def _attribute(name: str, cell: Cell) -> str:
    return f'"{name}_day" AS "{name}"' if cell.kind == "time" else f'"{name}"'


def fields(stream: Stream, given: dict[str, dict[str, Cell]]) -> tuple[str, ...]:
    """The fields of a stream that the given tables can fill."""
    campaigns = "ended_at" in given.get("campaigns", {})
    return tuple(
        name
        for name, field in stream.fields.items()
        if (campaigns if name == "in_campaign" else all(need in given[stream.table] for need in field.needs))
    )


def build(
    connection: duckdb.DuckDBPyConnection, name: str, given: dict[str, dict[str, Cell]], rows: int
) -> tuple[tuple[str, ...], list[int]]:
    """Make `stream_<name>`; returns its fields and a digest of its names. Rows of merchants that are not in `merchants` are not in it."""
    stream, cells = STREAMS[name], given[STREAMS[name].table]
    present = fields(stream, given)
    joins, columns, names = [], [], []
    for field_name in present:
        field = stream.fields[field_name]
        if field.kind == "code":
            names.append(_dictionary(connection, stream.table, field, rows))
            joins.append(f'LEFT JOIN "code_{field.source}" ON "code_{field.source}".hash = hash(r."{field.source}")')
        columns.append(f'{_value(field_name, field, cells)} AS "{field_name}"')
    if "in_campaign" in present:
        _intervals(connection)
        joins.append(f"LEFT JOIN campaign_spans s ON s.code = m.code AND r.{stream.day}_day BETWEEN s.first AND s.last")
    head = [f"m.code AS merchant, r.{stream.day}_day AS day, {_seen(stream, set(cells))} AS seen"]
    connection.execute(
        f'CREATE TEMP TABLE "stream_{name}" AS SELECT {", ".join(head + columns)} FROM "read_{stream.table}" r '
        f"JOIN merchants m ON m.merchant_id = r.merchant_id {' '.join(joins)} WHERE r.{stream.day} IS NOT NULL"
    )
    for field_name in present:
        if stream.fields[field_name].kind == "code":
            connection.execute(f'DROP TABLE "code_{stream.fields[field_name].source}"')
    return present, names


def _seen(stream: Stream, present: set[str]) -> str:
    """SQL for the day on which a row could first be known: where its known column is empty, that of the table's event."""
    event = TABLES[stream.table].time
    known = [f"coalesce({name}_day, {event}_day)" for name in stream.seen if name in present]
    return f"greatest({', '.join([f'{stream.day}_day', *known])})" if known else f"{stream.day}_day"


def _value(name: str, field: Field, cells: dict[str, Cell]) -> str:
    """SQL for one integer field of a stream."""
    if name == "in_campaign":
        return "CAST(s.code IS NOT NULL AS BIGINT)"
    if field.kind == "code":
        return f'"code_{field.source}".code'
    if field.kind == "day":
        return f"CAST({field.source}_day AS BIGINT)"
    if field.since:
        return f"(epoch_us({field.source}) - epoch_us({field.since})) // 1000000"
    if field.after:
        return f"CAST({later(field.source, field.after, cells)} AS BIGINT)"
    if field.source not in cells:
        return f"CAST({field.default} AS BIGINT)"
    scaled = f"CAST(round({field.source} * {SCALE[field.kind]}) AS BIGINT)"
    return scaled if field.default is None else f"coalesce({scaled}, {field.default})"


def later(first: str, second: str, cells: dict[str, Cell]) -> str:
    """SQL for `first > second`, in whole days where either is only known to the day."""
    instants, whole = f"({first} > {second})", f"({first}_day > {second}_day)"
    only_days = " OR ".join(sorted({cells[name].only_day for name in (first, second)} - {"false"}))
    return f"CASE WHEN {only_days} THEN {whole} ELSE {instants} END" if only_days else instants


def _dictionary(connection: duckdb.DuckDBPyConnection, table: str, field: Field, rows: int) -> int:
    """Dense codes by 64-bit hash: names are never sorted or joined (two of n names share a code with a chance of n² / 2⁶⁵).

    Returns the sum of the hashes, which tells other names apart.
    """
    name, used, total = f"code_{field.source}", 0, 0
    connection.execute(f'CREATE TEMP TABLE "{name}" (hash UBIGINT, code BIGINT)')
    for hashes in sorted_hashes(connection, table, field.source, rows):
        different = hashes[np.append(True, hashes[1:] != hashes[:-1])] if len(hashes) else hashes
        connection.register("coded", pd.DataFrame({"hash": different, "code": np.arange(used, used + len(different))}))
        connection.execute(f'INSERT INTO "{name}" FROM coded')
        connection.unregister("coded")
        used += len(different)
        total += int(different.sum(dtype=np.uint64))
    return total


def sorted_hashes(connection: duckdb.DuckDBPyConnection, table: str, column: str, rows: int) -> Iterator[np.ndarray]:
    """The 64-bit hashes of a column of `read_<table>`, sorted; above `CHUNK` rows in parts that share no hash.

    Sorting them in numpy takes a third of the time of a GROUP BY.
    """
    parts = max(1, -(-rows // CHUNK))
    for part in range(parts):
        only = f' AND hash("{column}") % {parts} = {part}' if parts > 1 else ""
        found = connection.execute(
            f'SELECT hash("{column}") AS hash FROM "read_{table}" WHERE "{column}" IS NOT NULL{only}'
        ).fetchnumpy()
        yield np.sort(np.asarray(found["hash"], dtype=np.uint64))


def _intervals(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `campaign_spans`: per merchant the disjoint runs of days under campaigns, so that an order meets at most one."""
    connection.execute("""
        CREATE TEMP TABLE campaign_spans AS
        WITH spans AS (SELECT m.code, c.started_at_day AS first, coalesce(c.ended_at_day, 2147483647) AS last
                       FROM read_campaigns c JOIN merchants m ON m.merchant_id = c.merchant_id),
        marked AS (SELECT *, max(last) OVER (PARTITION BY code ORDER BY first, last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reach
                   FROM spans),
        grouped AS (SELECT *, sum(CASE WHEN first <= reach THEN 0 ELSE 1 END) OVER (PARTITION BY code ORDER BY first, last
                                  ROWS UNBOUNDED PRECEDING) AS span FROM marked)
        SELECT code, min(first) AS first, max(last) AS last FROM grouped GROUP BY code, span""")


def digest(connection: duckdb.DuckDBPyConnection, name: str, present: tuple[str, ...]) -> tuple[int, int]:
    """Rows of a stream and a hash of its content that does not depend on their order.

    Raises
    ------
    DataRefused
        A field adds up to more than whole numbers can be exact in.
    """
    columns = ", ".join(f'"{column}"' for column in ("merchant", "day", "seen", *present))
    sums = "".join(f', coalesce(sum(abs("{column}")), 0)' for column in present)
    row = connection.execute(f'SELECT count(*), coalesce(sum(hash({columns})), 0){sums} FROM "stream_{name}"').fetchone()
    assert row is not None
    for column, total in zip(present, row[2:], strict=True):
        if STREAMS[name].fields[column].kind != "code" and total >= EXACT:
            scale = SCALE[STREAMS[name].fields[column].kind]
            raise DataRefused(
                f"table {STREAMS[name].table}: {column} adds up to {total / scale:,.0f}, more than can be added exactly "
                f"({EXACT / scale:,.0f}); give it in a larger unit."
            )
    return int(row[0]), int(row[1])
