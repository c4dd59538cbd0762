"""The portfolio for people: headline, then a card for each table with its drawing, its numbers and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from serving.page.at_risk import one_line
from serving.page.visit import Visit
from serving.portfolio.written import written

WIDE_FROM = 9
"""Tables of so many columns take the whole width where no drawing stands for them."""


def portfolio_content(found: Mapping[str, Any], plots: Mapping[str, Markup], visit: Visit) -> dict[str, Any]:
    """What the template shows of the answer of `serving.portfolio.portfolio`."""
    figures = [{"number": _figure(one, visit), "what": one["words"], "means": ""} for one in found["headline"]]
    tables = [_table(one, plots.get(one["key"]) or None, visit) for one in found["tables"] if not one["absent"]]
    missing = [{"title": one["title"], "why": one["absent"]} for one in found["tables"] if one["absent"]]
    return {"figures": figures, "tables": tables, "missing": missing}


def _figure(one: Mapping[str, Any], visit: Visit) -> str:
    return visit.f.short(one["value"]) if one["kind"] == "money" else _told(one["value"], one["kind"], visit)


def _table(one: Mapping[str, Any], plot: Markup | None, visit: Visit) -> dict[str, Any]:
    columns = one["columns"]
    rows = [
        {"cells": [_told(row.get(column["key"]), column["kind"], visit) for column in columns], "is_low": row.get("is_low") is True}
        for row in one["rows"]
    ]
    heads = [{"words": column["heading"], "is_text": column["kind"] == "text"} for column in columns]
    return {
        "key": one["key"],
        "title": one["title"],
        "heads": heads,
        "rows": rows,
        "notes": one["notes"],
        "plot": plot,
        "is_wide": plot is None and len(columns) >= WIDE_FROM,
    }


def _told(value: Any, kind: str, visit: Visit) -> str:
    return one_line(written(value, kind, visit.currency, visit.lang))
