"""Registers, spills, shared memory and occupancy of every model's CUDA kernel, without a GPU.

Compiles each kernel to a cubin for one architecture and prints what the assembler says of it. Needs the `cuda` extra.

    pip install 'l2l[cuda]'
    python benchmarks/cuda_resources.py --nodes 68 --architecture 90
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import time
import types
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2l.simulator import models, monitors, noise
from l2l.simulator.codegen.cuda import CudaLayout, emit_cuda
from l2l.simulator.coupling import Linear
from l2l.simulator.kernels import cuda as kernel
from l2l.simulator.prepare import prepare
from l2l.simulator.problem import Problem

# Limits of a multiprocessor: compute capability 8.0 and 9.0.
THREADS, REGISTERS, BLOCKS, GRANULARITY = 2048, 65536, 32, 256
SHARED = {80: 164 * 1024, 86: 100 * 1024, 89: 100 * 1024, 90: 228 * 1024, 100: 228 * 1024}


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
        registers = warps * -(-self.registers * 32 // GRANULARITY) * GRANULARITY
        memory = SHARED.get(architecture, 100 * 1024)
        blocks = min(REGISTERS // registers, THREADS // (warps * 32), BLOCKS, memory // (self.shared + 1024))
        return blocks, blocks * warps * 32 / THREADS


def problem(name: str, nodes: int, longest: int | None, simulations: int, precision: str, dt: float = 0.1) -> Problem:
    """The benchmark's ensemble: noise on every state, means every 10 steps, delays of 20 to `longest` steps."""
    rng = np.random.default_rng(1)
    weights = rng.random((nodes, nodes)) / nodes
    np.fill_diagonal(weights, 0.0)
    lengths = None if longest is None else (20 + (longest - 20) * rng.random((nodes, nodes))) * dt
    return prepare(
        models.MODELS[name], weights, lengths, parameters={"G": np.linspace(0.01, 0.02, simulations)[:, None]},
        coupling=Linear(), integrator="heun", noise=noise.Additive(sigma=1e-3), duration=1000 * dt, dt=dt,
        speed=None if longest is None else 1.0, initial=None,
        monitors=(monitors.TemporalAverage(period=10 * dt, variables=models.MODELS[name].states[0].name),),
        seed=1, simulations=simulations, precision=precision,
    ).problems[0][1]  # fmt: skip


def signature(layout: CudaLayout) -> Any:
    """Types of the kernel's arguments."""
    from numba import types as t

    real = getattr(t, layout.precision)
    reals, whole = real[::1], t.int64
    weights = t.uint64[::1] if layout.precision == "float32" and not layout.delayed else reals
    outputs = [reals] * (2 * len(layout.recorders))
    return t.void(
        reals, reals, weights, t.int32[::1], reals, reals, reals, reals, t.uint32[::1], reals, t.int64[::1],
        *outputs, t.int64[::1], whole, whole, whole, whole, whole, real,
    )  # fmt: skip


def compiled(layout: CudaLayout, source: str, architecture: int, threads: int, shared: int) -> Resources:
    """Compiles the kernel to a cubin and reads the assembler's report."""
    from cuda.core import Linker, LinkerOptions, ObjectCode
    from numba import cuda
    from numba.cuda import dispatcher

    class Offline:
        compute_capability = divmod(architecture, 10)

    dispatcher.get_current_device = lambda: Offline  # device functions would ask the driver
    begun = time.perf_counter()
    # The function itself is wanted, without the decorator that would ask for a device.
    head, body = source.rsplit("@cuda.jit(", 1)
    module = types.ModuleType("resources")
    exec(head + body.split(")\n", 1)[1], module.__dict__)
    ptx, _ = cuda.compile_ptx(module.kernel, signature(layout), cc=divmod(architecture, 10))
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
    print(f"{'kernel':44}{'K':>3}{'threads':>8}{'regs':>6}{'spill B':>8}{'stack B':>8}{'shared':>8}{'blocks':>7}"
          f"{'resident':>9}{'compile':>9}")  # fmt: skip
    for name in options.models:
        for longest in (options.longest, None):
            case = problem(name, options.nodes, longest, options.simulations, options.precision)
            layout, groups = kernel.plan(case)
            source = emit_cuda(case.step, layout)
            shared = kernel.shared_bytes(case, layout, groups)
            r = compiled(layout, source, options.architecture, layout.lanes * groups, shared)
            blocks, resident = r.occupancy(options.architecture)
            label = f"{name}, {'delays' if longest else 'no delays'} ({'+'.join(layout.shared)})"
            print(f"{label:44}{layout.block:>3}{r.threads:>8}{r.registers:>6}{r.spilled:>8}{r.stack:>8}{r.shared:>8}"
                  f"{blocks:>7}{resident:>9.0%}{r.seconds:>8.1f}s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
