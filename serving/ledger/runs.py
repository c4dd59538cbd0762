"""What a run adds to the ledger, in one transaction: itself, its scores, what happened to warnings, who was drawn, and the audit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, insert, select

from features.errors import DataRefused
from serving.ledger.bulk import add, change, read
from serving.ledger.schema import audit, decisions, outbox, overrides, runs, scores, warnings

Step = Callable[[str], None]
STANDING = ("tier", "tier_since", "tier_pending", "tier_pending_since", "stage", "stage_since")
SCORED = ("churn_risk", "expected_gmv", "growth_potential", "value_at_risk", "points", *STANDING)


def _none() -> pd.DataFrame:
    return pd.DataFrame()


@dataclass(frozen=True)
class Entry:
    """All that one run adds.

    Attributes
    ----------
    header : run_id, cutoff, model_version, rules_hash, created_at.
    scores : indexed by merchant_id, columns of `SCORED`.
    opened : new warnings. changed : `warning_no` and the columns that changed, of open ones. woken, rearmed : `warning_no`.
    drawn : new decisions of the holdout. lapsed : `override_no` of overrides that end with this run.
    told : what happened, for the audit: what, merchant_id, kind, detail.
    messages : what other systems are told: message_id, kind, body.
    after : the `run_no` of the last run that was known when all this was computed.
    """

    header: Mapping[str, Any]
    scores: pd.DataFrame
    opened: pd.DataFrame = field(default_factory=_none)
    changed: pd.DataFrame = field(default_factory=_none)
    woken: pd.DataFrame = field(default_factory=_none)
    rearmed: pd.DataFrame = field(default_factory=_none)
    drawn: pd.DataFrame = field(default_factory=_none)
    lapsed: pd.DataFrame = field(default_factory=_none)
    told: pd.DataFrame = field(default_factory=_none)
    messages: pd.DataFrame = field(default_factory=_none)
    after: int = 0


def last_run(connection: Connection) -> int:
    """The number of the last run committed; 0 for none."""
    return int(connection.execute(select(func.coalesce(func.max(runs.c.run_no), 0))).scalar_one())


def commit(connection: Connection, entry: Entry, at: Step = lambda step: None) -> int:
    """Add a run; the same run again adds nothing.

    Returns
    -------
    The run's number.

    Raises
    ------
    DataRefused : another run was committed since this one was computed.
    """
    header = entry.header
    known = connection.execute(select(runs.c.run_no).where(runs.c.run_id == header["run_id"])).scalar_one_or_none()
    if known is not None:
        return int(known)
    if last_run(connection) != entry.after:
        raise DataRefused(f"another run was recorded while {header['run_id']} was being scored, so it was not; type `keepwell score` again.")
    at("ledger run")
    number = _run(connection, header, len(entry.scores))
    at("ledger scores")
    present = [name for name in SCORED if name in entry.scores]
    add(connection, scores, entry.scores[present].rename_axis("merchant_id").reset_index().assign(run_no=number))
    at("ledger warnings")
    change(connection, warnings, "warning_no", entry.changed, "closed_on IS NULL")
    change(connection, warnings, "warning_no", entry.woken, "closed_on IS NULL")
    change(connection, warnings, "warning_no", entry.rearmed)
    add(connection, warnings, entry.opened.assign(run_no=number))
    at("ledger decisions")
    add(connection, decisions, entry.drawn.assign(run_no=number))
    change(connection, overrides, "override_no", entry.lapsed)
    at("ledger audit")
    write_audit(connection, entry.told, at=str(header["created_at"]), cutoff=str(header["cutoff"]), run_id=str(header["run_id"]))
    at("ledger outbox")
    made_at = str(header["created_at"])
    add(connection, outbox, entry.messages.assign(run_no=number, made_at=made_at, due_at=made_at, attempts=0))
    at("ledger commit")
    return number


def _run(connection: Connection, header: Mapping[str, Any], merchants: int) -> int:
    values = {name: str(header[name]) for name in ("run_id", "model_version", "rules_hash", "created_at")}
    values |= {"cutoff": date.fromisoformat(str(header["cutoff"])), "merchants": merchants}  # type: ignore[dict-item]
    made = connection.execute(insert(runs).values(values).returning(runs.c.run_no)).scalar_one()
    told = pd.DataFrame({"what": ["run"], "detail": [{"model_version": values["model_version"], "merchants": merchants}]})
    write_audit(connection, told, at=values["created_at"], cutoff=str(header["cutoff"]), run_id=values["run_id"])
    return int(made)


def write_audit(connection: Connection, told: pd.DataFrame, **everywhere: str | None) -> None:
    """Add lines to the audit: `told` has what, merchant_id, kind, detail; `everywhere` is at, cutoff, run_id, actor."""
    if told.empty:
        return
    rows = told.assign(**{name: value for name, value in everywhere.items() if value is not None})
    if "cutoff" in rows:
        rows["cutoff"] = pd.to_datetime(rows["cutoff"]).astype("datetime64[s]")
    if "detail" in rows:
        rows["detail"] = [json.dumps(detail, ensure_ascii=False, default=str) for detail in rows["detail"]]
    add(connection, audit, rows)


def previous_grades(connection: Connection, before: date) -> pd.DataFrame | None:
    """Tier and stage by the rules as of the last run with an earlier cutoff, indexed by merchant_id; None for none."""
    newest = select(runs.c.run_no).where(runs.c.cutoff < before).order_by(runs.c.cutoff.desc(), runs.c.run_no.desc()).limit(1)
    number = connection.execute(newest).scalar_one_or_none()
    if number is None:
        return None
    query = select(scores.c.merchant_id, *(scores.c[name] for name in STANDING)).where(scores.c.run_no == number)
    return read(connection, query).set_index("merchant_id")
