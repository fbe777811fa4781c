"""What the runner costs, beside bare Dask: overhead, memory, efficiency, and how soon lost work is sent again.

    python benchmarks/runner_overhead.py

Bare Dask is what one would write by hand: `client.map`, a task for each individual, and `gather`.

Machine: 2 cores (x86-64) shared with other work (load 2 to 9), Linux, Python 3.11, distributed 2026.8. Two runs:

    evaluations a second                     32 x 10         2000 x 2        10000 x 1
    SerialRunner                      47,319  20,717  47,981  21,021   48,110  13,424
    DaskRunner(2)                      2,037   1,613  47,260  19,743   54,571  25,811
    the same, vectorised function      2,318   1,557  37,250  40,204   44,427  44,311
    bare Dask                            507     485     511     423      454     301

    10000 individuals in one generation with 1 GB of recordings: the driver's largest resident memory was 186 MB by the
    1000th and 231 MB by the 10000th.
    Efficiency, 64 evaluations of 1 s on 8 workers: DaskRunner 96.1 and 98.8 %, bare Dask 98.8 and 99.3 %.
    From kill -9 of a worker to its work on another: 0.63 and 0.69 s, at most 1.33 s in 12 kills.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator

import distributed
import numpy as np
import psutil

from l2l.individual import Individual, Outcome
from l2l.optimizees import FunctionOptimizee
from l2l.runners import DaskRunner, Runner, SerialRunner
from l2l.space import Real, Space

WORKERS = 2
SLEEPERS = 8  # one-thread workers whose evaluations sleep for a second: they need no core of their own
MANY = 10_000
RECORDED = 12_500  # float64 in each evaluation's recording: 100 kB, so that MANY of them are 1 GB
PLANE = Space({"x": Real(0, 1), "y": Real(0, 1)})


def trivial(x: float, y: float) -> float:
    return x * x + y


def recorded(x: float, y: float) -> Outcome:
    return Outcome({"loss": x + y}, recordings={"activity": np.full(RECORDED, x)})


def second(x: float, y: float) -> float:
    time.sleep(1.0)
    return x + y


def asked(count: int, generation: int = 0) -> list[Individual]:
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


def bare(client: distributed.Client, function: Callable[..., float] = trivial) -> Callable[[list[Individual]], int]:
    """As one would write it by hand: a task for each individual."""

    def evaluate(individuals: list[Individual]) -> int:
        xs, ys = [each["x"] for each in individuals], [each["y"] for each in individuals]
        return len(client.gather(client.map(function, xs, ys, pure=False)))

    return evaluate


@contextlib.contextmanager
def bare_dask(workers: int) -> Iterator[distributed.Client]:
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def overhead() -> None:
    one_by_one = FunctionOptimizee(trivial, PLANE)
    batched = FunctionOptimizee(trivial, PLANE, batch=True, batch_size=1000)
    sizes = ((32, 10), (2000, 2), (MANY, 1))
    rows: dict[str, list[float]] = {}
    rows["SerialRunner"] = [per_second(through(SerialRunner(), one_by_one), *size) for size in sizes]
    with DaskRunner(WORKERS) as runner:
        rows[f"DaskRunner({WORKERS})"] = [per_second(through(runner, one_by_one), *size) for size in sizes]
        rows["the same, vectorised function"] = [per_second(through(runner, batched), *size) for size in sizes]
    with bare_dask(WORKERS) as client:
        rows["bare Dask"] = [per_second(bare(client), *size, repeats=1) for size in sizes]
    print(f"{'evaluations a second':34}" + "".join(f"{f'{count} x {times}':>12}" for count, times in sizes))
    for name, rates in rows.items():
        print(f"{name:34}" + "".join(f"{rate:12,.0f}" for rate in rates))


def memory() -> None:
    """The driver's memory while one generation of MANY individuals with recordings streams through it."""
    process = psutil.Process()
    optimizee = FunctionOptimizee(recorded, PLANE)
    marks = {}
    with DaskRunner(WORKERS) as runner:
        list(runner.evaluate(optimizee, asked(100)))
        most, begun = 0, time.perf_counter()
        for number, _ in enumerate(runner.evaluate(optimizee, asked(MANY)), start=1):
            if number % 50 == 0:
                most = max(most, process.memory_info().rss)
            if number in (MANY // 10, MANY):
                marks[number] = most
        seconds = time.perf_counter() - begun
    total = MANY * RECORDED * 8 / 1e6
    print(f"\n{MANY} individuals in one generation, {total:.0f} MB of recordings, {MANY / seconds:,.0f} a second;")
    print(
        "the driver's largest resident memory: " + ", ".join(f"{rss / 1e6:.0f} MB by {n}" for n, rss in marks.items())
    )


def efficiency(rounds: int = 8) -> None:
    """Evaluations of one second on workers of one thread: the share of their time that they evaluate."""
    count = SLEEPERS * rounds
    shares = {}
    with DaskRunner(SLEEPERS) as runner:
        shares["DaskRunner"] = rounds / _seconds(through(runner, FunctionOptimizee(second, PLANE)), count)
    with bare_dask(SLEEPERS) as client:
        shares["bare Dask"] = rounds / _seconds(bare(client, second), count)
    print(f"\nefficiency, {count} evaluations of 1 s on {SLEEPERS} workers: ", end="")
    print(", ".join(f"{name} {share:.1%}" for name, share in shares.items()))


def _seconds(evaluate: Callable[[list[Individual]], int], count: int) -> float:
    evaluate(asked(SLEEPERS))  # workers import what they need
    begun = time.perf_counter()
    assert evaluate(asked(count)) == count
    return time.perf_counter() - begun


def recovery(repeats: int = 5) -> None:
    """From the kill of a worker until its individual is evaluated again, on another worker that is idle."""
    delays = []
    for _ in range(repeats):
        with DaskRunner(3) as runner:
            stream = runner.evaluate(FunctionOptimizee(second, PLANE), asked(2))
            first = _kill_soon(0.5)
            evaluations = list(stream)
            again = [evaluation for evaluation in evaluations if evaluation.attempt == 2]
            delays += [evaluation.started - first() for evaluation in again]
    print(f"\nfrom kill -9 of a worker to its work on another: {statistics.median(delays):.2f} s, ", end="")
    print(f"at most {max(delays):.2f} s in {len(delays)} kills (a host that vanishes: 30 s, Dask's timeouts.tcp)")


def _kill_soon(delay: float) -> Callable[[], float]:
    """Kill two workers, in the background; what it returns tells when the first was."""
    import threading

    moment: list[float] = []

    def kill() -> None:
        time.sleep(delay)
        workers = [each for each in psutil.Process().children(recursive=True) if "spawn_main" in str(each.cmdline())]
        # Of three workers with two tasks, one of any two is at work.
        for worker in workers[:2]:
            moment.append(time.time())
            worker.kill()

    thread = threading.Thread(target=kill)
    thread.start()

    def told() -> float:
        thread.join()
        return moment[0]

    return told


def main() -> None:
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores (load {load:.1f}), Python {platform.python_version()}, ", end=""
    )
    print(f"distributed {distributed.__version__}")
    overhead()
    memory()
    efficiency()
    recovery()


if __name__ == "__main__":
    main()
