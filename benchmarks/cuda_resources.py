"""Registers, spills, shared memory and occupancy of every model's CUDA kernel, without a GPU.

Compiles each kernel to a cubin for one architecture and prints what the assembler says of it. Needs the `cuda` extra.

    pip install 'l2l[cuda]'
    python benchmarks/cuda_resources.py --nodes 68 --architecture 90

In brackets what lies in shared memory (R sources, C coupling sums, Z noise, S states); "spill B" are stores and loads
together; "resident" is the share of a multiprocessor's threads. numba-cuda 0.30.4, CUDA 13.4, two busy cores; nothing
of this was run on a GPU:

    sm_90, 68 nodes, float32, means every 10 steps, noise everywhere
    kernel                                            K lanes threads  regs spill B stack B  shared resident compile
    Kuramoto, delays (C)                              8     8     136   128      16     144   34816      23%     17s
    Kuramoto, no delays (R+C+Z+S)                     1     8     136   120       0       0   19584      23%     10s
    SupHopf, delays (C)                               8     8     136   128      16     272   34816      23%     15s
    SupHopf, no delays (R+C+Z+S)                      1     8     136   118       0       0   26112      23%      5s
    Generic2dOscillator, delays (C)                  16     8     136   128       8     528   34816      23%      9s
    Generic2dOscillator, no delays (R+C+Z)            1    32      96   128       0       0   23552      23%     10s
    FitzHughNagumo, delays (C)                       16     8     136   128       0     512   34816      23%     28s
    FitzHughNagumo, no delays (R+C+Z)                 1    32      96   128       0       0   23552      23%      4s
    ReducedWongWang, delays (C)                      16     8     136   128       0     256   34816      23%      9s
    ReducedWongWang, no delays (R+C+Z+S)              1    32      96   128       0       0   39424      23%     13s
    ReducedWongWangExcInh, delays (C)                16     8     136   128       0     512   34816      23%     12s
    ReducedWongWangExcInh, no delays (R+C+Z)          1    32      96   128       0       0   23552      23%      4s
    ReducedWongWangFIC, delays (C)                   16     8     136   128       0     512   34816      23%     15s
    ReducedWongWangFIC, no delays (R+C+Z)             1    32      96   128       0       0   23552      23%     14s
    WilsonCowan, delays (C)                          16     8     136   128       0     512   34816      23%     10s
    WilsonCowan, no delays (R+C+Z)                    1    32      96   128       0       0   23552      23%      7s
    JansenRit, delays (C)                            16     8     136   128      40    1552   34816      23%     10s
    JansenRit, no delays (R+C+Z)                      1    32      96   128      40      16   29696      23%      5s
    MontbrioPazoRoxin, delays (C)                    16     8     136   128       8     528   34816      23%      4s
    MontbrioPazoRoxin, no delays (R+C+Z)              1    32      96   124       0       0   23552      23%      2s
    Epileptor, delays (C)                            16     8     136   128       0    1536   34816      23%      5s
    Epileptor, no delays (R+C+Z)                      1    32      96   128       0       0   29696      23%      4s
    Epileptor2D, delays (C)                          16     8     136   128       0     512   34816      23%      6s
    Epileptor2D, no delays (R+C+Z)                    1    32      96   128       0       0   23552      23%      3s
    LarterBreakspear, delays (C)                     16     8     136   128      16     784   34816      23%     11s
    LarterBreakspear, no delays (R+C+Z)               1    32      96   128      36      16   25088      23%      2s
    Linear, delays (C)                               16     8     136   128       8     272   34816      23%      4s
    Linear, no delays (R+C+Z+S)                       1    32      96   126       0       0   39424      23%      2s
    ZerlautAdaptationFirstOrder, delays ()           16    16     272   168       0    1536       0      14%      8s
    ZerlautAdaptationFirstOrder, no delays (R+C+Z)    1    32      96   168       0       0   28160      19%      7s
    ZerlautAdaptationSecondOrder, delays (C)         16    32     128   255     156    2096   32768      12%     16s
    ZerlautAdaptationSecondOrder, no delays (R+C+Z)   1    32      32   255       0       0   22528      12%     12s
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import time
from dataclasses import dataclass

import numpy as np

from l2l.simulator import models, monitors, noise
from l2l.simulator.codegen.cuda import emit_cuda
from l2l.simulator.codegen.cuda_layout import CudaLayout
from l2l.simulator.coupling import Kuramoto, Linear
from l2l.simulator.kernels import cuda_plan
from l2l.simulator.kernels.cuda_offline import compile_ptx, signature
from l2l.simulator.prepare import prepare
from l2l.simulator.problem import Problem

# Limits of a multiprocessor: compute capability 8.0 and 9.0.
THREADS, REGISTERS, BLOCKS, GRANULARITY, QUARTERS = 2048, 65536, 32, 256, 4
SHARED = {80: 164 * 1024, 86: 100 * 1024, 89: 100 * 1024, 90: 228 * 1024, 100: 228 * 1024}


SWITCHED_ON = {"Epileptor": {"Kvf": 1.0}, "Epileptor2D": {"Kvf": 1.0}}  # their coupling is 0 by default


@dataclass(frozen=True)
class Resources:
    """What the assembler says of one kernel, bytes a thread (a block: shared)."""

    registers: int
    stack: int
    spilled: int
    shared: int
    threads: int
    seconds: float

    def occupancy(self, architecture: int) -> float:
        """Share of a multiprocessor's threads that can be resident; 0: the kernel cannot be launched."""
        warps = -(-self.threads // 32)
        registers = -(-self.registers * 32 // GRANULARITY) * GRANULARITY
        # Each quarter of a multiprocessor has its share of the registers.
        most = REGISTERS // QUARTERS // registers * QUARTERS
        memory = SHARED.get(architecture, 100 * 1024)
        blocks = min(most // warps, THREADS // (warps * 32), BLOCKS, memory // (self.shared + 1024))
        return blocks * warps * 32 / THREADS


def problem(name: str, nodes: int, longest: int | None, simulations: int, precision: str, dt: float = 0.1) -> Problem:
    """The benchmark's ensemble: noise on every state, means every 10 steps, delays of 20 to `longest` steps."""
    rng = np.random.default_rng(1)
    weights = rng.random((nodes, nodes)) / nodes
    np.fill_diagonal(weights, 0.0)
    lengths = None if longest is None else (20 + (longest - 20) * rng.random((nodes, nodes))) * dt
    strengths = np.linspace(0.01, 0.02, simulations)[:, None]
    kept = monitors.TemporalAverage(period=10 * dt, variables=models.MODELS[name].states[0].name)
    return prepare(
        models.MODELS[name], weights, lengths, parameters={"coupling.a": strengths, **SWITCHED_ON.get(name, {})},
        coupling=Kuramoto() if name == "Kuramoto" else Linear(), integrator="heun", noise=noise.Additive(sigma=1e-3),
        duration=1000 * dt, dt=dt, speed=None if longest is None else 1.0, initial=None, monitors=(kept,), seed=1,
        simulations=simulations, precision=precision,
    ).problems[0][1]  # fmt: skip


def compiled(layout: CudaLayout, source: str, architecture: int, threads: int, shared: int) -> Resources:
    """Compiles the kernel to a cubin and reads the assembler's report."""
    from cuda.core import Linker, LinkerOptions, ObjectCode

    begun = time.perf_counter()
    ptx = compile_ptx(source, signature(layout), architecture)
    options = LinkerOptions(
        arch=f"sm_{architecture}",
        ptxas_options=["-v"],
        max_register_count=layout.registers,
        link_time_optimization=False,
    )
    linker = Linker(ObjectCode.from_ptx(ptx.encode()), options=options)
    linker.link("cubin")
    log = linker.get_info_log() + linker.get_error_log()

    def found(pattern: str) -> int:
        match = re.search(pattern, log)
        return int(match.group(1)) if match else 0

    return Resources(
        registers=found(r"Used (\d+) registers"),
        stack=found(r"(\d+) bytes stack frame"),
        spilled=found(r"(\d+) bytes spill stores") + found(r"(\d+) bytes spill loads"),
        shared=shared,
        threads=threads,
        seconds=time.perf_counter() - begun,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(models.MODELS), help="default: all")
    parser.add_argument("--nodes", type=int, default=68)
    parser.add_argument("--simulations", type=int, default=65536)
    parser.add_argument("--longest", type=int, default=500, help="longest delay in steps")
    parser.add_argument("--architecture", type=int, default=90, help="compute capability, 90 for 9.0")
    parser.add_argument("--precision", default="float32", choices=["float32", "float64"])
    options = parser.parse_args()
    try:
        import cuda.core  # noqa: F401
        import numba_cuda  # noqa: F401
    except ImportError as error:
        sys.exit(f"{error.name} is not installed: pip install 'l2l[cuda]'")
    logging.getLogger("numba").setLevel(logging.ERROR)
    print(
        f"sm_{options.architecture}, {options.nodes} nodes, {options.precision}, means every 10 steps, noise everywhere"
    )
    print(f"{'kernel':48}{'K':>3}{'lanes':>6}{'threads':>8}{'regs':>6}{'spill B':>8}{'stack B':>8}{'shared':>8}"
          f"{'resident':>9}{'compile':>8}")  # fmt: skip
    for name in options.models:
        for longest in (options.longest, None):
            case = problem(name, options.nodes, longest, options.simulations, options.precision)
            layout, groups = cuda_plan.plan(case)
            source = emit_cuda(case.step, layout)
            shared = cuda_plan.shared_bytes(case, layout, groups)
            r = compiled(layout, source, options.architecture, layout.lanes * groups, shared)
            resident = r.occupancy(options.architecture)
            label = f"{name}, {'delays' if longest else 'no delays'} ({'+'.join(layout.shared)})"
            print(f"{label:48}{layout.block:>3}{layout.lanes:>6}{r.threads:>8}{r.registers:>6}{r.spilled:>8}{r.stack:>8}"
                  f"{r.shared:>8}{resident:>9.0%}{r.seconds:>7.0f}s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
