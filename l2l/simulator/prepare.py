"""Checks what the user asks for and makes numbers of it. Every law is checked here, before anything runs."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest
from l2l.simulator import integrators
from l2l.simulator.codegen.expression import evaluate
from l2l.simulator.codegen.system import System, advance, compose
from l2l.simulator.coupling import Coupling
from l2l.simulator.integrators import Integrator
from l2l.simulator.model import Model
from l2l.simulator.monitors import Monitor
from l2l.simulator.noise import MAX_NODES, Additive, uniforms
from l2l.simulator.problem import Array, Problem, Recording
from l2l.simulator.recording import Shown, recordings
from l2l.simulator.result import Final
from l2l.simulator.values import Values, broadcast_values, size_of_ensemble

PRECISIONS = ("float32", "float64")


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


@dataclass(frozen=True, eq=False)
class Prepared:
    """An ensemble made ready: one problem for each set of delays, with the numbers of its simulations."""

    problems: list[tuple[NDArray[np.int64], Problem]]
    shown: tuple[Shown, ...]
    simulations: int
    signature: tuple[Any, ...]


def prepare(
    model: Model,
    weights: Any,
    tract_lengths: Any,
    *,
    parameters: Mapping[str, Any],
    coupling: Coupling,
    integrator: str | Integrator,
    noise: Additive | None,
    duration: float,
    dt: float,
    speed: Any,
    initial: Any,
    monitors: tuple[Monitor, ...],
    seed: Any,
    simulations: int | None,
    precision: str,
) -> Prepared:
    """See `simulate`. Raises SimulationError or ModelError."""
    if precision not in PRECISIONS:
        raise SimulationError(f"unknown precision {precision!r}; {nearest(precision, PRECISIONS)}")
    scheme = integrators.get(integrator)
    weights = _weights(weights)
    nodes = len(weights)
    steps = _steps(duration, dt)
    system = compose(model, coupling.function)
    given = values_of_parameters(model, coupling, parameters)
    sigmas, z = _noise(noise, scheme, model, steps, nodes)
    given |= {f"p.noise.{name}": Values(f"noise of {name}", sigma) for name, sigma in sigmas.items()}
    starts = _initial_values(initial, model)

    count = size_of_ensemble([*given.values(), *starts.values()], nodes, _sizes(simulations, speed, seed, initial))
    table = {name: broadcast_values(value, count, nodes) for name, value in given.items()}
    for name in sigmas:
        table[f"p.noise.{name}"] = table[f"p.noise.{name}"] * math.sqrt(dt)
    seeds = seeds_of(seed, count)
    constants = {n: float(v[0, 0]) for n, v in table.items() if v.size == 1 and float(v[0, 0]) in (0.0, 1.0)}

    observed, made, shown = recordings(system, monitors, dt, steps, initial.step if isinstance(initial, Final) else 0)
    noisy = [name for name in sigmas if constants.get(f"p.noise.{name}") != 0.0]
    step = advance(system, scheme, observed, noisy=noisy, constants=constants)
    used = {name: table[name] for name in step.parameters()}
    kind = "none" if not step.noisy() else ("drawn" if z is None else "given")

    state, past = _start(initial, starts, model, seeds, count, nodes)
    signature = (model.name, coupling.function.name, dt, nodes, count, len(step.channels))
    problems = []
    for members, delays in _delay_groups(weights, tract_lengths, speed, dt, count):
        sub = {name: value if value.shape[0] == 1 else value[members] for name, value in used.items()}
        problems.append(
            (
                members,
                Problem(
                    step=step, weights=weights, delays=delays, dt=float(dt),
                    start=initial.step if isinstance(initial, Final) else 0, steps=steps, parameters=sub, noise=kind,
                    given=z, seeds=seeds[members], state=state[members],
                    compensation=_carried(initial, state, precision)[members],
                    sends=_sends(initial, members, delays, system, step, sub, state, past, signature),
                    recordings=made, balloon=_balloon(initial, made, members), precision=precision,
                ),
            )
        )  # fmt: skip
    return Prepared(problems, shown, count, signature)


def _weights(given: Any) -> Array:
    weights: Array = np.array(given, dtype=np.float64, order="C")
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or not len(weights):
        raise SimulationError(f"weights must be square, (node, node), but have shape {weights.shape}")
    if not np.isfinite(weights).all():
        raise SimulationError("weights must be finite, but some are not")
    if len(weights) > MAX_NODES:
        raise SimulationError(f"at most {MAX_NODES} nodes, but got {len(weights)}")
    return weights


def _steps(duration: float, dt: float) -> int:
    if not (math.isfinite(dt) and dt > 0):
        raise SimulationError(f"dt > 0 must hold, but got dt = {dt!r} ms")
    if not (math.isfinite(duration) and duration >= dt * (1 - 1e-9)):
        raise SimulationError(f"duration >= dt must hold, but got duration = {duration!r} ms, dt = {dt!r} ms")
    steps = round(duration / dt)
    if abs(steps * dt - duration) > 1e-6 * duration:
        raise SimulationError(f"dt must divide the duration, but got duration = {duration!r} ms, dt = {dt!r} ms")
    return steps


def values_of_parameters(model: Model, coupling: Coupling, parameters: Mapping[str, Any]) -> dict[str, Values]:
    """Every parameter of model and coupling by its symbol, the user's value or the default, checked."""
    known = {p.name: (f"p.{p.name}", p) for p in model.parameters}
    known |= {f"coupling.{p.name}": (f"p.coupling.{p.name}", p) for p in coupling.function.parameters}
    strength = coupling.function.strength
    if strength is not None and "G" not in known:
        known["G"] = known[f"coupling.{strength}"]
    chosen: dict[str, tuple[str, Any]] = {}
    for name, value in parameters.items():
        if name not in known:
            raise SimulationError(f"unknown parameter {name!r} of {model.name}; {nearest(name, known)}")
        symbol = known[name][0]
        if symbol in chosen:
            raise SimulationError(f"{chosen[symbol][0]!r} and {name!r} are the same parameter; give one of them")
        chosen[symbol] = (name, value)
    result = {}
    for name, (symbol, parameter) in known.items():
        if symbol in result:
            continue
        default = coupling.values.get(parameter.name, parameter.default) if "coupling." in name else parameter.default
        label, value = chosen.get(symbol, (name, default))
        values = Values(f"parameter {label!r}", value)
        values.check(parameter)
        result[symbol] = values
    return result


