"""The first ledger: all tables, and an audit that the database itself keeps append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TRIGGERS = {
    "sqlite": tuple(
        f"CREATE TRIGGER audit_no_{deed} BEFORE {deed} ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
        for deed in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$",
        "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
    ),
}
Made = sa.Column | sa.Constraint


def upgrade() -> None:
    """Make the tables."""
    _runs()
    _warnings()
    _acts()
    _holdout()
    _audit()


def _runs() -> None:
    _table(
        "runs",
        _number("run_no", False),
        _text("run_id", False),
        _day("cutoff", False),
        *(_text(name, False) for name in ("model_version", "rules_hash", "created_at")),
        _number("merchants", False),
        _key("runs", "run_no"),
        sa.UniqueConstraint("run_id", name="uq_runs_run_id"),
    )
    _index("runs", "cutoff")
    _table(
        "scores",
        sa.Column("run_no", sa.Integer(), autoincrement=False, nullable=False),
        _text("merchant_id", False),
        *(_float(name) for name in ("churn_risk", "expected_gmv", "growth_potential", "value_at_risk", "points")),
        *(_text("tier"), _day("tier_since"), _text("tier_pending"), _day("tier_pending_since"), _text("stage"), _day("stage_since")),
        _of_run("scores"),
        _key("scores", "run_no", "merchant_id"),
    )
    _index("scores", "merchant_id")


def _warnings() -> None:
    _table(
        "warnings",
        _number("warning_no", False),
        *(_text(name, False) for name in ("merchant_id", "kind", "severity")),
        _text("owner"),
        _number("run_no", False),
        *(_day(name, False) for name in ("opened_on", "due_on", "turned_on")),
        _flag("is_holding"),
        _number("recurrences", False),
        *(_float(name) for name in ("value", "churn_risk", "value_at_risk", "gmv_before", "escalated_from")),
        _day("escalated_on"),
        _number("escalations", False),
        _flag("is_held_out"),
        *(_day("snoozed_until"), _text("snooze_reason"), _float("snooze_risk"), _day("woken_on")),
        *(_day("closed_on"), _text("closed_why"), _day("rearmed_on")),
        _of_run("warnings"),
        _key("warnings", "warning_no"),
    )
    _index("warnings", "closed_on")
    _index("warnings", "merchant_id", "kind")
    _one("one_open_warning", "warnings", ["merchant_id", "kind"], "closed_on IS NULL")


def _acts() -> None:
    _table(
        "dispositions",
        _number("disposition_no", False),
        *(_text(name, False) for name in ("key", "digest", "merchant_id")),
        _day("done_on", False),
        _text("outcome", False),
        *(_text("kind"), _text("offer"), _float("cost"), _text("note"), _text("actor"), _text("recorded_at", False)),
        _key("dispositions", "disposition_no"),
        sa.UniqueConstraint("key", name="uq_dispositions_key"),
    )
    _index("dispositions", "merchant_id")
    _table(
        "overrides",
        _number("override_no", False),
        *(_text(name, False) for name in ("merchant_id", "field", "value", "reason")),
        _text("actor"),
        _flag("is_locked"),
        *(_day("made_on", False), _text("recorded_at", False), _day("lapsed_on")),
        _key("overrides", "override_no"),
    )
    _one("one_override_in_force", "overrides", ["merchant_id", "field"], "lapsed_on IS NULL")


def _holdout() -> None:
    _table(
        "decisions",
        *(_number("decision_no", False), _number("run_no", False), _text("merchant_id", False)),
        *(_day("decided_on", False), _day("until", False), _text("arm", False)),
        *(sa.Column("propensity", sa.Float(), nullable=False), _text("stratum", False), _text("action")),
        *(_float("save_rate"), _float("cost"), _text("tier"), _float("churn_risk"), _float("expected_gmv"), _float("gmv_before")),
        _of_run("decisions"),
        _key("decisions", "decision_no"),
        sa.UniqueConstraint("merchant_id", "decided_on", name="uq_decisions_merchant_id"),
    )
    _index("decisions", "decided_on")
    _table(
        "outcomes",
        *(_text("merchant_id", False), _day("since", False), _day("settled_on", False)),
        *(_flag("churned"), _day("silent_on"), sa.Column("gmv", sa.Float(), nullable=False)),
        _key("outcomes", "merchant_id", "since"),
    )
    _table(
        "rates",
        *(_number("rate_no", False), _day("measured_on", False), _text("action", False)),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("save_rate", "low", "high")),
        *(_number("decisions", False), _text("recorded_at", False)),
        _key("rates", "rate_no"),
    )


def _audit() -> None:
    _table(
        "audit",
        *(_number("entry_no", False), _text("at", False), _day("cutoff"), _text("what", False)),
        *(_text(name) for name in ("merchant_id", "kind", "actor", "run_id")),
        sa.Column("detail", sa.JSON()),
        _key("audit", "entry_no"),
    )
    _index("audit", "merchant_id")
    _index("audit", "what")
    for statement in TRIGGERS[op.get_context().dialect.name]:
        op.execute(statement)


def _table(name: str, *made: Made) -> None:
    op.create_table(name, *made)


def _text(name: str, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.String(), nullable=nullable)


def _number(name: str, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _float(name: str) -> sa.Column:
    return sa.Column(name, sa.Float())


def _day(name: str, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.Date(), nullable=nullable)


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _key(table: str, *columns: str) -> sa.Constraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _of_run(table: str) -> sa.Constraint:
    return sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=f"fk_{table}_run_no")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def _one(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
