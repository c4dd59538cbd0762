"""The tables of the ledger: what was scored, warned of, done, left alone and overridden, and an audit of every change.

`warnings`, `overrides` and `desk` hold the state of today and are changed in place, and a disposition that is undone is taken out; whatever
changes them also adds a line to `audit`, which the database itself keeps append-only. Everything else is only ever added to. Times are UTC
texts given by the command line; days are those of the market.
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
IS_LIVE = text("revoked_at IS NULL")
IS_WAITING = text("delivered_at IS NULL AND dead_at IS NULL")


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
    Column("merchant_id", String, primary_key=True),
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
"""One row a merchant and run; tier and stage are those of the rules, never a person's. There is no index by merchant alone, which every
night would have to be written anew all over; a merchant's own rows are found run by run."""

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

keys = Table(
    "keys",
    metadata,
    Column("key_no", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("hint", String, nullable=False, unique=True),
    Column("digest", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("owners", JSON(none_as_null=True)),
    Column("regions", JSON(none_as_null=True)),
    Column("created_at", String, nullable=False),
    Column("created_by", String, nullable=False),
    Column("expires_at", String),
    Column("revoked_at", String),
    Column("last_used_on", Date),
    Index("one_key_of_a_name", "name", unique=True, sqlite_where=IS_LIVE, postgresql_where=IS_LIVE),
)
"""Who may ask. `hint` is the beginning of a key, `digest` the sha256 of all of it; the key itself is nowhere."""

sessions = Table(
    "sessions",
    metadata,
    Column("session_no", Integer, primary_key=True),
    Column("key_no", Integer, ForeignKey("keys.key_no"), nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("created_at", String, nullable=False),
    Column("expires_at", String, nullable=False, index=True),
    Column("ended_at", String),
)
"""Browsers that signed in with a key; `digest` is the sha256 of the cookie."""

desk = Table(
    "desk",
    metadata,
    Column("merchant_id", String, primary_key=True),
    Column("owner", String),
    Column("acknowledged_on", Date),
    Column("acknowledged_by", String),
    Column("snoozed_until", Date),
    Column("snooze_reason", String),
)
"""What people decided about a merchant, whether or not it has a warning: who has it, that it was seen (`acknowledged_on` is the cutoff of
the run it was seen in), and until when it can wait. A merchant nobody touched has no row."""

requests = Table(
    "requests",
    metadata,
    Column("key", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("recorded_at", String, nullable=False, index=True),
)
"""Changes that were asked for under an idempotency key, and what was answered; `digest` is that of what was asked."""

outbox = Table(
    "outbox",
    metadata,
    Column("message_no", Integer, primary_key=True),
    Column("message_id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("body", String, nullable=False),
    Column("made_at", String, nullable=False),
    Column("due_at", String, nullable=False),
    _run(),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("delivered_at", String),
    Column("dead_at", String),
    Column("failure", String),
    Index("ix_outbox_waiting", "due_at", sqlite_where=IS_WAITING, postgresql_where=IS_WAITING),
)
"""Messages to another system, added in the transaction of the run that they tell of. `due_at` is when one is tried next, and while it is
being tried, when whoever tries it is taken to have died; `dead_at` is when it was given up."""
