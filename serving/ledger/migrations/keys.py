"""Who may ask: keys and the sessions begun with them, none of them in clear."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "keys",
        sa.Column("key_no", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("name", "hint", "digest", "role")),
        *(sa.Column(name, sa.JSON(none_as_null=True)) for name in ("owners", "regions")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("created_at", "created_by")),
        *(sa.Column(name, sa.String()) for name in ("expires_at", "revoked_at")),
        sa.Column("last_used_on", sa.Date()),
        sa.PrimaryKeyConstraint("key_no", name="pk_keys"),
        sa.UniqueConstraint("hint", name="uq_keys_hint"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
    )
    is_live = sa.text("revoked_at IS NULL")
    op.create_index("one_key_of_a_name", "keys", ["name"], unique=True, sqlite_where=is_live, postgresql_where=is_live)
    op.create_table(
        "sessions",
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("session_no", "key_no")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("digest", "created_at", "expires_at")),
        sa.Column("ended_at", sa.String()),
        sa.ForeignKeyConstraint(["key_no"], ["keys.key_no"], name="fk_sessions_key_no"),
        sa.PrimaryKeyConstraint("session_no", name="pk_sessions"),
        sa.UniqueConstraint("digest", name="uq_sessions_digest"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
