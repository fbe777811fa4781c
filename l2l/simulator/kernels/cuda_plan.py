"""How a CUDA block is laid out for a problem: lanes, groups of nodes, steps at once, registers, shared memory.

Results do not depend on it, only speed does. The numbers are registers and spills that the assembler reports for sm_90
(`benchmarks/cuda_resources.py`, 68 nodes), since no GPU was at hand.

With delays the ring is read from device memory once in each pass over the nodes, and is far larger than the cache: one
pass is the aim. With 64 sums in registers (4 nodes x 16 steps) a thread needs about 120; less makes it spill, more is
of no use. Bytes spilled of MontbrioPazoRoxin, Epileptor, LarterBreakspear:
    9 groups, two passes, 112 registers                                          188, 356, 548
    the same, but constants of a simulation computed for each block of steps     132,  12, 172
    17 groups, one pass, 120 registers, constants likewise                        16,  12,  68
    9 groups, 168 registers, so that one block only fits a multiprocessor          0,   0,   0
The third is taken: half of the memory traffic of the others, with as many threads resident as the first two.

Without delays the constants of a simulation are kept, but for the second-order AdEx mean field: it spills 424 bytes if
they are, none if not, and they are a small part of its 1,800 operations. With delays it spills about 550 either way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from l2l.simulator.codegen.cuda_layout import CudaLayout, sizes
from l2l.simulator.codegen.expression import walk
from l2l.simulator.codegen.system import Step
from l2l.simulator.kernels.cpu import contents
from l2l.simulator.problem import Problem

SHARED_BYTES = 48 * 1024  # more needs an opt-in that numba-cuda does not offer
REGISTERS = 65536  # of a multiprocessor, and of a block
MOST_REGISTERS = 255  # of a thread
THREADS = 512  # of a block without delays at most, so that a thread may have 128 registers
ENOUGH_REGISTERS = 96  # for the sums of 8 nodes, and a step
DELAYED_REGISTERS = 120  # for 64 sums
LARGE_STEP, LARGE_REGISTERS = 300, 224  # operations; the AdEx mean fields keep so many values
FRESH_BLOCK, FRESH_STEP = 4, 1000  # steps, or operations, beside which a simulation's constants cost little anew
NARROW = 16  # lanes: 64 bytes in a row


def plan(problem: Problem, processors: int = 132, *, simulated: bool = False) -> tuple[CudaLayout, int]:
    """Layout and number of node groups of a block, for a GPU of so many multiprocessors."""
    real = np.dtype(problem.precision)
    n, channels = problem.nodes, len(problem.step.channels)
    lanes = 32
    # Few simulations: smaller tiles, so that every multiprocessor has work, down to 32 bytes in a row.
    while lanes > 8 and 2 * problem.simulations <= lanes * processors:
        lanes //= 2
    while lanes > 1 and lanes // 2 >= problem.simulations:
        lanes //= 2
    delayed = problem.delays is not None and channels > 0
    sums = 64 if real.itemsize == 4 else 32  # of a thread
    block, sparse = 1, False
    if delayed:
        assert problem.delays is not None
        connected = problem.weights != 0
        shortest = int(problem.delays[connected].min(initial=16))
        rows = 4
        # Where coupling is taken at every stage, nodes meet within the step; a function of pairs reads the receiver.
        longest = 1 if problem.step.stages or problem.step.pairs else min(16, shortest + 1)
        block = next(k for k in (16, 8, 4, 2, 1) if k <= longest and (k * rows * channels <= sums or k == 1))
        sparse = float(connected.mean()) < 0.9
        needed = LARGE_REGISTERS if operations(problem.step) > LARGE_STEP else DELAYED_REGISTERS
        lanes, groups = fewest_passes(-(-n // rows), lanes, needed)
    else:
        rows = 8 if channels <= 1 else 4
        groups = evenly(-(-n // rows), max(1, THREADS // lanes))
    layout = CudaLayout(
        lanes=lanes,
        delayed=delayed,
        block=block,
        tiled=False,
        rows=rows,
        **contents(problem),
        sparse=sparse,
        words=problem.precision == "float32" and not delayed and not problem.step.pairs,
        fresh=not problem.step.pairs and (block >= FRESH_BLOCK or operations(problem.step) > FRESH_STEP),
        registers=registers_of(groups * lanes, problem.step),
        simulated=simulated,
    )
    return with_shared(layout, problem, groups), groups


def evenly(blocks: int, most: int) -> int:
    """Groups that share so many blocks of nodes evenly, in the fewest passes."""
    return -(-blocks // -(-blocks // most))


def fewest_passes(blocks: int, lanes: int, needed: int) -> tuple[int, int]:
    """(lanes, groups) that take the nodes in the fewest passes, each thread with the registers it needs."""
    best: tuple[int, int, int] | None = None
    while best is None or lanes >= NARROW:
        groups = evenly(blocks, max(1, REGISTERS // (needed * 32) * 32 // lanes))
        passes = -(-blocks // groups)
        if best is None or passes < best[0]:
            best = (passes, lanes, groups)
        lanes //= 2
    return best[1], best[2]


def operations(step: Step) -> int:
    """Of one step of one node. A large one keeps so many values that half of the registers would not do."""
    return sum(not (node.is_const or node.is_symbol) for node in walk(step.roots()))


def registers_of(threads: int, step: Step) -> int:
    """The most registers a thread may take: so that two blocks share a multiprocessor, or else that one fits."""
    warps = -(-threads // 32)
    share = REGISTERS // (2 * warps * 32) // 8 * 8
    if share >= ENOUGH_REGISTERS and operations(step) <= LARGE_STEP:
        return min(MOST_REGISTERS, share)
    return min(MOST_REGISTERS, REGISTERS // (warps * 32) // 8 * 8)


def with_shared(layout: CudaLayout, problem: Problem, groups: int) -> CudaLayout:
    """As much as fits in shared memory, what is read most often first."""
    needed = sizes(problem.step, layout, problem.nodes, groups)
    left = SHARED_BYTES // np.dtype(layout.precision).itemsize
    chosen = []
    for name in ("R", "C", "Z", "S"):
        if 0 < needed[name] <= left:
            chosen.append(name)
            left -= needed[name]
    return replace(layout, shared=tuple(chosen))


def shared_bytes(problem: Problem, layout: CudaLayout, groups: int) -> int:
    """Dynamic shared memory of a block."""
    needed = sizes(problem.step, layout, problem.nodes, groups)
    return sum(needed[name] for name in layout.shared) * np.dtype(layout.precision).itemsize
