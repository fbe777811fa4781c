"""The tables, the same on SQLite and PostgreSQL; what each is for stands in its `info["about"]`.

Times are seconds since the epoch, UTC. JSON stands where the shape belongs to the user; see `l2l.store.plain` for how
values are written. A change here needs a migration in `migrations/versions`: a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

RUN_STATUSES = ("running", "finished", "interrupted", "failed")


class Unsigned64(TypeDecorator[int]):
    """An unsigned 64-bit integer in a signed column, as two's complement: neither database has an unsigned type."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        if value is None or value < 2**63:
            return value
        return value - 2**64

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return value if value is None or value >= 0 else value + 2**64


# A missing value is NULL, not the JSON text "null".
Json = JSON(none_as_null=True)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_PLACE = ("run_id", "generation", "position")
_KEY = (*_PLACE, "replicate", "task", "attempt")


def _needed(name: str, kind: Any, *more: Any) -> Column[Any]:
    """A column that is never NULL."""
    return Column(name, kind, *more, nullable=False)


runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    _needed("name", Text),
    _needed("tags", Json),
    _needed("status", Text),
    _needed("seed", Text),  # decimal digits: it may be of any size
    _needed("created", Double),
    Column("finished", Double),
    _needed("stop_reason", Text),
    _needed("space", Json),
    _needed("objectives", Json),
    _needed("optimizer", Json),
    _needed("optimizee", Json),
    _needed("runner", Json),
    _needed("settings", Json),
    _needed("provenance", Json),
    _needed("fingerprint", Text),
    Column("parent_id", Integer, ForeignKey("runs.id", ondelete="SET NULL")),
    _needed("summary", Json),
    CheckConstraint("status IN ('running', 'finished', 'interrupted', 'failed')", name="status"),
    Index("ix_runs_name", "name"),
    sqlite_autoincrement=True,
    info={"about": """One experiment: its configuration and how it ended."""},
)

drivers = Table(
    "drivers",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    _needed("token", Text),
    _needed("host", Text),
    _needed("pid", Integer),
    _needed("started", Double),
    _needed("heartbeat", Double),
    info={
        "about": """The process that writes a run, while there is one.

A table of its own: heartbeats would rewrite all of `runs`."""
    },
)

generations = Table(
    "generations",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    _needed("asked_at", Double),
    Column("told_at", Double),
    _needed("size", Integer),
    Column("best", Double),
    Column("summary", Json),
    CheckConstraint("number >= 0", name="number"),
    CheckConstraint("size >= 0", name="size"),
    info={
        "about": """What an optimizer asked for at once.

told_at: when the optimizer was told its evaluations, in the order of their positions; NULL until then.
best: the smallest loss in it; NULL until told, or if no evaluation gave one. What looks for the best individuals of
a run need only look into the generations whose best is good enough: an index over all losses would cost more."""
    },
)

workers = Table(
    "workers",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    _needed("name", Text),
    _needed("host", Text),
    _needed("device", Text),
    _needed("job", Text),
    UniqueConstraint("run_id", "name", "host", "device", "job"),
    info={
        "about": """Where evaluations of a run were computed: said once here, not with each of them.

name: as the runner calls it, usually an address. job: of the batch system. "" where unknown."""
    },
)

individuals = Table(
    "individuals",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _needed("parameters", Json),
    _needed("seed", Unsigned64),
    Column("parents", Json),
    ForeignKeyConstraint(["run_id", "generation"], ["generations.run_id", "generations.number"], ondelete="CASCADE"),
    CheckConstraint("position >= 0", name="position"),
    sqlite_with_rowid=False,
    info={
        "about": """A point of the space, known by its place in the run.

parents: [[generation, position], ...]"""
    },
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("replicate", Integer, primary_key=True, autoincrement=False),
    Column("task", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    _needed("status", Text),
    Column("loss", Double),
    Column("fitness", Json),
    Column("measurements", Json),
    Column("seed", Unsigned64),
    _needed("started", Double),
    _needed("seconds", Double),
    Column("worker", Integer),
    _needed("error", Text),
    _needed("traceback", Text),
    ForeignKeyConstraint(_PLACE, [f"individuals.{name}" for name in _PLACE], ondelete="CASCADE"),
    ForeignKeyConstraint(
        ["run_id", "worker"], ["workers.run_id", "workers.number"], deferrable=True, initially="DEFERRED"
    ),
    CheckConstraint("status IN ('ok', 'failed', 'timeout', 'lost', 'invalid')", name="status"),
    CheckConstraint("replicate >= 0", name="replicate"),
    CheckConstraint("attempt >= 1", name="attempt"),
    CheckConstraint("loss IS NULL OR (status = 'ok' AND replicate = 0 AND task = '')", name="loss"),
    sqlite_with_rowid=False,
    info={
        "about": """One attempt to evaluate an individual. Rows are written once, but for `loss`.

replicate: 0 is what the optimizer is told; others are evaluations anew, with fresh noise.
loss: the first objective, sign-corrected: smaller is better. NULL unless the status is ok, it is replicate 0 of no
task, and no later attempt stands in its place: at most one evaluation of an individual has one.
seed: NULL where it is the individual's own.
fitness, measurements: NULL where there are none."""
    },
)

recordings = Table(
    "recordings",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("replicate", Integer, primary_key=True, autoincrement=False),
    Column("task", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    _needed("dtype", Text),
    _needed("shape", Json),
    Column("dims", Json),
    Column("coordinates", Json),
    _needed("unit", Text),
    _needed("codec", Text),
    _needed("sha256", Text),
    Column("uri", Text),
    # Last: SQLite reads the columns before it without touching the pages that hold it.
    Column("data", LargeBinary),
    ForeignKeyConstraint(_KEY, [f"evaluations.{name}" for name in _KEY], ondelete="CASCADE"),
    CheckConstraint("(data IS NULL) <> (uri IS NULL)", name="place"),
    info={
        "about": """An array of an evaluation: inside (`data`) or, as Zarr, beside the database (`uri`).

shape: sizes. dims: a name for each of them, or NULL. coordinates: {dim: {"values" | "start" and "step", "unit"}}.
sha256: of the array's bytes, little-endian and in C order, whatever the codec.
uri: a path below the folder of arrays, with slashes."""
    },
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    _needed("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE")),
    _needed("at", Double),
    _needed("kind", Text),
    _needed("details", Json),
    Index("ix_events_run_id", "run_id"),
    info={"about": """Something worth knowing that happened to a run."""},
)
