"""Speed of the CUDA kernel: node-steps a second, and the shares of the GPU's measured ceilings.

Prints the cases of the CPU benchmark at 1,024 and 65,536 simulations, RateML's benchmark (40,000 steps of 0.1 ms, the
largest sweep under 65 s) and cuBNM's (32,768 simulations of 60 s on 100 nodes: 336 s on an A100). The ceilings are
measured first, by a copy and by a chain of fused multiply-adds.

    pip install 'l2l[cuda]'
    python benchmarks/simulator_gpu.py                              # about 10 minutes
    NUMBA_ENABLE_CUDASIM=1 python benchmarks/simulator_gpu.py --smoke   # tiny, in Numba's simulator: does it run?

No table stands below: no GPU has run it yet.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda

from l2l.errors import SimulationError
from l2l.simulator import coupling, models, monitors, noise
from l2l.simulator.codegen.expression import walk
from l2l.simulator.kernels import cuda as kernel
from l2l.simulator.kernels import cuda_device
from l2l.simulator.prepare import prepare
from l2l.simulator.problem import Problem


@dataclass(frozen=True)
class Case:
    """One line of the table. longest: longest delay in steps, or None."""

    model: str
    nodes: int
    longest: int | None

    @property
    def label(self) -> str:
        return f"{self.model}, {self.nodes} nodes, {'delays' if self.longest else 'no delays'}"


CASES = (
    Case("MontbrioPazoRoxin", 68, 500),
    Case("MontbrioPazoRoxin", 68, None),
    Case("ReducedWongWang", 100, None),
    Case("ReducedWongWang", 100, 500),
    Case("Epileptor", 68, 500),
    Case("Kuramoto", 68, 500),
    Case("MontbrioPazoRoxin", 400, None),
    Case("MontbrioPazoRoxin", 400, 500),
    Case("ZerlautAdaptationSecondOrder", 68, 500),
)
RATEML = (Case("Kuramoto", 68, 500), Case("ReducedWongWang", 68, 500), Case("Epileptor", 68, 500))
SWITCHED_ON = {"Epileptor": {"Kvf": 1.0}}  # its coupling is 0 by default


def ensemble(case: Case, simulations: int, steps: int, bold: bool = False) -> Problem:
    """Noise on every state; the first state's mean every 10 steps, or BOLD each second."""
    dt = 0.1
    rng = np.random.default_rng(1)
    weights = rng.random((case.nodes, case.nodes)) / case.nodes
    np.fill_diagonal(weights, 0.0)
    lengths = None if case.longest is None else (20 + (case.longest - 20) * rng.random(weights.shape)) * dt
    first = models.MODELS[case.model].states[0].name
    kept = monitors.Bold(tr=1000.0) if bold else monitors.TemporalAverage(period=10 * dt, variables=first)
    function = coupling.Kuramoto() if case.model == "Kuramoto" else coupling.Linear()
    strengths = np.linspace(0.005, 0.02, simulations).reshape(-1, 1)
    return prepare(
        models.MODELS[case.model], weights, lengths,
        parameters={"coupling.a": strengths, **SWITCHED_ON.get(case.model, {})}, coupling=function, integrator="heun",
        noise=noise.Additive(sigma=1e-3), duration=steps * dt, dt=dt, speed=None if lengths is None else 1.0,
        initial=None, monitors=(kept,), seed=1, simulations=simulations, precision="float32",
    ).problems[0][1]  # fmt: skip


def seconds(problem: Problem) -> float:
    """Wall time of a run, transfers included, compilation not."""
    begun = time.perf_counter()
    kernel.run(problem, resumable=False)
    return time.perf_counter() - begun


