"""Questions to the database, for the store and for trajectories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    tuple_,
)

from l2l.errors import StoreError
from l2l.individual import Evaluation, Individual, Status
from l2l.store import plain
from l2l.store.arrays import VARIABLE, ArrayFolder
from l2l.store.columns import shape_of
from l2l.store.labels import Labels
from l2l.store.listing import moment
from l2l.store.recordings import decode
from l2l.store.records import Driver, RecordedGeneration, RunRecord
from l2l.store.rows import KEY
from l2l.store.schema import drivers, evaluations, events, generations, individuals, recordings, runs, workers

_MOST_NAMED = 1000  # generations in one statement


def run_exists(connection: Connection, run_id: int) -> bool:
    return connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is not None


def run_records(connection: Connection, run_id: int | None = None) -> list[RunRecord]:
    """One run, or all of them, oldest first."""
    # A generation that was told knows its smallest loss; of the others there is one a run.
    # A look into the key for each of those, whatever the planner thinks: it might read all evaluations otherwise.
    smallest = select(func.min(evaluations.c.loss)).where(_of_generation(evaluations)).correlate(generations)
    untold = (
        select(generations.c.run_id, func.min(smallest.scalar_subquery()).label("best"))
        .where(generations.c.told_at.is_(None))
        .group_by(generations.c.run_id)
        .subquery()
    )
    asked = (
        select(
            generations.c.run_id,
            func.count().label("count"),
            func.sum(generations.c.size).label("size"),
            func.min(generations.c.best).label("best"),
        )
        .group_by(generations.c.run_id)
        .subquery()
    )
    # JSON comes as text, to be parsed all at once.
    written = [column.name for column in runs.c if isinstance(column.type, JSON)]
    query = (
        select(
            *(cast(column, Text).label(column.name) if column.name in written else column for column in runs.c),
            asked.c.best,
            untold.c.best.label("untold"),
            asked.c.count.label("asked"),
            asked.c.size,
            drivers.c.host,
            drivers.c.pid,
            drivers.c.heartbeat,
        )
        .join(asked, asked.c.run_id == runs.c.id, isouter=True)
        .join(untold, untold.c.run_id == runs.c.id, isouter=True)
        .join(drivers, drivers.c.run_id == runs.c.id, isouter=True)
        .order_by(runs.c.id)
    )
    if run_id is not None:
        query = query.where(runs.c.id == run_id)
    rows = connection.execute(query).all()
    parsed = plain.loads("[" + ",".join(getattr(row, name) for name in written for row in rows) + "]")
    columns = [parsed[start : start + len(rows)] for start in range(0, len(parsed), len(rows) or 1)]
    return [
        _run_record(row, dict(zip(written, values, strict=True)))
        for row, values in zip(rows, zip(*columns, strict=True), strict=True)
    ]


def _run_record(row: Any, json: dict[str, Any]) -> RunRecord:
    for name in ("name", "status", "stop_reason", "fingerprint"):
        if not isinstance(getattr(row, name), str):
            raise TypeError(f"{name} of a run must be a text, but is {getattr(row, name)!r:.60}")
    _check_json(json)
    best = min((loss for loss in (row.best, row.untold) if loss is not None), default=None)
    if best is not None and json["objectives"][0].get("maximize"):
        best = -best
    return RunRecord(
        id=row.id,
        name=row.name,
        tags=tuple(json["tags"]),
        status=row.status,
        seed=int(row.seed),
        created=moment(row.created),
        finished=None if row.finished is None else moment(row.finished),
        stop_reason=row.stop_reason,
        space=json["space"],
        objectives=json["objectives"],
        optimizer=json["optimizer"],
        optimizee=json["optimizee"],
        runner=json["runner"],
        settings=json["settings"],
        provenance=json["provenance"],
        fingerprint=row.fingerprint,
        parent=row.parent_id,
        summary=json["summary"],
        generations=row.asked or 0,
        individuals=int(row.size or 0),
        best=best,
        driver=None if row.host is None else Driver(row.host, row.pid, row.heartbeat),
    )


def _check_json(json: Mapping[str, Any]) -> None:
    """Raises TypeError or StoreError for what no `RunSpec` holds: a stranger may have written it."""
    for name, value in json.items():
        kind = list if name in ("tags", "objectives") else dict
        if not isinstance(value, kind):
            raise TypeError(f"{name} of a run must be a {kind.__name__}, but is {value!r:.60}")
    for parameter in json["space"].values():
        if not isinstance(parameter, dict):
            raise TypeError(f"a parameter must be an object, but is {parameter!r:.60}")
        shape_of(parameter)
    if not json["objectives"] or not all(isinstance(one, dict) and "name" in one for one in json["objectives"]):
        raise TypeError(f"objectives must be objects with a name, but are {json['objectives']!r:.60}")


def _of_generation(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.run_id == generations.c.run_id, table.c.generation == generations.c.number)


def same_place(table: FromClause, other: FromClause) -> ColumnElement[bool]:
    return and_(*(table.c[name] == other.c[name] for name in ("run_id", "generation", "position")))


def _told(table: FromClause) -> ColumnElement[bool]:
    """Whether an evaluation is of what the optimizer is told."""
    return and_(table.c.replicate == 0, table.c.task == "")


def last_attempts() -> tuple[FromClause, ColumnElement[bool]]:
    """Evaluations of replicate 0, and the condition that joins the last attempt of each to its individual."""
    last, later = evaluations.alias("last"), evaluations.alias("later")
    # One look into the key an individual, whatever the planner thinks: PostgreSQL takes time that grows with the
    # square on tables it has no statistics of yet, if it may choose another way.
    newest = (
        select(func.max(later.c.attempt))
        .where(same_place(later, individuals), _told(later))
        .correlate(individuals)
        .scalar_subquery()
    )
    return last, and_(same_place(last, individuals), _told(last), last.c.attempt == newest)


def worker_of(evaluation: FromClause) -> ColumnElement[bool]:
    return and_(workers.c.run_id == evaluation.c.run_id, workers.c.number == evaluation.c.worker)


#: Where an evaluation was computed; NULL if nothing is known of it.
_WHERE = (workers.c.name.label("worker"), workers.c.host, workers.c.device, workers.c.job)


def _table_columns(evaluation: FromClause) -> list[Any]:
    """What a table of individuals shows; JSON comes as text, to be parsed all at once."""
    return [
        individuals.c.generation,
        individuals.c.position,
        evaluation.c.status,
        cast(individuals.c.parameters, Text).label("parameters"),
        cast(evaluation.c.fitness, Text).label("fitness"),
        cast(evaluation.c.measurements, Text).label("measurements"),
        evaluation.c.attempt,
        evaluation.c.started,
        evaluation.c.seconds,
        *_WHERE,
        evaluation.c.error,
    ]


def individuals_query(run_id: int) -> Select[Any]:
    """Individuals of a run with the last attempt of replicate 0."""
    last, condition = last_attempts()
    return (
        select(*_table_columns(last))
        .select_from(individuals)
        .join(last, condition, isouter=True)
        .join(workers, worker_of(last), isouter=True)
        .where(individuals.c.run_id == run_id)
    )


def progress_query(run_id: int) -> Select[Any]:
    """How each individual fared, without what it is: a fraction of `individuals_query`."""
    last, condition = last_attempts()
    return (
        select(individuals.c.generation, last.c.status, last.c.seconds, cast(last.c.fitness, Text).label("fitness"))
        .select_from(individuals)
        .join(last, condition)
        .where(individuals.c.run_id == run_id)
    )


def parameters_query(run_id: int) -> Select[Any]:
    """What each individual is and where it comes from."""
    return select(
        individuals.c.generation, individuals.c.position, individuals.c.parameters, individuals.c.parents
    ).where(individuals.c.run_id == run_id)


def in_order(query: Select[Any]) -> Select[Any]:
    return query.order_by(individuals.c.generation, individuals.c.position)


def best_query(run_id: int, n: int, among: Sequence[int] | None) -> Select[Any]:
    """As `individuals_query`, but the n best, best first. among: generations, as `promising` finds them."""
    top = _top(run_id, n, among).subquery()
    return _from_top(select(*_table_columns(top)), top).join(workers, worker_of(top), isouter=True)


def _top(run_id: int, n: int, among: Sequence[int] | None) -> Select[Any]:
    # At most one evaluation of an individual has a loss.
    query = select(evaluations).where(evaluations.c.run_id == run_id, evaluations.c.loss.is_not(None))
    if among is not None:
        query = query.where(evaluations.c.generation.in_(among))
    return query.order_by(evaluations.c.loss, evaluations.c.generation, evaluations.c.position).limit(n)


def _from_top(query: Select[Any], top: FromClause) -> Select[Any]:
    return (
        query.select_from(top)
        .join(individuals, same_place(individuals, top))
        .order_by(top.c.loss, top.c.generation, top.c.position)
    )


def promising(connection: Connection, run_id: int, n: int) -> list[int] | None:
    """The generations that can hold one of the n best; None if all may, or if they are many.

    Of the n generations whose best is smallest each has an individual at least as good as the worst of these bests, so
    that no other generation is needed but those that were not told yet.
    """
    bests = select(generations.c.best).where(generations.c.run_id == run_id, generations.c.best.is_not(None))
    nth = connection.execute(bests.order_by(generations.c.best).limit(1).offset(max(n, 1) - 1)).scalar()
    if nth is None:
        return None
    found = select(generations.c.number).where(
        generations.c.run_id == run_id, or_(generations.c.told_at.is_(None), generations.c.best <= nth)
    )
    numbers = connection.execute(found.limit(_MOST_NAMED + 1)).scalars().all()
    return None if len(numbers) > _MOST_NAMED else list(numbers)


def evaluations_query(run_id: int) -> Select[Any]:
    """Every evaluation of a run: all replicates, tasks and attempts."""
    return (
        select(
            individuals.c.generation,
            individuals.c.position,
            evaluations.c.replicate,
            evaluations.c.task,
            evaluations.c.attempt,
            evaluations.c.status,
            cast(evaluations.c.fitness, Text).label("fitness"),
            cast(evaluations.c.measurements, Text).label("measurements"),
            func.coalesce(evaluations.c.seed, individuals.c.seed).label("seed"),
            evaluations.c.started,
            evaluations.c.seconds,
            *_WHERE,
            evaluations.c.error,
            evaluations.c.traceback,
        )
        .join(individuals, same_place(individuals, evaluations))
        .join(workers, worker_of(evaluations), isouter=True)
        .where(individuals.c.run_id == run_id)
        .order_by(
            individuals.c.generation,
            individuals.c.position,
            evaluations.c.replicate,
            evaluations.c.task,
            evaluations.c.attempt,
        )
    )


def validations_query(run_id: int, places: Sequence[tuple[int, int]]) -> Select[Any]:
    """Fitness of the re-evaluations, replicate > 0, that ended well; of a family, as a whole."""
    return select(
        evaluations.c.generation, evaluations.c.position, cast(evaluations.c.fitness, Text).label("fitness")
    ).where(
        evaluations.c.run_id == run_id,
        tuple_(evaluations.c.generation, evaluations.c.position).in_(places),
        evaluations.c.replicate > 0,
        evaluations.c.task == "",
        evaluations.c.status == "ok",
        evaluations.c.fitness.is_not(None),
    )


def best_individuals(connection: Connection, run_id: int, n: int) -> list[Individual]:
    """The n individuals of smallest loss, as they were asked."""
    space = connection.execute(select(runs.c.space).where(runs.c.id == run_id)).scalar_one()
    top = _top(run_id, n, promising(connection, run_id, n)).subquery()
    query = _from_top(select(individuals), top)
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
        .join(evaluations, same_place(evaluations, individuals))
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


def workers_query(run_id: int) -> Select[Any]:
    """Where evaluations of a run were computed."""
    return select(*_WHERE).where(workers.c.run_id == run_id).order_by(workers.c.number)


def workload_query(run_id: int) -> Select[Any]:
    """What each worker of a run did; one row for evaluations of which no worker is known."""
    done = evaluations.c
    return (
        select(
            workers.c.host,
            workers.c.name.label("worker"),
            workers.c.job,
            workers.c.device,
            func.count().label("evaluations"),
            func.sum(case((done.status != "ok", 1), else_=0)).label("failures"),
            func.sum(done.seconds).label("seconds"),
            func.sum(done.attempt).label("attempts"),
            # 0 is a start that nobody knows, as of what was lost.
            func.min(case((done.started > 0, done.started))).label("first"),
            func.max(case((done.started > 0, done.started + done.seconds))).label("last"),
        )
        .select_from(evaluations)
        .join(workers, worker_of(evaluations), isouter=True)
        .where(done.run_id == run_id)
        .group_by(workers.c.number, workers.c.host, workers.c.name, workers.c.job, workers.c.device)
        .order_by(workers.c.host, workers.c.number)
    )


def recordings_query(run_id: int, generation: int, position: int, replicate: int, task: str) -> Select[Any]:
    """What was recorded of the last attempt, without the bytes."""
    of_place = (run_id, generation, position, replicate, task)
    last = (
        select(func.max(evaluations.c.attempt))
        .where(*(evaluations.c[name] == value for name, value in zip(KEY, of_place, strict=False)))
        .scalar_subquery()
    )
    return (
        select(*(column for column in recordings.c if column.name != "data"))
        .where(
            *(recordings.c[name] == value for name, value in zip(KEY, of_place, strict=False)),
            recordings.c.attempt == last,
        )
        .order_by(recordings.c.name)
    )


def read_array(connection: Connection, row: Row[Any], folder: ArrayFolder | None) -> NDArray[Any]:
    """The array of a row of `recordings_query`. Raises StoreError if it is damaged or missing."""
    if row.uri is not None:
        if folder is None:
            raise StoreError(f"recording {row.name!r} lies beside the database: say where by {VARIABLE}=FOLDER")
        return folder.read(row.uri, row.dtype, row.shape)
    found = connection.execute(
        select(recordings.c.data).where(*(recordings.c[name] == getattr(row, name) for name in (*KEY, "name")))
    ).scalar()
    if found is None:
        raise StoreError(f"recording {row.name!r} was deleted meanwhile")
    return decode(row.dtype, row.shape, row.codec, bytes(found))


def labels_of_row(row: Row[Any]) -> Labels:
    return Labels(row.dims, row.coordinates, row.unit)


def has_individual(connection: Connection, run_id: int, generation: int, position: int) -> bool:
    place = (run_id, generation, position)
    found = select(individuals.c.run_id).where(
        *(individuals.c[name] == value for name, value in zip(KEY, place, strict=False))
    )
    return connection.execute(found).first() is not None


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


def evaluation_of(
    individual: Individual,
    row: Row[Any],
    fitness: Mapping[str, Any],
    measurements: Mapping[str, Any],
    recordings: Mapping[str, Any] | None = None,
) -> Evaluation:
    """An evaluation from a row that says how it ended and where it was computed."""
    return Evaluation(
        individual,
        Status(row.status),
        fitness,
        measurements,
        recordings or {},
        row.error,
        row.traceback,
        row.attempt,
        row.started,
        row.seconds,
        row.worker or "",
        row.host or "",
        row.device or "",
        row.job or "",
    )


def recorded_generations(connection: Connection, run_id: int) -> list[RecordedGeneration]:
    """Every generation of a run, with its individuals and the last attempts of replicate 0."""
    space = connection.execute(select(runs.c.space).where(runs.c.id == run_id)).scalar_one()
    last, condition = last_attempts()
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
                )
            ),
            *_WHERE,
        )
        .select_from(individuals)
        .join(last, condition, isouter=True)
        .join(workers, worker_of(last), isouter=True)
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
            done = evaluation_of(individual, row, row.fitness or {}, row.measurements or {})
            generation.evaluations[row.position] = done
    return list(found.values())
