"""Puts a problem's numbers into the arrays of a batch of CUDA tiles, and takes the results out again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.simulator.codegen.cuda_layout import CudaLayout, kept_between_stages
from l2l.simulator.codegen.emit import slots_of_parameters
from l2l.simulator.kernels.cpu import stretch_of
from l2l.simulator.problem import Outcome, Problem


@dataclass(frozen=True, eq=False)
class Network:
    """What all tiles share: weights and delays as the kernel walks them, in-strengths, noise, the monitors' periods.

    NI, NW: for each recording the nodes of each group or sensor, and their weights; or NW the response that it is
        convolved with.
    """

    W: NDArray[Any]
    D: NDArray[np.int32]
    P1: NDArray[Any]
    KI: NDArray[Any]
    G: NDArray[Any]
    M: NDArray[np.int64]
    NI: list[NDArray[np.int64]]
    NW: list[NDArray[Any]]
    ring_rows: int


def network(problem: Problem, layout: CudaLayout) -> Network:
    """Packs what does not depend on the simulation."""
    n, real, rows = problem.nodes, np.dtype(layout.precision), layout.rows
    blocks = -(-n // rows)

    def by_blocks(matrix: NDArray[Any], filler: float) -> NDArray[Any]:
        padded = np.full((blocks * rows, n), filler, matrix.dtype)
        padded[:n] = matrix
        return np.ascontiguousarray(padded.reshape(blocks, rows, n).transpose(0, 2, 1)).ravel()

    W = by_blocks(problem.weights, 0.0).astype(real)
    D = np.zeros(1, dtype=np.int32)
    ring_rows = 0
    if layout.delayed:
        assert problem.delays is not None
        used = np.where(problem.weights != 0, problem.delays, layout.block - 1)
        longest = int(used.max()) + 1
        ring_rows = -(-(longest + layout.block) // layout.block) * layout.block
        D = by_blocks((used + 1) * layout.lanes, layout.block * layout.lanes).astype(np.int32)
    elif layout.words:
        W = W.view(np.uint64)
    slots = slots_of_parameters(layout)
    P1 = [problem.parameters[name][0] for name, (array, _) in slots.items() if array == 1]
    parts = [[r.period, r.volume] for r in problem.recordings]
    M = [
        *(x for part in parts for x in part),
        *(r.skip for r in problem.recordings),
        *(r.rows for r in problem.recordings),
        *(layout.due(r.period) for r in problem.recordings),
    ]
    places = [_nodes_of_places(r.gain, real) for r in problem.recordings]
    for m, recording in enumerate(problem.recordings):
        if recording.response is not None:
            places[m] = (places[m][0], _some(recording.response, real))
    return Network(
        W=W,
        D=D,
        P1=_some(np.concatenate(P1) if P1 else np.empty(0), real),
        KI=problem.weights.sum(axis=1).astype(real),
        G=_some(np.empty(0) if problem.given is None else problem.given, real),
        M=_some(np.array(M, dtype=np.int64), np.int64),
        NI=[nodes for nodes, _ in places],
        NW=[weights for _, weights in places],
        ring_rows=ring_rows,
    )


def _some(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Flat and never empty: a device has no arrays of no bytes."""
    flat = np.ascontiguousarray(array, dtype=dtype).ravel()
    return flat if flat.size else np.zeros(1, dtype)


