"""What every optimizee guarantees: a space, objectives, and an outcome for an individual."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from l2l.individual import Individual, Outcome
from l2l.objective import Objective
from l2l.space import Space


class Optimizee(ABC):
    """A thing with parameters and a fitness. It must pickle: a copy of it runs on every worker.

    space: where its parameters may lie.
    objectives: what its fitness reports.
    batch_size: how many individuals `simulate_batch` runs best at once; 1 means one by one.
    """

    space: Space
    objectives: tuple[Objective, ...]
    batch_size: int = 1

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
