"""Registers, spills, shared memory and occupancy of every model's CUDA kernel, without a GPU.

Compiles each kernel to a cubin for one architecture and prints what the assembler says of it. Needs the `cuda` extra.

    pip install 'l2l[cuda]'
    python benchmarks/cuda_resources.py --nodes 68 --architecture 90

In brackets what lies in shared memory (R sources, C coupling sums, Z noise, S states); "spill B" are stores and loads
together; "blocks" and "resident" of a multiprocessor. numba-cuda 0.30.4, CUDA 13.4, nothing of this was run on a GPU:

    sm_90, 68 nodes, float32, means every 10 steps, noise everywhere
    kernel                                        K lanes threads  regs spill B stack B  shared blocks resident  compile
    Kuramoto, delays (C)                          8     8     136   128      16     144   34816      3      23%    17.3s
    Kuramoto, no delays (R+C+Z+S)                 1     8     136   120       0       0   19584      3      23%     9.5s
    SupHopf, delays (C)                           8     8     136   128      16     272   34816      3      23%    14.8s
    SupHopf, no delays (R+C+Z+S)                  1     8     136   118       0       0   26112      3      23%     5.4s
    Generic2dOscillator, delays (C)              16     8     136   128       8     528   34816      3      23%     9.3s
    Generic2dOscillator, no delays (R+C+Z)        1    32      96   128       0       0   23552      5      23%     9.9s
    FitzHughNagumo, delays (C)                   16     8     136   128       0     512   34816      3      23%    27.8s
    FitzHughNagumo, no delays (R+C+Z)             1    32      96   128       0       0   23552      5      23%     4.3s
    ReducedWongWang, delays (C)                  16     8     136   128       0     256   34816      3      23%     9.4s
    ReducedWongWang, no delays (R+C+Z+S)          1    32      96   128       0       0   39424      5      23%    13.4s
    ReducedWongWangExcInh, delays (C)            16     8     136   128       0     512   34816      3      23%    11.9s
    ReducedWongWangExcInh, no delays (R+C+Z)      1    32      96   128       0       0   23552      5      23%     3.5s
    ReducedWongWangFIC, delays (C)               16     8     136   128       0     512   34816      3      23%    14.9s
    ReducedWongWangFIC, no delays (R+C+Z)         1    32      96   128       0       0   23552      5      23%    13.5s
    WilsonCowan, delays (C)                      16     8     136   128       0     512   34816      3      23%     9.8s
    WilsonCowan, no delays (R+C+Z)                1    32      96   128       0       0   23552      5      23%     6.9s
    JansenRit, delays (C)                        16     8     136   128      40    1552   34816      3      23%     9.8s
    JansenRit, no delays (R+C+Z)                  1    32      96   128      40      16   29696      5      23%     4.7s
    MontbrioPazoRoxin, delays (C)                16     8     136   128       8     528   34816      3      23%     4.1s
    MontbrioPazoRoxin, no delays (R+C+Z)          1    32      96   124       0       0   23552      5      23%     2.3s
    Epileptor, delays (C)                        16     8     136   128       0    1536   34816      3      23%     4.9s
    Epileptor, no delays (R+C+Z)                  1    32      96   128       0       0   29696      5      23%     3.8s
    Epileptor2D, delays (C)                      16     8     136   128       0     512   34816      3      23%     5.9s
    Epileptor2D, no delays (R+C+Z)                1    32      96   128       0       0   23552      5      23%     2.6s
    LarterBreakspear, delays (C)                 16     8     136   128      16     784   34816      3      23%    10.6s
    LarterBreakspear, no delays (R+C+Z)           1    32      96   128      36      16   25088      5      23%     2.4s
    Linear, delays (C)                           16     8     136   128       8     272   34816      3      23%     4.3s
    Linear, no delays (R+C+Z+S)                   1    32      96   126       0       0   39424      5      23%     2.1s
    ZerlautAdaptationFirstOrder, delays ()       16    16     272   168       0    1536       0      1      14%     7.8s
    ZerlautAdaptationFirstOrder, no delays (R+C+Z)  1    32      96   168       0       0   28160      4      19%     7.3s
    ZerlautAdaptationSecondOrder, delays (C)     16    32     128   255     156    2096   32768      2      12%    15.7s
    ZerlautAdaptationSecondOrder, no delays (R+C+Z)  1    32      32   255       0       0   22528      8      12%    12.5s
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

    def occupancy(self, architecture: int) -> tuple[int, float]:
        """(blocks of a multiprocessor, share of its threads that are resident)."""
        warps = -(-self.threads // 32)
        registers = -(-self.registers * 32 // GRANULARITY) * GRANULARITY
        # Each quarter of a multiprocessor has its share of the registers.
        most = REGISTERS // QUARTERS // registers * QUARTERS
        memory = SHARED.get(architecture, 100 * 1024)
        blocks = min(most // warps, THREADS // (warps * 32), BLOCKS, memory // (self.shared + 1024))
        return blocks, blocks * warps * 32 / THREADS


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
    print(f"{'kernel':44}{'K':>3}{'lanes':>6}{'threads':>8}{'regs':>6}{'spill B':>8}{'stack B':>8}{'shared':>8}"
          f"{'blocks':>7}{'resident':>9}{'compile':>9}")  # fmt: skip
    for name in options.models:
        for longest in (options.longest, None):
            case = problem(name, options.nodes, longest, options.simulations, options.precision)
            layout, groups = cuda_plan.plan(case)
            source = emit_cuda(case.step, layout)
            shared = cuda_plan.shared_bytes(case, layout, groups)
            r = compiled(layout, source, options.architecture, layout.lanes * groups, shared)
            blocks, resident = r.occupancy(options.architecture)
            label = f"{name}, {'delays' if longest else 'no delays'} ({'+'.join(layout.shared)})"
            print(f"{label:44}{layout.block:>3}{layout.lanes:>6}{r.threads:>8}{r.registers:>6}{r.spilled:>8}{r.stack:>8}{r.shared:>8}"
                  f"{blocks:>7}{resident:>9.0%}{r.seconds:>8.1f}s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