def _nodes_of_places(gain: NDArray[Any] | None, real: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """For each group or sensor where its nodes begin, then the nodes; and their weights."""
    if gain is None:
        return np.zeros(1, np.int64), np.zeros(1, real)
    place, node = np.nonzero(gain)
    pointers = np.zeros(len(gain) + 1, dtype=np.int64)
    np.cumsum(np.bincount(place, minlength=len(gain)), out=pointers[1:])
    return np.concatenate([pointers, node]), _some(gain[place, node], real)


def aside(problem: Problem, layout: CudaLayout, m: int) -> int:
    """Numbers that recording m puts aside for groups or sensors, of one simulation."""
    recording = problem.recordings[m]
    rows = layout.due(recording.period) if recording.gain is not None else 0
    return rows * recording.recorder.quantities * problem.nodes


def device_bytes(problem: Problem, layout: CudaLayout, ring_rows: int) -> int:
    """Bytes of device memory for one tile."""
    n, L, channels = problem.nodes, layout.lanes, len(problem.step.channels)
    width = len(problem.step.states) * (2 if layout.compensated else 1)
    ring = channels * (ring_rows + layout.block) if layout.delayed else 2 * channels
    past = channels * problem.sends.shape[2] if layout.delayed else 0
    arrays = [array for array, _ in slots_of_parameters(layout).values()]
    own = width + ring + past + arrays.count(2)
    own += sum(r.recorder.slots for r in problem.recordings) + kept_between_stages(problem.step, layout)
    own += sum(stretch_of(problem) for wave in problem.waves.values() if wave.swept)
    reals = n * L * own + L * arrays.count(0)
    for m, r in enumerate(problem.recordings):
        reals += L * (r.rows * r.recorder.quantities * r.width(n) + aside(problem, layout, m))
    return reals * np.dtype(layout.precision).itemsize + 16 * L


class Batch:
    """The host's arrays of consecutive tiles; the last lanes may be copies of the last simulation."""

    def __init__(self, problem: Problem, layout: CudaLayout, first: int, tiles: int) -> None:
        self.problem, self.layout, self.tiles, self.first = problem, layout, tiles, first
        L = layout.lanes
        self.count = min(tiles * L, problem.simulations - first)
        self.lanes = np.minimum(np.arange(first, first + tiles * L), problem.simulations - 1)
        self.real = np.dtype(layout.precision)
        self.states = len(problem.step.states)
        self.width = self.states * (2 if layout.compensated else 1)

    def laned(self, array: NDArray[Any]) -> NDArray[Any]:
        """(simulation, ...) of all simulations as (tile, ..., lane)."""
        mine = array[self.lanes]
        return np.moveaxis(mine.reshape(self.tiles, self.layout.lanes, *mine.shape[1:]), 1, -1)

    def S(self) -> NDArray[Any]:
        both = [self.laned(self.problem.state)]
        if self.layout.compensated:
            both.append(self.laned(self.problem.compensation))
        return _some(np.concatenate(both, axis=1).transpose(0, 2, 1, 3), self.real)

    def H(self) -> NDArray[Any]:
        """What was sent before the start: (tile, channel, node, time, lane)."""
        return _some(self.laned(self.problem.sends).transpose(0, 1, 3, 2, 4), self.real)

    def R(self) -> NDArray[Any]:
        """Without delays: the sources, the current half first."""
        last = self.laned(self.problem.sends[:, :, -1])
        return _some(np.stack([last, np.zeros_like(last)], axis=1), self.real)

    def SD(self) -> NDArray[np.uint32]:
        seeds = self.problem.seeds
        halves = np.stack([seeds & np.uint64(0xFFFFFFFF), seeds >> np.uint64(32)], axis=1)
        return _some(self.laned(halves), np.uint32)

    def P(self, array: int) -> NDArray[Any]:
        """Parameters per simulation (array 0), or per simulation and node (array 2)."""
        names = [name for name, (which, _) in slots_of_parameters(self.layout).items() if which == array]
        if not names:
            return np.zeros(1, self.real)
        values = [self.problem.parameters[name] for name in names]
        if array == 0:
            values = [np.broadcast_to(v[:, 0], (self.problem.simulations,)) for v in values]
        return _some(np.stack([self.laned(v) for v in values], axis=1), self.real)

    def A(self, m: int) -> NDArray[Any]:
        """A recorder's accumulators: sums from zero, the haemodynamic states as they were."""
        n, L = self.problem.nodes, self.layout.lanes
        slots = self.layout.recorders[m].slots
        array = np.zeros((self.tiles, n, slots, L), self.real)
        flow = self.problem.balloon[m]
        if flow is not None:
            array[:, :, slots - 4 :] = self.laned(flow).transpose(0, 2, 1, 3)
        return _some(array, self.real)

    def wave_places(self) -> NDArray[np.int64]:
        """Where the table of each waveform begins, and the size of a tile's tables of those that are swept."""
        n, L = self.problem.nodes, self.layout.lanes
        ends = {True: 0, False: 0}
        places = []
        for wave in self.problem.waves.values():
            places.append(ends[wave.swept])
            ends[wave.swept] += stretch_of(self.problem) * (n if wave.regional else 1) * (L if wave.swept else 1)
        return np.array([*places, ends[True], ends[False]], dtype=np.int64)

    def waves(self, done: int, steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Waveforms of `steps` steps after the first `done`: of all simulations, and (tile, ...) of each."""
        *places, swept_size, size = self.wave_places()
        common, own = np.zeros(max(1, size), self.real), np.zeros((self.tiles, swept_size), self.real)
        for wave, place in zip(self.problem.waves.values(), places, strict=True):
            table = wave.table(self.problem.start + done, steps)  # (step, simulation or 1, node or 1)
            if wave.swept:
                laned = self.laned(np.moveaxis(table, 1, 0)).reshape(self.tiles, -1)
                own[:, place : place + laned.shape[1]] = laned
            else:
                common[place : place + table.size] = table.ravel()
        return common, _some(own, self.real)

    def output_size(self, m: int) -> int:
        recording = self.problem.recordings[m]
        width = recording.width(self.problem.nodes)
        return max(1, self.tiles * recording.rows * recording.recorder.quantities * width * self.layout.lanes)

    def aside_size(self, m: int) -> int:
        return max(1, self.tiles * self.layout.lanes * aside(self.problem, self.layout, m))

    def kept_size(self) -> int:
        """Of what the stages of a step leave to the later ones."""
        kept = kept_between_stages(self.problem.step, self.layout)
        return max(1, self.tiles * self.layout.lanes * self.problem.nodes * kept)

    # -- the way back -----------------------------------------------------------------------------------------------

    def unlaned(self, array: NDArray[Any], *shape: int) -> NDArray[Any]:
        """(tile, ..., lane), flat, as (simulation, ...) of those simulations that are no copies."""
        whole = np.moveaxis(array.reshape(self.tiles, *shape, self.layout.lanes), -1, 1)
        return whole.reshape(-1, *shape)[: self.count]

    def collect(self, outcome: Outcome, arrays: dict[str, NDArray[Any]], steps: int, ring_rows: int) -> None:
        """Puts the device's results where they belong. arrays: S, lost, O0, A0, ..., and R if what was sent is kept."""
        problem, n = self.problem, self.problem.nodes
        mine = slice(self.first, self.first + self.count)
        state = self.unlaned(arrays["S"], n, self.width).transpose(0, 2, 1)
        outcome.state[mine] = state[:, : self.states]
        if self.layout.compensated:
            outcome.compensation[mine] = state[:, self.states :]
        outcome.diverged[mine] = self.unlaned(arrays["lost"])
        for m, (recording, record) in enumerate(zip(problem.recordings, outcome.records, strict=True)):
            rows, quantities = recording.rows, recording.recorder.quantities
            if rows and f"O{m}" in arrays:
                record[mine] = self.unlaned(arrays[f"O{m}"], rows, quantities, recording.width(n))
            flow = outcome.balloon[m]
            if flow is not None:
                slots = recording.recorder.slots
                flow[mine] = self.unlaned(arrays[f"A{m}"], n, slots)[:, :, slots - 4 :].transpose(0, 2, 1)
        if outcome.sends is not None:
            outcome.sends[mine] = self._sends(arrays["R"], steps, ring_rows)

    def _sends(self, ring: NDArray[Any], steps: int, ring_rows: int) -> NDArray[Any]:
        channels, n = len(self.problem.step.channels), self.problem.nodes
        if not self.layout.delayed:
            if not channels:
                return np.empty((self.count, 0, 1, n))
            half = steps * (len(self.problem.step.stages) + 1) & 1
            return self.unlaned(ring, 2, channels, n)[:, half, :, None]
        assert self.problem.delays is not None
        horizon = int(self.problem.delays.max()) + 1
        rows = (steps - 1 - np.arange(horizon - 1, -1, -1)) % ring_rows
        shape = (channels, n, ring_rows + self.layout.block)
        return self.unlaned(ring, *shape)[..., rows].transpose(0, 1, 3, 2)
