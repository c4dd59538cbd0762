"""The backtest as a page a person wants to read: one HTML file, nothing beside it, no script.

Everything that comes from data is escaped by the template; what it says in words comes from `training.findings`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from features.whole import write_atomically
from training import charts, findings


@dataclass(frozen=True)
class Context:
    """What a report tells: the numbers of `training.evaluate.evaluate`, and what was tested and how.

    `settings` are the model's settings for the last section; `examples` comes from `examples`; `notes` are facts about the data
    that were counted and not refused. Days are ISO dates; `last_day` is the last day with an order.
    """

    title: str
    evaluation: Mapping[str, Any]
    active_days: int
    horizon_days: int
    first_day: str
    last_day: str
    merchants: int
    currency: str
    command: str
    fingerprint: str
    gap_days: int = 0
    growth_days: int | None = None
    timezone: str = "UTC"
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    examples: Sequence[Mapping[str, Any]] = ()


def write_report(path: Path, context: Context) -> Path:
    """Write the page in one piece: a report that exists is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, report_html(context).encode())
    return path


def report_html(context: Context) -> str:
    """The page as text."""
    rows = context.evaluation["cutoffs"]
    tables = context.evaluation["calibration"]
    named = {name: table for name, table in tables.items() if name != "all"} | ({"all together": tables["all"]} if len(rows) > 1 else {})
    end = charts.nice_top(max(max(row["predicted"], row["observed"]) for table in tables.values() for row in table))
    ahead = findings.beside(context.evaluation)
    page = _environment().get_template("report.html.jinja")
    return page.render(
        context=context,
        evaluation=context.evaluation,
        mean=context.evaluation["mean"],
        windows=windows(context),
        answers=findings.answers(context.evaluation),
        caveats=findings.caveats(context.evaluation, context.horizon_days),
        capture_chart=charts.capture_chart(context.evaluation["curve"], context.evaluation["mean"]["churned"]),
        rates_chart=charts.rates_chart(rows),
        money_chart=charts.money_chart(rows),
        calibration_charts=[(name, charts.calibration_chart(table, name, end)) for name, table in named.items()],
        ahead_chart=charts.ahead_chart(ahead) if ahead else None,
        beside=[column for column in COLUMNS if column[0] in BESIDE],
        columns=[column for column in COLUMNS if column[0] in context.evaluation["mean"]],
        share_bar=charts.share_bar,
    )


COLUMNS = [
    ("n", "merchants", "count"),
    ("churned", "left", "percent"),
    ("predicted", "promised", "percent"),
    ("auc", "AUC", "plain"),
    ("recency_auc", "AUC of recency alone", "plain"),
    ("average_precision", "avg. precision", "plain"),
    ("precision_at", "precision, top 10 %", "percent"),
    ("value_captured_at", "value caught, top 10 %", "percent"),
    ("profit", "profit, % of perfect", "number"),
    ("brier", "Brier", "plain"),
    ("log_loss", "log loss", "plain"),
    ("ece", "calib. error", "percent"),
    ("ece_floor", "its noise floor", "percent"),
    ("growth_auc", "AUC of growth", "plain"),
    ("expected_gmv", "expected sales", "amount"),
    ("realised_gmv", "sales that came", "amount"),
    ("rmse", "RMSE", "amount"),
    ("wape", "WAPE", "percent"),
    ("ngini", "norm. Gini", "plain"),
    ("bias", "bias", "signed"),
    ("cover", "P10–P90 cover", "percent"),
]
"""The table per cutoff: metric, heading, how it is shown."""

BESIDE = ("auc", "average_precision", "precision_at", "profit", "brier", "ece", "rmse", "wape", "ngini", "bias")
"""The metrics of the table of peers."""


def examples(predictions: pd.DataFrame, names: Mapping[str, str] | None = None, count: int = 12) -> list[dict[str, Any]]:
    """The merchants of the last cutoff with most money at risk (risk × expected GMV), and what became of them."""
    last = predictions[predictions["cutoff"] == predictions["cutoff"].max()]
    money = last["churn_risk"] * last["expected_gmv"]
    rows = last.assign(at_risk=money).sort_values(["at_risk", "merchant_id"], ascending=[False, True]).head(count)
    wanted = ["merchant_id", "churn_risk", "trailing", "expected_gmv", "at_risk", "value", "churned"]
    return [
        {str(k): v for k, v in row.items()} | {"name": (names or {}).get(row["merchant_id"])} for row in rows[wanted].to_dict("records")
    ]


def windows(context: Context) -> list[dict[str, Any]]:
    """The dates of each cutoff's two windows, both half-open."""
    rows = []
    for name, row in context.evaluation["cutoffs"].items():
        cutoff = date.fromisoformat(name)
        start = cutoff + timedelta(days=context.gap_days)
        rows.append(
            {
                "cutoff": name,
                "observed": f"[{cutoff - timedelta(days=context.active_days)}, {cutoff})",
                "judged": f"[{start}, {start + timedelta(days=context.horizon_days)})",
                "merchants": row["n"],
            }
        )
    return rows


def shown(value: Any, kind: str = "plain") -> str:
    """A number as the report prints it; missing is a dash.

    Examples
    --------
    >>> shown(0.1234, "percent"), shown(-0.05, "signed"), shown(12345.6, "money"), shown(None)
    ('12.3 %', '−5.0 %', '12.3k', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    forms = {
        "percent": lambda number: f"{100 * number:.1f} %",
        "signed": lambda number: f"{100 * number:+.1f} %",
        "count": lambda number: f"{number:,.0f}",
        "number": lambda number: f"{number:.1f}",
        "money": charts.compact,
        "amount": lambda number: f"{number:,.0f}" if abs(number) < 1e7 else charts.compact(number),
        "plain": lambda number: f"{number:.3f}",
    }
    return str(forms[kind](value)).replace("-", "−")


def _environment() -> Environment:
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = shown
    return environment
