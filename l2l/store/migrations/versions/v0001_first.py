"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_json = sa.JSON(none_as_null=True)


def _column(name: str, kind: Any, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", _id, nullable=False),
        _column("name", sa.Text()),
        _column("tags", _json),
        _column("status", sa.Text()),
        _column("seed", sa.Text()),
        _column("created", sa.Double()),
        _column("finished", sa.Double(), nullable=True),
        _column("stop_reason", sa.Text()),
        _column("space", _json),
        _column("objectives", _json),
        _column("optimizer", _json),
        _column("optimizee", _json),
        _column("runner", _json),
        _column("settings", _json),
        _column("provenance", _json),
        _column("fingerprint", sa.Text()),
        _column("parent_id", _id, nullable=True),
        _column("summary", _json),
        sa.CheckConstraint("status IN ('running', 'finished', 'interrupted', 'failed')", name=op.f("ck_runs_status")),
        sa.ForeignKeyConstraint(["parent_id"], ["runs.id"], ondelete="SET NULL", name=op.f("fk_runs_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_name", "runs", ["name"])
    op.create_table(
        "drivers",
        sa.Column("run_id", _id, nullable=False),
        _column("token", sa.Text()),
        _column("host", sa.Text()),
        _column("pid", sa.Integer()),
        _column("started", sa.Double()),
        _column("heartbeat", sa.Double()),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE", name=op.f("fk_drivers_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_drivers")),
    )
    op.create_table(
        "generations",
        _column("run_id", _id),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        _column("asked_at", sa.Double()),
        _column("told_at", sa.Double(), nullable=True),
        _column("size", sa.Integer()),
        _column("summary", _json, nullable=True),
        sa.CheckConstraint("number >= 0", name=op.f("ck_generations_number")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE", name=op.f("fk_generations_run_id")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_generations")),
    )
    op.create_table(
        "individuals",
        sa.Column("id", _id, nullable=False),
        _column("run_id", _id),
        _column("generation", sa.Integer()),
        _column("position", sa.Integer()),
        _column("parameters", _json),
        _column("seed", sa.BigInteger()),
        _column("loss", sa.Double(), nullable=True),
        _column("parents", _json, nullable=True),
        sa.CheckConstraint("position >= 0", name=op.f("ck_individuals_position")),
        sa.ForeignKeyConstraint(
            ["run_id", "generation"],
            ["generations.run_id", "generations.number"],
            ondelete="CASCADE",
            name=op.f("fk_individuals_run_id_generation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_individuals")),
        sa.UniqueConstraint("run_id", "generation", "position", name=op.f("uq_individuals_run_id_generation_position")),
    )
    op.create_index(
        "ix_individuals_run_id_loss",
        "individuals",
        ["run_id", "loss"],
        sqlite_where=sa.text("loss IS NOT NULL"),
        postgresql_where=sa.text("loss IS NOT NULL"),
    )
    op.create_table(
        "evaluations",
        sa.Column("id", _id, nullable=False),
        _column("individual_id", _id),
        _column("replicate", sa.Integer()),
        _column("task", sa.Text()),
        _column("attempt", sa.Integer()),
        _column("status", sa.Text()),
        _column("fitness", _json, nullable=True),
        _column("measurements", _json, nullable=True),
        _column("tell_order", sa.Integer(), nullable=True),
        _column("seed", sa.BigInteger(), nullable=True),
        _column("started", sa.Double()),
        _column("seconds", sa.Double()),
        _column("worker", sa.Text()),
        _column("host", sa.Text()),
        _column("device", sa.Text()),
        _column("error", sa.Text()),
        _column("traceback", sa.Text()),
        sa.CheckConstraint(
            "status IN ('ok', 'failed', 'timeout', 'lost', 'invalid')", name=op.f("ck_evaluations_status")
        ),
        sa.CheckConstraint("replicate >= 0", name=op.f("ck_evaluations_replicate")),
        sa.ForeignKeyConstraint(
            ["individual_id"], ["individuals.id"], ondelete="CASCADE", name=op.f("fk_evaluations_individual_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
        sa.UniqueConstraint(
            "individual_id",
            "replicate",
            "task",
            "attempt",
            name=op.f("uq_evaluations_individual_id_replicate_task_attempt"),
        ),
    )
    op.create_table(
        "recordings",
        _column("evaluation_id", _id),
        _column("name", sa.Text()),
        _column("dtype", sa.Text()),
        _column("shape", _json),
        _column("dims", _json, nullable=True),
        _column("unit", sa.Text()),
        _column("codec", sa.Text()),
        _column("data", sa.LargeBinary(), nullable=True),
        _column("uri", sa.Text(), nullable=True),
        sa.CheckConstraint("(data IS NULL) <> (uri IS NULL)", name=op.f("ck_recordings_place")),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], ondelete="CASCADE", name=op.f("fk_recordings_evaluation_id")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "name", name=op.f("pk_recordings")),
    )
    op.create_table(
        "events",
        sa.Column("id", _id, nullable=False),
        _column("run_id", _id),
        _column("at", sa.Double()),
        _column("kind", sa.Text()),
        _column("details", _json),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE", name=op.f("fk_events_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_run_id", "events", ["run_id"])


def downgrade() -> None:
    raise NotImplementedError("there is no schema before the first: delete the database")
