"""CUDA kernel: tiles of simulations over the blocks of a GPU, batches of tiles over its memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError
from l2l.simulator.codegen.cuda import emit_cuda, emit_history
from l2l.simulator.codegen.cuda_layout import CudaLayout, sizes
from l2l.simulator.codegen.expression import walk
from l2l.simulator.codegen.system import Step
from l2l.simulator.kernels import cuda_device
from l2l.simulator.kernels.build import build
from l2l.simulator.kernels.cpu import contents, stretch_of
from l2l.simulator.kernels.cuda_pack import Batch, Network, device_bytes, network
from l2l.simulator.problem import Outcome, Problem, Progress

# Of what `Problem.needs` may name.
ABLE = frozenset(
    {
        "stimuli",
        "projections",
        "coupling functions of pairs of nodes",
        "coupling at every stage",
        "delayed coupling in the middle of a step",
    }
)
SHARED_BYTES = 48 * 1024  # more needs an opt-in that numba-cuda does not offer
REGISTERS = 65536  # of a multiprocessor, and of a block
THREADS = 512  # of a block at most, so that a thread may have 128 registers
ENOUGH_REGISTERS = 96  # for 64 sums in registers
LARGE_STEP = 300  # operations
SPARE = 0.05  # share of the device's memory that is left to others


def plan(problem: Problem, processors: int = 132, *, simulated: bool = False) -> tuple[CudaLayout, int]:
    """Layout and number of node groups of a block, for a GPU of so many multiprocessors.

    Results do not depend on it, only speed does.
    """
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
    else:
        rows = 8 if channels <= 1 else 4
    node_blocks = -(-n // rows)
    most = max(1, THREADS // lanes)
    groups = -(-node_blocks // -(-node_blocks // most))  # evenly loaded
    layout = CudaLayout(
        lanes=lanes,
        delayed=delayed,
        block=block,
        tiled=False,
        rows=rows,
        **contents(problem),
        sparse=sparse,
        words=problem.precision == "float32" and not delayed and not problem.step.pairs,
        registers=registers_of(groups * lanes, problem.step),
        simulated=simulated,
    )
    return _with_shared(layout, problem, groups), groups


def registers_of(threads: int, step: Step) -> int:
    """The most registers a thread may take: so that two blocks share a multiprocessor, or else that one fits.

    A large step keeps so many values that half of the registers would not do: they would go to memory and back.
    """
    warps = -(-threads // 32)
    share = REGISTERS // (2 * warps * 32) // 8 * 8
    large = sum(not (node.is_const or node.is_symbol) for node in walk(step.roots())) > LARGE_STEP
    return min(255, share if share >= ENOUGH_REGISTERS and not large else 2 * share)


def _with_shared(layout: CudaLayout, problem: Problem, groups: int) -> CudaLayout:
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


def run(
    problem: Problem, threads: int | None = None, progress: Progress | None = None, *, resumable: bool = True
) -> Outcome:
    """Runs the ensemble on the current device, in as many batches as its memory asks for.

    resumable: bring back what was sent in the past, which with delays is large.
    """
    del threads
    cuda = _cuda()
    simulated = cuda_device.simulated()
    processors = 1 if simulated else int(cuda.get_current_device().MULTIPROCESSOR_COUNT)
    layout, groups = plan(problem, processors, simulated=simulated)
    return run_layout(problem, layout, groups, progress, resumable=resumable)


def _cuda() -> Any:
    """numba.cuda; raises SimulationError where it cannot work."""
    cuda_device.require()
    from numba import cuda

    return cuda


def run_layout(
    problem: Problem,
    layout: CudaLayout,
    groups: int,
    progress: Progress | None = None,
    *,
    resumable: bool = True,
    tiles_at_once: int | None = None,
) -> Outcome:
    """Runs the ensemble in a given layout. tiles_at_once: at most so many tiles in a batch."""
    total, n, states = problem.simulations, problem.nodes, len(problem.step.states)
    real = np.dtype(layout.precision)
    shared = network(problem, layout)
    kept = resumable or not layout.delayed
    horizon = 1 if not layout.delayed or problem.delays is None else int(problem.delays.max()) + 1
    outcome = Outcome(
        records=[np.empty((total, r.rows, r.recorder.quantities, r.width(n)), real) for r in problem.recordings],
        diverged=np.full(total, -1, dtype=np.int64),
        state=np.empty((total, states, n)),
        compensation=np.zeros((total, states, n)),
        sends=np.empty((total, len(problem.step.channels), horizon, n)) if kept else None,
        balloon=[np.empty((total, 4, n)) if r.recorder.kind == "bold" else None for r in problem.recordings],
    )
    device = Device(problem, layout, groups, shared)
    tiles = -(-total // layout.lanes)
    each = device_bytes(problem, layout, shared.ring_rows)
    most = max(1, int(min(tiles, tiles_at_once or tiles, device.free_bytes() / each)))
    most = -(-tiles // -(-tiles // most))  # batches of one size
    done = 0
    while done < tiles:
        batch = Batch(problem, layout, done * layout.lanes, min(most, tiles - done))
        begun = done * layout.lanes

        def told(fraction: float, begun: int = begun, batch: Batch = batch) -> None:
            if progress is not None:
                progress((begun + fraction * batch.count) / total)

        try:
            device.run(batch, outcome, told)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if most == 1:
                raise SimulationError(
                    f"out of GPU memory: the smallest tile, {layout.lanes} simulations, needs {each:,} bytes, "
                    f"{device.free_bytes():,.0f} are free; record less, or shorten the delays"
                ) from error
            most //= 2  # somebody else took memory in the meantime
            continue
        done += batch.tiles
    return outcome


def out_of_memory(error: Exception) -> bool:
    """Whether the device has no memory left (CUDA_ERROR_OUT_OF_MEMORY is 2)."""
    return isinstance(error, MemoryError) or getattr(error, "code", None) == 2 or "OUT_OF_MEMORY" in str(error)


class Device:
    """The current GPU with one kernel and one network on it."""

    def __init__(self, problem: Problem, layout: CudaLayout, groups: int, shared: Network) -> None:
        self.cuda = _cuda()
        self.problem, self.layout, self.groups = problem, layout, groups
        self.network = shared
        self.kernel = build(emit_cuda(problem.step, layout))
        self.history = build(emit_history(problem.step, layout)) if layout.delayed else None
        self.shared_bytes = shared_bytes(problem, layout, groups)
        self.common = {name: self.to_device(getattr(shared, name)) for name in ("W", "D", "P1", "KI", "G", "M")}
        self.places = [self.to_device(array) for array in (*shared.NI, *shared.NW)]

    def to_device(self, array: NDArray[Any]) -> Any:
        return self.cuda.to_device(array)

    def free_bytes(self) -> float:
        """Device memory that may be taken; no limit in the simulator."""
        return float(self.cuda.current_context().get_memory_info()[0]) * (1 - SPARE)

    def launch(self, function: Callable[..., Any], tiles: int, *arguments: Any, shared: int = 0) -> None:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # Few tiles: Numba warns that the GPU is not full, and the caller knows.
            warnings.simplefilter("ignore")
            function[tiles, (self.layout.lanes, self.groups), 0, shared](*arguments)  # type: ignore[index]

    def run(self, batch: Batch, outcome: Outcome, told: Progress) -> None:
        """All steps of the tiles of one batch."""
        problem, layout, rows = self.problem, self.layout, self.network.ring_rows
        recorders = range(len(problem.recordings))
        S, SD, P0, P2 = (self.to_device(a) for a in (batch.S(), batch.SD(), batch.P(0), batch.P(2)))
        A = [self.to_device(batch.A(m)) for m in recorders]
        output = [self.cuda.device_array(batch.output_size(m), batch.real) for m in recorders]
        aside = [self.cuda.device_array(batch.aside_size(m), batch.real) for m in recorders]
        kept = self.cuda.device_array(batch.kept_size(), batch.real)
        lost = self.to_device(np.full(batch.lanes.size, -1, dtype=np.int64))
        if self.history is not None:
            H, known = self.to_device(batch.H()), problem.sends.shape[2]
            ring = batch.tiles * len(problem.step.channels) * problem.nodes * (rows + layout.block) * layout.lanes
            R = self.cuda.device_array(ring, batch.real)
            self.launch(self.history, batch.tiles, R, H, problem.nodes, rows, known)
        else:
            R = self.to_device(batch.R())
        real = batch.real.type
        stretch = stretch_of(problem)
        places = self.to_device(batch.wave_places())
        for done in range(0, problem.steps, stretch):
            steps = min(stretch, problem.steps - done)
            if done == 0 or problem.waves:
                common, own = (self.to_device(a) for a in batch.waves(done, steps))
            self.launch(
                self.kernel, batch.tiles, S, R, self.common["W"], self.common["D"], P0, self.common["P1"], P2,
                self.common["KI"], SD, self.common["G"], self.common["M"], common, own, places, kept, *A, *output,
                *aside, *self.places, lost, problem.start, done, steps, problem.nodes, rows, real(problem.dt),
                shared=self.shared_bytes,
            )  # fmt: skip
            self.cuda.synchronize()
            told((done + steps) / problem.steps)
        arrays = {"S": S.copy_to_host(), "lost": lost.copy_to_host()}
        for m in recorders:
            arrays[f"O{m}"] = output[m].copy_to_host()
            arrays[f"A{m}"] = A[m].copy_to_host()
        if outcome.sends is not None:
            arrays["R"] = R.copy_to_host()
        batch.collect(outcome, arrays, problem.steps, rows)
