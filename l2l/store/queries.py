"""Questions to the database, for the store and for trajectories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, FromClause, Row, Select, Text, cast, func, select

from l2l.individual import Evaluation, Individual, Status
from l2l.store import plain
from l2l.store.columns import shape_of
from l2l.store.records import Driver, RecordedGeneration, RunRecord
from l2l.store.schema import drivers, evaluations, events, generations, individuals, recordings, runs


def run_exists(connection: Connection, run_id: int) -> bool:
    return connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is not None


def run_records(connection: Connection, run_id: int | None = None) -> list[RunRecord]:
    """One run, or all of them, oldest first."""
    # The smallest loss comes from the index (run_id, loss): a group over all individuals would read them all.
    best = (
        select(func.min(individuals.c.loss))
        .where(individuals.c.run_id == runs.c.id, individuals.c.loss.is_not(None))
        .scalar_subquery()
    )
    asked = (
        select(generations.c.run_id, func.count().label("count"), func.sum(generations.c.size).label("size"))
        .group_by(generations.c.run_id)
        .subquery()
    )
    query = (
        select(
            runs,
            best.label("best"),
            asked.c.count.label("asked"),
            asked.c.size,
            drivers.c.host,
            drivers.c.pid,
            drivers.c.heartbeat,
        )
        .join(asked, asked.c.run_id == runs.c.id, isouter=True)
        .join(drivers, drivers.c.run_id == runs.c.id, isouter=True)
        .order_by(runs.c.id)
    )
    if run_id is not None:
        query = query.where(runs.c.id == run_id)
    return [_run_record(row) for row in connection.execute(query)]


def _run_record(row: Row[Any]) -> RunRecord:
    best = row.best
    if best is not None and row.objectives[0].get("maximize"):
        best = -best
    return RunRecord(
        id=row.id,
        name=row.name,
        tags=tuple(row.tags),
        status=row.status,
        seed=int(row.seed),
        created=moment(row.created),
        finished=None if row.finished is None else moment(row.finished),
        stop_reason=row.stop_reason,
        space=row.space,
        objectives=row.objectives,
        optimizer=row.optimizer,
        optimizee=row.optimizee,
        runner=row.runner,
        settings=row.settings,
        provenance=row.provenance,
        fingerprint=row.fingerprint,
        parent=row.parent_id,
        summary=row.summary,
        generations=row.asked or 0,
        individuals=int(row.size or 0),
        best=best,
        driver=None if row.host is None else Driver(row.host, row.pid, row.heartbeat),
    )


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _last_attempts() -> tuple[FromClause, Any]:
    """Evaluations of replicate 0, and the condition that joins the last attempt of each to its individual."""
    last, later = evaluations.alias("last"), evaluations.alias("later")
    # One look into the index an individual, whatever the planner thinks: joined by "no later attempt exists" or by the
    # greatest attempt, PostgreSQL takes time that grows with the square on tables it has no statistics of yet.
    newest = (
        select(later.c.id)
        .where(later.c.individual_id == individuals.c.id, later.c.replicate == 0, later.c.task == "")
        .order_by(later.c.attempt.desc())
        .limit(1)
        .correlate(individuals)
        .scalar_subquery()
    )
    return last, last.c.id == newest


def individuals_query(run_id: int) -> Select[Any]:
    """Individuals of a run with the last attempt of replicate 0; JSON comes as text, to be parsed all at once."""
    last, condition = _last_attempts()
    return (
        select(
            individuals.c.id,
            individuals.c.generation,
            individuals.c.position,
            last.c.status,
            cast(individuals.c.parameters, Text).label("parameters"),
            cast(last.c.fitness, Text).label("fitness"),
            cast(last.c.measurements, Text).label("measurements"),
            last.c.attempt,
            last.c.started,
            last.c.seconds,
            last.c.worker,
            last.c.host,
            last.c.device,
            last.c.error,
        )
        .select_from(individuals)
        .join(last, condition, isouter=True)
        .where(individuals.c.run_id == run_id)
    )


def progress_query(run_id: int) -> Select[Any]:
    """How each individual fared, without what it is: a fraction of `individuals_query`."""
    last, condition = _last_attempts()
    return (
        select(individuals.c.generation, last.c.status, last.c.seconds, cast(last.c.fitness, Text).label("fitness"))
        .select_from(individuals)
        .join(last, condition)
        .where(individuals.c.run_id == run_id)
    )


def in_order(query: Select[Any]) -> Select[Any]:
    return query.order_by(individuals.c.generation, individuals.c.position)


def best_first(query: Select[Any], n: int) -> Select[Any]:
    return (
        query.where(individuals.c.loss.is_not(None))
        .order_by(individuals.c.loss, individuals.c.generation, individuals.c.position)
        .limit(n)
    )


def evaluations_query(run_id: int) -> Select[Any]:
    """Every evaluation of a run: all replicates, tasks and attempts."""
    return (
        select(
            individuals.c.id.label("individual"),
            individuals.c.generation,
            individuals.c.position,
            evaluations.c.replicate,
            evaluations.c.task,
            evaluations.c.attempt,
            evaluations.c.status,
            cast(evaluations.c.fitness, Text).label("fitness"),
            cast(evaluations.c.measurements, Text).label("measurements"),
            evaluations.c.tell_order,
            func.coalesce(evaluations.c.seed, individuals.c.seed).label("seed"),
            evaluations.c.started,
            evaluations.c.seconds,
            evaluations.c.worker,
            evaluations.c.host,
            evaluations.c.device,
            evaluations.c.error,
            evaluations.c.traceback,
        )
        .join(individuals, individuals.c.id == evaluations.c.individual_id)
        .where(individuals.c.run_id == run_id)
        .order_by(
            individuals.c.generation,
            individuals.c.position,
            evaluations.c.replicate,
            evaluations.c.task,
            evaluations.c.attempt,
        )
    )


def validations_query(ids: Sequence[int]) -> Select[Any]:
    """Fitness of the re-evaluations, replicate > 0, that ended well."""
    return select(evaluations.c.individual_id, cast(evaluations.c.fitness, Text).label("fitness")).where(
        evaluations.c.individual_id.in_(ids),
        evaluations.c.replicate > 0,
        evaluations.c.status == "ok",
        evaluations.c.fitness.is_not(None),
    )


def best_individuals(connection: Connection, run_id: int, n: int) -> list[Individual]:
    """The n individuals of smallest loss, as they were asked."""
    space = connection.execute(select(runs.c.space).where(runs.c.id == run_id)).scalar_one()
    query = best_first(select(individuals).where(individuals.c.run_id == run_id), n)
    return [
        Individual(revive_parameters(space, row.parameters), row.generation, row.position, seed=row.seed)
        for row in connection.execute(query)
    ]


def repeated_individuals(connection: Connection, run_id: int) -> list[Individual]:
    """The individuals that were evaluated again, replicate > 0, whatever came of it; one each replicate and task."""
    space = connection.execute(select(runs.c.space).where(runs.c.id == run_id)).scalar_one()
    query = in_order(
        select(
            individuals.c.generation,
            individuals.c.position,
            individuals.c.parameters,
            evaluations.c.replicate,
            evaluations.c.task,
            evaluations.c.seed,
        )
        .join(evaluations, evaluations.c.individual_id == individuals.c.id)
        .where(individuals.c.run_id == run_id, evaluations.c.replicate > 0)
    ).order_by(evaluations.c.replicate, evaluations.c.task)
    found = {}
    for row in connection.execute(query):
        individual = Individual(
            revive_parameters(space, row.parameters), row.generation, row.position, row.replicate, row.task, row.seed
        )
        found[individual.key] = individual
    return list(found.values())


def generations_query(run_id: int) -> Select[Any]:
    return select(generations).where(generations.c.run_id == run_id).order_by(generations.c.number)


def events_query(run_id: int) -> Select[Any]:
    return select(events.c.at, events.c.kind, events.c.details).where(events.c.run_id == run_id).order_by(events.c.id)


def recordings_query(individual_id: int, replicate: int, task: str) -> Select[Any]:
    """What was recorded of the last attempt, without the bytes."""
    last = (
        select(func.max(evaluations.c.attempt))
        .where(
            evaluations.c.individual_id == individual_id,
            evaluations.c.replicate == replicate,
            evaluations.c.task == task,
        )
        .scalar_subquery()
    )
    return (
        select(
            recordings.c.evaluation_id,
            recordings.c.name,
            recordings.c.dtype,
            recordings.c.shape,
            recordings.c.codec,
            recordings.c.uri,
        )
        .join(evaluations, evaluations.c.id == recordings.c.evaluation_id)
        .where(
            evaluations.c.individual_id == individual_id,
            evaluations.c.replicate == replicate,
            evaluations.c.task == task,
            evaluations.c.attempt == last,
        )
        .order_by(recordings.c.name)
    )


def recording_data(connection: Connection, evaluation_id: int, name: str) -> bytes:
    found = connection.execute(
        select(recordings.c.data).where(recordings.c.evaluation_id == evaluation_id, recordings.c.name == name)
    ).scalar_one()
    return bytes(found)


def individual_id(connection: Connection, run_id: int, generation: int, position: int) -> int | None:
    return connection.execute(
        select(individuals.c.id).where(
            individuals.c.run_id == run_id, individuals.c.generation == generation, individuals.c.position == position
        )
    ).scalar()


def belongs(connection: Connection, run_id: int, row_id: int) -> bool:
    return (
        connection.execute(
            select(individuals.c.id).where(individuals.c.id == row_id, individuals.c.run_id == run_id)
        ).first()
        is not None
    )


def parse(texts: Iterable[str | None]) -> list[dict[str, Any]]:
    """Objects from a column of JSON text, {} for NULL; one call of the parser for all is many times faster."""
    parsed = plain.loads("[" + ",".join(text or "{}" for text in texts) + "]")
    return [value if isinstance(value, dict) else {} for value in parsed]


def revive_parameters(space: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as an optimizer asked them: those with a shape are arrays again."""
    return {
        name: np.asarray(value, dtype=np.float64) if shape_of(space.get(name)) else value
        for name, value in values.items()
    }


