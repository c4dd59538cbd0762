"""How one cell of a raw table is read as what the contract says: an id, a text, an instant, money, a number or a count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from features.tables import Kind

WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
FRACTIONS = {"FLOAT", "DOUBLE"}
TEXTS = {"VARCHAR", "UUID", "BOOLEAN"}
INSTANTS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "DATE"}
EXPECTED: dict[Kind, str] = {
    "id": "an id (text or whole number)",
    "text": "text",
    "time": "a date or a timestamp such as 2026-04-01T09:30:00Z",
    "money": "a number",
    "number": "a number",
    "count": "a whole number",
}


@dataclass(frozen=True)
class Cell:
    """One contract column of a raw table: its name there, its contract kind and its DuckDB type (without parameters)."""

    name: str
    raw: str
    kind: Kind
    type: str

    @property
    def readable(self) -> bool:
        """Whether a column of this type can hold what the contract says."""
        numeric = self.type in WHOLE | FRACTIONS | {"DECIMAL", "VARCHAR"}
        if self.kind == "time":
            return self.type in INSTANTS | {"VARCHAR"}
        if self.kind in ("id", "text"):
            return numeric or self.type in TEXTS | {"ENUM"} or (self.kind == "text" and self.type in INSTANTS)
        return numeric

    @property
    def only_day(self) -> str:
        """SQL over `read_<table>` for whether a time is a day, in the platform's own time zone, rather than an instant."""
        return {"DATE": "true", "VARCHAR": f'length("{self.name}_raw") <= 10'}.get(self.type, "false")

    @property
    def sql(self) -> str:
        """The cell as VARCHAR, TIMESTAMP (UTC) or DOUBLE; NULL where it is empty or cannot be read."""
        cell = f'"{self.raw}"'
        if not self.readable:
            return f"CAST(NULL AS {'TIMESTAMP' if self.kind == 'time' else 'DOUBLE' if self.kind not in ('id', 'text') else 'VARCHAR'})"
        if self.kind == "time":
            return self._instant(cell)
        if self.kind in ("money", "number", "count"):
            return f"TRY_CAST({cell} AS DOUBLE)" if self.type == "VARCHAR" else f"CAST({cell} AS DOUBLE)"
        if self.type == "VARCHAR":
            return f"NULLIF({cell}, '')"
        if self.kind == "id" and self.type in FRACTIONS:  # whole numbers that pandas turned into floats because some were missing
            return f"CASE WHEN {cell} = floor({cell}) AND abs({cell}) < 1e15 THEN CAST(CAST({cell} AS BIGINT) AS VARCHAR) ELSE CAST({cell} AS VARCHAR) END"
        return f"CAST({cell} AS VARCHAR)"

    def _instant(self, cell: str) -> str:
        if self.type == "VARCHAR":
            return f"make_timestamp(epoch_us(TRY_CAST({cell} AS TIMESTAMP WITH TIME ZONE)))"
        return f"make_timestamp(epoch_us({cell}))" if self.type == "TIMESTAMP WITH TIME ZONE" else f"CAST({cell} AS TIMESTAMP)"

    def day(self, clock: Clock) -> str:
        """The cell's local day since 1970-01-01 as INTEGER (kind `time` only)."""
        whole = days(self.sql)
        if self.type == "DATE" or not self.readable:
            return whole
        if self.type == "VARCHAR":  # a text without a time of day is a day, not an instant
            return f'CASE WHEN length("{self.raw}") <= 10 THEN {whole} ELSE {clock.day(self.sql)} END'
        return clock.day(self.sql)


def days(instant: str) -> str:
    """SQL for the days from 1970-01-01 to the date of an instant."""
    return f"CAST(CAST({instant} AS DATE) - DATE '1970-01-01' AS INTEGER)"


@dataclass(frozen=True)
class Clock:
    """Local days of one time zone. Offsets between `first` and `last` are written out: ten times faster than asking for each row."""

    zone: str
    first: datetime
    last: datetime

    def day(self, instant: str) -> str:
        """SQL for the local day of a UTC instant."""
        if self.zone == "UTC":
            return days(instant)
        slow = f"(({instant}) AT TIME ZONE 'UTC') AT TIME ZONE '{self.zone}'"
        branches = [f"WHEN ({instant}) < TIMESTAMP '{self.first:%Y-%m-%d %H:%M:%S}' THEN {slow}"]
        for until, seconds in self._offsets():
            branches.append(
                f"WHEN ({instant}) < TIMESTAMP '{until:%Y-%m-%d %H:%M:%S}' THEN ({instant}) + INTERVAL ({seconds}) SECOND"
            )
        return days(f"CASE {' '.join(branches)} ELSE {slow} END")

    def _offsets(self) -> list[tuple[datetime, int]]:
        """Pairs of an end (UTC) and the seconds that local time is ahead before it."""
        found: list[tuple[datetime, int]] = []
        at = self.first
        while at < self.last:
            after = min(at + timedelta(days=1), self.last)
            if self._ahead(at) != self._ahead(after):
                found.append((self._change(at, after), self._ahead(at)))
            at = after
        return [*found, (self.last, self._ahead(self.last))]

    def _ahead(self, instant: datetime) -> int:
        offset = instant.replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone)).utcoffset()
        return int(offset.total_seconds()) if offset else 0

    def _change(self, low: datetime, high: datetime) -> datetime:
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) // 2
            middle = middle.replace(microsecond=0)
            low, high = (middle, high) if self._ahead(middle) == self._ahead(low) else (low, middle)
        return high
