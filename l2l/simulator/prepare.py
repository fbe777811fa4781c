"""Checks what the user asks for and makes numbers of it. Every law is checked here, before anything runs."""

from __future__ import annotations

import functools
import math
import operator
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest
from l2l.simulator import integrators
from l2l.simulator.codegen.expression import Node, make, symbol
from l2l.simulator.codegen.system import Step, advance, compose
from l2l.simulator.coupling import Coupling, Given, Terms, as_terms
from l2l.simulator.integrators import Integrator
from l2l.simulator.model import Model
from l2l.simulator.monitors import Monitor
from l2l.simulator.noise import MAX_NODES, Additive
from l2l.simulator.noise_terms import NoiseTerms
from l2l.simulator.problem import Array, Problem
from l2l.simulator.recording import Shown, recordings
from l2l.simulator.result import Final
from l2l.simulator.start import History as History
from l2l.simulator.start import Resume as Resume
from l2l.simulator.start import balloon, carried, initial_values, sends, start
from l2l.simulator.stimulus import Stimulus, as_stimuli, given_values, sizes_of_series, waves
from l2l.simulator.values import RangeWarning, Values, broadcast_values, size_of_ensemble

PRECISIONS = ("float32", "float64")


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
    coupling: str | Coupling | Mapping[str, Given] | None,
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
    stimulus: Stimulus | Sequence[Stimulus] | None = None,
    coupling_per_stage: bool = False,
) -> Prepared:
    """See `simulate`. Raises SimulationError or ModelError."""
    if precision not in PRECISIONS:
        raise SimulationError(f"unknown precision {precision!r}; {nearest(precision, PRECISIONS)}")
    scheme = integrators.get(integrator)
    weights = _weights(weights)
    nodes = len(weights)
    steps = _steps(duration, dt)
    received = as_terms(coupling, model)
    system = compose(model, {i: [(prefix, c.function) for prefix, c in terms] for i, terms in received.items()})
    given = values_of_parameters(model, received, parameters)
    terms = NoiseTerms.of(noise, scheme, system, steps, nodes)
    system = terms.system
    given |= terms.values
    starts = initial_values(initial, model)
    stimuli = as_stimuli(stimulus, model)
    driving = given_values(stimuli)
    first = initial.step if isinstance(initial, Final) else 0

    shaped = [*given.values(), *starts.values(), *(value for own in driving for value in own.values())]
    count = size_of_ensemble(shaped, nodes, [*_sizes(simulations, speed, seed, initial), *sizes_of_series(stimuli)])
    table = {name: broadcast_values(value, count, nodes) for name, value in given.items()}
    table = terms.per_step(table, dt)
    amplitudes, forms = waves(stimuli, driving, count, nodes, first + steps, dt)
    table |= {f"p.stimulus.{k}": amplitude for k, amplitude in enumerate(amplitudes)}
    seeds = seeds_of(seed, count)
    constants = {n: float(v[0, 0]) for n, v in table.items() if v.size == 1 and float(v[0, 0]) in (0.0, 1.0)}

    observed, made, shown = recordings(system, monitors, nodes, dt, steps, first)
    noisy = [name for name in terms.names if constants.get(f"p.noise.{name}") != 0.0]
    groups = _delay_groups(weights, tract_lengths, speed, dt, count)
    between = coupling_per_stage and _meets_between_steps(scheme, any(delays is not None for _, delays in groups))

    @functools.cache
    def step_of(middle: bool) -> Step:
        return advance(
            system, scheme, observed, noisy=noisy, coloured=terms.coloured is not None, stimuli=_inflow(stimuli),
            constants=constants, per_stage=coupling_per_stage, compensated=precision == "float32", between=middle,
        )  # fmt: skip

    step = step_of(between)
    used = {name: table[name] for name in step.parameters()}
    kind = "none" if not step.noisy() else ("drawn" if terms.given is None else "given")

    state, past = start(initial, starts, model, terms.start(step, seeds, count, nodes), seeds, count, nodes)
    functions = tuple((i, prefix, c.function.name) for i, each in received.items() for prefix, c in each)
    signature = (model.name, functions, dt, nodes, count, len(step.channels))
    problems = []
    for members, delays in groups:
        step = step_of(between and delays is not None)
        sub = {name: value if value.shape[0] == 1 else value[members] for name, value in used.items()}
        problems.append(
            (
                members,
                Problem(
                    step=step, weights=weights, delays=delays, dt=float(dt),
                    start=first, steps=steps, parameters=sub, noise=kind,
                    given=terms.padded(step), seeds=seeds[members], state=state[members],
                    compensation=carried(initial, state, precision)[members],
                    sends=sends(initial, members, delays, system, step, sub, state, past, signature),
                    recordings=made, balloon=balloon(initial, made, members), precision=precision,
                    waves={name: forms[int(name[2:])].of(members) for name in step.waves()},
                ),
            )
        )  # fmt: skip
    for values in given.values():
        # Last: Python forgets what it has shown whenever the filters change, as they do where a new text is read.
        values.warn()
    return Prepared(problems, shown, count, signature)