def _noise(
    noise: Additive | None, scheme: Integrator, model: Model, steps: int, nodes: int
) -> tuple[dict[str, Any], Array | None]:
    if noise is None:
        return {}, None
    if not scheme.stochastic:
        raise SimulationError(f"{scheme.name} is for deterministic systems; with noise use heun or euler")
    sigmas = noise.sigmas(model.state_names)
    for name in sigmas:
        if name not in model.state_names:
            raise SimulationError(f"noise on an unknown state variable {name!r}; {nearest(name, model.state_names)}")
    if noise.given is None:
        return sigmas, None
    z = np.asarray(noise.given, dtype=np.float64)
    expected = (steps, len(model.states), nodes)
    if z.shape != expected:
        raise SimulationError(f"given noise must have shape (step, variable, node) = {expected}, but has {z.shape}")
    return sigmas, z


def _initial_values(initial: Any, model: Model) -> dict[str, Values]:
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


def _sizes(simulations: int | None, speed: Any, seed: Any, initial: Any) -> list[tuple[str, int]]:
    """What else tells the number of simulations."""
    sizes = []
    if simulations is not None:
        if simulations < 1:
            raise SimulationError(f"simulations >= 1 must hold, but got {simulations}")
        sizes.append(("simulations", simulations))
    for name, value in (("speed", speed), ("seed", seed)):
        shape = np.shape(value) if value is not None else ()
        if len(shape) > 1:
            raise SimulationError(f"{name} must be a number or (simulation,), but has shape {shape}")
        if shape and shape[0] != 1:
            sizes.append((name, shape[0]))
    if isinstance(initial, History) and np.ndim(initial.values) == 4 and len(initial.values) > 1:
        sizes.append(("initial history", len(initial.values)))
    if isinstance(initial, Final):
        sizes.append(("initial state", len(initial.state)))
    return sizes


