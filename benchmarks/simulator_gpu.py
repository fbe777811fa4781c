"""Speed of the CUDA kernel: node-steps a second, and the shares of the GPU's measured ceilings.

Prints, in this order and within the minutes given: the ceilings, measured by a copy and by a chain of fused
multiply-adds; RateML's benchmark (40,000 steps of 0.1 ms, the largest sweep under 65 s); cuBNM's (32,768 simulations of
60 s on 100 nodes, with BOLD, FC and FCD: 336 s on an A100); the cases of the CPU benchmark at 1,024 and 65,536
simulations; `pytest -m gpu`, its models in several processes; and other layouts of the cases with delays, since the
plan rests on registers and not on times.

    pip install 'l2l[cuda]'
    python benchmarks/simulator_gpu.py                                   # 10 minutes at most
    python benchmarks/simulator_gpu.py --only tests layouts
    NUMBA_ENABLE_CUDASIM=1 python benchmarks/simulator_gpu.py --tiny     # in Numba's simulator: does every line run?

Recordings stay on the device, as they do where FC is computed there. "FLOP" counts multiply-adds of connections and one
operation for each node of the expression graphs (an exponential is one), "memory" the reads of the delay ring: both are
shares of what was measured, at least.

No table stands below: no GPU has run it yet.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda

from l2l.errors import SimulationError
from l2l.observables.connectivity import Comparison, scores
from l2l.simulator import coupling, models, monitors, noise
from l2l.simulator.kernels import cuda as kernel
from l2l.simulator.kernels import cuda_device, cuda_plan
from l2l.simulator.prepare import prepare
from l2l.simulator.problem import Problem

DT = 0.1
CHUNK = 131_072  # simulations of RateML's sweep that are prepared at once
PROCESSES = 8  # of pytest


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
SECTIONS = ("rateml", "cubnm", "cases", "tests", "layouts")


@dataclass(frozen=True)
class Run:
    """How large everything is, when it has to end (of `time.monotonic`), and what the device can do a second."""

    tiny: bool
    end: float
    flops: float
    bytes: float

    def left(self) -> float:
        return self.end - time.monotonic()

    def small(self, case: Case) -> Case:
        return dataclasses.replace(case, nodes=4, longest=case.longest and 30) if self.tiny else case

    def line(self, label: str, problem: Problem, simulations: int, elapsed: float) -> None:
        each = simulations * problem.steps / elapsed
        flops, moved = work(problem)
        share = f"{each * flops / self.flops:>7.1%}"
        memory = f"{each * moved / self.bytes:>8.1%}" if moved else f"{'-':>8}"
        speed = each * problem.nodes / 1e6
        print(f"{label:52}{simulations:>9}{problem.steps:>8}{elapsed:>9.2f}s{speed:>12,.1f}{share}{memory}", flush=True)


def ensemble(case: Case, simulations: int, steps: int, kept: monitors.Monitor | None = None) -> Problem:
    """Noise on every state; the first state's mean every 100 ms, if nothing else is kept."""
    rng = np.random.default_rng(1)
    weights = rng.random((case.nodes, case.nodes)) / case.nodes
    np.fill_diagonal(weights, 0.0)
    shortest = 20 if case.longest is None else min(20, case.longest // 2)
    lengths = None
    if case.longest is not None:
        lengths = (shortest + (case.longest - shortest) * rng.random(weights.shape)) * DT
    if kept is None:
        first = models.MODELS[case.model].states[0].name
        kept = monitors.TemporalAverage(period=min(1000, steps) * DT, variables=first)
    function = coupling.Kuramoto() if case.model == "Kuramoto" else coupling.Linear()
    strengths = np.linspace(0.005, 0.02, simulations).reshape(-1, 1)
    return prepare(
        models.MODELS[case.model], weights, lengths,
        parameters={"coupling.a": strengths, **SWITCHED_ON.get(case.model, {})}, coupling=function, integrator="heun",
        noise=noise.Additive(sigma=1e-3), duration=steps * DT, dt=DT, speed=None if lengths is None else 1.0,
        initial=None, monitors=(kept,), seed=1, simulations=simulations, precision="float32",
    ).problems[0][1]  # fmt: skip


def seconds(problem: Problem) -> float:
    """Wall time of a run, parameters and initial states to the device and final states back, compilation not."""
    begun = time.perf_counter()
    kernel.run(problem, resumable=False, on_device=True)
    return time.perf_counter() - begun


def processors() -> int:
    return 1 if cuda_device.simulated() else int(cuda.get_current_device().MULTIPROCESSOR_COUNT)


def work(problem: Problem) -> tuple[float, float]:
    """(floating-point operations, bytes of device memory) of one step of one simulation, at least.

    With delays the ring is read once in each pass over the nodes and each block of steps, and written once.
    """
    n, channels = problem.nodes, len(problem.step.channels)
    flops = 2.0 * np.count_nonzero(problem.weights) * channels + n * cuda_plan.operations(problem.step)
    layout, groups = cuda_plan.plan(problem, processors())
    if not layout.delayed:
        return flops, 0.0
    assert problem.delays is not None
    passes = -(-n // (layout.rows * groups))
    rows = passes * (float(problem.delays.max()) + layout.block) / layout.block + 1
    return flops, 4.0 * n * channels * rows


def ceilings(tiny: bool) -> tuple[float, float]:
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

    def best(launch: Callable[[], None]) -> float:
        times = []
        for _ in range(2 if tiny else 6):
            cuda.synchronize()
            begun = time.perf_counter()
            launch()
            cuda.synchronize()
            times.append(time.perf_counter() - begun)
        return min(times[1:])

    blocks, threads, rounds, size = (1, 4, 4, 16) if tiny else (132 * 16, 256, 16384, 1 << 28)
    out = cuda.device_array(blocks * threads, np.float32)
    source, target = cuda.device_array(size, np.float32), cuda.device_array(size, np.float32)
    flops = blocks * threads * rounds * 8 / best(lambda: multiply[blocks, threads](out, rounds))
    return flops, 8.0 * size / best(lambda: copy[blocks, threads](source, target))


# -- sections ---------------------------------------------------------------------------------------------------------


def cases(run: Run) -> None:
    for case in CASES:
        for simulations in (2,) if run.tiny else (1024, 65536):
            if run.left() < 0:
                return print("(no time left)")
            small = run.small(case)
            steps = 18 if run.tiny else (4000 if simulations == 1024 else 1000)
            seconds(ensemble(small, simulations, 16 if run.tiny else 100))  # compiles
            problem = ensemble(small, simulations, steps)
            run.line(small.label, problem, simulations, seconds(problem))
    return None


def rateml(run: Run) -> None:
    """As many simulations as end within 65 s, a chunk after the other."""
    allowed, steps, chunk = (0.0, 20, 2) if run.tiny else (65.0, 40_000, CHUNK)
    for case in RATEML:
        small = run.small(case)
        seconds(ensemble(small, chunk, 100))  # compiles
        problem = ensemble(small, chunk, steps)
        elapsed = once = seconds(problem)
        simulations = chunk
        while elapsed + once < min(allowed, elapsed + run.left()):
            elapsed += seconds(problem)
            simulations += chunk
        run.line(f"RateML {small.label}", problem, simulations, elapsed)


def cubnm(run: Run) -> None:
    """BOLD each second; FC, and FCD over windows of 30 s moved by 5 s, of every simulation."""
    small = Case("ReducedWongWang", 4 if run.tiny else 100, None)
    simulations, steps = (2, 40) if run.tiny else (32768, 600_000)
    kept = monitors.Bold(tr=5 * DT if run.tiny else 1000.0)
    trial = ensemble(small, simulations, 10 if run.tiny else 10_000, kept)
    seconds(trial)  # compiles
    expected = seconds(trial) * steps / trial.steps
    if expected > run.left():
        return print(f"cuBNM: {expected:.0f} s expected, {run.left():.0f} s left; give it more --minutes")
    problem = ensemble(small, simulations, steps, kept)
    begun = time.perf_counter()
    bold = kernel.run(problem, resumable=False, on_device=True).records[0]
    elapsed = time.perf_counter() - begun
    run.line(f"cuBNM {small.label}, BOLD", problem, simulations, elapsed)
    signals = bold.reshape(simulations, -1, problem.nodes)
    measured = comparison(problem.nodes, run.tiny)
    scores(signals, measured)  # compiles
    begun = time.perf_counter()
    scores(signals, measured)
    print(f"FC, FCD and their scores, on the device: {time.perf_counter() - begun:.2f} s", flush=True)
    return None


def comparison(nodes: int, tiny: bool) -> Comparison:
    """With the FC and FCD of noise."""
    rng = np.random.default_rng(2)
    sizes = {"window": 4.0, "step": 1.0} if tiny else {"window": 30.0, "step": 5.0}
    return Comparison(np.corrcoef(rng.normal(size=(nodes, 100))), rng.uniform(-1, 1, 55), tr=1.0, **sizes)


def layouts(run: Run) -> None:
    """Lanes and passes that the plan might have taken: what it rests on is not a time."""
    for case in (CASES[0], CASES[3], CASES[7]):
        small = run.small(case)
        simulations, steps = (4, 18) if run.tiny else (32768, 400)
        problem = ensemble(small, simulations, steps)
        chosen, groups = cuda_plan.plan(problem, processors(), simulated=cuda_device.simulated())
        blocks = -(-problem.nodes // chosen.rows)
        for lanes in (2,) if run.tiny else (32, 16, 8):
            for passes in (1, 2, 3, 6):
                if run.left() < 0:
                    return print("(no time left)")
                some = -(-blocks // passes)
                if some * lanes > 1024 or (passes > blocks):
                    continue
                registers = cuda_plan.registers_of(some * lanes, 128)
                layout = dataclasses.replace(chosen, lanes=lanes, registers=registers)
                layout = cuda_plan.with_shared(layout, problem, some)
                elapsed = []
                for _ in range(2):  # the first compiles
                    begun = time.perf_counter()
                    kernel.run_layout(problem, layout, some, resumable=False, on_device=True)
                    elapsed.append(time.perf_counter() - begun)
                mark = " (the plan's)" if (lanes, some) == (chosen.lanes, groups) else ""
                label = f"{small.label}, {lanes} lanes, {passes} passes"
                print(f"{label:68}{registers:>4} registers{elapsed[-1]:>9.3f}s{mark}", flush=True)
    return None


def tests(run: Run) -> None:
    """`pytest -m gpu`, some models in each process: they compile at once. In the simulator, whether they are found."""
    home = Path(__file__).parents[1]
    files = [str(path) for path in sorted(home.glob("tests/**/test_*.py")) if "mark.gpu" in path.read_text("utf-8")]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *files]
    names = list(models.MODELS)
    parts = [" or ".join(f"{name}-" for name in names[i::PROCESSES]) for i in range(PROCESSES)]
    parts = [f"({part})" for part in parts] + ["not (" + " or ".join(f"{name}-" for name in names) + ")"]
    if run.tiny:
        command, parts = [*command, "--collect-only"], [parts[0], parts[-1]]
    started = [
        subprocess.Popen([*command, "-k", part], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for part in parts
    ]
    for process, part in zip(started, parts, strict=True):
        try:
            output = process.communicate(timeout=max(10.0, run.left()))[0]
            lines = output.strip().splitlines()
            print("\n".join(lines[-1:] if process.returncode in (0, 5) else lines[-40:]), flush=True)
        except subprocess.TimeoutExpired:
            process.kill()
            print(f"no time left for the tests of {part}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="tiny sizes: does every line run?")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="default: all")
    parser.add_argument("--minutes", type=float, default=9.5, help="what does not fit into them is left out")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    warnings.simplefilter("ignore", RuntimeWarning)  # integers overflow on purpose, which only the simulator reports
    try:
        cuda_device.require()
    except SimulationError as error:
        sys.exit(str(error))
    where = "Numba's CUDA simulator" if cuda_device.simulated() else cuda.get_current_device().name
    where = where.decode() if isinstance(where, bytes) else where
    run = Run(options.tiny, end, *ceilings(options.tiny))
    print(f"{where}, {platform.node()}, {time.strftime('%Y-%m-%d')}, python {' '.join(sys.argv)}\n"
          f"measured: {run.flops / 1e12:.3g} TFLOP/s, {run.bytes / 1e9:.3g} GB/s")  # fmt: skip
    print(f"{'case':52}{'sims':>9}{'steps':>8}{'time':>10}{'Mnode-st/s':>12}{'FLOP':>7}{'memory':>8}", flush=True)
    each: dict[str, Callable[[Run], None]] = {
        "cases": cases, "rateml": rateml, "cubnm": cubnm, "layouts": layouts, "tests": tests
    }  # fmt: skip
    for name in SECTIONS:
        if name in options.only:
            print(f"-- {name}, {run.left():.0f} s left", flush=True)
            each[name](run)


if __name__ == "__main__":
    main()
