"""How fast the CPU kernel is: node-steps per second of one core, beside what the core can do at all.

    python benchmarks/simulator_cpu.py [--seconds 1.0] [--only NAME] [--table goals|cases|all]

Time is CPU time of the thread (time.thread_time), so that other processes disturb little; only two cores are compared
by the clock, so leave the machine alone for that. The peak without delays is the core's measured rate of fused
multiply-adds, with delays its measured rate of vector loads from the second-level cache: without noise and equations,
coupling alone could not be faster. Compile times are those of the first run in a process of its own, with an empty
cache and then again with what the first process left there.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import njit

from l2l.simulator import Connectome, models, monitors, noise
from l2l.simulator.codegen.vector import fma, make_load, store
from l2l.simulator.kernels import cpu
from l2l.simulator.prepare import prepare
from l2l.simulator.problem import Problem

SIMULATIONS = 64


@dataclass(frozen=True)
class Case:
    """A run to be measured. D: of all states, or by state. goal: million node-steps/s that must be reached."""

    name: str
    model: str
    nodes: int
    delayed: bool
    dt: float
    D: float | Mapping[str, float]
    integrator: str = "heun"
    precision: str = "float32"
    bold: float | None = None  # step of the haemodynamic equations, ms
    density: float = 1.0
    goal: float | None = None
    parameters: tuple[tuple[str, float], ...] = ()
    G: tuple[float, float] = (0.1, 0.5)
    initial: tuple[tuple[str, float], ...] = ()  # what is not drawn from the model's ranges


MPR, RWW, SEIZURE, ADEX = "MontbrioPazoRoxin", "ReducedWongWang", "Epileptor", "ZerlautAdaptationSecondOrder"
ALL_ON = (("Kvf", 1.0), ("Kf", 0.1), ("Ks", 0.2))
FAST = {"x2": 3e-4, "y2": 3e-4}
UNCORRELATED = (("C_ee", 0.0), ("C_ei", 0.0), ("C_ii", 0.0))  # others make rates without bound
GOALS = [
    Case("MPR 68, delays to 500 steps", MPR, 68, True, 0.01, 1e-3, goal=280),
    Case("MPR 68, no delays", MPR, 68, False, 0.01, 1e-3, goal=500),
    Case("RWW 100, no delays", RWW, 100, False, 1.0, 1e-5, goal=450),
    Case("RWW 100, delays", RWW, 100, True, 0.1, 1e-5, goal=200),
    # Its couplings are all 0 by default: nothing is sent, delayed or not.
    Case("Epileptor 68, delays, default couplings", SEIZURE, 68, True, 0.05, FAST, goal=190),
    Case("Epileptor 68, delays, all couplings on", SEIZURE, 68, True, 0.05, FAST, goal=190, parameters=ALL_ON),
    Case("Kuramoto 68, delays", "Kuramoto", 68, True, 0.1, 1e-4, goal=160),
    Case("MPR 400, no delays", MPR, 400, False, 0.01, 1e-3, goal=200),
    Case("MPR 400, delays to 500 steps", MPR, 400, True, 0.01, 1e-3, goal=70),
    Case(
        "Zerlaut second order 68, delays",
        ADEX,
        68,
        True,
        0.1,
        {"ou_drift": 0.1},
        goal=15,
        initial=UNCORRELATED,
        G=(0.0, 0.01),
    ),
]
CASES = [
    Case("RWW 84, no delays", RWW, 84, False, 1.0, 1e-5),
    Case("RWW 84, no delays, 30 % connected", RWW, 84, False, 1.0, 1e-5, density=0.3),
    Case("RWW 84, no delays, Euler", RWW, 84, False, 1.0, 1e-5, "euler"),
    Case("RWW 84, no delays, deterministic", RWW, 84, False, 1.0, 0.0),
    Case("RWW 84, no delays, BOLD at 5 ms", RWW, 84, False, 1.0, 1e-5, bold=5.0),
    Case("RWW 84, no delays, BOLD at 1 ms", RWW, 84, False, 1.0, 1e-5, bold=1.0),
    Case("RWW 84, no delays, float64", RWW, 84, False, 1.0, 1e-5, precision="float64"),
    Case("RWW 84, delays to 500 steps", RWW, 84, True, 0.1, 1e-5),
    Case("MPR 68, no delays, deterministic", MPR, 68, False, 0.01, 0.0),
    Case("MPR 68, delays, deterministic", MPR, 68, True, 0.01, 0.0),
    Case("MPR 68, delays, float64", MPR, 68, True, 0.01, 1e-3, precision="float64"),
]


def network(nodes: int, longest: int = 500, shortest: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Log-normal symmetric weights and delays in steps from distances in a cube, shortest ... longest."""
    rng = np.random.default_rng(0)
    weights = rng.lognormal(-1, 1, (nodes, nodes))
    weights = (weights + weights.T) / 2
    np.fill_diagonal(weights, 0)
    points = rng.random((nodes, 3))
    distance = np.sqrt(((points[:, None] - points) ** 2).sum(-1))
    delays = np.round(shortest + (longest - shortest) * distance / distance.max())
    return weights / weights.sum(1).max(), np.maximum(delays, shortest)


