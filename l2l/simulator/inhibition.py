"""Inhibition control: the feedback inhibition that holds every excitatory population at a low rate (some 3 Hz).

    tuned = inhibition.analytical(model, connectome.weights, parameters)
    simulate(model, connectome, parameters={**parameters, **tuned.parameters}, ...)

`analytical` solves for it, `numerical` corrects it by simulating.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError
from l2l.simulator import models
from l2l.simulator.codegen.recorders import Recorder
from l2l.simulator.coupling import Coupling, Given
from l2l.simulator.inhibition_rest import EXCITATORY_CURRENT, Names, Rest, names_of
from l2l.simulator.integrators import Integrator
from l2l.simulator.model import Model
from l2l.simulator.monitors import Raw, steps_of
from l2l.simulator.noise import Additive
from l2l.simulator.prepare import prepare
from l2l.simulator.problem import CONVOLUTION, Problem, Recording
from l2l.simulator.simulate import Network, engine_of
from l2l.simulator.stimulus import Stimulus
from l2l.simulator.values import Values, broadcast_values

Array = NDArray[np.float64]

RESIDUAL = 1e-12  # of the fixed point, relative to the inhibitory gating
# What Deco et al. (2014) hold the current at: 0.026 nA below threshold, b/a = 125/310 nA, within 0.005 nA.
HELD_CURRENT = 125 / 310 - 0.026
SHRINK = 0.001  # nA, by which a correction gets smaller; the smallest, too
FALLBACK = 1.0  # nA, where there is no inhibition that does it (as in cuBNM)


@dataclass(frozen=True, eq=False)
class Inhibition:
    """Tuned feedback inhibition.

    parameter: the model's name of it. w_IE: (simulation, node), nA.
    trials: (simulation,) how often `numerical` has corrected it. converged: (simulation,) whether it holds the target.
    deviation: (simulation,) what remains at the worst node, nA: of the excitatory current from its target; NaN where a
    simulation diverged or nothing could be solved.
    """

    w_IE: Array  # noqa: N815  the paper's symbol
    trials: NDArray[np.int64]
    converged: NDArray[np.bool_]
    deviation: Array
    parameter: str = "wIE"

    @property
    def parameters(self) -> dict[str, Array]:
        """What to give `simulate` among its parameters."""
        return {self.parameter: self.w_IE}


def analytical(
    model: str | Model,
    weights: Any,
    parameters: Mapping[str, Any] | None = None,
    *,
    coupling: str | Coupling | Mapping[str, Given] | None = None,
    simulations: int | None = None,
    current: float = EXCITATORY_CURRENT,
) -> Inhibition:
    """The inhibition under which every node rests at the target, in the whole network.

    model: one of `inhibition_rest.CONTROLLED`, or its name. weights: (node, node), row receives from column.
    parameters, coupling, simulations: as of `simulate`; the model's own inhibition among them is not looked at.
    current: target of the excitatory current, nA; the gating that belongs to it follows from the model.

    The inhibitory gating solves d S_I/dt = 0 by Newton's method to a relative residual of 1e-12, all nodes at once;
    the excitatory current is linear in the inhibition sought. A simulation where it would be negative at some node, or
    where nothing is found, has `converged` False and inhibition 1 at all nodes, as in cuBNM.
    Raises SimulationError if the model has no such inhibition, or for what `simulate` refuses.
    Source: Demirtaş, Burt, Helmer, Ji, Adkinson, Glasser, Van Essen, Sotiropoulos, Anticevic, Murray (2019), Neuron
    101:1181, eq. 10.
    """
    model = models.get(model) if isinstance(model, str) else model
    names = names_of(model)
    network = np.asarray(weights, dtype=np.float64)
    if network.ndim != 2 or network.shape[0] != network.shape[1] or not np.isfinite(network).all():
        raise SimulationError(f"weights must be finite and (node, node), but have shape {network.shape}")
    if not np.isfinite(current):
        raise SimulationError(f"current must be finite, but got {current!r} nA")
    node = Rest(model, names, network, parameters or {}, coupling, simulations)
    gating = node.excitatory_gating(current)
    arrives = node.arriving(gating)
    inhibitory, residual = node.inhibitory_gating(gating, arrives)
    with np.errstate(divide="ignore", invalid="ignore"):
        w_IE = (node.current(gating, inhibitory, arrives, 0.0) - current) / inhibitory
        found = np.isfinite(w_IE) & (w_IE >= 0) & (residual <= RESIDUAL) & (inhibitory > 0)
        fine: NDArray[np.bool_] = np.asarray(found.all(axis=1))
        reached = node.current(gating, inhibitory, arrives, w_IE)
    deviation = np.where(fine, np.abs(np.where(found, reached, current) - current).max(axis=1), np.nan)
    w_IE = np.where(fine[:, None], w_IE, FALLBACK)
    return Inhibition(w_IE, np.zeros(len(fine), dtype=np.int64), fine, deviation, names.weight)


def numerical(
    model: str | Model,
    connectome: Network,
    parameters: Mapping[str, Any] | None = None,
    *,
    coupling: str | Coupling | Mapping[str, Given] | None = None,
    dt: float = 0.1,
    integrator: str | Integrator = "euler",
    noise: Additive | None = None,
    speed: Any = None,
    initial: Any = None,
    stimulus: Stimulus | Sequence[Stimulus] | None = None,
    seed: Any = 0,
    simulations: int | None = None,
    backend: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    start: Inhibition | Any = None,
    max_trials: int = 10,
    current: float = HELD_CURRENT,
    tolerance: float = 0.005,
    settle: float = 1000.0,
    window: float = 9000.0,
    sampling: float = 1.0,
    delta: float = 0.02,
) -> Inhibition:
    """The inhibition that holds the mean excitatory current at its target, found by simulating and correcting.

    model, connectome, parameters, ... threads: as of `simulate`, which they should be the same as; the model's own
        inhibition among the parameters is not looked at.
    start: where to begin: an `Inhibition`, or nA as parameters are given; None: `analytical`.
    max_trials: corrections at most, each followed by a run of its simulation, with the same noise.
    current, tolerance: where the mean current should be, and within what, nA.
    settle, window, sampling: the mean is over the currents at `settle`, `settle + sampling`, ... `settle + window` ms.
    delta: nA, first step of a correction.

    At each node whose mean current is off, inhibition moves by delta: up where the current is above, down (never below
    0) where it is below; each move down makes that node's delta smaller by 0.001, to no less than 0.001. Only
    simulations with a node that is off are run again. One that is still off after `max_trials` corrections, or that
    diverged, has `converged` False and its last inhibition.
    Raises SimulationError if the model has no such inhibition, or for what `simulate` refuses.
    Source: Deco, Ponce-Alvarez, Hagmann, Romani, Mantini, Corbetta (2014), J. Neurosci. 34:7886; rules as in cuBNM.
    """
    model = models.get(model) if isinstance(model, str) else model
    names = names_of(model)
    given = {name: value for name, value in (parameters or {}).items() if name != names.weight}
    _check(max_trials, {"tolerance": tolerance, "delta": delta})
    period = steps_of(sampling, dt, "sampling")
    before, averaged = steps_of(settle, dt, "settle"), steps_of(window, dt, "window")
    for name, steps in (("settle", before), ("window", averaged)):
        if steps % period:
            raise SimulationError(f"sampling must divide {name}, but got {name} = {steps * dt:g} ms, {sampling!r} ms")
    if before < 2:
        raise SimulationError(f"settle must be two steps or more, but got settle = {settle!r} ms, dt = {dt!r} ms")
    told = start.w_IE if isinstance(start, Inhibition) else start
    if simulations is None and np.ndim(told) == 2 and len(told) > 1:
        simulations = len(told)
    prepared = prepare(
        model, connectome.weights, connectome.tract_lengths,
        # Neither 0 nor 1, which would be folded into the equations.
        parameters={**given, names.weight: 0.5}, coupling=coupling, integrator=integrator, noise=noise,
        duration=settle + window, dt=dt, speed=speed, initial=initial, seed=seed, simulations=simulations,
        monitors=(Raw(variables=names.current), Raw(variables=names.arriving, name="arriving")), stimulus=stimulus,
        precision="float64" if backend == "reference" else precision,
    )  # fmt: skip
    needs = frozenset[str]().union(*(problem.needs() for _, problem in prepared.problems))
    engine = engine_of(backend, False, False, needs | {CONVOLUTION})
    summed = _samples(before, averaged, period)
    count, nodes = prepared.simulations, len(connectome.weights)
    if told is None:
        told = analytical(model, connectome.weights, given, coupling=coupling, simulations=count).w_IE
    values = Values(f"start of {names.weight!r}", told)
    values.check(model.parameter(names.weight))
    w_IE = np.array(np.broadcast_to(broadcast_values(values, count, nodes), (count, nodes)))

    def mean_current(members: NDArray[np.int64]) -> Array:
        """(member, node) mean excitatory current of some simulations, NaN where they diverge."""
        means = np.empty((len(members), nodes))
        for group, problem in prepared.problems:
            mine = np.isin(members, group)
            if mine.any():
                part = _part(problem, np.searchsorted(group, members[mine]), names, w_IE[members[mine]])
                outcome = engine(replace(part, recordings=summed), threads, None)
                mean = sum(record[:, 0, 0].astype(np.float64) for record in outcome.records)
                means[mine] = np.where((outcome.diverged < 0)[:, None], mean, np.nan)
        return means

    step = np.full((count, nodes), delta)
    trials, converged = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    deviation = np.full(count, np.nan)
    left = np.arange(count)
    while True:
        off = mean_current(left) - current
        deviation[left] = np.abs(off).max(axis=1)
        lost = np.isnan(deviation[left])
        wrong = np.abs(off) > tolerance
        converged[left[~wrong.any(axis=1) & ~lost]] = True
        again = wrong.any(axis=1) & ~lost & (trials[left] < max_trials)
        left, off, wrong = left[again], off[again], wrong[again]
        if not len(left):
            return Inhibition(w_IE, trials, converged, deviation, names.weight)
        down = wrong & (off < 0)
        moved = w_IE[left] + np.where(down, -step[left], np.where(wrong, step[left], 0.0))
        w_IE[left] = np.maximum(moved, 0.0)
        step[left] = np.where(down, np.maximum(step[left] - SHRINK, SHRINK), step[left])
        trials[left] += 1


def _samples(before: int, averaged: int, period: int) -> tuple[Recording, Recording]:
    """What the kernel adds up of the current, and of what of it arrives from the network, in steps.

    The current at a time is that of the step which ends then, as in cuBNM: made of the state before it, and of what
    arrives from that. What is recorded after a step joins its new state to what arrived in it, so the current is taken
    a step earlier, and what arrives a step later is put in the place of what arrived then.
    """
    ends = np.arange(before, before + averaged + 1, period)
    steps, share = before + averaged, 1 / len(ends)
    current, arriving = np.zeros(averaged + 2), np.zeros(averaged + 2)  # by steps before the last
    np.add.at(current, steps - ends + 1, share)
    np.add.at(arriving, steps - ends + 1, -share)
    np.add.at(arriving, steps - ends, share)
    recorder = Recorder("convolved", 1, mean=False, reach=averaged + 2)
    return (
        Recording(recorder, 1, 1, volume=steps, response=current),
        Recording(recorder, 1, 1, volume=steps, response=arriving),
    )


def _check(max_trials: int, positive: Mapping[str, float]) -> None:
    if max_trials < 0:
        raise SimulationError(f"max_trials >= 0 must hold, but got {max_trials}")
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0):
            raise SimulationError(f"{name} > 0 must hold, but got {value!r}")


def _part(problem: Problem, chosen: NDArray[np.int64], names: Names, w_IE: Array) -> Problem:
    """Some simulations of a problem, with their inhibition."""
    parameters = {name: v if v.shape[0] == 1 else v[chosen] for name, v in problem.parameters.items()}
    return replace(
        problem,
        parameters=parameters | {f"p.{names.weight}": w_IE},
        seeds=problem.seeds[chosen],
        state=problem.state[chosen],
        compensation=problem.compensation[chosen],
        sends=problem.sends[chosen],
        waves={name: wave.of(chosen) for name, wave in problem.waves.items()},
    )
