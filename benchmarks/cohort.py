"""What a cohort gains: subjects fitted one after the other, against all of them in one ensemble.

python benchmarks/cohort.py [SUBJECTS] [POPULATION] [RUNNER]
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from l2l import CMAES, BrainNetwork, Cohort, Connectome, Evaluation, Experiment, Real
from l2l.optimizees.base import Optimizee
from l2l.optimizees.subjects import seed_of
from l2l.progress import Observer

NODES, GENERATIONS, DURATION = 80, 3, "2 min"


class Clock(Observer):
    """The time from the second generation on: kernels are compiled in the first."""

    def generation_begins(self, number: int, size: int, recorded: Sequence[Evaluation]) -> None:
        if number == 1:
            self.begun = time.perf_counter()
        super().generation_begins(number, size, recorded)

    def generation_ends(self, number: int) -> None:
        self.seconds = time.perf_counter() - self.begun if number else 0.0
        super().generation_ends(number)


def network(subject: str) -> BrainNetwork:
    """A subject with a made-up connectome of 80 regions and a target of its own."""
    rng = np.random.default_rng(seed_of(0, subject))
    weights = rng.lognormal(sigma=2, size=(NODES, NODES))
    weights += weights.T
    np.fill_diagonal(weights, 0)
    bold = rng.normal(size=(NODES, 300)) + rng.normal(size=300)
    free = {"G": Real(0, 1), "w": Real(0.2, 0.7)}
    return BrainNetwork(
        "ReducedWongWang", Connectome(weights).normalised("spectral"), np.corrcoef(bold), free, duration=DURATION
    )


def seconds(optimizee: Optimizee, population: int, runner: str) -> float:
    """Of the generations after the first."""
    clock = Clock()
    experiment = Experiment(optimizee, CMAES(population=population), generations=GENERATIONS, recordings="none")
    with tempfile.TemporaryDirectory() as folder:
        experiment.start(store=Path(folder) / "l2l.db", runner=runner, observer=clock)
    return clock.seconds


def main(subjects: int, population: int, runner: str) -> None:
    names = [f"subject-{number}" for number in range(subjects)]
    together = seconds(Cohort(names, network), population, runner)
    alone = sum(seconds(network(name), population, runner) for name in names)
    count = subjects * population * (GENERATIONS - 1)
    print(f"{platform.processor() or platform.machine()}, {subjects} subjects, population {population}, {runner}")
    print("| | s | simulations/s |\n| --- | --- | --- |")
    print(f"| one after the other | {alone:.1f} | {count / alone:.1f} |")
    print(f"| in one ensemble | {together:.1f} | {count / together:.1f} |")
    print(f"\nratio {alone / together:.2f}")


if __name__ == "__main__":
    given = [*sys.argv[1:], *("4", "16", "dask")[len(sys.argv) - 1 :]]
    main(int(given[0]), int(given[1]), given[2])
