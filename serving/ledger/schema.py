"""The tables of the ledger: what was scored, warned of, done, left alone and overridden, and an audit of every change.

`warnings` and `overrides` hold the state of today and are changed in place; whatever changes them also adds a line to `audit`, which the
database itself keeps append-only. Everything else is only ever added to. Times are UTC texts given by the command line; days are those
of the market.
"""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Date, Float, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint, text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
IS_OPEN = text("closed_on IS NULL")
IS_IN_FORCE = text("lapsed_on IS NULL")


def _run() -> Column:
    return Column("run_no", Integer, ForeignKey("runs.run_no"), nullable=False)


runs = Table(
    "runs",
    metadata,
    Column("run_no", Integer, primary_key=True),
    Column("run_id", String, nullable=False, unique=True),
    Column("cutoff", Date, nullable=False, index=True),
    Column("model_version", String, nullable=False),
    Column("rules_hash", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("merchants", Integer, nullable=False),
)
"""One row a scoring, in the order in which they were committed."""

scores = Table(
    "scores",
    metadata,
    Column("run_no", Integer, ForeignKey("runs.run_no"), primary_key=True, autoincrement=False),
    Column("merchant_id", String, primary_key=True, index=True),
    Column("churn_risk", Float),
    Column("expected_gmv", Float),
    Column("growth_potential", Float),
    Column("value_at_risk", Float),
    Column("points", Float),
    Column("tier", String),
    Column("tier_since", Date),
    Column("tier_pending", String),
    Column("tier_pending_since", Date),
    Column("stage", String),
    Column("stage_since", Date),
)
"""One row a merchant and run; tier and stage are those of the rules, never a person's."""

warnings = Table(
    "warnings",
    metadata,
    Column("warning_no", Integer, primary_key=True),
    Column("merchant_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("owner", String),
    _run(),
    Column("opened_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("turned_on", Date, nullable=False),
    Column("is_holding", Boolean, nullable=False),
    Column("recurrences", Integer, nullable=False),
    Column("value", Float),
    Column("churn_risk", Float),
    Column("value_at_risk", Float),
    Column("gmv_before", Float),
    Column("escalated_from", Float),
    Column("escalated_on", Date),
    Column("escalations", Integer, nullable=False),
    Column("is_held_out", Boolean, nullable=False),
    Column("snoozed_until", Date),
    Column("snooze_reason", String),
    Column("snooze_risk", Float),
    Column("woken_on", Date),
    Column("closed_on", Date, index=True),
    Column("closed_why", String),
    Column("rearmed_on", Date),
    Index("ix_warnings_merchant_id_kind", "merchant_id", "kind"),
    Index("one_open_warning", "merchant_id", "kind", unique=True, sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
)
"""One row a warning that fired; numbers are those of the day it fired. `turned_on` is when `is_holding` last changed,
`escalated_from` the value at risk that growth is measured against, `rearmed_on` when it left its bounds after it was closed."""

dispositions = Table(
    "dispositions",
    metadata,
    Column("disposition_no", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("digest", String, nullable=False),
    Column("merchant_id", String, nullable=False, index=True),
    Column("done_on", Date, nullable=False),
    Column("outcome", String, nullable=False),
    Column("kind", String),
    Column("offer", String),
    Column("cost", Float),
    Column("note", String),
    Column("actor", String),
    Column("recorded_at", String, nullable=False),
)
"""What was done for a merchant and what came of it."""

overrides = Table(
    "overrides",
    metadata,
    Column("override_no", Integer, primary_key=True),
    Column("merchant_id", String, nullable=False),
    Column("field", String, nullable=False),
    Column("value", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("actor", String),
    Column("is_locked", Boolean, nullable=False),
    Column("made_on", Date, nullable=False),
    Column("recorded_at", String, nullable=False),
    Column("lapsed_on", Date),
    Index("one_override_in_force", "merchant_id", "field", unique=True, sqlite_where=IS_IN_FORCE, postgresql_where=IS_IN_FORCE),
)
"""A person's tier or stage. `made_on` is the cutoff of the run that was overridden."""

decisions = Table(
    "decisions",
    metadata,
    Column("decision_no", Integer, primary_key=True),
    _run(),
    Column("merchant_id", String, nullable=False),
    Column("decided_on", Date, nullable=False, index=True),
    Column("until", Date, nullable=False),
    Column("arm", String, nullable=False),
    Column("propensity", Float, nullable=False),
    Column("stratum", String, nullable=False),
    Column("action", String),
    Column("save_rate", Float),
    Column("cost", Float),
    Column("tier", String),
    Column("churn_risk", Float),
    Column("expected_gmv", Float),
    Column("gmv_before", Float),
    UniqueConstraint("merchant_id", "decided_on"),
)
"""Who was drawn to be acted on or left alone, with what chance to be left alone, and what was known on that day."""

outcomes = Table(
    "outcomes",
    metadata,
    Column("merchant_id", String, primary_key=True),
    Column("since", Date, primary_key=True),
    Column("settled_on", Date, nullable=False),
    Column("churned", Boolean, nullable=False),
    Column("silent_on", Date),
    Column("gmv", Float, nullable=False),
)
"""What became of a merchant over the horizon that begins on `since`; `silent_on` is the day after its last order."""

rates = Table(
    "rates",
    metadata,
    Column("rate_no", Integer, primary_key=True),
    Column("measured_on", Date, nullable=False),
    Column("action", String, nullable=False),
    Column("save_rate", Float, nullable=False),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Column("decisions", Integer, nullable=False),
    Column("recorded_at", String, nullable=False),
)
"""Save rates measured against the holdout; action `any` is that of all together. The last one of an action counts."""

audit = Table(
    "audit",
    metadata,
    Column("entry_no", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("cutoff", Date),
    Column("what", String, nullable=False, index=True),
    Column("merchant_id", String, index=True),
    Column("kind", String),
    Column("actor", String),
    Column("run_id", String),
    Column("detail", JSON),
)
"""Every change, one line each; the database refuses to change or delete a line."""
