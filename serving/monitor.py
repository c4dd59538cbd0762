"""What an engineer wants to know each morning: is the data fresh, do merchants still look as they did, did predictions come true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pandas as pd

from features.cutoffs import day_date
from features.drift import ALARM, WARN
from features.overview import WEEK, longest_pause, weekly_rows
from features.snapshot import Market
from serving.matured import Matured
from serving.run import Run

LEVELS = ("ok", "warn", "alarm")
WEEKS = 8
"""So many weeks before the last one say what a usual week of a table is."""
FEWER, FEWEST = 0.5, 0.1
"""A last week with less than these shares of a usual one is a warning, an alarm."""
LATE, OVERDUE = 2.0, 7.0
"""Days without data, beyond the longest pause before, that are a warning, an alarm."""
DRIFTED = 0.2
"""Above this share of features in alarm, drift as a whole is one."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what, how it stands (ok, warn or alarm), and the sentence, with what to do where something is wrong."""

    what: str
    level: str
    words: str


def worst(findings: Sequence[Finding]) -> str:
    """The worst level of some findings.

    Examples
    --------
    >>> worst([Finding("drift", "warn", ""), Finding("data", "ok", "")])
    'warn'
    """
    return max((one.level for one in findings), key=LEVELS.index, default="ok")


def monitored(market: Market, run: Run, past: Sequence[Matured], today: date) -> list[Finding]:
    """All findings: data, the run, drift, calibration of past runs."""
    return [*freshness(market, today), _run(market, run), *_drift(run), *_calibration(past)]


def facts(findings: Sequence[Finding], run: Run, past: Sequence[Matured]) -> dict[str, Any]:
    """The findings for machines, with the numbers behind them."""
    table = run.table("drift") if "drift.parquet" in run.files else pd.DataFrame()
    about = {"run_id": run.run_id, "model_version": run.model_version, "cutoff": run.cutoff, "level": worst(findings)}
    return about | {
        "findings": [asdict(one) for one in findings],
        "drift": table.to_dict("records"),
        "matured": [asdict(one) | {"level": one.level} for one in past],
    }


def freshness(market: Market, today: date) -> list[Finding]:
    """How old the data is, and which tables have run dry."""
    last, pause = market.source.last_day, longest_pause(market.source)
    age = (pd.Timestamp(today) - day_date(last)).days - 1
    level = "ok" if age <= pause + LATE else "warn" if age <= pause + OVERDUE else "alarm"
    do = "" if level == "ok" else "; bring the event tables up to date"
    words = f"the last order is of {day_date(last):%Y-%m-%d}, {age} whole days ago; the longest pause before was {pause}{do}"
    return [Finding("data", level, words), *(_table(market, stream) for stream in market.source.streams)]


def _table(market: Market, stream: str) -> Finding:
    """A table's rows of the last week against its usual week."""
    latest, usual = weekly_rows(market.source, stream, WEEKS)
    share = latest / usual if usual else 1.0
    level = "ok" if share >= FEWER or usual < WEEK else "warn" if share >= FEWEST else "alarm"
    do = "" if level == "ok" else "; see whether its feed has stopped"
    return Finding(f"table {stream}", level, f"{latest:,} rows in the last week, {usual:,.0f} in a usual one{do}")


def _run(market: Market, run: Run) -> Finding:
    """Whether the run is of the present data."""
    behind = (day_date(market.source.end_day) - pd.Timestamp(run.cutoff)).days
    if run.header["data_fingerprint"] == market.source.fingerprint and behind <= 0:
        return Finding("run", "ok", f"{run.run_id} is of the present data")
    level = "warn" if behind < WEEK else "alarm"
    return Finding("run", level, f"{run.run_id} is as of {run.cutoff}, {max(behind, 0)} days behind the data, which has changed since; type keepwell score")


def _drift(run: Run) -> list[Finding]:
    """How far the cohort has moved from the one that the model learnt from."""
    table = run.table("drift") if "drift.parquet" in run.files else pd.DataFrame()
    if table.empty:
        return [Finding("drift", "warn", "the run does not say what its model learnt from; train and score anew")]
    risk, features = table[table["name"] == "churn_risk"], table[table["name"] != "churn_risk"]
    counts = {level: int((features["level"] == level).sum()) for level in LEVELS}
    first = ", ".join(f"{row.name_} ({row.psi:.2f})" for row in features.rename(columns={"name": "name_"}).head(3).itertuples())
    level = "alarm" if counts["alarm"] > DRIFTED * len(features) else "warn" if counts["alarm"] else "ok"
    do = "; train anew and see whether it helps" if level == "alarm" else ""
    words = f"of {len(features)} features {counts['warn']} have moved a little (PSI from {WARN:g}) and {counts['alarm']} far (from {ALARM:g}); furthest: {first}{do}"
    found = [Finding("drift", level, words)]
    for row in risk.itertuples():
        found.append(Finding("risk", str(row.level), f"the distribution of churn risk has a PSI of {row.psi:.2f} against training"))
    return found


def _calibration(past: Sequence[Matured]) -> list[Finding]:
    """Whether past runs came true; the last one decides."""
    if not past:
        return [Finding("calibration", "ok", "no run of a model trained before it is old enough to know what happened")]
    last = past[-1]
    sales = f"; sales {last.gmv_happened / last.gmv_told - 1:+.1%} against those told" if last.gmv_told else ""
    words = (
        f"run {last.run_id} told that {last.told:.1%} leave ({last.low:.1%} to {last.high:.1%} with noise), {last.happened:.1%} did; "
        f"calibration error {last.ece:.3f}{sales}"
    )
    do = {"ok": "", "warn": "; watch the next run", "alarm": "; train anew before the numbers are trusted"}[last.level]
    return [Finding("calibration", last.level, words + do)]
