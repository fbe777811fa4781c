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
    text,
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


# Only INTEGER PRIMARY KEY is SQLite's row id.
Id = BigInteger().with_variant(Integer, "sqlite")
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

    id: Mapped[int] = mapped_column(Id, primary_key=True)
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
    parent_id: Mapped[int | None] = mapped_column(Id, ForeignKey("runs.id", ondelete="SET NULL"))
    summary: Mapped[dict[str, Any]]


class DriverRow(Base):
    """The process that writes a run, while there is one. A table of its own: heartbeats would rewrite all of `runs`."""

    __tablename__ = "drivers"

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    token: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    started: Mapped[float]
    heartbeat: Mapped[float]


class Generation(Base):
    """What an optimizer asked for at once."""

    __tablename__ = "generations"
    __table_args__ = (CheckConstraint("number >= 0", name="number"),)

    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    asked_at: Mapped[float]
    told_at: Mapped[float | None]
    size: Mapped[int]
    summary: Mapped[dict[str, Any] | None]


class IndividualRow(Base):
    """A point of the space.

    loss: the first objective of replicate 0, sign-corrected: smaller is better; NULL until its status is ok.
    parents: [[generation, position], ...]
    """

    __tablename__ = "individuals"
    __table_args__ = (
        ForeignKeyConstraint(
            ["run_id", "generation"], ["generations.run_id", "generations.number"], ondelete="CASCADE"
        ),
        UniqueConstraint("run_id", "generation", "position"),
        CheckConstraint("position >= 0", name="position"),
        # Partial: an individual enters it once, with its loss.
        Index(
            "ix_individuals_run_id_loss",
            "run_id",
            "loss",
            sqlite_where=text("loss IS NOT NULL"),
            postgresql_where=text("loss IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id)
    generation: Mapped[int]
    position: Mapped[int]
    parameters: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(Unsigned64)
    loss: Mapped[float | None]
    parents: Mapped[list[Any] | None]


class EvaluationRow(Base):
    """One attempt to evaluate an individual.

    seed: NULL where it is the individual's own.
    fitness, measurements: NULL where there are none.
    tell_order: place among what the optimizer was told; NULL until then.
    """

    __tablename__ = "evaluations"
    __table_args__ = (
        UniqueConstraint("individual_id", "replicate", "task", "attempt"),
        CheckConstraint("status IN ('ok', 'failed', 'timeout', 'lost', 'invalid')", name="status"),
        CheckConstraint("replicate >= 0", name="replicate"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    individual_id: Mapped[int] = mapped_column(Id, ForeignKey("individuals.id", ondelete="CASCADE"))
    replicate: Mapped[int]
    task: Mapped[str]
    attempt: Mapped[int]
    status: Mapped[str]
    fitness: Mapped[dict[str, Any] | None]
    measurements: Mapped[dict[str, Any] | None]
    tell_order: Mapped[int | None]
    seed: Mapped[int | None] = mapped_column(Unsigned64)
    started: Mapped[float]
    seconds: Mapped[float]
    worker: Mapped[str]
    host: Mapped[str]
    device: Mapped[str]
    error: Mapped[str]
    traceback: Mapped[str]


class RecordingRow(Base):
    """An array of an evaluation: inside (`data`) or beside the database (`uri`)."""

    __tablename__ = "recordings"
    __table_args__ = (CheckConstraint("(data IS NULL) <> (uri IS NULL)", name="place"),)

    evaluation_id: Mapped[int] = mapped_column(Id, ForeignKey("evaluations.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    dtype: Mapped[str]
    shape: Mapped[list[Any]]
    dims: Mapped[list[Any] | None]
    unit: Mapped[str]
    codec: Mapped[str]
    data: Mapped[bytes | None] = mapped_column(LargeBinary)
    uri: Mapped[str | None]


class Event(Base):
    """Something worth knowing that happened to a run."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_run_id", "run_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"))
    at: Mapped[float]
    kind: Mapped[str]
    details: Mapped[dict[str, Any]]


runs = cast(Table, Run.__table__)
drivers = cast(Table, DriverRow.__table__)
generations = cast(Table, Generation.__table__)
individuals = cast(Table, IndividualRow.__table__)
evaluations = cast(Table, EvaluationRow.__table__)
recordings = cast(Table, RecordingRow.__table__)
events = cast(Table, Event.__table__)
