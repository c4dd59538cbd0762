"""Scores without an index by merchant alone: each night it was written all over, the more the more nights there were."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Drop the index; a merchant's rows are found run by run."""
    op.drop_index("ix_scores_merchant_id", "scores")