def best(run: Callable[[], Any], seconds: float) -> float:
    """Least CPU time of several calls."""
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < seconds:
        before = time.thread_time()
        run()
        times.append(time.thread_time() - before)
    return min(times)


def problem_of(case: Case, simulations: int = SIMULATIONS, effort: float = 4e9) -> Problem:
    """The case made ready, its steps chosen so that a run takes some `effort` multiply-adds."""
    weights, delays = network(case.nodes)
    weights *= np.random.default_rng(1).random(weights.shape) < case.density
    connectome = Connectome(weights=weights, tract_lengths=delays * case.dt)
    # Enough for what is done once a run, as filling the delay ring, to count as little as in a run of seconds.
    least = 2560 if effort > 1 else 320
    steps = max(least, round(effort / (case.nodes**2 * 0.4 + case.nodes * 40) / simulations) // 160 * 160)
    kept: monitors.Monitor = monitors.TemporalAverage(period=steps * case.dt)
    if case.bold is not None:
        steps = 7200
        kept = monitors.Bold(tr=720.0, step=case.bold)
    prepared = prepare(
        models.get(case.model), connectome.weights, connectome.tract_lengths,
        parameters={"G": np.linspace(*case.G, simulations).reshape(-1, 1), **dict(case.parameters)}, coupling=None,
        integrator=case.integrator, noise=noise.Additive(D=case.D) if case.D else None, duration=steps * case.dt,
        dt=case.dt, speed=1.0 if case.delayed else None, initial=dict(case.initial), monitors=(kept,), seed=1,
        simulations=None, precision=case.precision,
    )  # fmt: skip
    return prepared.problems[0][1]


def measure(case: Case, seconds: float, multiply_adds: dict[str, float], loads: float) -> tuple[str, ...]:
    problem = problem_of(case)
    layout = cpu.plan(problem)
    before = time.perf_counter()
    outcome = cpu.run_layout(problem, layout, 1, resumable=False)
    first = time.perf_counter() - before
    lost = int((outcome.diverged >= 0).sum())  # NaN costs no more than numbers do
    took = best(lambda: cpu.run_layout(problem, layout, 1, resumable=False), seconds)
    rate = problem.steps * case.nodes * SIMULATIONS / took
    used = rate * np.count_nonzero(problem.weights) / case.nodes * len(problem.step.channels)
    width = np.dtype(case.precision).itemsize
    share = used * width / loads if layout.delayed else used / multiply_adds[case.precision]
    bound = "loads" if layout.delayed else "multiply-adds"
    name = case.name + (f" ({lost} diverged)" if lost else "")
    return (
        name, f"{rate / 1e6:.0f}", "" if case.goal is None else f"{case.goal:.0f}", f"{used / 1e9:.1f}",
        f"{100 * share:.0f} % of {bound}" if used else "nothing is sent",
        f"{layout.lanes} x {layout.block if case.delayed else layout.rows}", f"{first - took:.2f}",
    )  # fmt: skip


def two_cores(run: Callable[[int], Any], seconds: float) -> float:
    """How much faster `run` is with two threads than with one, by the clock: the median of runs in turn."""
    ratios: list[float] = []
    start = time.perf_counter()
    while len(ratios) < 5 or time.perf_counter() - start < 4 * seconds:
        took = []
        for threads in (1, 2):
            before = time.perf_counter()
            run(threads)
            took.append(time.perf_counter() - before)
        ratios.append(took[0] / took[1])
    return float(np.median(ratios))


def case_on_threads(case: Case) -> Callable[[int], Any]:
    problem = problem_of(case, 4 * SIMULATIONS)
    layout = cpu.plan(problem)
    return lambda threads: cpu.run_layout(problem, layout, threads, resumable=False)


def registers_on_threads() -> Callable[[int], Any]:
    """Multiply-adds that share nothing, not even a cache: what two cores of this machine can gain at all."""
    run, _ = multiply_adds_in_registers("float32")

    def on(threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: run(), range(128)))

    return on


