"""What every optimizee guarantees: a space, objectives, and an outcome for an individual."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from l2l.errors import OptimizeeError
from l2l.individual import Individual, Outcome
from l2l.objective import Objective
from l2l.space import Space


class Optimizee(ABC):
    """A thing with parameters and a fitness. It must pickle: a copy of it runs on every worker.

    space: where its parameters may lie.
    objectives: what its fitness reports.
    batch_size: how many individuals `simulate_batch` runs best at once; 1 means one by one.
    device: what its last simulation ran on, for the record: "cpu", "cuda:0 NVIDIA H200".
    """

    space: Space
    objectives: tuple[Objective, ...]
    batch_size: int = 1
    device: str = "cpu"

    @abstractmethod
    def simulate(self, individual: Individual) -> Outcome:
        """The outcome of one individual. Whatever it raises is recorded, and the run goes on."""

    def simulate_batch(self, individuals: Sequence[Individual]) -> Sequence[Outcome | Exception]:
        """The outcomes of many, in their order; an exception stands for an individual that failed alone.

        An outcome depends on its individual alone, never on the others of the batch. If this raises, the batch is
        split until the guilty individual is alone.
        """
        return [self.simulate(individual) for individual in individuals]

    def describe(self) -> dict[str, Any]:
        """The settings that decide its outcomes, as JSON values: recorded with every run."""
        return {"optimizee": type(self).__name__}

    def fingerprint(self) -> str:
        """A hash of all that decides its outcomes; two runs with the same one may share evaluations."""
        text = json.dumps([self.describe(), self.space.as_json()], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def baselines(self) -> Mapping[str, float]:
        """Fitness of simpler explanations, shown beside the best individuals; empty where there is none."""
        return {}

    def validation(self) -> Optimizee:
        """The optimizee that re-evaluates the best individuals with fresh noise: longer, say. By default itself."""
        return self


def as_outcome(returned: object, objectives: tuple[Objective, ...]) -> Outcome:
    """An Outcome from what user code returned: an Outcome, a mapping of fitness, a number, or numbers in order.

    A number answers a single objective; a tuple, a list or a vector answers the objectives in their order.
    The numbers themselves are judged later, by `check_fitness`. Raises OptimizeeError for anything else.
    """
    if isinstance(returned, Outcome):
        return returned
    if isinstance(returned, Mapping):
        return Outcome(fitness=returned)
    names = [objective.name for objective in objectives]
    if isinstance(returned, tuple | list) or (isinstance(returned, np.ndarray) and returned.ndim == 1):
        if len(returned) != len(names):
            raise OptimizeeError(
                f"numbers in order must be one for each objective ({', '.join(names)}), but {len(returned)} came back"
            )
        return Outcome(fitness=dict(zip(names, returned, strict=True)))
    if returned is None:
        raise OptimizeeError("an optimizee must return its fitness, but returned None: is a `return` missing?")
    if isinstance(returned, str | bytes) or not hasattr(returned, "__float__"):
        raise OptimizeeError(
            "an optimizee must return an Outcome, a mapping of fitness or a number, "
            f"but returned {returned!r:.80} ({type(returned).__name__})"
        )
    if len(names) > 1:
        raise OptimizeeError(
            f"a number answers one objective, but there are {len(names)}: return a mapping with {', '.join(names)}"
        )
    return Outcome(fitness={names[0]: returned})  # type: ignore[dict-item]
