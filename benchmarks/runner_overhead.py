"""What a runner costs an evaluation that costs nothing: l2l's on two local workers beside bare Dask on two.

    python benchmarks/runner_overhead.py

Machine: 2 cores (x86-64) shared with other work (load 5 to 6), Linux, Python 3.11, distributed 2026.8.
Two runs, evaluations a second, generations of 32 and of 2000:

                                       32 x 10        2000 x 2
    SerialRunner                      22,569  14,056  25,156  22,581
    DaskRunner                         2,315   2,272  19,324  23,077
    DaskRunner, vectorised function    1,912   2,207  44,331  27,628
    bare Dask, client.map                287     400     306     476
"""

from __future__ import annotations

import logging
import os
import platform
import statistics
import time
from collections.abc import Callable

import distributed

from l2l.individual import Individual
from l2l.optimizees import FunctionOptimizee
from l2l.runners import DaskRunner, Runner, SerialRunner
from l2l.space import Real, Space

WORKERS = 2
PLANE = Space({"x": Real(0, 1), "y": Real(0, 1)})


def trivial(x: float, y: float) -> float:
    return x * x + y


def asked(count: int, generation: int) -> list[Individual]:
    return [
        Individual({"x": index / count, "y": 0.5}, generation, index, seed=generation * count + index)
        for index in range(count)
    ]


def per_second(evaluate: Callable[[list[Individual]], int], count: int, generations: int, repeats: int = 3) -> float:
    """Evaluations a second; the median of a few repeats, since the machine is shared. The first one starts cold."""
    rates = []
    for repeat in range(repeats):
        batches = [asked(count, repeat * generations + generation) for generation in range(generations)]
        begun = time.perf_counter()
        done = sum(evaluate(batch) for batch in batches)
        rates.append(done / (time.perf_counter() - begun))
        assert done == count * generations
    return statistics.median(rates)


def through(runner: Runner, optimizee: FunctionOptimizee) -> Callable[[list[Individual]], int]:
    return lambda individuals: sum(evaluation.ok for evaluation in runner.evaluate(optimizee, individuals))


def bare(client: distributed.Client) -> Callable[[list[Individual]], int]:
    """As one would write it by hand: a task for each individual."""

    def evaluate(individuals: list[Individual]) -> int:
        xs, ys = [each["x"] for each in individuals], [each["y"] for each in individuals]
        return len(client.gather(client.map(trivial, xs, ys, pure=False)))

    return evaluate


def main() -> None:
    one_by_one = FunctionOptimizee(trivial, PLANE)
    batched = FunctionOptimizee(trivial, PLANE, batch=True, batch_size=1000)
    sizes = ((32, 10), (2000, 2))
    rows: dict[str, list[float]] = {}
    rows["SerialRunner"] = [per_second(through(SerialRunner(), one_by_one), *size) for size in sizes]
    begun = time.perf_counter()
    with DaskRunner(WORKERS) as runner:
        started = time.perf_counter() - begun
        rows["DaskRunner"] = [per_second(through(runner, one_by_one), *size) for size in sizes]
        rows["DaskRunner, vectorised function"] = [per_second(through(runner, batched), *size) for size in sizes]
    with (
        distributed.LocalCluster(
            WORKERS, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        rows["bare Dask, client.map"] = [per_second(bare(client), *size) for size in sizes]
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ", end="")
    print(f"distributed {distributed.__version__}; DaskRunner({WORKERS}) ready after {started:.1f} s")
    print(f"{'evaluations a second':34}" + "".join(f"{f'{count} x {times}':>12}" for count, times in sizes))
    for name, rates in rows.items():
        print(f"{name:34}" + "".join(f"{rate:12,.0f}" for rate in rates))


if __name__ == "__main__":
    main()
