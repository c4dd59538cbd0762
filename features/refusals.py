"""What is refused in a table: each with one sentence that tells how many rows, an example, what was expected and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

import duckdb
import numpy as np

from features import intake
from features.errors import DataRefused
from features.reading import EXPECTED, Cell
from features.settings import Settings, TableSource
from features.streams import EXACT, later, sorted_hashes
from features.tables import TABLES, Column

AFTER: dict[str, tuple[tuple[str, str], ...]] = {
    "orders": (("completed_at", "ordered_at"), ("delivered_at", "ordered_at")),
    "tickets": (("resolved_at", "opened_at"),),
    "campaigns": (("ended_at", "started_at"),),
    "leads": (("won_at", "contacted_at"),),
    "contracts": (("ends_at", "starts_at"),),
}
"""Per table, pairs of a time and the time that cannot lie after it."""
REMEDIES = {"orders.amount": "put returned money in the table refunds", "refunds.amount": "give refunds as positive amounts"}


@dataclass(frozen=True)
class Check:
    """A condition no row may meet (or whose rows are only `noted`), in SQL over `read_<table>`, the example to show, and the words."""

    condition: str
    example: str
    found: str
    remedy: str
    noted: bool = False


def cells_of(connection: duckdb.DuckDBPyConnection, table: str, source: TableSource, notes: list[str]) -> dict[str, Cell]:
    """The contract columns of a raw table; others are noted.

    Raises
    ------
    DataRefused
        A required column is missing.
    """
    described = connection.execute(f'DESCRIBE "raw_{table}"').fetchall()
    types = {name: kind.split("(")[0] if not kind.endswith("]") else kind for name, kind, *_ in described}
    by_lower = {name.lower(): name for name in types}
    columns = TABLES[table].columns
    for name, column in columns.items():
        if column.required and name not in by_lower:
            close = get_close_matches(name, [other for other in by_lower if other not in columns], n=1)
            hint = f'rename "{by_lower[close[0]]}" to it' if close else "add it, or name it in a query"
            raise DataRefused(
                f'{intake.place(table, source)} has no column "{name}" (its columns are {", ".join(types)}); {hint} in keepwell.toml.'
            )
    absent = [name for name in columns if name not in by_lower]
    for other in (raw for lower, raw in by_lower.items() if lower not in columns):
        close = get_close_matches(other.lower(), absent, n=1, cutoff=0.75)
        notes.append(
            f'table {table}: column "{other}" is not in the contract and not read'
            + (f'; did you mean "{close[0]}"?' if close else ".")
        )
    return {
        name: Cell(name, by_lower[name], column.kind, types[by_lower[name]])
        for name, column in columns.items()
        if name in by_lower
    }


class Checker:
    """Checks tables one by one; collects the rows of each, what is counted rather than refused, and a digest of the keys."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Settings, today: date | None) -> None:
        self.connection = connection
        self.settings = settings
        self.counts: dict[str, int] = {}
        self.notes: list[str] = []
        self.keys: dict[str, int] = {}
        self.today = today

    def check(self, table: str, cells: dict[str, Cell]) -> None:
        """Refuse a table with any row that no feature could be honest about: one scan, a second only for the example."""
        checks = [check for name in cells for check in self._of_column(table, name, cells)]
        checks += _of_order(table, cells)
        counted = ", ".join(f"count(CASE WHEN {check.condition} THEN 1 END)" for check in checks)
        row = self.connection.execute(f'SELECT count(*), {counted} FROM "read_{table}"').fetchone()
        assert row is not None
        self.counts[table] = row[0]
        if row[0] == 0:
            self._refuse(table, "has no rows", "give it rows or leave the table out of keepwell.toml")
        for check, rows in zip(checks, row[1:], strict=True):
            if not rows:
                continue
            found = check.found.format(rows=f"{rows:,} of {row[0]:,} rows", example=self._example(table, check))
            if not check.noted:
                self._refuse(table, found, check.remedy)
            self.notes.append(f"table {table}: {found}; {check.remedy}.")
        if (key := TABLES[table].key) is not None:
            self._check_key(table, key)
        if table == "leads":
            self._note_unlinked_leads("merchant_id" in cells)

    def check_merchants(self, table: str, joined: int) -> None:
        """Refuse orders of unknown merchants; note other rows of theirs."""
        linked = f'FROM "read_{table}" WHERE merchant_id IS NOT NULL'
        required = TABLES[table].columns["merchant_id"].required
        lost = (self.counts[table] if required else self._number(f"SELECT count(*) {linked}")) - joined
        if not lost:
            return
        known = "merchant_id NOT IN (SELECT merchant_id FROM merchants)"
        example = _shown(self._value(f"SELECT min(merchant_id) {linked} AND {known}"))
        told = f'{lost:,} of {self.counts[table]:,} rows of merchants that the table merchants does not know, such as "{example}"'
        if table == "orders":
            self._refuse(table, f"has {told}", "add them to merchants, or leave merchants out to derive it from the orders")
        self.notes.append(f"table {table}: {told}; they are counted here and not used.")

    def note_early_orders(self, given: bool) -> None:
        """Note merchants whose first order lies before the day they joined, and merchants made from orders."""
        if not given:
            self.notes.append("table merchants: not given, so each merchant of the orders joined with its first order.")
            return
        early = self._number(
            "SELECT count(*) FROM merchants m JOIN (SELECT merchant, min(day) AS first FROM stream_orders GROUP BY merchant) o "
            "ON o.merchant = m.code WHERE o.first < m.joined"
        )
        if early:
            self.notes.append(f"table merchants: {early:,} merchants have orders before their joined_at.")

    def _of_column(self, table: str, name: str, cells: dict[str, Cell]) -> Iterator[Check]:
        column, cell = TABLES[table].columns[name], cells[name]
        present = f'"{name}_raw" IS NOT NULL'
        example = f'CAST("{name}_raw" AS VARCHAR)'
        empty = f" AND CAST(\"{name}_raw\" AS VARCHAR) <> ''"
        expected = EXPECTED[column.kind]
        if not cell.readable or (cell.type == "VARCHAR" and column.kind not in ("id", "text")):
            yield Check(
                f'{present}{empty} AND "{name}" IS NULL',
                example,
                f'has {{rows}} whose {name} is not {expected}, such as "{{example}}" ({cell.type})',
                f"convert {name} in the data or in a query",
            )
        if column.required:
            first = next(other for other in TABLES[table].columns if other != name)
            yield Check(
                f'"{name}" IS NULL',
                f'CAST("{first}" AS VARCHAR)' if first in cells else "''",
                f'has {{rows}} without {name}, such as the one with {first} "{{example}}"',
                f"fill in {name} or leave those rows out in a query",
            )
        if column.kind == "time":
            yield from self._of_time(table, name, cell, example)
        elif column.kind in ("money", "number", "count"):
            yield from _of_number(table, name, column, example)

    def _of_time(self, table: str, name: str, cell: Cell, example: str) -> Iterator[Check]:
        first = "1000-01-01" if name == "founded_at" else "1970-01-01"
        yield Check(
            f"(\"{name}\" < TIMESTAMP '{first}' OR \"{name}\" >= TIMESTAMP '2200-01-01')",
            example,
            f"has {{rows}} whose {name} is not between {first[:4]} and 2199, such as {{example}}",
            f"correct {name}, and leave it empty where it is not known",
        )
        if self.today is not None and name not in TABLES[table].planned:
            tomorrow = datetime.combine(self.today + timedelta(days=1), time())
            if cell.type != "DATE":
                tomorrow -= tomorrow.replace(tzinfo=ZoneInfo(self.settings.timeline.timezone)).utcoffset() or timedelta()
            yield Check(
                f"\"{name}\" >= TIMESTAMP '{tomorrow:%Y-%m-%d %H:%M:%S}'",
                example,
                f"has {{rows}} whose {name} lies in the future, such as {{example}} (today is {self.today})",
                "times are UTC: correct them or this machine's clock",
            )

    def _refuse(self, table: str, found: str, remedy: str) -> None:
        raise DataRefused(f"{intake.place(table, self.settings.source[table])} {found}; {remedy}.")

    def _example(self, table: str, check: Check) -> str:
        return _shown(self._value(f'SELECT min({check.example}) FROM "read_{table}" WHERE {check.condition}'))

    def _value(self, query: str) -> object:
        row = self.connection.execute(query).fetchone()
        return row[0] if row else None

    def _number(self, query: str) -> int:
        return int(str(self._value(query) or 0))

    def _check_key(self, table: str, key: str) -> None:
        """Refuse a key that occurs twice: equal hashes are looked for first, and only then the keys themselves."""
        total = 0
        for hashes in sorted_hashes(self.connection, table, key, self.counts[table]):
            total += int(hashes.sum(dtype=np.uint64))
            if (hashes[1:] == hashes[:-1]).any():
                self._refuse_duplicates(table, key)
        self.keys[table] = total % 2**64

    def _refuse_duplicates(self, table: str, key: str) -> None:
        twice = f'SELECT "{key}" AS key, count(*) AS n FROM "read_{table}" GROUP BY 1 HAVING count(*) > 1'
        row = self.connection.execute(f"SELECT count(*), arg_min(key, key), arg_min(n, key) FROM ({twice})").fetchone()
        if row and row[0]:
            many = "value occurs" if row[0] == 1 else "values occur"
            found = f'has a duplicate {key}: {row[0]:,} {many} more than once, such as "{_shown(row[1])}" ({row[2]} times)'
            self._refuse(table, found, "keep one row of each")

    def _note_unlinked_leads(self, linked: bool) -> None:
        unlinked = self._number(f"SELECT count(*) FROM read_leads{' WHERE merchant_id IS NULL' if linked else ''}")
        if unlinked:
            self.notes.append(
                f"table leads: {unlinked:,} of {self.counts['leads']:,} rows have no merchant_id; they are counted here and not used."
            )


