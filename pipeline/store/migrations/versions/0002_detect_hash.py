"""A run's source says under which key its detections are kept, so that they can be tracked again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Runs stored before have no key; their detections are found by no retrack."""
    op.add_column("run_sources", sa.Column("detect_hash", sa.String(length=128), nullable=True))


def downgrade() -> None:
    """The key can be told again from settings and models."""
    with op.batch_alter_table("run_sources") as table:
        table.drop_column("detect_hash")
