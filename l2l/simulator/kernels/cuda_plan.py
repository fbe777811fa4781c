"""How a CUDA block is laid out for a problem: lanes, groups of nodes, steps at once, registers, shared memory.

Results do not depend on it, only speed does. Registers and spills are what the assembler reports for sm_90
(`benchmarks/cuda_resources.py`, 68 nodes); times are estimated from them, since no GPU was at hand
(`benchmarks/simulator_gpu.py --only layouts` measures what the plan did not choose).

A multiprocessor has four quarters with 16,384 registers each, and gives out warps to them in turn: 17 warps take as
much as 20. Registers a thread: warps that can be resident: bytes spilled with delays (4 nodes x 16 steps in registers)
of MontbrioPazoRoxin, LarterBreakspear, JansenRit:
     96: 20: 380, 536, 520
    128: 16:   8,  28,  40
    168: 12:   0,   0,   0
So 128 are aimed at. With delays, what follows from a simulation's parameters alone is computed for each block of steps:
kept, it is spilled (at 112 registers 188, 548 and 396 bytes instead of 132, 172 and about 100). Without delays it is
kept, but for the second-order AdEx mean field, of whose 1,800 operations it is a small part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from l2l.simulator.codegen.cuda_layout import CudaLayout, sizes
from l2l.simulator.codegen.expression import walk
from l2l.simulator.codegen.system import Step
from l2l.simulator.kernels.cpu import contents
from l2l.simulator.problem import Problem

SHARED_BYTES = 48 * 1024  # more needs an opt-in that numba-cuda does not offer
SHARED = 228 * 1024  # of a multiprocessor
REGISTERS = 65536  # of a multiprocessor, and of a block
MOST_REGISTERS = 255  # of a thread
QUARTERS = 4  # of a multiprocessor, each with its share of registers and warps
THREADS = 1024  # of a block at most
# Operations of a step up to which so many registers do: 9 warps of the first-order AdEx mean field take 168 to 185, the
# second-order one spills even with 255.
ENOUGH = ((300, 128), (1000, 168), (None, 248))
FRESH_BLOCK, FRESH_STEP = 4, 1000  # steps, or operations, beside which a simulation's constants cost little anew
# An H200: bytes a second of its memory (measured copies) and of its cache, instructions a second of a multiprocessor.
MEMORY, CACHE, INSTRUCTIONS = 4.3e12, 5.5e12, 4 * 1.7e9
FIRST_CACHE = 128 * 1024  # bytes that weights may have to be read from the first-level cache
BUSY = 12  # warps with 16 loads under way each that keep the memory busy (Little's law at 800 ns)
SCATTERED = 1.5  # a load of 4 separate places against one: a guess


def plan(problem: Problem, processors: int = 132, *, simulated: bool = False) -> tuple[CudaLayout, int]:
    """Layout and number of node groups of a block, for a GPU of so many multiprocessors."""
    real = np.dtype(problem.precision)
    n, channels = problem.nodes, len(problem.step.channels)
    most = 32
    # Few simulations: smaller tiles, so that every multiprocessor has work, down to 32 bytes in a row.
    while most > 8 and 2 * problem.simulations <= most * processors:
        most //= 2
    while most > 1 and most // 2 >= problem.simulations:
        most //= 2
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
    else:
        rows = 8 if channels <= 1 else 4
    needed = next(registers for size, registers in ENOUGH if size is None or operations(problem.step) <= size)
    first = CudaLayout(
        lanes=most,
        delayed=delayed,
        block=block,
        tiled=False,
        rows=rows,
        **contents(problem),
        sparse=sparse,
        words=problem.precision == "float32" and not delayed and not problem.step.pairs,
        fresh=not problem.step.pairs and (block >= FRESH_BLOCK or operations(problem.step) > FRESH_STEP),
        simulated=simulated,
    )
    possible: list[tuple[CudaLayout, int]] = []
    for lanes, groups, registers in shapes(-(-n // rows), most, needed):
        layout = with_shared(replace(first, lanes=lanes, registers=registers), problem, groups)
        possible.append((layout, groups))
    return min(possible, key=lambda one: seconds(problem, one[0], one[1], processors))


def shapes(blocks: int, most: int, needed: int) -> Iterator[tuple[int, int, int]]:
    """(lanes, groups, registers) for so many blocks of nodes: up to `most` lanes, at least `needed` registers."""
    lanes = most
    while lanes >= min(most, 8):
        for passes in range(1, blocks + 1):
            groups = -(-blocks // passes)
            registers = registers_of(groups * lanes, needed)
            if groups * lanes <= THREADS and (registers >= needed or groups == 1):
                yield lanes, groups, registers
        lanes //= 2


def registers_of(threads: int, needed: int) -> int:
    """The most registers a thread may take when as many blocks are resident as can be with those needed."""
    warps = -(-threads // 32)
    blocks = max(1, warps_of(needed) // warps)
    return min(MOST_REGISTERS, REGISTERS // (-(-blocks * warps // QUARTERS) * QUARTERS * 32) // 8 * 8)


def warps_of(registers: int) -> int:
    """Warps of a multiprocessor that can take so many registers a thread (given out by eights)."""
    return REGISTERS // QUARTERS // (-(-registers // 8) * 8 * 32) * QUARTERS


def operations(step: Step) -> int:
    """Of one step of one node."""
    return sum(not (node.is_const or node.is_symbol) for node in walk(step.roots()))


def resident(problem: Problem, layout: CudaLayout, groups: int, processors: int) -> int:
    """Blocks of a multiprocessor: what registers and shared memory allow, and no more than there are."""
    warps = -(-groups * layout.lanes // 32)
    there_are = -(-problem.simulations // (layout.lanes * processors))
    fit = SHARED // (shared_bytes(problem, layout, groups) + 1024)
    return max(1, min(warps_of(layout.registers) // warps, fit, there_are))


def seconds(problem: Problem, layout: CudaLayout, groups: int, processors: int) -> float:
    """Estimated time of one step of one simulation among many."""
    n, channels, K = problem.nodes, max(1, len(problem.step.channels)), layout.block
    number = np.dtype(problem.precision).itemsize
    blocks = -(-n // layout.rows)
    passes = -(-blocks // groups)
    working = resident(problem, layout, groups, processors) * groups * layout.lanes / 32  # warps
    even = blocks / (passes * groups)  # the last pass may have fewer nodes
    each_load = 2.3 * (SCATTERED if layout.lanes < 16 else 1.0) if layout.delayed else 1.4
    instructions = n * (n * channels * each_load + 2.0 * operations(problem.step)) / 32
    total = instructions / (INSTRUCTIONS * processors) / (min(1.0, working / BUSY) * even)
    matrix = n * n * (2 if layout.delayed else 1) * number
    if matrix > FIRST_CACHE:
        total += matrix / K / layout.lanes / CACHE
    if layout.delayed:
        assert problem.delays is not None
        rows = passes * (float(problem.delays.max()) + K) / K
        total += n * channels * rows * number / MEMORY / min(1.0, working / BUSY)
    return total


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