def first_calls(case: Case) -> tuple[float, float]:
    """Seconds of CPU time of the first run: with an empty cache, and in a later process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--first-call", case.name]
        environment = {**os.environ, "L2L_CACHE": folder}
        runs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]
    compiled, cached = (float(run.stdout.split()[-1]) for run in runs)
    return compiled, cached


def first_call(name: str) -> float:
    """Seconds of CPU time of this process's first simulation, of a case by name, without the imports."""
    problem = problem_of(next(case for case in GOALS if case.name == name), effort=1.0)
    before = time.process_time()
    cpu.run(problem, threads=1)
    return time.process_time() - before


def multiply_adds_in_registers(precision: str) -> tuple[Callable[[], None], int]:
    """Fused multiply-adds that touch no memory, and how many they are."""
    lanes = cpu.register_bytes() // np.dtype(precision).itemsize
    load = make_load(lanes)

    @njit(nogil=True)
    def chains(x, n):  # type: ignore[no-untyped-def]
        b, c = load(x, 8 * lanes), load(x, 9 * lanes)
        a0, a1, a2, a3 = load(x, 0), load(x, lanes), load(x, 2 * lanes), load(x, 3 * lanes)
        a4, a5, a6, a7 = load(x, 4 * lanes), load(x, 5 * lanes), load(x, 6 * lanes), load(x, 7 * lanes)
        for _ in range(n):
            a0, a1, a2, a3 = fma(a0, b, c), fma(a1, b, c), fma(a2, b, c), fma(a3, b, c)
            a4, a5, a6, a7 = fma(a4, b, c), fma(a5, b, c), fma(a6, b, c), fma(a7, b, c)
        store(x, 0, a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7)

    n = 1_000_000
    chains(np.full(10 * lanes, 0.5, precision), 1)
    return lambda: chains(np.full(10 * lanes, 0.5, precision), n), 8 * lanes * n


def peak_of_multiply_adds(precision: str) -> float:
    """Fused multiply-adds a second of one core, all operands in registers."""
    run, count = multiply_adds_in_registers(precision)
    return count / best(run, 0.5)


def peak_of_loads() -> float:
    """Bytes a second that vector loads bring from the second-level cache."""
    lanes = cpu.register_bytes() // 4
    load = make_load(lanes)

    @njit
    def read(x, y, rounds):  # type: ignore[no-untyped-def]
        a0, a1, a2, a3 = load(y, 0), load(y, 0), load(y, 0), load(y, 0)
        for _ in range(rounds):
            for i in range(0, x.size, 4 * lanes):
                a0, a1 = a0 + load(x, i), a1 + load(x, i + lanes)
                a2, a3 = a2 + load(x, i + 2 * lanes), a3 + load(x, i + 3 * lanes)
        store(y, 0, a0 + a1 + a2 + a3)

    x, y = np.ones(128 * 1024, np.float32), np.zeros(lanes, np.float32)  # half a megabyte
    read(x, y, 10)
    return x.nbytes * 200 / best(lambda: read(x, y, 200), 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each case is repeated")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--table", default="all", choices=("goals", "cases", "all"), help="what to measure")
    parser.add_argument("--first-call", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first_call:
        print(first_call(options.first_call))
        return
    multiply_adds = {p: peak_of_multiply_adds(p) for p in ("float32", "float64")}
    loads = peak_of_loads()
    goals = [c for c in GOALS if options.only in c.name and options.table != "cases"]
    cases = [c for c in CASES if options.only in c.name and options.table != "goals"]
    show(
        (
            "case",
            "M node-steps/s",
            "must reach",
            "G multiply-adds/s",
            "share of peak",
            "lanes x block",
            "first call, s",
        ),
        [measure(c, options.seconds, multiply_adds, loads) for c in [*goals, *cases]],
    )
    if goals:
        compiled = [(c.name, *(f"{seconds:.2f}" for seconds in first_calls(c))) for c in goals]
        print()
        show(("first call", "compiled, s (must be < 5)", "from the cache, s (< 0.5)"), compiled)
        runs = {c.name: case_on_threads(c) for c in goals}
        runs |= {"multiply-adds in registers alone": registers_on_threads()}
        ratios = [(name, f"{two_cores(run, options.seconds):.2f}") for name, run in runs.items()]
        print()
        show(("two cores over one", "ratio (must be >= 1.9)"), ratios)
    print(
        f"\none core, {SIMULATIONS} simulations; peak {multiply_adds['float32'] / 1e9:.0f} (float32), "
        f"{multiply_adds['float64'] / 1e9:.0f} (float64) G multiply-adds/s, {loads / 1e9:.0f} GB/s from L2"
    )
    print(f"machine: {_processor()}, {os.cpu_count()} cores, registers of {8 * cpu.register_bytes()} bits")
    print(f"python {platform.python_version()}, numba {numba.__version__}, numpy {np.__version__}")
    print("command: " + " ".join(["python", *sys.argv]))


def show(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print(" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), flush=True)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
