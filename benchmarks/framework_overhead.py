"""What l2l itself costs: a trivial function, every individual asked, evaluated, committed to SQLite and told.

python benchmarks/framework_overhead.py
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from l2l import Evaluation, Experiment, RandomSearch, Real
from l2l.progress import Observer

INDIVIDUALS, GENERATIONS, REPEATS = 32, 10, 5


def trivial(x: float, y: float) -> float:
    return x * x + y * y


class Clock(Observer):
    """The time from the first generation's start, when the workers are up, to the end."""

    def generation_begins(self, number: int, size: int, recorded: Sequence[Evaluation]) -> None:
        if number == 0:
            self.begun = time.perf_counter()
        super().generation_begins(number, size, recorded)

    def generation_ends(self, number: int) -> None:
        self.seconds = time.perf_counter() - self.begun
        super().generation_ends(number)


def rate(runner: str) -> float:
    experiment = Experiment(
        trivial,
        RandomSearch(population=INDIVIDUALS),
        space={"x": Real(0, 1), "y": Real(0, 1)},
        generations=GENERATIONS,
        runner=runner,
    )
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        experiment.start(store=Path(folder) / "l2l.db", observer=clock)
    return INDIVIDUALS * GENERATIONS / clock.seconds


def main() -> None:
    print(f"{INDIVIDUALS} individuals x {GENERATIONS} generations; evaluations a second over {REPEATS} runs")
    print("runner    median  slowest")
    for runner in ("serial", "dask:2"):
        rates = sorted(rate(runner) for _ in range(REPEATS))
        print(f"{runner:8} {rates[REPEATS // 2]:7,.0f}  {rates[0]:7,.0f}", flush=True)
    print(f"machine: {platform.machine()}, Python {platform.python_version()}; command: python {' '.join(sys.argv)}")


if __name__ == "__main__":
    main()