def _meets_between_steps(scheme: Integrator, delayed: bool) -> bool:
    """Whether stages of the scheme read delayed coupling in the middle of a step; raises SimulationError elsewhere."""
    between = {time for time in scheme.times if time not in (0.0, 1.0)}
    if not (delayed and between):
        return False
    if between != {0.5} or not scheme.midpoint:
        raise SimulationError(
            "coupling_per_stage with delays needs stages at whole or half steps and the scheme's midpoint, but those "
            f"of {scheme.name} are at {scheme.times}, midpoint {scheme.midpoint!r}; use heun or rk4"
        )
    return True


def _inflow(stimuli: Sequence[Stimulus]) -> dict[str, Node]:
    """By state what its stimuli add up to: amplitudes p.stimulus.K times waveforms v.K."""
    inflow: dict[str, Node] = {}
    for k, stimulus in enumerate(stimuli):
        one = make("mul", symbol(f"p.stimulus.{k}"), symbol(f"v.{k}"))
        inflow[stimulus.state] = make("add", inflow[stimulus.state], one) if stimulus.state in inflow else one
    return inflow


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


def values_of_parameters(model: Model, received: Terms, parameters: Mapping[str, Any]) -> dict[str, Values]:
    """Every parameter of model and coupling by its symbol, the user's value or the default, checked."""
    known = {p.name: (f"p.{p.name}", p) for p in model.parameters}
    defaults: dict[str, Any] = {f"p.{p.name}": p.default for p in model.parameters}
    couplings = {prefix: coupling for terms in received.values() for prefix, coupling in terms}
    for prefix, coupling in couplings.items():
        for p in coupling.function.parameters:
            known[f"coupling.{prefix}{p.name}"] = (f"p.coupling.{prefix}{p.name}", p)
            defaults[f"p.coupling.{prefix}{p.name}"] = coupling.values.get(p.name, p.default)
    if len(couplings) == 1 and "G" not in known:
        [(prefix, coupling)] = couplings.items()
        if coupling.function.strength is not None:
            known["G"] = known[f"coupling.{prefix}{coupling.function.strength}"]
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
        label, value = chosen.get(symbol, (name, defaults[symbol]))
        values = Values(f"parameter {label!r}", value)
        values.check(parameter)
        if symbol in chosen:
            values.usual = parameter
        result[symbol] = values
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
    with np.errstate(invalid="ignore"):
        shortest = (lengths / speeds.max())[(lengths > 0) & (weights != 0)].min(initial=np.inf)
    if shortest < dt * (1 - 1e-9):
        warnings.warn(
            f"dt = {dt:g} ms is longer than the shortest delay: delays are rounded to whole steps, some to none",
            RangeWarning,
            stacklevel=2,
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
