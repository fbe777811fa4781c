"""How fast the CPU kernel is: node-steps per second of one core, beside what the core can do at all.

    python benchmarks/simulator_cpu.py [--seconds 1.0] [--only NAME]

Time is CPU time of the thread (time.thread_time), so that other processes disturb little. The peak without delays is
the core's measured rate of fused multiply-adds, with delays its measured rate of vector loads from the second-level
cache: without noise and equations, coupling alone could not be faster.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import njit

from l2l.simulator import Connectome, coupling, monitors, noise
from l2l.simulator.codegen.vector import fma, make_load, store
from l2l.simulator.kernels import cpu
from l2l.simulator.models import MontbrioPazoRoxin, ReducedWongWang
from l2l.simulator.prepare import prepare

SIMULATIONS = 64


@dataclass(frozen=True)
class Case:
    name: str
    model: Any
    nodes: int
    delayed: bool
    dt: float
    D: float
    integrator: str = "heun"
    precision: str = "float32"
    bold: float | None = None  # step of the haemodynamic equations, ms
    density: float = 1.0


CASES = [
    Case("RWW 84, no delays", ReducedWongWang, 84, False, 1.0, 1e-5),
    Case("RWW 84, no delays, 30 % connected", ReducedWongWang, 84, False, 1.0, 1e-5, density=0.3),
    Case("RWW 84, no delays, Euler", ReducedWongWang, 84, False, 1.0, 1e-5, "euler"),
    Case("RWW 84, no delays, deterministic", ReducedWongWang, 84, False, 1.0, 0.0),
    Case("RWW 84, no delays, BOLD at 5 ms", ReducedWongWang, 84, False, 1.0, 1e-5, bold=5.0),
    Case("RWW 84, no delays, BOLD at 1 ms", ReducedWongWang, 84, False, 1.0, 1e-5, bold=1.0),
    Case("RWW 84, no delays, float64", ReducedWongWang, 84, False, 1.0, 1e-5, precision="float64"),
    Case("RWW 84, delays to 500 steps", ReducedWongWang, 84, True, 0.1, 1e-5),
    Case("MPR 68, no delays", MontbrioPazoRoxin, 68, False, 0.01, 1e-3),
    Case("MPR 68, no delays, deterministic", MontbrioPazoRoxin, 68, False, 0.01, 0.0),
    Case("MPR 68, delays to 500 steps", MontbrioPazoRoxin, 68, True, 0.01, 1e-3),
    Case("MPR 68, delays, deterministic", MontbrioPazoRoxin, 68, True, 0.01, 0.0),
    Case("MPR 68, delays, float64", MontbrioPazoRoxin, 68, True, 0.01, 1e-3, precision="float64"),
    Case("MPR 400, no delays", MontbrioPazoRoxin, 400, False, 0.01, 1e-3),
    Case("MPR 400, delays to 500 steps", MontbrioPazoRoxin, 400, True, 0.01, 1e-3),
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


def measure(case: Case, seconds: float, multiply_adds: dict[str, float], loads: float) -> tuple[str, ...]:
    weights, delays = network(case.nodes)
    weights *= np.random.default_rng(1).random(weights.shape) < case.density
    connectome = Connectome(weights=weights, tract_lengths=delays * case.dt)
    steps = max(320, round(4e9 / (case.nodes**2 * 0.4 + case.nodes * 40) / SIMULATIONS) // 160 * 160)
    kept: monitors.Monitor = monitors.TemporalAverage(period=steps * case.dt)
    if case.bold is not None:
        steps = 7200
        kept = monitors.Bold(tr=720.0, step=case.bold)
    prepared = prepare(
        case.model, connectome.weights, connectome.tract_lengths,
        parameters={"G": np.linspace(0.1, 0.5, SIMULATIONS).reshape(-1, 1)}, coupling=coupling.Linear(),
        integrator=case.integrator, noise=noise.Additive(D=case.D) if case.D else None, duration=steps * case.dt,
        dt=case.dt, speed=1.0 if case.delayed else None, initial=None, monitors=(kept,), seed=1, simulations=None,
        precision=case.precision,
    )  # fmt: skip
    problem = prepared.problems[0][1]
    layout = cpu.plan(problem)
    before = time.perf_counter()
    outcome = cpu.run_layout(problem, layout, 1)
    first = time.perf_counter() - before
    assert (outcome.diverged < 0).all()
    took = best(lambda: cpu.run_layout(problem, layout, 1), seconds)
    rate = steps * case.nodes * SIMULATIONS / took
    used = rate * np.count_nonzero(weights) / case.nodes
    width = np.dtype(case.precision).itemsize
    share = used * width / loads if case.delayed else used / multiply_adds[case.precision]
    bound = "loads" if case.delayed else "multiply-adds"
    return (
        case.name, f"{rate / 1e6:.0f}", f"{used / 1e9:.1f}", f"{100 * share:.0f} % of {bound}",
        f"{layout.lanes} x {layout.block if case.delayed else layout.rows}", f"{first - took:.2f}",
    )  # fmt: skip


def peak_of_multiply_adds(precision: str) -> float:
    """Fused multiply-adds a second of one core, all operands in registers."""
    lanes = cpu.register_bytes() // np.dtype(precision).itemsize
    load = make_load(lanes)

    @njit
    def chains(x, n):  # type: ignore[no-untyped-def]
        b, c = load(x, 8 * lanes), load(x, 9 * lanes)
        a0, a1, a2, a3 = load(x, 0), load(x, lanes), load(x, 2 * lanes), load(x, 3 * lanes)
        a4, a5, a6, a7 = load(x, 4 * lanes), load(x, 5 * lanes), load(x, 6 * lanes), load(x, 7 * lanes)
        for _ in range(n):
            a0, a1, a2, a3 = fma(a0, b, c), fma(a1, b, c), fma(a2, b, c), fma(a3, b, c)
            a4, a5, a6, a7 = fma(a4, b, c), fma(a5, b, c), fma(a6, b, c), fma(a7, b, c)
        store(x, 0, a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7)

    x = np.full(10 * lanes, 0.5, precision)
    n = 1_000_000
    chains(x, n)
    return 8 * lanes * n / best(lambda: chains(x, n), 0.5)


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
    options = parser.parse_args()
    multiply_adds = {p: peak_of_multiply_adds(p) for p in ("float32", "float64")}
    loads = peak_of_loads()
    rows = [
        ("case", "M node-steps/s", "G multiply-adds/s", "share of peak", "lanes x block", "first call, s"),
        *(measure(c, options.seconds, multiply_adds, loads) for c in CASES if options.only in c.name),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    print(
        f"\none core, {SIMULATIONS} simulations; peak {multiply_adds['float32'] / 1e9:.0f} (float32), "
        f"{multiply_adds['float64'] / 1e9:.0f} (float64) G multiply-adds/s, {loads / 1e9:.0f} GB/s from L2"
    )
    print(f"machine: {_processor()}, {os.cpu_count()} cores, registers of {8 * cpu.register_bytes()} bits")
    print(f"python {platform.python_version()}, numba {numba.__version__}, numpy {np.__version__}")
    print("command: " + " ".join(["python", *sys.argv]))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
