"""What a platform's checked tables hold, for `keepwell check`: how many, since when, how even, and what is missing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from features.errors import DataRefused
from features.source import Source
from features.tables import ATTRIBUTES, SCALE, STREAMS, TABLES

WEEK = 7
TOP = 0.2
"""The share of merchants whose part of the sales is told."""


def profile(source: Source) -> dict[str, Any]:
    """A profile of checked tables, ready for JSON.

    Returns
    -------
    Counts of `merchants`, `selling` ones (with an order) and `orders`; `first_order`, `last_order` and `days` between them, both included;
    `gmv` in `currency` and `top_share`, the share of it that the largest fifth of all merchants brings; `gap`, the longest stretch of `days`
    without any order (`first` to `last`); `tables` with their rows, `present` and `absent` fields by stream or attribute, and `notes`.
    """
    orders, selling, gmv, top = _sales(source, max(1, round(TOP * len(source.merchants))))
    return {
        "merchants": len(source.merchants),
        "selling": selling,
        "orders": orders,
        "first_order": day(source.first_day).isoformat(),
        "last_order": day(source.last_day).isoformat(),
        "days": source.end_day - source.first_day,
        "gmv": gmv / SCALE["money"],
        "currency": source.settings.timeline.currency,
        "top_share": top / gmv if gmv else None,
        "gap": _longest_gap(source),
        "tables": {table: source.counts[table] for table in TABLES if table in source.counts},
        **_fields(source),
        "notes": list(source.notes),
    }


def longest_pause(source: Source) -> int:
    """The most days in a row without any order, between the first and the last."""
    gap = _longest_gap(source)
    return int(gap["days"]) if gap else 0


def refuse_days_without_data(source: Source, cutoff: int) -> None:
    """Refuse a cutoff after days of which nothing is known: they would be read as every merchant's silence.

    Raises
    ------
    DataRefused
        The data ends further before the cutoff than the platform was ever without orders.
    """
    end, pause = source.end_day, longest_pause(source)
    if cutoff - end > pause:
        raise DataRefused(
            f"cutoff {day(cutoff)} lies {cutoff - end} days after the data ends ({day(end)}), and the platform was never without orders for more "
            f"than {pause}: missing days would be read as merchants' silence. Bring the orders up to date, or use a cutoff on or before "
            f"{day(end + pause)}."
        )


def weekly_rows(source: Source, stream: str, weeks: int) -> tuple[int, float]:
    """Rows of a stream in the last week of the data, and a week's mean over so many weeks before."""
    end = source.end_day
    row = source.connection.execute(
        f"SELECT sum(CASE WHEN day >= {end - WEEK} THEN 1 ELSE 0 END), count(*) FROM stream_{stream} "
        f"WHERE day >= {end - WEEK * (1 + weeks)} AND day < {end}"
    ).fetchone()
    latest, whole = (int(row[0] or 0), int(row[1])) if row else (0, 0)
    return latest, (whole - latest) / weeks


def day(number: int) -> date:
    """The date of a day counted from 1970-01-01."""
    return date(1970, 1, 1) + timedelta(days=number)


def _sales(source: Source, top: int) -> tuple[int, int, int, int]:
    """Orders, merchants that sold, cents, and cents of the `top` largest merchants."""
    row = source.connection.execute(
        "SELECT sum(orders), count(*), sum(cents), sum(CASE WHEN place <= ? THEN cents ELSE 0 END) FROM ("
        "SELECT *, row_number() OVER (ORDER BY cents DESC, merchant) AS place FROM ("
        "SELECT merchant, sum(orders) AS orders, sum(amount) AS cents FROM stream_orders GROUP BY merchant))",
        [top],
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])


def _longest_gap(source: Source) -> dict[str, Any] | None:
    """The longest stretch of days without an order between the first and the last; the earliest of equally long ones."""
    row = source.connection.execute(
        "SELECT day + 1, next - 1 FROM (SELECT day, lead(day) OVER (ORDER BY day) AS next FROM (SELECT DISTINCT day FROM stream_orders)) "
        "WHERE next > day + 1 ORDER BY next - day DESC, day LIMIT 1"
    ).fetchone()
    return {"days": row[1] - row[0] + 1, "first": day(row[0]).isoformat(), "last": day(row[1]).isoformat()} if row else None


def _fields(source: Source) -> dict[str, dict[str, list[str]]]:
    known = {name: list(stream.fields) for name, stream in STREAMS.items()}
    present = {name: list(fields) for name, fields in source.streams.items()}
    absent = {name: [field for field in fields if field not in present.get(name, [])] for name, fields in known.items()}
    attributes = [name for name in ATTRIBUTES if name in source.merchants]
    return {
        "present": {"merchants": attributes, **present},
        "absent": {
            "merchants": [name for name in ATTRIBUTES if name not in attributes],
            **{name: fields for name, fields in absent.items() if fields or name not in present},
        },
    }