def recorded_generations(connection: Connection, run_id: int) -> list[RecordedGeneration]:
    """Every generation of a run, with its individuals and the last attempts of replicate 0."""
    space = connection.execute(select(runs.c.space).where(runs.c.id == run_id)).scalar_one()
    last, condition = _last_attempts()
    query = (
        select(
            individuals.c.generation,
            individuals.c.position,
            individuals.c.parameters,
            individuals.c.seed.label("own_seed"),
            *(
                last.c[name]
                for name in (
                    "status",
                    "fitness",
                    "measurements",
                    "error",
                    "traceback",
                    "attempt",
                    "started",
                    "seconds",
                    "worker",
                    "host",
                    "device",
                )
            ),
        )
        .select_from(individuals)
        .join(last, condition, isouter=True)
        .where(individuals.c.run_id == run_id)
    )
    found = {
        row.number: RecordedGeneration(row.number, row.told_at is not None, [], {}, row.summary or {})
        for row in connection.execute(generations_query(run_id))
    }
    for row in connection.execute(in_order(query)):
        generation = found[row.generation]
        parameters = revive_parameters(space, row.parameters)
        individual = Individual(parameters, row.generation, row.position, seed=row.own_seed)
        generation.individuals.append(individual)
        if row.status is not None:
            generation.evaluations[row.position] = Evaluation(
                individual,
                Status(row.status),
                row.fitness or {},
                row.measurements or {},
                {},
                row.error,
                row.traceback,
                row.attempt,
                row.started,
                row.seconds,
                row.worker,
                row.host,
                row.device,
            )
    return list(found.values())
