"""Puts a problem's numbers into the arrays of one tile of lanes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.simulator.codegen.emit import NOISE_GROUP, Layout, slots_of_parameters
from l2l.simulator.codegen.system import RUNAWAY
from l2l.simulator.problem import Problem

TILE_BYTES = 1 << 19  # of the delay ring: what half a second-level cache holds


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """A zeroed flat array that starts on a cache line."""
    itemsize = np.dtype(dtype).itemsize
    buffer = np.zeros(max(1, size) * itemsize + 64, dtype=np.uint8)
    offset = -buffer.ctypes.data % 64
    return buffer[offset : offset + max(1, size) * itemsize].view(dtype)


@dataclass(frozen=True, eq=False)
class Connections:
    """Weights, delays and offsets as the kernel walks them; shared by all tiles.

    With delays: W, D (delay + 1, in ring elements), B (start of the source's ring) for each connection of non-zero
    weight, ordered by tile of sources, then receiving node; RP where each such group starts. Where sums are taken
    ahead, connections of shorter delays follow behind the last tile, again by receiving node. Without delays: W in
    blocks of `rows` receiving nodes, [block, source, row]; sparse: W, B and RP as with delays, B where the source's
    lanes start.
    """

    W: NDArray[Any]
    D: NDArray[np.int64]
    B: NDArray[np.int64]
    RP: NDArray[np.int64]
    KI: NDArray[Any]
    ring_rows: int
    tiles: int
    horizon: int = 1  # steps that what was sent is kept for whoever goes on from the end


def connections(problem: Problem, layout: Layout) -> Connections:
    """Packs the network of `problem`."""
    n, real = problem.nodes, np.dtype(layout.precision)
    strength = problem.weights.sum(axis=1).astype(real)
    if not layout.delayed and layout.sparse:
        to, source = np.nonzero(problem.weights)
        pointers = np.zeros(n + 1, dtype=np.int64)
        np.cumsum(np.bincount(to, minlength=n), out=pointers[1:])
        listed = np.append(problem.weights[to, source], 0.0).astype(real)
        offsets = np.append(source * layout.lanes, 0).astype(np.int64)
        return Connections(listed, np.zeros(1, dtype=np.int64), offsets, pointers, strength, 0, 1)
    if not layout.delayed:
        blocks = -(-n // layout.rows)
        padded = np.zeros((blocks * layout.rows, n))
        padded[:n] = problem.weights
        W = np.ascontiguousarray(padded.reshape(blocks, layout.rows, n).transpose(0, 2, 1)).astype(real).ravel()
        none = np.zeros(1, dtype=np.int64)
        return Connections(W, none, none.copy(), none.copy(), strength, 0, 1)
    assert problem.delays is not None
    to, source = np.nonzero(problem.weights)
    behind = problem.delays[to, source] + 1  # steps between the next one and what it needs
    ring_rows = max(16, 1 << (int(behind.max(initial=1)) - 1).bit_length())
    size = n
    if layout.tiled:
        of_source = len(problem.step.channels) * ring_rows * layout.lanes * real.itemsize
        size = min(n, max(4, TILE_BYTES // of_source))
    tiles = -(-n // size)
    # What is too recent to be summed ahead makes a last group of its own for each node.
    group = np.where(behind >= layout.ahead, source // size, tiles) * n + to
    order = np.lexsort((source, group))
    to, source, group, behind = to[order], source[order], group[order], behind[order]
    groups = (tiles + (layout.ahead > 0)) * n
    pointers = np.zeros(groups + 1, dtype=np.int64)
    np.cumsum(np.bincount(group, minlength=groups), out=pointers[1:])
    return Connections(
        W=np.append(problem.weights[to, source], 0.0).astype(real),
        D=np.append(behind * layout.lanes, 0).astype(np.int64),
        B=np.append(source * (ring_rows + layout.mirrored) * layout.lanes, 0).astype(np.int64),
        RP=pointers,
        KI=strength,
        ring_rows=ring_rows,
        tiles=tiles,
        horizon=min(int(problem.delays.max()) + 1, ring_rows),
    )


def _places(gain: NDArray[Any] | None, n: int, real: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """For each node the places it is added to, and its weights there; see `emit`."""
    if gain is None:
        return np.zeros(1, dtype=np.int64), np.zeros(1, real)
    node, place = np.nonzero(gain.T)
    pointers = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(node, minlength=n), out=pointers[1:])
    return np.concatenate([pointers, place, [0]]).astype(np.int64), np.append(gain.T[node, place], 0.0).astype(real)


class Tile:
    """The arrays of `layout.lanes` simulations, some of which may be copies that only fill the lanes."""

    def __init__(self, problem: Problem, layout: Layout, network: Connections, first: int, stretch: int) -> None:
        L, n, real = layout.lanes, problem.nodes, np.dtype(layout.precision)
        self.problem, self.layout, self.network = problem, layout, network
        self.count = min(L, problem.simulations - first)
        self.lanes = np.minimum(np.arange(first, first + L), problem.simulations - 1)
        self.first = first
        states = len(problem.step.states)
        self.width = states * (2 if layout.compensated else 1)

        self.S = aligned(n * self.width * L, real)
        S = self.S.reshape(n, self.width, L)
        S[:, :states] = problem.state[self.lanes].transpose(2, 1, 0)
        if layout.compensated:
            S[:, states:] = problem.compensation[self.lanes].transpose(2, 1, 0)
        self.R = self._ring()
        channels = len(problem.step.channels)
        self.C = aligned(channels * L * (n * (layout.ahead or layout.block) if layout.delayed else layout.rows), real)
        noisy = len(problem.step.noisy())
        self.Z = aligned(noisy * layout.block * NOISE_GROUP * L if layout.noise == "drawn" else 0, real)
        self.SD = aligned(2 * L, np.uint32)
        seeds = problem.seeds[self.lanes]
        self.SD[:L] = (seeds & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        self.SD[L:] = (seeds >> np.uint64(32)).astype(np.uint32)
        self.P = self._parameters()
        sizes = [stretch * (L if wave.swept else 1) * (n if wave.regional else 1) for wave in problem.waves.values()]
        self.UB = np.cumsum([0, *sizes], dtype=np.int64)
        self.U = aligned(int(self.UB[-1]), real)
        self.Q = aligned(n * len(problem.step.held()) * L, real)
        self.A = [aligned(n * r.slots * L, real) for r in layout.recorders]
        for a, recording, flow in zip(self.A, problem.recordings, problem.balloon, strict=True):
            if flow is not None:
                slots = recording.recorder.slots
                a.reshape(n, slots, L)[:, slots - 4 :] = flow[self.lanes].transpose(2, 1, 0)
        places = [_places(r.gain, n, real) for r in problem.recordings]
        for m, recording in enumerate(problem.recordings):
            if recording.response is not None:
                places[m] = (places[m][0], recording.response.astype(real))
        self.NI, self.NW = [p for p, _ in places], [w for _, w in places]
        self.O = [aligned(r.rows * r.recorder.quantities * r.width(n) * L, real) for r in problem.recordings]
        for out, recording in zip(self.O, problem.recordings, strict=True):
            out[:] = recording.offset

    def _ring(self) -> NDArray[Any]:
        problem, layout, L, n = self.problem, self.layout, self.layout.lanes, self.problem.nodes
        real = np.dtype(layout.precision)
        channels = len(problem.step.channels)
        sends = problem.sends[self.lanes]  # (lane, channel, time, node)
        if not layout.delayed:
            ring = aligned(2 * max(1, channels) * n * L, real)
            if channels:
                ring.reshape(2, channels, n, L)[0] = sends[:, :, -1].transpose(1, 2, 0)
            return ring
        T, K = self.network.ring_rows, layout.mirrored
        ring = aligned(channels * n * (T + K) * L, real)
        view = ring.reshape(channels, n, T + K, L)
        given = sends.shape[2]
        # Row T - 1 - m holds x(-m); before the oldest given time the history is constant.
        kept = min(given, T)
        view[:, :, T - kept : T] = sends[:, :, given - kept :].transpose(1, 3, 2, 0)
        view[:, :, : T - kept] = sends[:, :, 0].transpose(1, 2, 0)[:, :, None, :]
        view[:, :, T:] = view[:, :, :K]
        return ring

    def _parameters(self) -> list[NDArray[Any]]:
        problem, layout, L, n = self.problem, self.layout, self.layout.lanes, self.problem.nodes
        real = np.dtype(layout.precision)
        slots = slots_of_parameters(layout)
        counts = [sum(array == a for array, _ in slots.values()) for a in range(3)]
        arrays = [aligned(counts[0] * L, real), aligned(counts[1] * n, real), aligned(counts[2] * n * L, real)]
        for name, (array, slot) in slots.items():
            value = problem.parameters[name]
            if array == 0:
                column = value[:, 0] if value.shape[0] == 1 else value[self.lanes, 0]
                arrays[0].reshape(-1, L)[slot] = column
            elif array == 1:
                arrays[1].reshape(-1, n)[slot] = value[0]
            else:
                arrays[2].reshape(-1, n, L)[slot] = value[self.lanes].T
        return arrays

    def fill_waves(self, done: int, steps: int) -> None:
        """Waveforms of `steps` steps after the first `done`: [step, node, lane], without the axes that it has not."""
        for wave, base in zip(self.problem.waves.values(), self.UB, strict=False):
            own = wave.of(self.lanes) if wave.swept else wave
            table = own.table(self.problem.start + done, steps).transpose(0, 2, 1)
            self.U[base : base + table.size] = table.ravel()

    def lasting(self) -> NDArray[np.bool_]:
        """(lane,) whether every state variable of the simulation is finite and has not run away."""
        states = len(self.problem.step.states)
        view = self.S.reshape(self.problem.nodes, self.width, self.layout.lanes)[:, :states]
        return np.asarray((np.abs(view) <= RUNAWAY).all(axis=(0, 1)))

    def sends(self, steps: int) -> NDArray[Any]:
        """(simulation, channel, time, node) what was sent, oldest first, after `steps` steps."""
        problem, layout, L, n = self.problem, self.layout, self.layout.lanes, self.problem.nodes
        channels = len(problem.step.channels)
        if not layout.delayed:
            half = steps * (len(problem.step.stages) + 1) & 1
            view = self.R.reshape(2, max(1, channels), n, L)[half, :channels]
            return view.transpose(2, 0, 1)[: self.count, :, None]
        T, horizon = self.network.ring_rows, self.network.horizon
        view = self.R.reshape(channels, n, T + layout.mirrored, L)
        rows = (steps - 1 - np.arange(horizon - 1, -1, -1)) % T
        return view[:, :, rows].transpose(3, 0, 2, 1)[: self.count]
