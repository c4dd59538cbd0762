"""The portfolio on a terminal."""

from __future__ import annotations

import unicodedata
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from serving.portfolio.written import written

MOST = 20
"""Rows of a table that a terminal shows."""
TEXT = 24
"""Letters of a text that stay on one line, however narrow the terminal is."""


def to_terminal(found: dict[str, Any]) -> Group:
    """What `serving.portfolio.portfolio` answers, table by table; what is absent is said at the end."""
    line = " · ".join(f"{written(one['value'], one['kind'], found['currency'], found['lang'])} {one['words']}" for one in found["headline"])
    parts: list[Any] = [Text(line, style="bold")]
    for table in found["tables"]:
        if not table["absent"]:
            parts.append(_shown(table, found) if table["rows"] else Text(table["title"], style="bold"))
            parts += [*(Text(note, style="dim") for note in _notes(table, found["lang"])), Text()]
    parts += [Text(f"{table['title']}: {table['absent']}", style="dim") for table in found["tables"] if table["absent"]]
    return Group(*parts, Text(f"run {found['run_id']} · model {found['model_version']} · cutoff {found['cutoff']}", style="dim"))


def _shown(table: dict[str, Any], found: dict[str, Any]) -> Table:
    shown = Table(title=Text(table["title"], style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    rows = [[_cell(row, column, found) for column in table["columns"]] for row in table["rows"][:MOST]]
    for place, column in enumerate(table["columns"]):
        is_text = column["kind"] == "text"
        longest = max((row[place].cell_len for row in rows), default=0)
        width = min(longest, TEXT) if is_text else longest
        shown.add_column(Text(column["heading"]), justify="left" if is_text else "right", min_width=width, overflow="fold")
    for row in rows:
        shown.add_row(*row)
    return shown


def _cell(row: dict[str, Any], column: dict[str, Any], found: dict[str, Any]) -> Text:
    text = written(row.get(column["key"]), column["kind"], found["currency"], found["lang"])
    return Text("".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text))


def _notes(table: dict[str, Any], lang: str) -> list[str]:
    more = len(table["rows"]) - MOST
    told = {"en": f"{more:,} more rows in the files", "zh": f"其余{more:,}行见文件"}[lang]
    return [*table["notes"], *([told] if more > 0 else [])]