def work(problem: Problem) -> tuple[float, float]:
    """(floating-point operations, bytes of device memory) of one step of one simulation, at least.

    Operations: two for each connection and channel, one for each node of the expression graphs. Bytes: with delays the
    ring is read once in each pass over the nodes and each block of steps, and written once.
    """
    n, channels = problem.nodes, len(problem.step.channels)
    operations = sum(not (node.is_const or node.is_symbol) for node in walk(problem.step.roots()))
    flops = 2.0 * np.count_nonzero(problem.weights) * channels + n * operations
    layout, groups = kernel.plan(problem)
    if not layout.delayed:
        return flops, 0.0
    assert problem.delays is not None
    passes = -(-n // (layout.rows * groups))
    rows = passes * (float(problem.delays.max()) + layout.block) / layout.block + 1
    return flops, 4.0 * n * channels * rows


def ceilings(smoke: bool) -> tuple[float, float]:
    """Measured (operations, bytes) a second of the current device."""

    @cuda.jit
    def multiply(out: Any, rounds: int) -> None:
        place = cuda.grid(1)
        x = np.float32(place) * np.float32(1e-9)
        a, b, c, d = x, x + np.float32(1), x + np.float32(2), x + np.float32(3)
        factor, addend = np.float32(0.999), np.float32(0.001)
        for _ in range(rounds):
            a = cuda.fma(a, factor, addend)
            b = cuda.fma(b, factor, addend)
            c = cuda.fma(c, factor, addend)
            d = cuda.fma(d, factor, addend)
        out[place] = a + b + c + d

    @cuda.jit
    def copy(source: Any, target: Any) -> None:
        for place in range(cuda.grid(1), source.size, cuda.gridsize(1)):
            target[place] = source[place]

    def best(launch: Any) -> float:
        times = []
        for _ in range(2 if smoke else 6):
            cuda.synchronize()
            begun = time.perf_counter()
            launch()
            cuda.synchronize()
            times.append(time.perf_counter() - begun)
        return min(times[1:])

    blocks, threads, rounds, size = (1, 4, 4, 16) if smoke else (132 * 16, 256, 16384, 1 << 28)
    out = cuda.device_array(blocks * threads, np.float32)
    source, target = cuda.device_array(size, np.float32), cuda.device_array(size, np.float32)
    flops = blocks * threads * rounds * 8 / best(lambda: multiply[blocks, threads](out, rounds))
    return flops, 8.0 * size / best(lambda: copy[blocks, threads](source, target))


def line(label: str, problem: Problem, elapsed: float, flop_ceiling: float, byte_ceiling: float) -> str:
    each = problem.simulations * problem.steps / elapsed
    flops, moved = work(problem)
    share = f"{each * flops / flop_ceiling:>7.1%}"
    memory = f"{each * moved / byte_ceiling:>8.1%}" if moved else f"{'-':>8}"
    done = f"{problem.simulations:>8}{problem.steps:>8}{elapsed:>9.2f}s{each * problem.nodes / 1e6:>11,.1f}"
    return f"{label:52}{done}{share}{memory}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does every line run?")
    smoke = parser.parse_args().smoke
    warnings.simplefilter("ignore", RuntimeWarning)  # integers overflow on purpose, which only the simulator reports
    try:
        cuda_device.require()
    except SimulationError as error:
        sys.exit(str(error))
    where = "Numba's CUDA simulator" if cuda_device.simulated() else cuda.get_current_device().name
    flop_ceiling, byte_ceiling = ceilings(smoke)
    print(f"{where}, {platform.node()}, {time.strftime('%Y-%m-%d')}: {flop_ceiling / 1e12:.3g} TFLOP/s, "
          f"{byte_ceiling / 1e9:.3g} GB/s measured")  # fmt: skip
    print(f"{'case':52}{'sims':>8}{'steps':>8}{'time':>10}{'Mnode-st/s':>11}{'FLOP':>7}{'memory':>8}")
    for case in CASES:
        for simulations in (2,) if smoke else (1024, 65536):
            small = Case(case.model, 4, case.longest and 30) if smoke else case
            steps = 18 if smoke else (4000 if simulations == 1024 else 1000)
            seconds(ensemble(small, simulations, 16 if smoke else 100))  # compiles
            problem = ensemble(small, simulations, steps)
            print(line(small.label, problem, seconds(problem), flop_ceiling, byte_ceiling), flush=True)

    print("\nRateML: 40,000 steps of 0.1 ms, largest sweep under 65 s")
    for case in RATEML:
        small = Case(case.model, 4, 30) if smoke else case
        trial, steps, allowed = (2, 18, 0.0) if smoke else (65536, 1000, 65.0)
        problem = ensemble(small, trial, steps)
        seconds(problem)
        rate = trial * steps / seconds(problem)
        length = 20 if smoke else 40_000
        size = max(2, int(0.95 * allowed * rate / length))
        whole = ensemble(small, size, length)
        print(line(f"RateML {small.label}", whole, seconds(whole), flop_ceiling, byte_ceiling), flush=True)

    print("\ncuBNM: 32,768 simulations of 60 s, BOLD each second (336 s on an A100)")
    small = Case("ReducedWongWang", 4 if smoke else 100, None)
    whole = ensemble(small, 2 if smoke else 32768, 20 if smoke else 600_000, bold=not smoke)
    print(line(f"cuBNM {small.label}", whole, seconds(whole), flop_ceiling, byte_ceiling), flush=True)


if __name__ == "__main__":
    main()
