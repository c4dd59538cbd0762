"""Lists as terminal table, CSV, XLSX and JSON; no cell of a file can become a formula.

CSV is UTF-8 with a byte order mark, for Excel. Files are put in place whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from features.errors import UsageRefused
from serving.durable import replace_file
from serving.explain import plain
from serving.lists import BETWEEN, Column, Listing
from serving.reasons.numbers import SIGNS, count, money, percent

STARTERS = "=+-−@\t\r＝＋－＠"
INVISIBLE = ("Zs", "Zl", "Zp", "Cc", "Cf")
MOST_ROWS = 1_048_575
LONGEST_CELL = 32_767
NUMBER_FORMATS = {"money": "#,##0", "percent": "0%", "count": "0", "points": "0.0"}
TOLD = ("merchant_id", "chain", "name", "worst", "reasons")
WHAT = {"en": "merchant, why, and what to do next", "zh": "商户、原因与下一步行动"}
CALLING = (
    Column("calls", "calls", "联系", "count"),
    Column("leavers", "leavers caught", "将流失", "count"),
    Column("share_of_leavers", "of all leavers", "占全部流失", "percent"),
    Column("wasted", "wasted", "本会留下", "count"),
    Column("value_at_risk", "value at risk", "在险价值", "money"),
    Column("cost", "cost", "成本", "money"),
    Column("profit", "profit", "期望收益", "money"),
)
WIDTHS = {"reasons": 70, "action": 40, "warning": 30, "name": 24, "merchant_id": 18}


def guarded(text: str) -> str:
    r"""A text that no spreadsheet takes for a formula: `'` before it if it starts like one, whatever invisible stands in front.

    Examples
    --------
    >>> guarded("=1+1"), guarded("\u3000＝cmd"), guarded("bakery = best")
    ("'=1+1", "'\u3000＝cmd", 'bakery = best')
    """
    visible = text
    while visible and visible[0] not in STARTERS and unicodedata.category(visible[0]) in INVISIBLE:
        visible = visible[1:]
    return f"'{text}" if visible and visible[0] in STARTERS else text


def to_csv(listing: Listing) -> bytes:
    """The list as CSV: guarded texts, plain numbers, empty cells for what is missing."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([guarded(column.heading(listing.lang)) for column in listing.columns])
    for row in _rows(listing):
        flat = [(column, _flat(value)) for column, value in row]
        writer.writerow([guarded(value) if isinstance(value, str) else _rounded(column, value) for column, value in flat])
    return b"\xef\xbb\xbf" + buffer.getvalue().encode("utf-8", "replace")


def to_json(listing: Listing) -> bytes:
    """The list as JSON: run, model, cutoff, and one object a row."""
    rows = [{column.key: value for column, value in row} for row in _rows(listing)]
    content = {
        **listing.facts,
        "lang": listing.lang,
        "title": listing.title,
        "notes": listing.notes,
        "count": len(rows),
        "rows": rows,
    }
    if listing.calling is not None:
        content["calling"] = [{key: plain(value) for key, value in row.items()} for row in listing.calling.to_dict("records")]
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8", "replace")


def to_xlsx(listing: Listing) -> bytes:
    """The list as a workbook: every text written as text, numbers as numbers, and a sheet that says where it comes from."""
    if len(listing.rows) > MOST_ROWS:
        raise UsageRefused(f"the list has {len(listing.rows):,} rows, but a worksheet holds {MOST_ROWS:,}; write CSV or give --capacity.")
    buffer = io.BytesIO()
    safe = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    book = xlsxwriter.Workbook(buffer, safe)
    sheet = book.add_worksheet(listing.title[:31])
    bold = book.add_format({"bold": True, "bottom": 1})
    formats = {kind: book.add_format({"num_format": pattern}) for kind, pattern in NUMBER_FORMATS.items()}
    for place, column in enumerate(listing.columns):
        sheet.write_string(0, place, _heading(column, listing), bold)
        sheet.set_column(place, place, WIDTHS.get(column.key, 12))
    for line, row in enumerate(_rows(listing), 1):
        for place, (column, given) in enumerate(row):
            value = _flat(given)
            if isinstance(value, str):
                sheet.write_string(line, place, value[:LONGEST_CELL])
            elif value is not None:
                sheet.write_number(line, place, value, formats.get(column.kind))
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, max(len(listing.rows), 1), len(listing.columns) - 1)
    about = book.add_worksheet("about" if listing.lang == "en" else "说明")
    for line, (key, value) in enumerate([*listing.facts.items(), *(("note", note) for note in listing.notes)]):
        about.write_string(line, 0, str(key))
        about.write_string(line, 1, str(value))
    if listing.calling is not None:
        _calling_sheet(book, listing)
    book.close()
    return buffer.getvalue()


