"""Individuals, evaluations and arrays as rows: tuples in the order of the columns below, ready for either database.

These are the rows that come by the million, so that they bypass what SQLAlchemy does for each value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from l2l.errors import StoreError
from l2l.individual import Evaluation, Individual
from l2l.store.plain import clean, dumps

KEY = ("run_id", "generation", "position", "replicate", "task", "attempt")
INDIVIDUAL = ("run_id", "generation", "position", "parameters", "seed", "parents")
EVALUATION = (
    *KEY,
    "status",
    "loss",
    "fitness",
    "measurements",
    "seed",
    "started",
    "seconds",
    "worker",
    "error",
    "traceback",
)
RECORDING = (
    *KEY,
    "name",
    "dtype",
    "shape",
    "dims",
    "coordinates",
    "unit",
    "codec",
    "sha256",
    "uri",
    "data",
)
#: Columns that hold JSON text.
JSON = frozenset(
    {"parameters", "parents", "fitness", "measurements", "shape", "dims", "coordinates", "summary", "details"}
)

Row = tuple[Any, ...]
#: Name, host, device and job of a worker.
Worker = tuple[str, str, str, str]


def individual_row(
    run_id: int, generation: int, position: int, individual: Individual, parents: tuple[tuple[int, int], ...]
) -> Row:
    """A row of `individuals`. Raises StoreError if the individual is of another place."""
    if (individual.generation, individual.position) != (generation, position):
        raise StoreError(
            f"individuals must come in the order of their positions, but the one at {position} of "
            f"generation {generation} says {(individual.generation, individual.position)}"
        )
    ancestors = dumps([list(parent) for parent in parents]) if parents else None
    return run_id, generation, position, dumps(dict(individual.parameters)), _seed(individual), ancestors


def evaluation_key(run_id: int, evaluation: Evaluation) -> Row:
    """What identifies an evaluation: the first columns of its row, and of its arrays' rows."""
    place = evaluation.individual
    return run_id, place.generation, place.position, place.replicate, clean(place.task), evaluation.attempt


def evaluation_row(key: Row, evaluation: Evaluation, objective: Mapping[str, Any], worker: int | None) -> Row:
    """A row of `evaluations`. objective: the first one, which defines the loss."""
    individual = evaluation.individual
    return (
        *key,
        str(evaluation.status),
        loss_of(evaluation, objective),
        dumps(dict(evaluation.fitness)) if evaluation.fitness else None,
        dumps(dict(evaluation.measurements)) if evaluation.measurements else None,
        None if is_told(individual) else _seed(individual),
        float(evaluation.started),
        float(evaluation.seconds),
        worker,
        clean(evaluation.error),
        clean(evaluation.traceback),
    )


def is_told(individual: Individual) -> bool:
    """Whether this evaluation is the one that the optimizer is told."""
    return individual.replicate == 0 and not individual.task


def loss_of(evaluation: Evaluation, objective: Mapping[str, Any]) -> float | None:
    """The loss that the evaluation gives its individual; None if it gives none."""
    if not evaluation.ok or not is_told(evaluation.individual) or objective["name"] not in evaluation.fitness:
        return None
    fitness = float(evaluation.fitness[objective["name"]])
    if not math.isfinite(fitness):
        return None
    return -fitness if objective.get("maximize") else fitness


def worker_of(evaluation: Evaluation) -> Worker | None:
    """Where it was computed; None if nothing is known of it."""
    found = (clean(evaluation.worker), clean(evaluation.host), clean(evaluation.device), clean(evaluation.job))
    return found if any(found) else None


def _seed(individual: Individual) -> int:
    seed = int(individual.seed)
    if not 0 <= seed < 2**64:
        raise StoreError(f"an individual's seed must lie in [0, 2**64), but is {seed}")
    return seed if seed < 2**63 else seed - 2**64  # as `schema.Unsigned64`
