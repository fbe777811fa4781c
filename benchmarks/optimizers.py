"""The optimizers beside random search: python benchmarks/optimizers.py [--evaluations 1000] [--seeds 15]

Prints, for each test function and dimension, the median over the seeds of the best loss after the given number of
evaluations (0 is the minimum), and what asking and telling cost. Minima lie at a random place for each seed, away from
the centre, where some searches begin; all optimizers see the same places. Settings are the defaults.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from l2l.optimizees.test_functions import ackley, ellipsoid, rastrigin, rosenbrock, sphere
from l2l.optimizers import CMAES, CrossEntropy, Genetic, OptimizerConfig, RandomSearch, Restarts, Told
from l2l.space import Real, Space

Vector = NDArray[np.float64]
# By name: the function, the width of the cube in its coordinates, and its minimum.
FUNCTIONS: dict[str, tuple[Callable[[Vector], float], float, float]] = {
    "sphere": (sphere, 10.0, 0.0),
    "ellipsoid": (ellipsoid, 10.0, 0.0),
    "Rosenbrock": (rosenbrock, 4.0, 1.0),
    "Rastrigin": (rastrigin, 10.24, 0.0),
    "Ackley": (ackley, 60.0, 0.0),
}
OPTIMIZERS: dict[str, OptimizerConfig] = {
    "random": RandomSearch(),
    "CMA-ES": CMAES(),
    "IPOP-CMA-ES": Restarts(CMAES()),
    "BIPOP-CMA-ES": Restarts(CMAES(), kind="bipop"),
    "genetic": Genetic(),
    "cross-entropy": CrossEntropy(),
}


def search(config: OptimizerConfig, loss: Callable[[Vector], float], dimension: int, seed: int, evaluations: int
           ) -> tuple[float, float]:  # fmt: skip
    """The best loss, and the seconds spent outside of `loss`."""
    optimizer = config.build(Space({"x": Real(0, 1, shape=(dimension,))}), np.random.SeedSequence(seed))
    best, spent, seconds = np.inf, 0, 0.0
    while spent < evaluations and optimizer.stop() is None:
        began = time.perf_counter()
        candidates = optimizer.ask()
        seconds += time.perf_counter() - began
        # What the last generation is worth beyond the budget does not count.
        told = [Told(candidate, (loss(candidate.point),)) for candidate in candidates]
        best = min([best, *(item.losses[0] for item in told[: evaluations - spent] if item.losses)])
        spent += len(candidates)
        began = time.perf_counter()
        optimizer.tell(told)
        seconds += time.perf_counter() - began
    return best, seconds / spent


def landscape(name: str, dimension: int, seed: int) -> Callable[[Vector], float]:
    function, width, minimum = FUNCTIONS[name]
    rng = np.random.default_rng(seed)
    place = rng.uniform(0.1, 0.4, dimension) + 0.5 * rng.integers(0, 2, dimension)
    return lambda point: function(width * (point - place) + minimum)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[3, 10])
    arguments = parser.parse_args()
    print(f"Median best loss after {arguments.evaluations} evaluations, {arguments.seeds} seeds")
    print(f"{'':16}" + "".join(f"{name:>15}" for name in OPTIMIZERS))
    microseconds: dict[str, list[float]] = {name: [] for name in OPTIMIZERS}
    for dimension in arguments.dimensions:
        for function in FUNCTIONS:
            row = f"{function + ', ' + str(dimension) + '-D':16}"
            for name, config in OPTIMIZERS.items():
                runs = [
                    search(config, landscape(function, dimension, seed), dimension, seed, arguments.evaluations)
                    for seed in range(arguments.seeds)
                ]
                row += f"{np.median([best for best, _ in runs]):15.2g}"
                microseconds[name] += [1e6 * seconds for _, seconds in runs]
            print(row, flush=True)
    print(f"{'µs a candidate':16}" + "".join(f"{np.median(values):15.0f}" for values in microseconds.values()))
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.system()},"
          f" Python {platform.python_version()}, NumPy {np.__version__}")  # fmt: skip
    print("python " + " ".join(sys.argv))


if __name__ == "__main__":
    main()
