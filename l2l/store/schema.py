"""The tables, the same on SQLite and PostgreSQL.

Times are seconds since the epoch, UTC. JSON stands where the shape belongs to the user; see `l2l.store.plain` for how
values are written. A change here needs a migration in `migrations/versions`: a test compares the two.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
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
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

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


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map = {str: Text(), int: Integer(), float: Double(), dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012


class Run(Base):
    """One experiment: its configuration and how it ended."""

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint("status IN ('running', 'finished', 'interrupted', 'failed')", name="status"),
        Index("ix_runs_name", "name"),
        {"sqlite_autoincrement": True},  # the id of a deleted run is never given again
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    tags: Mapped[list[Any]]
    status: Mapped[str]
    seed: Mapped[str]  # decimal digits: it may be of any size
    created: Mapped[float]
    finished: Mapped[float | None]
    stop_reason: Mapped[str]
    space: Mapped[dict[str, Any]]
    objectives: Mapped[list[Any]]
    optimizer: Mapped[dict[str, Any]]
    optimizee: Mapped[dict[str, Any]]
    runner: Mapped[dict[str, Any]]
    settings: Mapped[dict[str, Any]]
    provenance: Mapped[dict[str, Any]]
    fingerprint: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"))
    summary: Mapped[dict[str, Any]]


class DriverRow(Base):
    """The process that writes a run, while there is one. A table of its own: heartbeats would rewrite all of `runs`."""

    __tablename__ = "drivers"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    token: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    started: Mapped[float]
    heartbeat: Mapped[float]


class Generation(Base):
    """What an optimizer asked for at once.

    told_at: when the optimizer was told its evaluations, in the order of their positions; NULL until then.
    best: the smallest loss in it; NULL until told, or if no evaluation gave one. What looks for the best individuals of
    a run need only look into the generations whose best is good enough: an index over all losses would cost more.
    """

    __tablename__ = "generations"
    __table_args__ = (CheckConstraint("number >= 0", name="number"), CheckConstraint("size >= 0", name="size"))

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    asked_at: Mapped[float]
    told_at: Mapped[float | None]
    size: Mapped[int]
    best: Mapped[float | None]
    summary: Mapped[dict[str, Any] | None]


class WorkerRow(Base):
    """Where evaluations of a run were computed: said once here, not with each of them.

    name: as the runner calls it, usually an address. job: of the batch system. "" where unknown.
    """

    __tablename__ = "workers"
    __table_args__ = (UniqueConstraint("run_id", "name", "host", "device", "job"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    host: Mapped[str]
    device: Mapped[str]
    job: Mapped[str]


class IndividualRow(Base):
    """A point of the space, known by its place in the run.

    parents: [[generation, position], ...]
    """

    __tablename__ = "individuals"
    __table_args__ = (
        ForeignKeyConstraint(
            ["run_id", "generation"], ["generations.run_id", "generations.number"], ondelete="CASCADE"
        ),
        CheckConstraint("position >= 0", name="position"),
        # Its rows lie in the order of the key: no second copy of it.
        {"sqlite_with_rowid": False},
    )

    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parameters: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(Unsigned64)
    parents: Mapped[list[Any] | None]


_PLACE = ("run_id", "generation", "position")
_KEY = (*_PLACE, "replicate", "task", "attempt")


class EvaluationRow(Base):
    """One attempt to evaluate an individual. Rows are written once, but for `loss`.

    replicate: 0 is what the optimizer is told; others are evaluations anew, with fresh noise.
    loss: the first objective, sign-corrected: smaller is better. NULL unless the status is ok, it is replicate 0 of no
    task, and no later attempt stands in its place: at most one evaluation of an individual has one.
    seed: NULL where it is the individual's own.
    fitness, measurements: NULL where there are none.
    """

    __tablename__ = "evaluations"
    __table_args__ = (
        ForeignKeyConstraint(_PLACE, [f"individuals.{name}" for name in _PLACE], ondelete="CASCADE"),
        # Deferred: PostgreSQL deletes a run's workers before their evaluations.
        ForeignKeyConstraint(
            ["run_id", "worker"], ["workers.run_id", "workers.number"], deferrable=True, initially="DEFERRED"
        ),
        CheckConstraint("status IN ('ok', 'failed', 'timeout', 'lost', 'invalid')", name="status"),
        CheckConstraint("replicate >= 0", name="replicate"),
        CheckConstraint("attempt >= 1", name="attempt"),
        CheckConstraint("loss IS NULL OR (status = 'ok' AND replicate = 0 AND task = '')", name="loss"),
        {"sqlite_with_rowid": False},
    )

    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    replicate: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    task: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str]
    loss: Mapped[float | None]
    fitness: Mapped[dict[str, Any] | None]
    measurements: Mapped[dict[str, Any] | None]
    seed: Mapped[int | None] = mapped_column(Unsigned64)
    started: Mapped[float]
    seconds: Mapped[float]
    worker: Mapped[int | None]
    error: Mapped[str]
    traceback: Mapped[str]


class RecordingRow(Base):
    """An array of an evaluation: inside (`data`) or, as Zarr, beside the database (`uri`).

    shape: sizes. dims: a name for each of them, or NULL. coordinates: {dim: {"values" | "start" and "step", "unit"}}.
    sha256: of the array's bytes, little-endian and in C order, whatever the codec.
    uri: a path below the folder of arrays, with slashes.
    """

    __tablename__ = "recordings"
    __table_args__ = (
        ForeignKeyConstraint(_KEY, [f"evaluations.{name}" for name in _KEY], ondelete="CASCADE"),
        CheckConstraint("(data IS NULL) <> (uri IS NULL)", name="place"),
    )

    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    replicate: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    task: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(primary_key=True)
    dtype: Mapped[str]
    shape: Mapped[list[Any]]
    dims: Mapped[list[Any] | None]
    coordinates: Mapped[dict[str, Any] | None]
    unit: Mapped[str]
    codec: Mapped[str]
    sha256: Mapped[str]
    uri: Mapped[str | None]
    # Last: SQLite reads the columns before it without touching the pages that hold it.
    data: Mapped[bytes | None] = mapped_column(LargeBinary)


class Event(Base):
    """Something worth knowing that happened to a run."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_run_id", "run_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    at: Mapped[float]
    kind: Mapped[str]
    details: Mapped[dict[str, Any]]


runs = cast(Table, Run.__table__)
drivers = cast(Table, DriverRow.__table__)
generations = cast(Table, Generation.__table__)
workers = cast(Table, WorkerRow.__table__)
individuals = cast(Table, IndividualRow.__table__)
evaluations = cast(Table, EvaluationRow.__table__)
recordings = cast(Table, RecordingRow.__table__)
events = cast(Table, Event.__table__)
