"""The cross-entropy method: a Gaussian that is drawn towards the best of its own samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from l2l.optimizers import checks
from l2l.optimizers.base import Candidate, Floats, Optimizer, OptimizerConfig, smallest_steps
from l2l.optimizers.promising import promising_region
from l2l.space import Space


@dataclass(frozen=True)
class CrossEntropy(OptimizerConfig):
    """Cross-entropy method: a Gaussian with full covariance, fitted to the elite of each generation.

    It starts at the centre of the cube, or, warm-started, as the Gaussian nearest to the points given. Samples outside
    the cube are reflected at its faces.

    population: points a generation, >= 2; None: 20, or six times the dimension if that is more: a full covariance
        needs more elites than dimensions.
    elite_fraction: the part of a generation that the Gaussian is fitted to, in (0, 1]; rounded up.
    smoothing: weight of the new mean and covariance against the old, in (0, 1]; 1 is no smoothing.
    sigma: initial standard deviation in each direction, as a part of a parameter's range (0.29 is that of a uniform
        distribution).
    floor: no standard deviation falls below it (nor below a fifth of a step of an Integer or Categorical); the search
        stops when all have reached it.
    Source: Rubinstein, Kroese (2004), The cross-entropy method, chapter 5; smoothing: De Boer et al. (2005), A tutorial
    on the cross-entropy method, Annals of Operations Research 134.
    """

    name: ClassVar[str] = "cross-entropy"

    population: int | None = None
    elite_fraction: float = 0.25
    smoothing: float = 0.5
    sigma: float = 0.3
    floor: float = 1e-6

    def __post_init__(self) -> None:
        if self.population is not None:
            checks.whole("population", self.population, 2)
        checks.between("elite_fraction", self.elite_fraction, 0, 1, ends="(]")
        checks.between("smoothing", self.smoothing, 0, 1, ends="(]")
        checks.between("sigma", self.sigma, 0, 1, ends="(]")
        checks.between("floor", self.floor, 0, self.sigma, ends="(]")

    def build(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> CrossEntropyOptimizer:
        return CrossEntropyOptimizer(self, space, seed, objectives)


class CrossEntropyOptimizer(Optimizer):
    def __init__(self, config: CrossEntropy, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> None:
        super().__init__(space, seed, objectives)
        self._config = config
        self._population = config.population or max(20, 6 * self.dimension)
        self._elites = math.ceil(config.elite_fraction * self._population)
        self._floor = np.maximum(config.floor, smallest_steps(space))
        self.mean: Floats = np.full(self.dimension, 0.5)
        self.covariance: Floats = np.diag(np.maximum(config.sigma, self._floor) ** 2)

    def _begin_from(self, points: Floats) -> None:
        self.mean, self.covariance = promising_region(points)
        self._keep_floor()

    def _propose(self) -> list[Candidate]:
        variances, axes = np.linalg.eigh(self.covariance)
        normal = self.rng.standard_normal((self._population, self.dimension))
        # The symmetric root of the covariance is unique; axes alone may turn with the processor.
        root = (axes * np.sqrt(np.maximum(variances, 0.0))) @ axes.T
        samples = self.mean + normal @ root
        return [Candidate(point) for point in reflect(samples)]

    def _learn(self, points: Floats, losses: Floats, failed: NDArray[np.bool_]) -> None:
        order = np.argsort(losses[:, 0], kind="stable")
        elite = points[order[~failed[order]][: self._elites]]
        mean = elite.mean(axis=0)
        covariance = (elite - mean).T @ (elite - mean) / max(len(elite) - 1, 1)
        new = self._config.smoothing
        self.mean = new * mean + (1 - new) * self.mean
        self.covariance = new * covariance + (1 - new) * self.covariance
        self._keep_floor()

    def _keep_floor(self) -> None:
        missing = np.maximum(self._floor**2 - np.diag(self.covariance), 0.0)
        self.covariance[np.diag_indices(self.dimension)] += missing

    def _stop(self) -> str | None:
        # The floor is added as a variance, whose root may err in the last bits.
        if self.generation and np.all(np.sqrt(np.diag(self.covariance)) <= self._floor * (1 + 1e-9)):
            return f"every standard deviation has reached its floor ({self._config.floor:g} of the range)"
        return None

    def summary(self) -> dict[str, Any]:
        deviations = np.sqrt(np.diag(self.covariance))
        return {"population": self._population, "largest_std": float(deviations.max())}


def reflect(points: Floats) -> Floats:
    """Points folded back into the unit cube at its faces, as often as it takes."""
    return 1.0 - np.abs(np.mod(points, 2.0) - 1.0)
