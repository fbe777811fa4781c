"""Individuals and evaluations as rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from l2l.errors import StoreError
from l2l.individual import Evaluation, Individual
from l2l.store.plain import clean


def individual_row(
    run_id: int, generation: int, position: int, individual: Individual, parents: tuple[tuple[int, int], ...]
) -> dict[str, Any]:
    """A row of `individuals`. Raises StoreError if the individual is of another place."""
    if (individual.generation, individual.position) != (generation, position):
        raise StoreError(
            f"individuals must come in the order of their positions, but the one at {position} of "
            f"generation {generation} says {(individual.generation, individual.position)}"
        )
    return {
        "run_id": run_id,
        "generation": generation,
        "position": position,
        "parameters": dict(individual.parameters),
        "seed": _seed(individual),
        "loss": None,
        "parents": [list(parent) for parent in parents] or None,
    }


def evaluation_row(individual_id: int, evaluation: Evaluation) -> dict[str, Any]:
    """A row of `evaluations`."""
    individual = evaluation.individual
    own_seed = individual.replicate == 0 and not individual.task
    return {
        "individual_id": individual_id,
        "replicate": individual.replicate,
        "task": clean(individual.task),
        "attempt": evaluation.attempt,
        "status": str(evaluation.status),
        "fitness": dict(evaluation.fitness) or None,
        "measurements": dict(evaluation.measurements) or None,
        "tell_order": None,
        "seed": None if own_seed else _seed(individual),
        "started": evaluation.started,
        "seconds": evaluation.seconds,
        "worker": clean(evaluation.worker),
        "host": clean(evaluation.host),
        "device": clean(evaluation.device),
        "error": clean(evaluation.error),
        "traceback": clean(evaluation.traceback),
    }


def loss_of(evaluation: Evaluation, objective: Mapping[str, Any]) -> float | None:
    """The loss that the evaluation gives its individual; None if it gives none."""
    individual = evaluation.individual
    if not evaluation.ok or individual.replicate or individual.task or objective["name"] not in evaluation.fitness:
        return None
    fitness = float(evaluation.fitness[objective["name"]])
    if not math.isfinite(fitness):
        return None
    return -fitness if objective.get("maximize") else fitness


def _seed(individual: Individual) -> int:
    seed = int(individual.seed)
    if not 0 <= seed < 2**64:
        raise StoreError(f"an individual's seed must lie in [0, 2**64), but is {seed}")
    return seed
