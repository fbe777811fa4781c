"""Takes a run out of a database, with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select

from l2l.errors import StoreError
from l2l.store.schema import drivers, evaluations, events, generations, individuals, recordings, runs, workers
from l2l.store.store import Store

# Children first: the cascade of the foreign keys would look for children of every single row.
_ORDER = (recordings, evaluations, individuals, generations, workers, events, drivers)


@dataclass(frozen=True)
class Holdings:
    """What a run holds, in numbers of rows."""

    generations: int
    individuals: int
    evaluations: int
    recordings: int

    def __str__(self) -> str:
        return (
            f"{self.generations} generations, {self.individuals} individuals, {self.evaluations} evaluations, "
            f"{self.recordings} arrays"
        )


def holdings(store: Store, run_id: int) -> Holdings:
    """What a run holds."""
    counts = [
        store.read(
            lambda connection: connection.execute(
                select(func.count()).select_from(table).where(table.c.run_id == run_id)  # noqa: B023
            ).scalar_one()
        )
        for table in (generations, individuals, evaluations, recordings)
    ]
    return Holdings(*counts)


def remove_run(store: Store, run_id: int) -> None:
    """Deletes a run, its arrays and its view. Raises StoreError while a driver writes it."""
    record = store.run(run_id)
    if record.driver is not None and record.driver.alive:
        raise StoreError(f"run {run_id} is being written by {record.driver}: end it first")
    with store.write() as connection:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS run_{int(run_id)}")
        for table in _ORDER:
            connection.execute(delete(table).where(table.c.run_id == run_id))
        connection.execute(delete(runs).where(runs.c.id == run_id))
    # After the commit: an array without a row is found by `l2l db check`, a row without its array is a loss.
    if store.arrays is not None:
        store.arrays.delete_run(run_id)
