"""The optimization literature's test functions, each of one vector, each minimal at a known place.

Source: Surjanovic and Bingham, Virtual Library of Simulation Experiments; Hansen et al. (2009), BBOB noiseless.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import OptimizeeError, nearest
from l2l.optimizees.function import FunctionOptimizee
from l2l.space import Real, Space

Vector = NDArray[np.float64]


def sphere(x: Vector) -> float:
    """Separable and convex: the easiest there is."""
    return float(np.sum(x**2))


def ellipsoid(x: Vector) -> float:
    """Convex, with axes whose curvatures differ by a factor of a million."""
    exponents = np.linspace(0.0, 6.0, len(x)) if len(x) > 1 else np.zeros(1)
    return float(np.sum(10.0**exponents * x**2))


def rosenbrock(x: Vector) -> float:
    """A bent, narrow valley; needs two dimensions. Source: Rosenbrock (1960)."""
    return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))


def rastrigin(x: Vector) -> float:
    """Very many regular local minima. Source: Rastrigin (1974)."""
    return float(10.0 * len(x) + np.sum(x**2 - 10.0 * np.cos(2.0 * np.pi * x)))


def ackley(x: Vector) -> float:
    """Almost flat outside, with a hole in the middle. Source: Ackley (1987)."""
    distance = np.sqrt(np.mean(x**2))
    ripple = np.mean(np.cos(2.0 * np.pi * x))
    return float(-20.0 * np.exp(-0.2 * distance) - np.exp(ripple) + 20.0 + np.e)


def griewank(x: Vector) -> float:
    """A wide bowl with fine ripples. Source: Griewank (1981)."""
    return float(1.0 + np.sum(x**2) / 4000.0 - np.prod(np.cos(x / np.sqrt(np.arange(1, len(x) + 1)))))


def schwefel(x: Vector) -> float:
    """The second best minimum is far from the best. Source: Schwefel (1981)."""
    return float(418.9828872724339 * len(x) - np.sum(x * np.sin(np.sqrt(np.abs(x)))))


def levy(x: Vector) -> float:
    """Many local minima along each axis. Source: Levy and Montalvo (1985)."""
    w = 1.0 + (x - 1.0) / 4.0
    first = np.sin(np.pi * w[0]) ** 2
    middle = np.sum((w[:-1] - 1.0) ** 2 * (1.0 + 10.0 * np.sin(np.pi * w[:-1] + 1.0) ** 2))
    last = (w[-1] - 1.0) ** 2 * (1.0 + np.sin(2.0 * np.pi * w[-1]) ** 2)
    return float(first + middle + last)


@dataclass(frozen=True)
class Landscape:
    """A test function with its usual range; its minimum is 0, at `at` in every coordinate."""

    function: Callable[[Vector], float]
    low: float
    high: float
    at: float
    smallest: int = 1  # dimension

    def optimum(self, dimension: int) -> Vector:
        """(dimension,) the place of the minimum."""
        return np.full(dimension, self.at)


LANDSCAPES: dict[str, Landscape] = {
    "sphere": Landscape(sphere, -5.12, 5.12, 0.0),
    "ellipsoid": Landscape(ellipsoid, -5.0, 5.0, 0.0),
    "rosenbrock": Landscape(rosenbrock, -5.0, 10.0, 1.0, smallest=2),
    "rastrigin": Landscape(rastrigin, -5.12, 5.12, 0.0),
    "ackley": Landscape(ackley, -32.768, 32.768, 0.0),
    "griewank": Landscape(griewank, -600.0, 600.0, 0.0),
    "schwefel": Landscape(schwefel, -500.0, 500.0, 420.96874635998194),
    "levy": Landscape(levy, -10.0, 10.0, 1.0),
}


def test_function(name: str, dimension: int = 2) -> FunctionOptimizee:  # noqa: PT028 - not one of pytest's
    """The named test function as an optimizee: parameter "x", a vector; objective "loss", minimal at 0.

    name: one of LANDSCAPES. Raises OptimizeeError if it is unknown, or the dimension is too small.
    """
    if name not in LANDSCAPES:
        raise OptimizeeError(f"unknown test function {name!r}: {nearest(name, LANDSCAPES)}")
    landscape = LANDSCAPES[name]
    if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < landscape.smallest:
        raise OptimizeeError(f"{name} needs a dimension >= {landscape.smallest}, but got {dimension!r}")
    space = Space({"x": Real(landscape.low, landscape.high, shape=(dimension,))})
    return FunctionOptimizee(landscape.function, space, "loss", name)


_not_a_test: Any = test_function
_not_a_test.__test__ = False  # pytest must not collect it
