"""CPU kernel: lanes of simulations in SIMD registers, tiles of lanes over threads."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from l2l.simulator.codegen.emit import Layout
from l2l.simulator.codegen.lanes import emit
from l2l.simulator.codegen.recorders import Recorder
from l2l.simulator.kernels.build import build
from l2l.simulator.kernels.pack import Connections, Tile, connections
from l2l.simulator.problem import Outcome, Problem, Progress

L2_BYTES = 1 << 20
# Steps that sums over long delays are taken ahead, and the least share of connections with delays as long.
AHEAD, LONG = (64, 32, 16, 8), 0.75
# Density below which listed connections beat a matrix, without delays. Million node-steps/s, list against matrix, at
# 30, 50, 70 %: ReducedWongWang, 84 nodes 410 : 278, 338 : 274, 304 : 281; MontbrioPazoRoxin, 68 nodes 386 : 301,
# 332 : 298, 294 : 301; ReducedWongWang, 400 nodes 147 : 108, 100 : 108, 73 : 108 (benchmarks/simulator_cpu.py).
SPARSE, SPARSE_LARGE, LARGE = 0.55, 0.4, 200
# States from which a node of two vectors no longer fits into registers and the first-level cache. Million node-steps/s,
# 68 nodes, one vector against two, with delays: Epileptor 79 : 69, JansenRit 78 : 74 (6 states), LarterBreakspear
# 85 : 91 (3); without: Epileptor 270 : 249, JansenRit 90 : 86.
MANY_STATES = 5
# States up to which two nodes abreast fit into the registers. Million node-steps/s, two against one, where sums are
# taken ahead: ReducedWongWang 149 : 127, Kuramoto 127 : 117, MontbrioPazoRoxin 202 : 192; Epileptor 88 : 103.
FEW_STATES = 2
STRETCH = 65536  # node-steps of one simulation between two looks at the states


@functools.cache
def register_bytes() -> int:
    """Width of the processor's vector registers."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx") else 16


