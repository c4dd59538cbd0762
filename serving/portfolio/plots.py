"""The plots of the portfolio's tables, drawn from nothing but the answer of `serving.portfolio.portfolio`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from serving.portfolio import shapes
from serving.portfolio.worth import LEAST
from serving.portfolio.written import written

MOST = 14
"""Bars of a plot."""
Drawn = Callable[[dict[str, Any], dict[str, Any]], Markup]


def plots(found: dict[str, Any]) -> dict[str, Markup]:
    """Inline SVG by the key of the table; tables without rows, and those that no plot would make clearer, are not in it."""
    return {table["key"]: PLOTS[table["key"]](table, found) for table in found["tables"] if table["key"] in PLOTS and table["rows"]}


def calling_curve(curve: dict[str, list[float]], found: dict[str, Any]) -> Markup:
    """What calling so many is expected to bring, and how many of those called would leave."""
    say = _say(found)
    profit = curve["profit"]
    best = max(range(len(profit)), key=lambda place: profit[place])
    mark = (curve["calls"][best], profit[best], say("best: {number}", "最佳：{number}家").format(number=f"{curve['calls'][best]:,.0f}"))
    money = _writer(found, "money")
    first = shapes.curve(curve["calls"], [(profit, "line")], _count, money, say("profit of calling so many", "联系N家的期望收益"), [mark], 180, above=True)
    caught = [(curve["calls"], "line faint"), (curve["leavers"], "line second")]
    title = say("leavers among those called (red), calls (dashed)", "其中将流失（红），联系数（虚线）")
    return first + shapes.curve(curve["calls"], caught, _count, _count, title, (), 180, above=True)


def _calling(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    return calling_curve(table["curve"], found)


def _groups(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    return _money_bars(table["rows"][:MOST], "group", "value_at_risk", table, found)


def _funnel(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    share = _writer(found, "percent")
    told = [_count(row["count"]) + (f" · {share(row['of_before'])}" if row["of_before"] is not None else "") for row in table["rows"]]
    return shapes.bars([row["step"] for row in table["rows"]], [row["count"] for row in table["rows"]], told, table["title"])


def _pyramid(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    rows, share, say = table["rows"], _writer(found, "percent"), _say(found)
    told = [say("{n} · {s} of sales", "{n} · 交易额{s}").format(n=_count(row["merchants"]), s=share(row["gmv_share"])) for row in rows]
    return shapes.pyramid([f"{row['tier']} {row['words']}" for row in rows], [row["merchants"] for row in rows], told, table["title"])


def _grid(first: str, kind: str) -> Drawn:
    """A grid of the columns of one kind that are merchants of a class: neither the sum nor the number of a cohort."""

    def drawn(table: dict[str, Any], found: dict[str, Any]) -> Markup:
        columns = [one for one in table["columns"] if one["kind"] == kind and one["key"] not in ("all", "merchants", "gone")]
        values = [[row.get(one["key"]) for one in columns] for row in table["rows"]]
        return shapes.shades([row[first] for row in table["rows"]], [one["heading"] for one in columns], values, _writer(found, kind), table["title"])

    return drawn


def _at_risk(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    return _money_bars(table["rows"], "tier", "gmv_at_risk", table, found)


def _concentration(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    curve, share = table["curve"], _writer(found, "percent")
    twenty = next(row for row in table["rows"] if row["share"] == 0.2)
    mark = (0.2, twenty["gmv_share"], f"{share(0.2)} → {share(twenty['gmv_share'])}")
    return shapes.curve(curve["x"], [(curve["x"], "line faint"), (curve["y"], "line")], share, share, table["title"], [mark])


def _kinds(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    return _money_bars(table["rows"], "kind", "gmv", table, found)


def _selling(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    rows = table["rows"]
    values = [row["share"] if row["share"] is not None else float("nan") for row in rows]
    return shapes.steps([row["month"] for row in rows], [(values, "line")], _writer(found, "percent"), table["title"])


def _ltv(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    rows = [row for row in table["rows"] if row["ltv_cac"] is not None][:MOST]
    css = ["high" if row["is_low"] else "" for row in rows]
    told = [f"{row['ltv_cac']:.1f}" for row in rows]
    return shapes.bars([row["group"] for row in rows], [row["ltv_cac"] for row in rows], told, table["title"], css, mark=LEAST)


def _expected(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    rows = table["rows"]
    lines = [([row["told"] for row in rows], "line faint"), ([row["happened"] for row in rows], "line second")]
    title = _say(found)("expected (dashed) and happened (red)", "预期（虚线）与实际（红）")
    return shapes.steps([row["cutoff"] for row in rows], lines, _writer(found, "percent"), title)


def _warnings(table: dict[str, Any], found: dict[str, Any]) -> Markup:
    rows, share = [row for row in table["rows"] if row["precision"] is not None], _writer(found, "percent")
    return shapes.bars([row["words"] for row in rows], [row["precision"] for row in rows], [share(row["precision"]) for row in rows], table["title"], mark=1.0)


PLOTS: dict[str, Drawn] = {
    "groups": _groups,
    "funnel": _funnel,
    "pyramid": _pyramid,
    "stage_tier": _grid("stage", "count"),
    "migration": _grid("from", "count"),
    "at_risk": _at_risk,
    "calling": _calling,
    "concentration": _concentration,
    "rfm": _grid("recency", "count"),
    "rfm_kinds": _kinds,
    "selling": _selling,
    "cohorts": _grid("cohort", "percent"),
    "ltv_channel": _ltv,
    "ltv_industry": _ltv,
    "ltv_scale": _ltv,
    "expected": _expected,
    "warnings": _warnings,
}


def _money_bars(rows: list[dict[str, Any]], label: str, name: str, table: dict[str, Any], found: dict[str, Any]) -> Markup:
    money = _writer(found, "money")
    return shapes.bars([str(row[label]) for row in rows], [row[name] or 0.0 for row in rows], [money(row[name] or 0.0) for row in rows], table["title"])


def _writer(found: dict[str, Any], kind: str) -> Callable[[float], str]:
    return lambda value: written(value, kind, found["currency"], found["lang"])


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _say(found: dict[str, Any]) -> Callable[[str, str], str]:
    return lambda en, zh: zh if found["lang"] == "zh" else en
