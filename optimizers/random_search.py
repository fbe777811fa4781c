"""Random search: points drawn uniformly, the baseline that every other algorithm has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from l2l.optimizers import checks
from l2l.optimizers.base import Candidate, Floats, Optimizer, OptimizerConfig
from l2l.space import Space


@dataclass(frozen=True)
class RandomSearch(OptimizerConfig):
    """Uniform random search. It learns nothing, never stops, and serves any number of objectives.

    population: points a generation.
    Source: Bergstra, Bengio (2012), Random search for hyper-parameter optimization, JMLR 13.
    """

    name: ClassVar[str] = "random"
    ends: ClassVar[bool] = False

    population: int = 32

    def __post_init__(self) -> None:
        checks.whole("population", self.population, 1)

    def build(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> RandomSearchOptimizer:
        return RandomSearchOptimizer(self, space, seed, objectives)


class RandomSearchOptimizer(Optimizer):
    multi_objective = True

    def __init__(self, config: RandomSearch, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> None:
        super().__init__(space, seed, objectives)
        self._population = config.population

    def _propose(self) -> list[Candidate]:
        return [Candidate(point) for point in self.rng.random((self._population, self.dimension))]

    def _learn(self, points: Floats, losses: Floats, failed: NDArray[np.bool_]) -> None:
        pass
