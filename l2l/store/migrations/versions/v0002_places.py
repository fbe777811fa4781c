"""Individuals and evaluations are known by their place in the run; workers are said once; arrays have coordinates.

About a fifth smaller, and no row is ever rewritten but for a repeated attempt. See `l2l.store.schema`.
"""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

from l2l.errors import StoreError
from l2l.store.recordings import decode

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_json = sa.JSON(none_as_null=True)
_PLACE = ["run_id", "generation", "position"]
_KEY = [*_PLACE, "replicate", "task", "attempt"]
_REBUILT = ("generations", "individuals", "evaluations", "recordings")


def _column(name: str, kind: Any, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, autoincrement=False)


def _integers(*names: str) -> list[sa.Column[Any]]:
    return [_column(name, sa.Integer()) for name in names]


def upgrade() -> None:
    for name in _REBUILT:
        op.execute(f"CREATE TABLE old_{name} AS SELECT * FROM {name}")
    for name in reversed(_REBUILT):
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        for table, column in (("runs", "id"), ("runs", "parent_id"), ("drivers", "run_id"), ("events", "run_id")):
            op.alter_column(table, column, type_=sa.Integer())
        op.alter_column("events", "id", type_=sa.Integer())
    # Without an index each of the joins below would take time that grows with the square.
    op.execute("CREATE INDEX old_individual ON old_individuals (id)")
    op.execute("CREATE INDEX old_evaluation ON old_evaluations (id)")
    op.execute("CREATE INDEX old_evaluation_of ON old_evaluations (individual_id, replicate, task, attempt)")
    _create()
    _fill()
    for name in _REBUILT:
        op.execute(f"DROP TABLE old_{name}")


