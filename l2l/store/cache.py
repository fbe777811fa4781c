"""Past evaluations as a cache: those of the same optimizee, parameters and seed.

The seed of an evaluation is that of its place in the tree of its run's seed (`l2l.seeds`), so that equal seeds are
looked for at the same place of runs with the same seed: a few rows of the primary key, however many runs there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from l2l.individual import Evaluation, Individual, Status
from l2l.store import plain, queries
from l2l.store.labels import labelled
from l2l.store.schema import evaluations, individuals, runs, workers

if TYPE_CHECKING:
    from l2l.store.store import Store

#: What `worker` says of an evaluation that was not computed but found.
REUSED = "reused from run "


@dataclass(frozen=True)
class Cached:
    """An evaluation of the past, as one of an individual of now; its worker says where it comes from.

    origin: the run that computed it. found_in: the run that it was read from, which may have reused it itself.
    arrays: the names of those it has, to be read by `read_arrays`.
    """

    origin: int
    evaluation: Evaluation
    found_in: int
    arrays: tuple[str, ...]


def origins(store: Store, fingerprint: str, seed: int, excluded: int) -> dict[int, str]:
    """The runs of an optimizee and a seed, oldest first, but for one, and whose arrays each of them kept."""
    query = (
        select(runs.c.id, runs.c.settings)
        .where(runs.c.fingerprint == fingerprint, runs.c.seed == str(seed), runs.c.id != excluded)
        .order_by(runs.c.id)
    )
    rows = store.read(lambda connection: connection.execute(query).all())
    return {row.id: str(row.settings.get("recordings", "all")) for row in rows} if fingerprint else {}


def find(store: Store, among: Sequence[int], wanted: Sequence[Individual]) -> list[Cached]:
    """Evaluations that ended well, of the individuals that have one; the oldest run's first."""
    groups: dict[tuple[int, int, str], list[Individual]] = {}
    for individual in wanted:
        groups.setdefault((individual.generation, individual.replicate, individual.task), []).append(individual)
    return [
        cached
        for place, group in groups.items()
        for cached in store.read(lambda connection: _of_generation(connection, among, place, group))  # noqa: B023
    ]


def read_arrays(store: Store, cached: Cached) -> Evaluation:
    """The evaluation with its arrays, as they were recorded. Raises StoreError if one is damaged or missing."""
    place = cached.evaluation.individual

    def read(connection: Connection) -> dict[str, Any]:
        rows = connection.execute(
            queries.recordings_query(cached.found_in, place.generation, place.position, place.replicate, place.task)
        ).all()
        arrays: dict[str, Any] = {}
        for row in rows:
            values = queries.read_array(connection, row, store.arrays)
            labels = queries.labels_of_row(row)
            arrays[row.name] = values if labels.dims is None else labelled(values, row.name, labels)
        return arrays

    return replace(cached.evaluation, recordings=store.read(read))


def _of_generation(
    connection: Connection, among: Sequence[int], place: tuple[int, int, str], wanted: Sequence[Individual]
) -> list[Cached]:
    generation, replicate, task = place
    later = evaluations.alias("later")
    newest = (
        select(func.max(later.c.attempt))
        .where(
            *(
                later.c[name] == evaluations.c[name]
                for name in ("run_id", "generation", "position", "replicate", "task")
            )
        )
        .correlate(evaluations)
        .scalar_subquery()
    )
    query = (
        select(
            individuals.c.run_id,
            individuals.c.position,
            individuals.c.parameters,
            func.coalesce(evaluations.c.seed, individuals.c.seed).label("seed"),
            *(evaluations.c[name] for name in ("fitness", "measurements", "attempt", "started", "seconds")),
            workers.c.name.label("worker"),
            workers.c.host,
            workers.c.device,
            workers.c.job,
        )
        .join(
            evaluations,
            queries.same_place(evaluations, individuals),
        )
        .join(workers, queries.worker_of(evaluations), isouter=True)
        .where(
            individuals.c.run_id.in_(among),
            individuals.c.generation == generation,
            evaluations.c.replicate == replicate,
            evaluations.c.task == task,
            evaluations.c.status == "ok",
            evaluations.c.attempt == newest,
        )
        .order_by(individuals.c.run_id)
    )
    rows: dict[int, list[Any]] = {}
    for row in connection.execute(query):
        rows.setdefault(row.position, []).append(row)
    found = []
    for individual in wanted:
        asked = _canonical(individual.parameters)
        for row in rows.get(individual.position, ()):
            if row.seed == individual.seed and _canonical(row.parameters) == asked:
                found.append(_cached(connection, individual, row))
                break
    return found


def _canonical(parameters: Any) -> str:
    """Equal for equal bits, whatever the order of the names."""
    return plain.dumps({name: parameters[name] for name in sorted(parameters)})


def _cached(connection: Connection, individual: Individual, row: Any) -> Cached:
    place = (row.run_id, individual.generation, individual.position, individual.replicate, individual.task)
    arrays = tuple(item.name for item in connection.execute(queries.recordings_query(*place)))
    # What was reused before keeps its first origin.
    known = row.worker if row.worker and row.worker.startswith(REUSED) else f"{REUSED}{row.run_id}"
    number = known.removeprefix(REUSED)
    evaluation = Evaluation(
        individual,
        Status.OK,
        row.fitness or {},
        row.measurements or {},
        started=row.started,
        seconds=row.seconds,
        worker=known,
        host=row.host or "",
        device=row.device or "",
        job=row.job or "",
    )
    return Cached(int(number) if number.isdecimal() else row.run_id, evaluation, row.run_id, arrays)