def seeds_of(seed: Any, count: int) -> NDArray[np.uint64]:
    """(simulation,) 64-bit seeds; an integer seed is counted up."""
    given = np.asarray(seed, dtype=object)
    try:
        numbers = [operator.index(number) for number in given.ravel()]
        if any(number < 0 for number in numbers):
            raise SimulationError(f"seed >= 0 must hold, but got {min(numbers)}")
        array = np.array(numbers, dtype=np.uint64).reshape(given.shape)
    except (TypeError, OverflowError):
        raise SimulationError(f"seed must be integers of 64 bits, but got {seed!r}") from None
    if array.ndim == 0:
        return np.add(array, np.arange(count, dtype=np.uint64), dtype=np.uint64)  # modulo 2**64
    return np.ascontiguousarray(np.broadcast_to(array, (count,)))


def _start(
    initial: Any, starts: dict[str, Values], model: Model, seeds: NDArray[np.uint64], count: int, nodes: int
) -> tuple[Array, Array | None]:
    """(simulation, state, node) at the start, and the past if it is known."""
    states = len(model.states)
    if isinstance(initial, Final):
        if initial.state.shape != (count, states, nodes):
            raise SimulationError(
                f"the final state has shape {initial.state.shape}, "
                f"but (simulation, state, node) is {(count, states, nodes)}"
            )
        return initial.state, None
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
        return np.ascontiguousarray(past[:, -1]), past
    state = np.empty((count, states, nodes))
    for index, variable in enumerate(model.states):
        if variable.name in starts:
            state[:, index] = broadcast_values(starts[variable.name], count, nodes)
        else:
            drawn = uniforms(seeds, index, nodes)
            state[:, index] = np.clip(
                variable.low + (variable.high - variable.low) * drawn, variable.lower, variable.upper
            )
    return state, None


def _sends(
    initial: Any,
    members: NDArray[np.int64],
    delays: NDArray[np.int64] | None,
    system: System,
    step: Any,
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
    values = {f"x.{s.name}": rows[:, :, i] for i, s in enumerate(system.states)}
    flat = {name: value[:, None, :] for name, value in parameters.items()}
    sent = [np.broadcast_to(v, rows[:, :, 0].shape) for v in evaluate(step.channels, {**values, **flat})]
    return np.stack(sent, axis=1) if sent else np.empty((len(members), 0, 1, state.shape[2]))


def _carried(initial: Any, state: Array, precision: str) -> Array:
    if isinstance(initial, Final) and precision == "float32":
        return initial.compensation
    return np.zeros_like(state)


def _balloon(initial: Any, made: tuple[Recording, ...], members: NDArray[np.int64]) -> tuple[Array | None, ...]:
    if not isinstance(initial, Final) or len(initial.balloon) != len(made):
        return tuple(None for _ in made)
    return tuple(
        flow[members] if flow is not None and r.recorder.kind == "bold" else None
        for flow, r in zip(initial.balloon, made, strict=True)
    )


def _delay_groups(
    weights: Array, tract_lengths: Any, speed: Any, dt: float, count: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64] | None]]:
    """Simulations with the same delays, and the delays in steps (round half to even), or None where there are none."""
    everyone = np.arange(count, dtype=np.int64)
    if speed is None:
        return [(everyone, None)]
    speeds = np.asarray(speed, dtype=np.float64)
    if not (speeds > 0).all():  # also refuses NaN
        raise SimulationError(f"speed > 0 must hold, but got {speed!r} mm/ms")
    if np.isinf(speeds).all():
        return [(everyone, None)]
    if tract_lengths is None:
        raise SimulationError("a conduction speed needs tract lengths, but the connectome has none; use speed=None")
    lengths = np.asarray(tract_lengths, dtype=np.float64)
    if lengths.shape != weights.shape:
        raise SimulationError(
            f"tract lengths must have the shape of the weights {weights.shape}, but have {lengths.shape}"
        )
    groups = []
    each = np.broadcast_to(speeds, (count,))
    for value in np.unique(each):
        delays = np.rint(lengths / value / dt).astype(np.int64)
        # Connections of weight 0 carry nothing: their delays must not make the ring longer.
        delays[weights == 0] = 0
        members = everyone[each == value]
        groups.append((members, delays if delays.any() else None))
    return groups
