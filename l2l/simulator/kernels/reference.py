"""The oracle: plain NumPy in float64, one step after the other, expression graphs walked as they stand."""

from __future__ import annotations

from typing import Any

import numpy as np

from l2l.simulator import balloon, noise
from l2l.simulator.codegen.expression import evaluate, symbol
from l2l.simulator.codegen.recorders import balloon_graphs
from l2l.simulator.codegen.system import RUNAWAY, clip
from l2l.simulator.problem import Array, Outcome, Problem, Progress, Recording


def run(problem: Problem, threads: int | None = None, progress: Progress | None = None) -> Outcome:
    """Runs the whole ensemble at once, vectorised over simulations and nodes, on one thread whatever `threads` says."""
    del threads
    p, step = problem, problem.step
    state = {s.name: p.state[:, i].copy() for i, s in enumerate(step.states)}
    delays = np.zeros(p.weights.shape, dtype=np.int64) if p.delays is None else p.delays
    horizon = int(delays.max()) + 1
    # History of what was sent; row s mod horizon holds x(s), s counted from the first step.
    past = np.empty((horizon, len(step.channels), p.simulations, p.nodes))
    for back in range(horizon):
        row = p.sends[:, :, max(p.sends.shape[2] - 1 - back, 0)]
        past[-back % horizon] = np.moveaxis(row, 1, 0)
    values: dict[str, Any] = dict(p.parameters)
    values |= {"dt": p.dt, "k": p.weights.sum(axis=1)[None, :]}
    writers = [_Writer(p, m, recording) for m, recording in enumerate(p.recordings)]
    diverged = np.full(p.simulations, -1, dtype=np.int64)
    noisy = set(step.noisy())

    def couple(row: int) -> dict[str, Any]:
        """The weighted sums at a step, (simulation, node) each."""
        sums = {}
        for c in range(len(step.channels)):
            sent = past[(row - delays) % horizon, c, :, sources]  # (to, from, simulation)
            if c in step.pairs:
                mine = past[row % horizon, c].T[:, None]
                at = {name: v.T[:, None] for name, v in p.parameters.items()}
                with np.errstate(all="ignore"):
                    [value] = evaluate([step.pairs[c]], {"x_j": sent, "x_i": mine, **at})
                # The function need not be finite where nothing is connected, as 1/(x_j - x_i) of a node and itself.
                sent = np.where(p.weights[:, :, None] != 0, value, 0.0)
            sums[f"sum.{c}"] = np.einsum("ij,ijb->bi", p.weights, sent)
        return sums

    def points(state: dict[str, Array]) -> dict[str, Array]:
        """The states by symbol. float64 needs no care with phases."""
        return {f"{kind}.{name}": x for kind in ("x", "r") for name, x in state.items()}

    sources = np.arange(p.nodes)[None, :]
    for s in range(p.steps):
        values |= points(state)
        values |= couple(s)
        now = p.start + s
        for i, st in enumerate(step.states):
            if st.name not in noisy:
                continue
            if p.noise == "given":
                assert p.given is not None
                values[f"z.{st.name}"] = p.given[s, i][None, :]
            elif p.noise == "drawn":
                values[f"z.{st.name}"] = noise.normals(p.seeds, i, p.nodes, now).astype(np.float64)
        values |= {name: wave.table(now, 1)[0] for name, wave in p.waves.items()}
        for stage in step.stages:
            values |= dict(zip(stage.held, evaluate(stage.held.values(), values), strict=True))
            for c, sent in enumerate(evaluate(stage.channels, values), step.first_channel(stage)):
                past[(s + 1) % horizon, c] = sent
            # Later stages take what was sent one step later: the zero delays among them the new point.
            values |= couple(s + 1)
        with np.errstate(all="ignore"):
            increments = evaluate(step.increments.values(), values)
            middle = evaluate(step.midpoints.values(), values)
            values |= {f"m.{name}": back for name, back in zip(step.midpoints, middle, strict=True)}
            for st, increment in zip(step.states, increments, strict=True):
                moved = state[st.name] + increment
                [state[st.name]] = evaluate([clip(symbol("x"), st)], {"x": moved})
            values |= points(state)
            for c, sent in enumerate(evaluate(step.channels, values)):
                past[(s + 1) % horizon, c] = sent
            for m, writer in enumerate(writers):
                writer.record(s, evaluate(step.observed[m], values))
        lasting = np.logical_and.reduce([(np.abs(x) <= RUNAWAY).all(axis=1) for x in state.values()])
        diverged[~lasting & (diverged < 0)] = p.start + s + 1
        if progress is not None and (s + 1) % 100 == 0:
            progress((s + 1) / p.steps)
    sends = np.stack([past[(p.steps - back) % horizon] for back in range(horizon - 1, -1, -1)])
    return Outcome(
        records=[w.out for w in writers],
        diverged=diverged,
        state=np.stack(list(state.values()), axis=1),
        compensation=np.zeros_like(p.state),
        sends=np.transpose(sends, (2, 1, 0, 3)),
        balloon=[w.flow if w.recording.recorder.kind == "bold" else None for w in writers],
    )


class _Writer:
    """Does for one recording what the compiled kernels do in their node loop."""

    def __init__(self, problem: Problem, m: int, recording: Recording) -> None:
        self.recording = recording
        r = recording.recorder
        self.m = m
        self.out = np.full((problem.simulations, recording.rows, r.quantities, recording.width(problem.nodes)), np.nan)
        if recording.response is not None:
            self.out[:] = recording.offset
        self.sums = np.zeros((r.quantities, problem.simulations, problem.nodes))
        flow = problem.balloon[m]
        self.flow = np.zeros((problem.simulations, 4, problem.nodes)) if flow is None else flow.copy()
        if r.constants is not None:
            self.graphs = balloon_graphs(r.constants, r.h, "")

    def record(self, s: int, values: list[Any]) -> None:
        r = self.recording.recorder
        mean = r.kind == "average" or (r.kind != "sample" and r.mean)
        shown = np.stack([np.broadcast_to(v, self.sums.shape[1:]) for v in values])
        self.sums += shown
        if (s + 1) % self.recording.period:
            return
        due = self.sums / self.recording.period if mean else shown
        self.sums = np.zeros_like(self.sums)
        row = (s + 1) // self.recording.period - 1
        if self.recording.response is not None:
            self._convolve(row, due[0])
            return
        if r.kind != "bold" and self.recording.gain is not None:
            self.out[:, row] = np.einsum("pn,qbn->bqp", self.recording.gain, due)
            return
        if r.kind != "bold":
            self.out[:, row] = np.moveaxis(due, 0, 1)
            return
        new, signal = self.graphs
        inputs = {name: self.flow[:, i] for i, name in enumerate(balloon.STATES)} | {"z": due[0]}
        self.flow = np.stack(evaluate(new, inputs), axis=1)
        if (row + 1) % self.recording.volume == 0:
            volume = (row + 1) // self.recording.volume - 1 - self.recording.skip
            if volume >= 0:
                [value] = evaluate([signal], {name: self.flow[:, i] for i, name in enumerate(balloon.STATES)})
                self.out[:, volume, 0] = value

    def _convolve(self, row: int, mean: Array) -> None:
        """Adds the mean of a period, (simulation, node), to the volumes that it reaches."""
        recording = self.recording
        assert recording.response is not None
        for out in range(recording.rows):
            lag = (out + recording.skip + 1) * recording.volume - 1 - row
            if 0 <= lag < len(recording.response):
                self.out[:, out, 0] += recording.response[lag] * mean