def to_table(listing: Listing) -> Group:
    """The list for the terminal: the numbers, and in the last column the merchant, its reasons and after an arrow what to do next."""
    table = Table(title=Text(listing.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    plain_columns = [column for column in listing.columns if column.in_terminal and column.key not in TOLD]
    for column in plain_columns:
        number = column.kind != "text"
        table.add_column(column.heading(listing.lang).replace(" ", "\n", 1), justify="right" if number else "left", no_wrap=True)
    table.add_column(WHAT[listing.lang], overflow="fold", ratio=1)
    for row in _rows(listing):
        cells = {column.key: shown(column, value, listing) for column, value in row}
        table.add_row(*(Text(cells[column.key]) for column in plain_columns), _told(cells))
    if listing.calling is not None and len(listing.calling):
        parts: tuple[Any, ...] = (table, _calling_table(listing))
    else:
        parts = (table,)
    caption = f"run {listing.facts['run_id']} · model {listing.facts['model_version']} · cutoff {listing.facts['cutoff']}"
    return Group(*parts, Text("\n".join([*listing.notes, caption]), style="dim"))


def _calling_table(listing: Listing) -> Table:
    """What calling the first so many catches and wastes, for the terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in CALLING:
        table.add_column(column.heading(listing.lang), justify="right", no_wrap=True)
    assert listing.calling is not None
    for row in listing.calling.to_dict("records"):
        table.add_row(*(shown(column, float(row[column.key]), listing) for column in CALLING))
    return table


def _calling_sheet(book: Any, listing: Listing) -> None:
    """The same as a sheet of the workbook."""
    assert listing.calling is not None
    sheet = book.add_worksheet("calling" if listing.lang == "en" else "联系多少家")
    for place, column in enumerate(CALLING):
        sheet.write_string(0, place, _heading(column, listing))
        for line, value in enumerate(listing.calling[column.key].tolist(), 1):
            if plain(value) is not None:
                sheet.write_number(line, place, value)


def _flat(value: Any) -> Any:
    """A list of texts as one text."""
    return BETWEEN.join(value) if isinstance(value, list) else value


def _told(cells: dict[str, str]) -> Text:
    """A merchant's name and id, its reasons below one another, and what to do next."""
    named = cells.get("name") not in (None, "–")
    who = cells["merchant_id"] if "merchant_id" in cells else cells["chain"]
    heading = f"{cells['name']} · {who}" if named else who
    heading += f"\n{cells['worst']}" if cells.get("worst") not in (None, "", "–") else ""
    reasons = [f"· {reason}\n" for reason in cells["reasons"].split(BETWEEN)]
    reasons += [f"✓ {cells['handled']}\n"] if cells.get("handled", "–") != "–" else []
    return Text.assemble((f"{heading}\n", "bold"), *reasons, (f"→ {cells['action']}", "italic"))


def shown(column: Column, value: Any, listing: Listing) -> str:
    """A value as people read it; a dash where there is none. Control characters become spaces."""
    value = _flat(value)
    if value is None:
        return "–"
    if isinstance(value, str):
        return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in value)
    writers: dict[str, Callable[[float], str]] = {
        "money": lambda amount: money(round(amount) if abs(amount) >= 10 else amount, listing.currency),
        "percent": lambda share: percent(share, listing.lang),
    }
    return writers.get(column.kind, count)(value)


WRITERS: dict[str, Callable[[Listing], bytes]] = {".csv": to_csv, ".xlsx": to_xlsx, ".json": to_json}


def write_list(listing: Listing, path: Path) -> None:
    """Write a list to a file, in the format that its ending names.

    Raises
    ------
    UsageRefused : an ending that is none of .csv, .xlsx, .json; a directory that is not there.
    """
    refuse_ending(path)
    try:
        replace_file(path, WRITERS[path.suffix.lower()](listing))
    except OSError as error:
        raise UsageRefused(f"{path} cannot be written: {error.strerror}; give another path.") from None


def refuse_ending(path: Path) -> None:
    """Refuse a file of a kind that no list is written in, before the work for it."""
    if path.suffix.lower() not in WRITERS:
        raise UsageRefused(
            f"{path.name or path} ends in {repr(path.suffix) if path.suffix else 'nothing'}, expected one of {', '.join(WRITERS)}; "
            "change the name of the file."
        )


def _rows(listing: Listing) -> list[list[tuple[Column, Any]]]:
    columns = [listing.rows[column.key].tolist() for column in listing.columns]
    return [[(column, plain(value)) for column, value in zip(listing.columns, row, strict=True)] for row in zip(*columns, strict=True)]


def _rounded(column: Column, value: float | None) -> float | int | None:
    if value is None or isinstance(value, int):
        return value
    return round(value, {"money": 2, "percent": 4}.get(column.kind, 1))


def _heading(column: Column, listing: Listing) -> str:
    heading = column.heading(listing.lang)
    return f"{heading} ({SIGNS.get(listing.currency, listing.currency)})" if column.kind == "money" else heading
