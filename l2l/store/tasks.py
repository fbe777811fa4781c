"""Questions about the tasks of a family."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, exists, select

from l2l.individual import Evaluation, Individual, Status
from l2l.store import queries
from l2l.store.schema import evaluations, individuals, runs


def unfinished(connection: Connection, run_id: int) -> list[Evaluation]:
    """The last attempts on single tasks, of individuals that have no evaluation of the whole yet; no recordings."""
    space = connection.execute(select(runs.c.space).where(runs.c.id == run_id)).scalar_one()
    whole = evaluations.alias("whole")
    of_same = and_(
        *(whole.c[name] == evaluations.c[name] for name in ("run_id", "generation", "position", "replicate")),
        whole.c.task == "",
    )
    query = (
        select(evaluations, individuals.c.parameters)
        .join(
            individuals,
            queries.same_place(individuals, evaluations),
        )
        .where(evaluations.c.run_id == run_id, evaluations.c.task != "", ~exists().where(of_same))
        .order_by(evaluations.c.attempt)
    )
    found: dict[Any, Evaluation] = {}
    for row in connection.execute(query):
        parameters = queries.revive_parameters(space, row.parameters)
        individual = Individual(parameters, row.generation, row.position, row.replicate, row.task, row.seed)
        found[individual.key] = Evaluation(
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
        )
    return list(found.values())
