"""One evaluation of a run, as it was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from l2l.errors import StoreError
from l2l.individual import Evaluation, Individual
from l2l.store import queries
from l2l.store.schema import individuals

if TYPE_CHECKING:
    from l2l.trajectory.trajectory import Trajectory


def evaluation_of(trajectory: Trajectory, individual: Any) -> Evaluation:
    """The last attempt of what the optimizer was told of an individual, with its arrays.

    individual: given as for `Trajectory.recording`. Raises StoreError if it was not evaluated yet, or if an array is
    damaged or missing.
    """
    generation, position = trajectory.place(individual)
    run_id, store = trajectory.run.id, trajectory.store
    at = (individuals.c.generation == generation, individuals.c.position == position)
    found = store.read(lambda connection: connection.execute(queries.evaluations_query(run_id).where(*at)).all())
    told = [row for row in found if row.replicate == 0 and not row.task]
    if not told:
        raise StoreError(f"individual {generation}/{position} of run {run_id} was not evaluated yet")
    row = told[-1]
    asked = store.read(lambda connection: connection.execute(queries.parameters_query(run_id).where(*at)).one())
    parameters = queries.revive_parameters(trajectory.run.space, asked.parameters)
    (fitness,), (measurements,) = queries.parse([row.fitness]), queries.parse([row.measurements])
    names = trajectory.recordings((generation, position))
    return queries.evaluation_of(
        Individual(parameters, generation, position, seed=row.seed),
        row,
        fitness,
        measurements,
        {name: trajectory.recording((generation, position), name) for name in names},
    )
