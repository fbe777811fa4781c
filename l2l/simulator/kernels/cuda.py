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
from l2l.simulator.codegen.cuda_layout import CudaLayout
from l2l.simulator.kernels import cuda_device
from l2l.simulator.kernels.build import build
from l2l.simulator.kernels.cpu import stretch_of
from l2l.simulator.kernels.cuda_output import allocate, move
from l2l.simulator.kernels.cuda_pack import Batch, device_bytes, network
from l2l.simulator.kernels.cuda_plan import plan, shared_bytes
from l2l.simulator.problem import Outcome, Problem, Progress

# Of what `Problem.needs` may name.
ABLE = frozenset(
    {
        "stimuli",
        "projections",
        "convolution with a haemodynamic response",
        "coupling functions of pairs of nodes",
        "coupling at every stage",
        "delayed coupling in the middle of a step",
    }
)
SPARE = 0.05  # share of the device's memory that is left to others


def run(
    problem: Problem,
    threads: int | None = None,
    progress: Progress | None = None,
    *,
    resumable: bool = True,
    on_device: bool = False,
) -> Outcome:
    """Runs the ensemble on the current device, in as many batches as its memory asks for.

    resumable: bring back what was sent in the past, which with delays is large.
    on_device: leave the recordings there.
    """
    del threads
    cuda = _cuda()
    simulated = cuda_device.simulated()
    processors = 1 if simulated else int(cuda.get_current_device().MULTIPROCESSOR_COUNT)
    layout, groups = plan(problem, processors, simulated=simulated)
    return run_layout(problem, layout, groups, progress, resumable=resumable, on_device=on_device)


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
    on_device: bool = False,
    tiles_at_once: int | None = None,
) -> Outcome:
    """Runs the ensemble in a given layout, or in one with smaller tiles if they do not fit into the device's memory.

    tiles_at_once: at most so many tiles in a batch.
    """
    total, n, states = problem.simulations, problem.nodes, len(problem.step.states)
    real = np.dtype(layout.precision)
    kept = resumable or not layout.delayed
    horizon = 1 if not layout.delayed or problem.delays is None else int(problem.delays.max()) + 1
    if on_device:
        records = allocate(problem.recordings, total, n, real)
    else:
        records = [np.empty((total, r.rows, r.recorder.quantities, r.width(n)), real) for r in problem.recordings]
    outcome = Outcome(
        records=records,
        diverged=np.full(total, -1, dtype=np.int64),
        state=np.empty((total, states, n)),
        compensation=np.zeros((total, states, n)),
        sends=np.empty((total, len(problem.step.channels), horizon, n)) if kept else None,
        balloon=[np.empty((total, 4, n)) if r.recorder.kind == "bold" else None for r in problem.recordings],
    )
    device: Device | None = None
    most = tiles_at_once or total  # tiles of a batch
    first = 0
    while first < total:
        tiles = -(-(total - first) // layout.lanes)
        try:
            if device is None:
                device = Device(problem, layout, groups)
                most = max(1, int(min(most, device.free_bytes() / device.tile_bytes)))
            size = -(-tiles // -(-tiles // min(most, tiles)))  # batches of one size
            batch = Batch(problem, layout, first, size)
            device.run(batch, outcome, _part(progress, first, batch.count, total))
        except Exception as error:
            if not cuda_device.out_of_memory(error):
                raise
            if most > 1:  # somebody else took memory in the meantime
                most = min(most, tiles) // 2 or 1
            elif layout.lanes > 1:
                layout, device, most = replace(layout, lanes=layout.lanes // 2), None, tiles_at_once or total
            else:
                raise SimulationError(_too_large(device)) from error
            continue
        first += batch.count
    return outcome


def _part(progress: Progress | None, first: int, count: int, total: int) -> Progress:
    """What tells the fraction of one batch as that of the whole."""

    def told(fraction: float) -> None:
        if progress is not None:
            progress((first + fraction * count) / total)

    return told


def _too_large(device: Device | None) -> str:
    if device is None:
        return "out of GPU memory: not even the network, the given noise and the kernel fit"
    return (
        f"out of GPU memory: one simulation needs {device.tile_bytes:,} bytes, {device.free_bytes():,.0f} are free; "
        "record less, or shorten the delays"
    )


class Device:
    """The current GPU with one kernel and one network on it."""

    def __init__(self, problem: Problem, layout: CudaLayout, groups: int) -> None:
        self.cuda = _cuda()
        self.problem, self.layout, self.groups = problem, layout, groups
        self.network = shared = network(problem, layout)
        self.tile_bytes = device_bytes(problem, layout, shared.ring_rows)
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
        output = [
            # Volumes are added to.
            self.cuda.device_array(batch.output_size(m), batch.real)
            if recording.response is None
            else self.to_device(np.full(batch.output_size(m), recording.offset, batch.real))
            for m, recording in enumerate(problem.recordings)
        ]
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
            arrays[f"A{m}"] = A[m].copy_to_host()
            if isinstance(outcome.records[m], np.ndarray):
                arrays[f"O{m}"] = output[m].copy_to_host()
            else:
                place = np.arange(batch.first, batch.first + batch.count)
                move(outcome.records[m], output[m], place, layout.lanes)
        if outcome.sends is not None:
            arrays["R"] = R.copy_to_host()
        batch.collect(outcome, arrays, problem.steps, rows)
