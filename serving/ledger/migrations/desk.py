"""What people decided about merchants without a warning too, and the answers to requests that may be repeated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "desk",
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("owner", sa.String()),
        sa.Column("acknowledged_on", sa.Date()),
        sa.Column("acknowledged_by", sa.String()),
        sa.Column("snoozed_until", sa.Date()),
        sa.Column("snooze_reason", sa.String()),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_desk"),
    )
    op.create_table(
        "requests",
        *(sa.Column(name, sa.String(), nullable=False) for name in ("key", "digest")),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("recorded_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_requests"),
    )
    op.create_index("ix_requests_recorded_at", "requests", ["recorded_at"])
