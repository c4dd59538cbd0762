"""Messages to other systems, written with what they tell of and kept until they arrived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
IS_WAITING = sa.text("delivered_at IS NULL AND dead_at IS NULL")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "outbox",
        sa.Column("message_no", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("message_id", "kind", "body", "made_at", "due_at")),
        sa.Column("run_no", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        *(sa.Column(name, sa.String()) for name in ("delivered_at", "dead_at", "failure")),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name="fk_outbox_run_no"),
        sa.PrimaryKeyConstraint("message_no", name="pk_outbox"),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
    )
    op.create_index("ix_outbox_waiting", "outbox", ["due_at"], sqlite_where=IS_WAITING, postgresql_where=IS_WAITING)
