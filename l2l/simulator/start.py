"""Where a simulation starts: initial values, a history, or the end of another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest
from l2l.simulator.codegen.expression import evaluate
from l2l.simulator.codegen.system import Step, System
from l2l.simulator.model import Model
from l2l.simulator.noise import uniforms
from l2l.simulator.problem import Array, Recording
from l2l.simulator.result import Final
from l2l.simulator.values import Values, broadcast_values


@dataclass(frozen=True, eq=False)
class History:
    """The past of every state, oldest first; the last row is the state at the start.

    values: (time, state, node) or (simulation, time, state, node), one row each dt.
    """

    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Resume:
    """What was sent in the past, for each group of simulations with the same delays."""

    signature: tuple[Any, ...]
    sends: list[tuple[NDArray[np.int64], Array | None]]


def initial_values(initial: Any, model: Model) -> dict[str, Values]:
    if initial is None or isinstance(initial, History | Final):
        return {}
    if not isinstance(initial, Mapping):
        raise SimulationError(
            f"initial must be a mapping, a History or a final state, but got {type(initial).__name__}"
        )
    result = {}
    for name, value in initial.items():
        if name not in model.state_names:
            raise SimulationError(
                f"unknown state variable {name!r} of {model.name}; {nearest(name, model.state_names)}"
            )
        result[name] = Values(f"initial {name!r}", value)
        result[name].check(None)
    return result


def start(
    initial: Any,
    starts: dict[str, Values],
    model: Model,
    noise: Mapping[str, Array],
    seeds: NDArray[np.uint64],
    count: int,
    nodes: int,
) -> tuple[Array, Array | None]:
    """(simulation, state, node) at the start, and the past if it is known.

    noise: states of coloured noise, (simulation, node) each; they follow those of the model.
    """
    names = (*model.state_names, *noise)
    states = len(model.states)
    if isinstance(initial, Final):
        if initial.state_names != names:
            raise SimulationError(f"the final state is one of {initial.state_names}, but the states now are {names}")
        if initial.state.shape != (count, len(names), nodes):
            raise SimulationError(
                f"the final state has shape {initial.state.shape}, "
                f"but (simulation, state, node) is {(count, len(names), nodes)}"
            )
        return initial.state, None
    past: Array | None = None
    if isinstance(initial, History):
        past = np.asarray(initial.values, dtype=np.float64)
        if past.ndim == 3:
            past = past[None]
        if past.ndim != 4 or past.shape[2:] != (states, nodes) or past.shape[0] not in (1, count):
            raise SimulationError(
                "history must have shape (time, state, node) or (simulation, time, state, node) "
                f"with {states} states and {nodes} nodes, but has {np.shape(initial.values)}"
            )
        past = np.broadcast_to(past, (count, *past.shape[1:]))
    state = np.empty((count, len(names), nodes))
    for index, eta in enumerate(noise.values(), start=states):
        state[:, index] = eta
    if past is not None:
        state[:, :states] = past[:, -1]
        return state, past
    for index, variable in enumerate(model.states):
        if variable.name in starts:
            state[:, index] = broadcast_values(starts[variable.name], count, nodes)
        else:
            drawn = uniforms(seeds, index, nodes)
            state[:, index] = np.clip(
                variable.low + (variable.high - variable.low) * drawn, variable.lower, variable.upper
            )
    return state, None


def sends(
    initial: Any,
    members: NDArray[np.int64],
    delays: NDArray[np.int64] | None,
    system: System,
    step: Step,
    parameters: dict[str, Array],
    state: Array,
    past: Array | None,
    signature: tuple[Any, ...],
) -> Array:
    """(simulation, channel, time, node) what was sent until the start."""
    if isinstance(initial, Final):
        if initial.resume is None:
            raise SimulationError(
                "the run to be continued has delays and was not resumable: run it with resumable=True"
            )
        if initial.resume.signature != signature:
            raise SimulationError(
                f"a run can be continued only as it was: (model, coupling, dt, nodes, simulations, channels) were "
                f"{initial.resume.signature}, now {signature}"
            )
        for other, sends in initial.resume.sends:
            if sends is not None and np.array_equal(other, members):
                return sends
        raise SimulationError("a run can be continued only with the delays it had")
    horizon = 1 if delays is None else int(delays.max()) + 1
    if past is None:
        rows = state[members][:, None]
    else:
        if past.shape[1] < horizon:
            raise SimulationError(
                f"history must reach back {horizon} steps (the longest delay), but has {past.shape[1]}"
            )
        rows = past[members][:, -horizon:]
    values = {f"{kind}.{s.name}": rows[:, :, i] for i, s in enumerate(system.states) for kind in ("x", "r")}
    if step.midpoints:
        back = rows * 0.0 if past is None else (_middles(past[members]) - past[members])[:, -horizon:]
        values |= {f"m.{s.name}": back[:, :, i] for i, s in enumerate(system.states)}
    flat = {name: value[:, None, :] for name, value in parameters.items()}
    sent = [np.broadcast_to(v, rows[:, :, 0].shape) for v in evaluate(step.channels, {**values, **flat})]
    return np.stack(sent, axis=1) if sent else np.empty((len(members), 0, 1, state.shape[2]))


def _middles(past: Array) -> Array:
    """What was half a step before each row of (simulation, time, state, node), by the cubic through four rows.

    With fewer rows the polynomial through those there are; what was before the first row equals it.
    """
    rows = past.shape[1]
    result = past.copy()
    for row in range(1, rows):
        first = min(max(row - 2, 0), max(rows - 4, 0))
        at = np.arange(first, min(first + 4, rows))
        others = np.where(np.eye(len(at), dtype=bool), np.nan, at)
        weights = np.nanprod((row - 0.5 - others) / (at[:, None] - others), axis=1)
        result[:, row] = np.tensordot(past[:, at], weights, axes=(1, 0))
    return result


def carried(initial: Any, state: Array, precision: str) -> Array:
    if isinstance(initial, Final) and precision == "float32":
        return initial.compensation
    return np.zeros_like(state)


def balloon(initial: Any, made: tuple[Recording, ...], members: NDArray[np.int64]) -> tuple[Array | None, ...]:
    if not isinstance(initial, Final) or len(initial.balloon) != len(made):
        return tuple(None for _ in made)
    return tuple(
        flow[members] if flow is not None and r.recorder.kind == "bold" else None
        for flow, r in zip(initial.balloon, made, strict=True)
    )
