"""Cameras of a service, drawn zones and lines, fuller events, and whom they are to be told."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
EVENT_COLUMNS: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("value", sa.Double()),
    ("direction", sa.Text()),
    ("class_name", sa.Text()),
    ("x", sa.REAL()),
    ("y", sa.REAL()),
)


def upgrade() -> None:
    """Events stored before keep what they said."""
    op.add_column("sessions", sa.Column("width", sa.Integer(), nullable=True))
    op.add_column("sessions", sa.Column("height", sa.Integer(), nullable=True))
    _widen_events()
    op.create_table(
        "deliveries",
        sa.Column("id", KEY, nullable=False),
        sa.Column("event_id", KEY, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("refused_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("event_id", "target", name=op.f("uq_deliveries_event_id_target")),
    )
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["target", "id"],
        sqlite_where=sa.text("delivered_at IS NULL"),
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    op.create_table(
        "rules",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("definition", DOCUMENT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_rules_source_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
        sa.UniqueConstraint("public_id", name=op.f("uq_rules_public_id")),
    )
    op.create_index(
        "uq_rules_living_name",
        "rules",
        ["source_id", "name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "cameras",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("run_source_id", KEY, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uri_redacted", sa.Text(), nullable=False),
        sa.Column("settings", DOCUMENT, nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("wanted", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("status", DOCUMENT, nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_cameras_run_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_cameras_run_source_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cameras")),
        sa.UniqueConstraint("public_id", name=op.f("uq_cameras_public_id")),
    )
    op.create_index("uq_cameras_name", "cameras", ["run_id", "name"], unique=True)
    segments = sa.text("kind = 'segment'")
    op.create_index(
        "ix_media_segments",
        "media",
        ["run_source_id", "from_at", "bytes", "kind"],
        sqlite_where=segments,
        postgresql_where=segments,
    )
    reviewed = sa.text("label IS NOT NULL OR verdict IS NOT NULL OR protected")
    op.create_index("ix_objects_reviewed", "objects", ["first_at"], sqlite_where=reviewed, postgresql_where=reviewed)


def downgrade() -> None:
    """Cameras, drawn rules and deliveries are lost; events keep their rule, kind, track and time."""
    op.drop_index("ix_objects_reviewed", "objects")
    op.drop_index("ix_media_segments", "media")
    for name in ("cameras", "rules", "deliveries"):
        op.drop_table(name)
    op.drop_index(op.f("ix_events_rule_run_source_id_at"), "events")
    op.drop_index(op.f("ix_events_at_public_id"), "events")
    with op.batch_alter_table("events") as table:
        table.drop_constraint(op.f("uq_events_public_id"), type_="unique")
        for name in ("public_id", *(name for name, _ in EVENT_COLUMNS)):
            table.drop_column(name)
    with op.batch_alter_table("sessions") as table:
        table.drop_column("height")
        table.drop_column("width")


def _widen_events() -> None:
    for name, kind in EVENT_COLUMNS:
        op.add_column("events", sa.Column(name, kind, nullable=True))
    op.add_column("events", sa.Column("public_id", sa.Uuid(), nullable=True))
    events = sa.table("events", sa.column("id", KEY), sa.column("public_id", sa.Uuid()))
    connection = op.get_bind()
    for key in connection.scalars(sa.select(events.c.id)).all():
        connection.execute(sa.update(events).where(events.c.id == key).values(public_id=uuid4()))
    with op.batch_alter_table("events") as table:
        table.alter_column("public_id", existing_type=sa.Uuid(), nullable=False)
        table.create_unique_constraint(op.f("uq_events_public_id"), ["public_id"])
    op.create_index(op.f("ix_events_at_public_id"), "events", ["at", "public_id"])
    op.create_index(op.f("ix_events_rule_run_source_id_at"), "events", ["rule", "run_source_id", "at"])