def default_threads() -> int:
    """The cores this process may use; no more than OMP_NUM_THREADS says.

    A worker of a cluster shares its machine with others, and tells its share in that customary way.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # "4,2": of the outermost level
    return min(cores, int(told)) if told.isdecimal() and int(told) > 0 else cores


def plan(problem: Problem, by_source: bool = False) -> Layout:
    """The layout for this problem. Results do not depend on it, only speed does.

    by_source: take each sum in the order of the sources, as the CUDA kernel does, none of it ahead.
    """
    real = np.dtype(problem.precision)
    width = register_bytes() // real.itemsize
    registers = 32 if register_bytes() == 64 or register_bytes() == 16 else 16
    n, channels = problem.nodes, max(1, len(problem.step.channels))
    delayed = problem.delays is not None and len(problem.step.channels) > 0
    tiled = sparse = False
    ahead = chunk = 0
    if delayed:
        assert problem.delays is not None
        used = problem.delays[problem.weights != 0]
        # Where coupling is taken at every stage, nodes meet within the step; a function of pairs reads the receiver.
        longest_block = 1 if problem.step.stages or problem.step.pairs else 16
        block = next(k for k in (16, 8, 4, 2, 1) if k <= min(longest_block, int(used.min(initial=16)) + 1))
        ahead = 0 if by_source else steps_ahead(problem)
        lanes = width * (2 if n <= 100 and len(problem.step.states) < MANY_STATES and not ahead else 1)
        while block > 4 and block * channels * (lanes // width) > registers:
            block //= 2
        ring = channels * n * int(used.max(initial=0)) * lanes * real.itemsize
        if ahead:
            chunk = min(16 if registers == 32 else 8, ahead)
            while chunk > 4 and 4 * chunk * channels * (lanes // width) > 3 * registers:
                chunk //= 2
        tiled = ring > L2_BYTES and (block >= 4 or ahead > 0)
        rows = 1
    else:
        block = 1
        density = int(np.count_nonzero(problem.weights)) / problem.weights.size
        sparse = density < (SPARSE if n <= LARGE else SPARSE_LARGE) and not problem.step.pairs
        rows = 1 if sparse or problem.step.pairs else 4 if channels == 1 else 2
        # Several states or channels a node: fewer lanes, so that they stay in the first-level cache.
        states = len(problem.step.states)
        wide = 4 if states == 1 else 2 if states < MANY_STATES else 1
        lanes = width * max(1, min(wide, registers // 2 // (rows * channels)))
    while lanes > width and lanes // 2 >= problem.simulations:
        lanes //= 2
    return Layout(
        lanes=lanes,
        delayed=delayed,
        block=block,
        tiled=tiled,
        rows=rows,
        **contents(problem),
        sparse=sparse,
        ahead=ahead,
        chunk=chunk,
        abreast=2 if ahead and len(problem.step.states) <= FEW_STATES else 1,
        odd=n % 2 == 1,
    )


def steps_ahead(problem: Problem) -> int:
    """How many steps the sums over long delays are taken at once; 0: all sums are taken at every block.

    What has been sent long ago is then read once in so many steps, however short the shortest delay is. The long delays
    come first in each sum, so its rounding depends on this number: it follows from the network alone, never from the
    number of simulations or from the processor.
    """
    if problem.delays is None or problem.step.stages or problem.step.pairs:
        return 0
    behind = problem.delays[problem.weights != 0] + 1
    if not behind.size:
        return 0
    ring = len(problem.step.channels) * problem.nodes * int(behind.max()) * 64
    if ring <= L2_BYTES and behind.min() >= 16:
        return 0
    ahead = next((steps for steps in AHEAD if np.mean(behind >= steps) >= LONG), 0)
    return ahead if ahead > min(16, behind.min()) else 0


class Contents(TypedDict):
    """What a layout says of the problem itself, whatever the device."""

    levels: tuple[tuple[str, int], ...]
    noise: str
    compensated: bool
    precision: str
    recorders: tuple[Recorder, ...]
    waves: tuple[tuple[str, bool, bool], ...]


def contents(problem: Problem) -> Contents:
    """The part of a layout that every kernel takes over from the problem."""
    return {
        "levels": tuple((name, _array_of(problem, name)) for name in problem.step.parameters()),
        "noise": problem.noise,
        "compensated": problem.precision == "float32",
        "precision": problem.precision,
        "recorders": tuple(r.recorder for r in problem.recordings),
        "waves": tuple((name, wave.swept, wave.regional) for name, wave in problem.waves.items()),
    }


def _array_of(problem: Problem, name: str) -> int:
    simulations, nodes = problem.parameters[name].shape
    return 0 if nodes == 1 else (1 if simulations == 1 else 2)


def stretch_of(problem: Problem) -> int:
    """Steps of one call of the kernel, a multiple of every block length and of what is summed ahead."""
    return max(AHEAD[0], STRETCH // problem.nodes // AHEAD[0] * AHEAD[0])


def run(
    problem: Problem, threads: int | None = None, progress: Progress | None = None, resumable: bool = True
) -> Outcome:
    """Runs all tiles of the ensemble on `threads` threads (None: one a core).

    resumable: keep what was sent in the past, which with delays is large.
    """
    return run_layout(problem, plan(problem), threads, progress, resumable)


def run_layout(
    problem: Problem, layout: Layout, threads: int | None, progress: Progress | None = None, resumable: bool = True
) -> Outcome:
    """Runs the ensemble in a given layout."""
    kernel = build(emit(problem.step, layout))
    network = connections(problem, layout)
    real = np.dtype(layout.precision)
    total, n = problem.simulations, problem.nodes
    outcome = Outcome(
        records=[np.empty((total, r.rows, r.recorder.quantities, r.width(n)), real) for r in problem.recordings],
        diverged=np.full(total, -1, dtype=np.int64),
        state=np.empty((total, len(problem.step.states), n)),
        compensation=np.zeros((total, len(problem.step.states), n)),
        balloon=[np.empty((total, 4, n)) if r.recorder.kind == "bold" else None for r in problem.recordings],
    )
    if resumable or not layout.delayed:
        outcome.sends = np.empty((total, len(problem.step.channels), network.horizon, n))
    meter = _Meter(progress, total * problem.steps)
    given = np.zeros(1, real) if problem.given is None else np.ascontiguousarray(problem.given, dtype=real).ravel()

    def work(first: int) -> None:
        tile = Tile(problem, layout, network, first, stretch_of(problem))
        _advance(kernel, tile, network, given, outcome, meter)
        _collect(tile, outcome)
        if outcome.sends is not None:
            outcome.sends[first : first + tile.count] = tile.sends(problem.steps)

    starts = range(0, total, layout.lanes)
    workers = min(threads or default_threads(), len(starts))
    if workers == 1:
        for first in starts:
            work(first)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, starts))
    return outcome


def _advance(
    kernel: Callable[..., None],
    tile: Tile,
    network: Connections,
    given: NDArray[Any],
    outcome: Outcome,
    meter: _Meter,
) -> None:
    """Runs one tile in stretches of steps, looking after each for states that have run away."""
    problem = tile.problem
    real = np.dtype(problem.precision).type
    bold = [(r.volume, r.skip) for r in problem.recordings]
    M = np.array(
        [x for r, (volume, _) in zip(problem.recordings, bold, strict=True) for x in (r.period, volume)]
        + [skip for _, skip in bold]
        + [r.rows for r in problem.recordings]
        + [0],
        dtype=np.int64,
    )
    stretch = stretch_of(problem)
    mine = slice(tile.first, tile.first + tile.count)
    for done in range(0, problem.steps, stretch):
        steps = min(stretch, problem.steps - done)
        tile.fill_waves(done, steps)
        kernel(
            tile.S, tile.R, tile.C, network.W, network.D, network.B, network.RP, *tile.P, network.KI, tile.SD, tile.Z,
            given, M, tile.U, tile.UB, tile.Q, *tile.A, *tile.O, *tile.NI, *tile.NW, problem.start, done,
            steps, problem.nodes, network.ring_rows, network.tiles, real(problem.dt),
        )  # fmt: skip
        lost = ~tile.lasting()[: tile.count] & (outcome.diverged[mine] < 0)
        if lost.any():
            outcome.diverged[mine][lost] = problem.start + done + steps
            if (outcome.diverged[mine] >= 0).all():
                # Nothing is left to compute: what was not yet written is unknown.
                _void(tile, done + steps)
                break
        meter.add(steps * tile.count)


def _void(tile: Tile, steps: int) -> None:
    """Marks as NaN all rows that a tile, stopped after `steps` steps, has not written."""
    for out, recording in zip(tile.O, tile.problem.recordings, strict=True):
        written = max(0, steps // recording.period // recording.volume - recording.skip)
        out.reshape(max(1, recording.rows), -1)[written:] = np.nan


def _collect(tile: Tile, outcome: Outcome) -> None:
    """Moves a finished tile's results from lanes to simulations."""
    problem, L, n = tile.problem, tile.layout.lanes, tile.problem.nodes
    mine = slice(tile.first, tile.first + tile.count)
    for record, out in zip(outcome.records, tile.O, strict=True):
        rows, quantities, width = record.shape[1:]
        if rows:
            record[mine] = out.reshape(rows, quantities, width, L)[..., : tile.count].transpose(3, 0, 1, 2)
    states = len(problem.step.states)
    S = tile.S.reshape(n, tile.width, L)[..., : tile.count].transpose(2, 1, 0)
    outcome.state[mine] = S[:, :states]
    if tile.layout.compensated:
        outcome.compensation[mine] = S[:, states:]
    for flow, accumulator, recorder in zip(outcome.balloon, tile.A, tile.layout.recorders, strict=True):
        if flow is not None:
            view = accumulator.reshape(n, recorder.slots, L)[:, recorder.slots - 4 :, : tile.count]
            flow[mine] = view.transpose(2, 1, 0)


class _Meter:
    """Adds up finished work of all threads and tells it."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress = progress
        self.total = total
        self.done = 0
        self.lock = threading.Lock()

    def add(self, work: int) -> None:
        if self.progress is not None:
            with self.lock:
                self.done += work
                self.progress(self.done / self.total)
