"""The portfolio as files: JSON, one CSV with all tables below one another, a workbook with a sheet for each, one HTML page with plots."""

from __future__ import annotations

import csv
import io
import json
from importlib.resources import files
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from serving.export import NUMBER_FORMATS, guarded
from serving.portfolio.plots import plots
from serving.portfolio.written import written

SHEET_NAME = str.maketrans("[]:*?/\\'", "        ")
SHOWN = 40
"""Rows of a table that the page shows."""
WORDS = {
    "en": {"as_of": "as of {cutoff}", "run": "run {run_id} · model {model_version}", "more": "{more:,} more rows in the workbook", "absent": "Not shown"},
    "zh": {"as_of": "截至{cutoff}", "run": "评分{run_id} · 模型{model_version}", "more": "其余{more:,}行见工作簿", "absent": "未显示"},
}


def to_json(found: dict[str, Any]) -> bytes:
    """The answer of `serving.portfolio.portfolio` as JSON."""
    return json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8", "replace")


def to_csv(found: dict[str, Any]) -> bytes:
    """All tables below one another, each with its title and headings; UTF-8 with a byte order mark, and no cell can become a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    for table in found["tables"]:
        writer.writerow([guarded(table["title"])])
        if table["absent"]:
            writer.writerow([guarded(table["absent"])])
        else:
            writer.writerow([guarded(column["heading"]) for column in table["columns"]])
            writer.writerows([_cell(row.get(column["key"]), found["lang"]) for column in table["columns"]] for row in table["rows"])
        writer.writerow([])
    return b"\xef\xbb\xbf" + buffer.getvalue().encode("utf-8", "replace")


def _cell(value: Any, lang: str) -> Any:
    if isinstance(value, bool):
        return written(value, "text", "", lang)  # type: ignore[arg-type]
    if isinstance(value, float):
        return round(value, 4)
    return guarded(value) if isinstance(value, str) else value


def to_xlsx(found: dict[str, Any]) -> bytes:
    """A workbook: the figures that come first with what is absent, then a sheet for each table; texts stay texts."""
    buffer = io.BytesIO()
    safe = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(buffer, safe) as book:
        first = book.add_worksheet(_sheet(found["title"], 0))
        facts = [(name, found[name]) for name in ("run_id", "model_version", "cutoff", "currency")]
        facts += [(one["words"], one["value"]) for one in found["headline"]]
        facts += [(table["title"], table["absent"]) for table in found["tables"] if table["absent"]]
        for line, (words, value) in enumerate(facts):
            _write(first, line, 0, words, None, found["lang"])
            _write(first, line, 1, value, None, found["lang"])
        formats = {kind: book.add_format({"num_format": pattern}) for kind, pattern in NUMBER_FORMATS.items()}
        bold = book.add_format({"bold": True, "bottom": 1})
        for number, table in enumerate((one for one in found["tables"] if not one["absent"]), 1):
            _fill(book.add_worksheet(_sheet(table["title"], number)), table, formats, bold, found["lang"])
    return buffer.getvalue()


def _fill(sheet: Any, table: dict[str, Any], formats: dict[str, Any], bold: Any, lang: str) -> None:
    for place, column in enumerate(table["columns"]):
        sheet.write_string(0, place, column["heading"], bold)
        sheet.set_column(place, place, 28 if column["kind"] == "text" else 13)
        for line, row in enumerate(table["rows"], 1):
            _write(sheet, line, place, row.get(column["key"]), formats.get(column["kind"]), lang)
    for after, note in enumerate(table["notes"], len(table["rows"]) + 2):
        sheet.write_string(after, 0, note)
    sheet.freeze_panes(1, 1)


def _write(sheet: Any, line: int, place: int, value: Any, style: Any, lang: str) -> None:
    if isinstance(value, bool | str):
        sheet.write_string(line, place, written(value, "text", "", lang))  # type: ignore[arg-type]
    elif value is not None:
        sheet.write_number(line, place, value, style)


def _sheet(title: str, number: int) -> str:
    """A name that a worksheet may have, different from all others by its number."""
    return f"{number} {title.translate(SHEET_NAME)}"[:31].rstrip()


def to_html(found: dict[str, Any]) -> bytes:
    """One page with everything in it: no script, nothing fetched from elsewhere."""
    environment = Environment(
        loader=PackageLoader("serving.portfolio", "."), autoescape=select_autoescape(["jinja"], default=True), undefined=StrictUndefined, trim_blocks=True
    )
    words = {name: text.format(**found, more=0) if "{more" not in text else text for name, text in WORDS[found["lang"]].items()}
    given = {
        "found": found,
        "plots": plots(found),
        "words": words,
        "shown": SHOWN,
        "css": Markup(files("serving.portfolio").joinpath("report.css").read_text(encoding="utf-8")),
        "written": lambda value, kind: written(value, kind, found["currency"], found["lang"]),
    }
    return environment.get_template("report.html.jinja").render(given).encode("utf-8", "replace")