def _shown(value: object) -> str:
    """A value on one line and not too long for a sentence."""
    text = re.sub(r"\s+", " ", str(value))  # blanks at its ends stay: they may be what is wrong
    return text if len(text) <= 60 else text[:59] + "…"


def _of_number(table: str, name: str, column: Column, example: str) -> Iterator[Check]:
    yield Check(
        f'"{name}" IS NOT NULL AND NOT isfinite("{name}")',
        example,
        f"has {{rows}} whose {name} is not a finite number, such as {{example}}",
        f"correct {name}, and leave it empty where it is not known",
    )
    limit = EXACT // 100
    low, high = column.low, column.high
    if column.kind in ("money", "count"):
        remedy = REMEDIES.get(f"{table}.{name}", f"correct {name}")
        yield Check(f'"{name}" < 0', example, f"has {{rows}} with a negative {name}, such as {{example}}", remedy)
    if column.kind == "count":
        yield Check(
            f'"{name}" <> floor("{name}")',
            example,
            f"has {{rows}} whose {name} is not a whole number, such as {{example}}",
            "round it",
        )
    if low is not None and high is not None:
        yield Check(
            f'("{name}" < {low} OR "{name}" > {high})',
            example,
            f"has {{rows}} whose {name} is outside {low:g}–{high:g}, such as {{example}}",
            f"bring {name} to the scale {low:g}–{high:g}",
        )
    if column.kind == "money" and table != "merchants":
        found = f"has {{rows}} with fractions of a cent in {name}, such as {{example}}"
        yield Check(
            f'abs("{name}" * 100 - round("{name}" * 100)) > 0.01', example, found, "they are rounded to whole cents", noted=True
        )
    yield Check(
        f'abs("{name}") > {limit}',
        example,
        f"has {{rows}} whose {name} is beyond {limit:,}, such as {{example}}",
        f"correct {name}",
    )


def _of_order(table: str, cells: dict[str, Cell]) -> Iterator[Check]:
    for after, before in AFTER.get(table, ()):
        if after in cells and before in cells:
            yield Check(
                later(before, after, cells),
                f"CAST({after}_raw AS VARCHAR) || ' before ' || CAST({before}_raw AS VARCHAR)",
                f"has {{rows}} whose {after} lies before {before}, such as {{example}}",
                f"correct the one or the other, and leave {after} empty where it is not known",
            )