def _create() -> None:
    op.create_table(
        "generations",
        *_integers("run_id", "number"),
        _column("asked_at", sa.Double()),
        _column("told_at", sa.Double(), nullable=True),
        _column("size", sa.Integer()),
        _column("best", sa.Double(), nullable=True),
        _column("summary", _json, nullable=True),
        sa.CheckConstraint("number >= 0", name=op.f("ck_generations_number")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_generations_size")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE", name=op.f("fk_generations_run_id")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_generations")),
    )
    op.create_table(
        "workers",
        *_integers("run_id", "number"),
        *(_column(name, sa.Text()) for name in ("name", "host", "device", "job")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE", name=op.f("fk_workers_run_id")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_workers")),
        sa.UniqueConstraint(
            "run_id", "name", "host", "device", "job", name=op.f("uq_workers_run_id_name_host_device_job")
        ),
    )
    op.create_table(
        "individuals",
        *_integers(*_PLACE),
        _column("parameters", _json),
        _column("seed", sa.BigInteger()),
        _column("parents", _json, nullable=True),
        sa.CheckConstraint("position >= 0", name=op.f("ck_individuals_position")),
        sa.ForeignKeyConstraint(
            ["run_id", "generation"],
            ["generations.run_id", "generations.number"],
            ondelete="CASCADE",
            name=op.f("fk_individuals_run_id_generation"),
        ),
        sa.PrimaryKeyConstraint(*_PLACE, name=op.f("pk_individuals")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evaluations",
        *_integers(*_PLACE, "replicate"),
        _column("task", sa.Text()),
        *_integers("attempt"),
        _column("status", sa.Text()),
        _column("loss", sa.Double(), nullable=True),
        _column("fitness", _json, nullable=True),
        _column("measurements", _json, nullable=True),
        _column("seed", sa.BigInteger(), nullable=True),
        _column("started", sa.Double()),
        _column("seconds", sa.Double()),
        _column("worker", sa.Integer(), nullable=True),
        _column("error", sa.Text()),
        _column("traceback", sa.Text()),
        sa.CheckConstraint(
            "status IN ('ok', 'failed', 'timeout', 'lost', 'invalid')", name=op.f("ck_evaluations_status")
        ),
        sa.CheckConstraint("replicate >= 0", name=op.f("ck_evaluations_replicate")),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_evaluations_attempt")),
        sa.CheckConstraint(
            "loss IS NULL OR (status = 'ok' AND replicate = 0 AND task = '')", name=op.f("ck_evaluations_loss")
        ),
        sa.ForeignKeyConstraint(
            _PLACE,
            [f"individuals.{name}" for name in _PLACE],
            ondelete="CASCADE",
            name=op.f("fk_evaluations_run_id_generation_position"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "worker"],
            ["workers.run_id", "workers.number"],
            name=op.f("fk_evaluations_run_id_worker"),
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint(*_KEY, name=op.f("pk_evaluations")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "recordings",
        *_integers(*_PLACE, "replicate"),
        _column("task", sa.Text()),
        *_integers("attempt"),
        _column("name", sa.Text()),
        _column("dtype", sa.Text()),
        _column("shape", _json),
        _column("dims", _json, nullable=True),
        _column("coordinates", _json, nullable=True),
        _column("unit", sa.Text()),
        _column("codec", sa.Text()),
        _column("sha256", sa.Text()),
        _column("uri", sa.Text(), nullable=True),
        _column("data", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("(data IS NULL) <> (uri IS NULL)", name=op.f("ck_recordings_place")),
        sa.ForeignKeyConstraint(
            _KEY,
            [f"evaluations.{name}" for name in _KEY],
            ondelete="CASCADE",
            name=op.f("fk_recordings_run_id_generation_position_replicate_task_attempt"),
        ),
        sa.PrimaryKeyConstraint(*_KEY, "name", name=op.f("pk_recordings")),
    )


def _fill() -> None:
    op.execute(
        """INSERT INTO generations (run_id, number, asked_at, told_at, size, best, summary)
        SELECT run_id, number, asked_at, told_at, size, NULL, summary FROM old_generations"""
    )
    op.execute(
        """INSERT INTO workers (run_id, number, name, host, device, job)
        SELECT run_id, row_number() OVER (PARTITION BY run_id ORDER BY worker, host, device) - 1,
               worker, host, device, ''
        FROM (SELECT DISTINCT i.run_id, e.worker, e.host, e.device
              FROM old_evaluations e JOIN old_individuals i ON i.id = e.individual_id
              WHERE e.worker <> '' OR e.host <> '' OR e.device <> '') AS seen"""
    )
    op.execute(
        """INSERT INTO individuals (run_id, generation, position, parameters, seed, parents)
        SELECT run_id, generation, position, parameters, seed, parents FROM old_individuals
        ORDER BY run_id, generation, position"""
    )
    op.execute(
        """INSERT INTO evaluations (run_id, generation, position, replicate, task, attempt, status, loss, fitness,
                                    measurements, seed, started, seconds, worker, error, traceback)
        SELECT i.run_id, i.generation, i.position, e.replicate, e.task, e.attempt, e.status,
               CASE WHEN e.status = 'ok' AND e.replicate = 0 AND e.task = '' AND NOT EXISTS (
                   SELECT 1 FROM old_evaluations later
                   WHERE later.individual_id = e.individual_id AND later.replicate = 0 AND later.task = ''
                     AND later.attempt > e.attempt) THEN i.loss END,
               e.fitness, e.measurements, e.seed, e.started, e.seconds, w.number, e.error, e.traceback
        FROM old_individuals i JOIN old_evaluations e ON e.individual_id = i.id
        LEFT JOIN workers w
          ON w.run_id = i.run_id AND w.name = e.worker AND w.host = e.host AND w.device = e.device
        ORDER BY i.run_id, i.generation, i.position"""
    )
    op.execute(
        """UPDATE generations SET best = (
            SELECT min(loss) FROM evaluations e WHERE e.run_id = generations.run_id AND e.generation = number)
        WHERE told_at IS NOT NULL"""
    )
    op.execute(
        """INSERT INTO recordings (run_id, generation, position, replicate, task, attempt, name, dtype, shape, dims,
                                   coordinates, unit, codec, sha256, uri, data)
        SELECT i.run_id, i.generation, i.position, e.replicate, e.task, e.attempt, r.name, r.dtype, r.shape, r.dims,
               NULL, r.unit, r.codec, '', r.uri, r.data
        FROM old_recordings r JOIN old_evaluations e ON e.id = r.evaluation_id
        JOIN old_individuals i ON i.id = e.individual_id"""
    )
    _hash()


def _hash() -> None:
    connection = op.get_bind()
    table = sa.table("recordings", *(sa.column(name) for name in (*_KEY, "name", "dtype", "codec", "sha256", "data")))
    shape = sa.column("shape", _json)
    keys = connection.execute(sa.select(*(table.c[name] for name in (*_KEY, "name")))).all()
    for key in keys:
        this = [table.c[name] == value for name, value in zip((*_KEY, "name"), key, strict=True)]
        row = connection.execute(
            sa.select(table.c.dtype, shape, table.c.codec, table.c.data).select_from(table).where(*this)
        ).one()
        try:
            digest = hashlib.sha256(decode(row.dtype, row.shape, row.codec, bytes(row.data or b"")).data).hexdigest()
        except StoreError:  # damaged before: reading it says so, and so does `l2l db check`
            digest = ""
        connection.execute(sa.update(table).where(*this).values(sha256=digest))


def downgrade() -> None:
    raise NotImplementedError("a database is not taken back to an older schema: restore the copy made before")
