"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pipeline.store.vector import Vector

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TABLES = (
    "observations",
    "object_members",
    "media",
    "events",
    "embeddings",
    "tracks",
    "tasks",
    "sessions",
    "edit_objects",
    "objects",
    "gaps",
    "detection_chunks",
    "checkpoints",
    "run_sources",
    "run_models",
    "sources",
    "runs",
    "edits",
    "projects",
    "models",
)


def upgrade() -> None:
    """Make every table, and the project of those who want none."""
    op.create_table(
        "models",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=128), nullable=False),
        sa.Column("task", sa.String(length=16), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=True),
        sa.Column("classes", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", "sha256", name=op.f("uq_models_name_sha256")),
    )
    op.create_table(
        "projects",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("name", name=op.f("uq_projects_name")),
    )
    op.create_table(
        "edits",
        sa.Column("id", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("op", sa.String(length=16), nullable=False),
        sa.Column("before", DOCUMENT, nullable=False),
        sa.Column("after", DOCUMENT, nullable=False),
        sa.Column("undoes_id", KEY, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_edits_project_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["undoes_id"], ["edits.id"], name=op.f("fk_edits_undoes_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edits")),
        sa.UniqueConstraint("undoes_id", name=op.f("uq_edits_undoes_id")),
    )
    op.create_index(op.f("ix_edits_project_id_id"), "edits", ["project_id", "id"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("parent_run_id", KEY, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("settings", DOCUMENT, nullable=False),
        sa.Column("settings_hash", sa.String(length=128), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("requested_state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_run_id"], ["runs.id"], name=op.f("fk_runs_parent_run_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_runs_project_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("public_id", name=op.f("uq_runs_public_id")),
    )
    op.create_index(op.f("ix_runs_project_id_created_at"), "runs", ["project_id", "created_at"], unique=False)
    op.create_index(op.f("ix_runs_settings_hash"), "runs", ["settings_hash"], unique=False)
    op.create_table(
        "sources",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uri_redacted", sa.Text(), nullable=False),
        sa.Column("secret_ref", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("fps", sa.Double(), nullable=True),
        sa.Column("frames", sa.BigInteger(), nullable=True),
        sa.Column("duration", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_sources_project_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint(
            "project_id", "fingerprint", "uri_redacted", name=op.f("uq_sources_project_id_fingerprint_uri_redacted")
        ),
        sa.UniqueConstraint("public_id", name=op.f("uq_sources_public_id")),
    )
    op.create_table(
        "run_models",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("task", sa.String(length=16), nullable=False),
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("input_height", sa.Integer(), nullable=True),
        sa.Column("input_width", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_run_models_model_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_models_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "task", name=op.f("pk_run_models")),
    )
    op.create_table(
        "run_sources",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("source_id", KEY, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("frames_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("processed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("dropped", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("repaired", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("damaged", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "frames_read >= 0 AND processed >= 0 AND dropped >= 0 AND repaired >= 0 AND damaged >= 0",
            name=op.f("ck_run_sources_counters"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_sources_run_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_run_sources_source_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_sources")),
        sa.UniqueConstraint("run_id", "source_id", name=op.f("uq_run_sources_run_id_source_id")),
    )
    op.create_index(op.f("ix_run_sources_source_id"), "run_sources", ["source_id"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("run_source_id", KEY, autoincrement=False, nullable=False),
        sa.Column("next_frame", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("format_version", sa.SmallInteger(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_checkpoints_run_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_source_id", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "detection_chunks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("source_id", KEY, nullable=True),
        sa.Column("run_source_id", KEY, nullable=True),
        sa.Column("detect_hash", sa.String(length=128), nullable=False),
        sa.Column("first_frame", sa.BigInteger(), nullable=False),
        sa.Column("end_frame", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.SmallInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("(source_id IS NULL) <> (run_source_id IS NULL)", name=op.f("ck_detection_chunks_owner")),
        sa.CheckConstraint("0 <= first_frame AND first_frame < end_frame", name=op.f("ck_detection_chunks_range")),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_detection_chunks_run_source_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_detection_chunks_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detection_chunks")),
        sa.UniqueConstraint(
            "run_source_id", "detect_hash", "first_frame", "end_frame", name="uq_detection_chunks_run_source"
        ),
        sa.UniqueConstraint("source_id", "detect_hash", "first_frame", "end_frame", name="uq_detection_chunks_source"),
    )
    op.create_table(
        "gaps",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_source_id", KEY, nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("from_at <= to_at", name=op.f("ck_gaps_extent")),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_gaps_run_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gaps")),
    )
    op.create_index(op.f("ix_gaps_run_source_id_from_at"), "gaps", ["run_source_id", "from_at"], unique=False)
    op.create_table(
        "objects",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("run_source_id", KEY, nullable=True),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("class_name", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("protected", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("members", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("score_max", sa.REAL(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("evidence_bits", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("best_quality", sa.REAL(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_objects_project_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_objects_run_source_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objects")),
        sa.UniqueConstraint("public_id", name=op.f("uq_objects_public_id")),
    )
    op.create_index(
        op.f("ix_objects_project_id_hidden_first_at_id"),
        "objects",
        ["project_id", "hidden", "first_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_objects_run_source_id_first_at_id"), "objects", ["run_source_id", "first_at", "id"], unique=False
    )
    op.create_table(
        "edit_objects",
        sa.Column("object_id", KEY, nullable=False),
        sa.Column("edit_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["edit_id"], ["edits.id"], name=op.f("fk_edit_objects_edit_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name=op.f("fk_edit_objects_object_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("object_id", "edit_id", name=op.f("pk_edit_objects")),
    )
    op.create_index(op.f("ix_edit_objects_edit_id"), "edit_objects", ["edit_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_source_id", KEY, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("time_offset", sa.Double(), nullable=False),
        sa.Column("time_base", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_sessions_run_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("run_source_id", "n", name=op.f("uq_sessions_run_source_id_n")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_source_id", KEY, nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("first_frame", sa.BigInteger(), nullable=False),
        sa.Column("end_frame", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("0 <= first_frame AND first_frame < end_frame", name=op.f("ck_tasks_range")),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_tasks_run_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint(
            "run_source_id", "stage", "first_frame", name=op.f("uq_tasks_run_source_id_stage_first_frame")
        ),
    )
    op.create_index(op.f("ix_tasks_status_lease_until"), "tasks", ["status", "lease_until"], unique=False)
    op.create_table(
        "tracks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("run_source_id", KEY, nullable=False),
        sa.Column("local_id", sa.BigInteger(), nullable=False),
        sa.Column("class_id", sa.Integer(), nullable=False),
        sa.Column("score_max", sa.REAL(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ended", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("evidence_bits", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("best_quality", sa.REAL(), nullable=True),
        sa.CheckConstraint("first_at <= last_at AND count >= 0", name=op.f("ck_tracks_extent")),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_tracks_run_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tracks")),
        sa.UniqueConstraint("public_id", name=op.f("uq_tracks_public_id")),
        sa.UniqueConstraint("run_source_id", "local_id", name=op.f("uq_tracks_run_source_id_local_id")),
    )
    op.create_index(op.f("ix_tracks_run_source_id_first_at"), "tracks", ["run_source_id", "first_at"], unique=False)
    op.create_table(
        "embeddings",
        sa.Column("id", KEY, nullable=False),
        sa.Column("track_id", KEY, nullable=False),
        sa.Column("model_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("quality", sa.REAL(), nullable=False),
        sa.Column("vector", Vector(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_embeddings_model_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["track_id"], ["tracks.id"], name=op.f("fk_embeddings_track_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embeddings")),
        sa.UniqueConstraint("track_id", "model_id", "kind", "at", name=op.f("uq_embeddings_track_id_model_id_kind_at")),
    )
    op.create_index(op.f("ix_embeddings_model_id_id"), "embeddings", ["model_id", "id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_source_id", KEY, nullable=False),
        sa.Column("track_id", KEY, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_events_run_source_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["track_id"], ["tracks.id"], name=op.f("fk_events_track_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_run_source_id_at"), "events", ["run_source_id", "at"], unique=False)
    op.create_index(op.f("ix_events_track_id_at"), "events", ["track_id", "at"], unique=False)
    op.create_table(
        "media",
        sa.Column("id", KEY, nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("track_id", KEY, nullable=True),
        sa.Column("run_source_id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=128), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("quality", sa.REAL(), nullable=True),
        sa.Column("protected", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_media_run_source_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["track_id"], ["tracks.id"], name=op.f("fk_media_track_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
        sa.UniqueConstraint("path", name=op.f("uq_media_path")),
        sa.UniqueConstraint("public_id", name=op.f("uq_media_public_id")),
    )
    op.create_index(op.f("ix_media_run_source_id_from_at"), "media", ["run_source_id", "from_at"], unique=False)
    op.create_index(op.f("ix_media_track_id_from_at"), "media", ["track_id", "from_at"], unique=False)
    op.create_index(
        "uq_media_best_of_track",
        "media",
        ["track_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'best'"),
        postgresql_where=sa.text("kind = 'best'"),
    )
    op.create_table(
        "object_members",
        sa.Column("object_id", KEY, nullable=False),
        sa.Column("track_id", KEY, nullable=False),
        sa.Column("from_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("to_at IS NULL OR from_at < to_at", name=op.f("ck_object_members_extent")),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name=op.f("fk_object_members_object_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["track_id"], ["tracks.id"], name=op.f("fk_object_members_track_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("object_id", "track_id", "from_at", name=op.f("pk_object_members")),
        sa.UniqueConstraint("track_id", "from_at", name=op.f("uq_object_members_track_id_from_at")),
    )
    op.create_table(
        "observations",
        sa.Column("track_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("frame", sa.BigInteger(), nullable=False),
        sa.Column("run_source_id", KEY, nullable=False),
        sa.Column("x1", sa.REAL(), nullable=False),
        sa.Column("y1", sa.REAL(), nullable=False),
        sa.Column("x2", sa.REAL(), nullable=False),
        sa.Column("y2", sa.REAL(), nullable=False),
        sa.Column("score", sa.REAL(), nullable=False),
        sa.Column("evidence", sa.SmallInteger(), nullable=False),
        sa.Column("det_row", sa.Integer(), nullable=False),
        sa.Column("mask_rle", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_source_id"], ["run_sources.id"], name=op.f("fk_observations_run_source_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["track_id"], ["tracks.id"], name=op.f("fk_observations_track_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("track_id", "at", name=op.f("pk_observations")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_observations_run_source_id_at"), "observations", ["run_source_id", "at"], unique=False)
    op.bulk_insert(sa.table("projects", sa.column("name", sa.Text())), [{"name": "default"}])


def downgrade() -> None:
    """Drop every table."""
    for table in TABLES:
        op.drop_table(table)
