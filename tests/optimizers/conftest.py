"""Test functions and a driver, as fixtures: what the tests of every optimizer share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from l2l.optimizers import Candidate, Optimizer, OptimizerConfig, Told
from l2l.space import Real, Space

Loss = Callable[[np.ndarray], float]


def sphere(x: np.ndarray) -> float:
    return float(np.sum(x**2))


def rosenbrock(x: np.ndarray) -> float:
    """0 at (0, ..., 0): Rosenbrock's valley, with its minimum moved from (1, ..., 1)."""
    x = x + 1
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def rastrigin(x: np.ndarray) -> float:
    return float(10 * len(x) + np.sum(x**2 - 10 * np.cos(2 * np.pi * x)))


def in_cube(function: Loss, width: float, optimum: float | np.ndarray) -> Loss:
    """`function` of R^n, its minimum at 0, on the unit cube: `width` long, with the minimum at `optimum`."""
    return lambda point: function(width * (point - optimum))


@dataclass
class Run:
    """What a search did: asked[g] is (candidate, dimension), told[g] what it was told."""

    optimizer: Optimizer
    asked: list[np.ndarray] = field(default_factory=list)
    told: list[list[Told]] = field(default_factory=list)
    best: float = np.inf
    evaluations: int = 0

    @property
    def bits(self) -> bytes:
        return b"".join(points.tobytes() for points in self.asked)

    def step(self, loss: Callable[[np.ndarray], object]) -> list[Candidate]:
        candidates = self.optimizer.ask()
        told = []
        for candidate in candidates:
            value = loss(candidate.point)
            losses = value if value is None or isinstance(value, tuple) else (value,)
            told.append(Told(candidate, losses))
            if losses is not None and len(losses) == 1 and np.isfinite(losses[0]):
                self.best = min(self.best, losses[0])
        self.asked.append(np.array([candidate.point for candidate in candidates]))
        self.evaluations += len(candidates)
        self.told.append(told)
        self.optimizer.tell(told)
        return candidates


@pytest.fixture(scope="session")
def functions() -> dict[str, Callable[[np.random.Generator], Loss]]:
    """By name: what draws a test function in five dimensions with its minimum, 0, away from the centre."""
    return {
        "sphere": lambda rng: in_cube(sphere, 10, rng.uniform(0.1, 0.4, 5)),
        "rosenbrock": lambda rng: in_cube(rosenbrock, 4, rng.uniform(0.6, 0.9, 5)),
        "rastrigin": lambda rng: in_cube(rastrigin, 10.24, rng.uniform(0.1, 0.4, 5)),
    }


@pytest.fixture(scope="session")
def cube() -> Callable[[int], Space]:
    return lambda dimension: Space({"x": Real(0, 1, shape=(dimension,))})


@pytest.fixture(scope="session")
def search(cube: Callable[[int], Space]) -> Callable[..., Run]:
    """search(config, loss, space or dimension, seed=, generations=, evaluations=, target=): drives an optimizer."""

    def drive(
        config: OptimizerConfig,
        loss: Callable[[np.ndarray], object],
        space: Space | int,
        *,
        seed: int = 1,
        objectives: int = 1,
        generations: int = 10**9,
        evaluations: int = 10**9,
        target: float = -np.inf,
    ) -> Run:
        space = cube(space) if isinstance(space, int) else space
        run = Run(config.build(space, np.random.SeedSequence(seed), objectives))
        while (
            run.optimizer.stop() is None
            and len(run.asked) < generations
            and run.evaluations < evaluations
            and run.best > target
        ):
            run.step(loss)
        return run

    return drive
