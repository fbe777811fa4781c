"""Noise made ready: its strengths as parameters of the step's graph, its given numbers, its own states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest
from l2l.simulator.codegen.system import Step, System
from l2l.simulator.integrators import Integrator
from l2l.simulator.model import Parameter
from l2l.simulator.noise import Additive, Coloured, Multiplicative, initial_normals
from l2l.simulator.values import Values, broadcast_values

Array = NDArray[np.float64]
_TAU = Parameter("tau", 1.0, unit="ms", minimum=0.0, exclusive=True)


@dataclass(frozen=True, eq=False)
class NoiseTerms:
    """What the user's noise means for one system.

    system: with the user's noise factors. names: states with noise. values: strengths (and tau) by symbol.
    given: (step, state, node) normals, or None. coloured: the noise, if it is coloured. eta: (state, node) given start.
    """

    system: System
    names: tuple[str, ...] = ()
    values: dict[str, Values] = field(default_factory=dict)
    given: Array | None = None
    coloured: Coloured | None = None
    eta: Array | None = None

    @classmethod
    def of(cls, noise: Additive | None, scheme: Integrator, system: System, steps: int, nodes: int) -> NoiseTerms:
        """Raises SimulationError or ModelError where a law is broken."""
        if noise is None:
            return cls(system)
        if not isinstance(noise, Additive):
            raise SimulationError(f"noise must be one of l2l.simulator.noise, but got {noise!r}")
        if not scheme.stochastic:
            raise SimulationError(f"{scheme.name} is for deterministic systems; with noise use heun or euler")
        states = system.model.state_names
        sigmas = noise.sigmas(states)
        for name in sigmas:
            if name not in states:
                raise SimulationError(f"noise on an unknown state variable {name!r}; {nearest(name, states)}")
        values = {f"p.noise.{name}": Values(f"noise of {name}", sigma) for name, sigma in sigmas.items()}
        coloured = noise if isinstance(noise, Coloured) else None
        factor = noise.factor if isinstance(noise, Multiplicative | Coloured) else None
        if factor is not None:
            factors = {n: system.quantity(text, f"noise factor of {n!r}") for n, text in factor.items()}
            system = replace(system, noise=factors)
        if coloured is not None:
            for name, tau in coloured.by_name("tau", sigmas).items():
                values[f"p.decay.{name}"] = Values(f"tau of the noise of {name}", tau)
                values[f"p.decay.{name}"].check(_TAU)
            if coloured.start is not None:
                for name, start in coloured.by_name("start", sigmas).items():
                    values[f"start of noise.{name}"] = Values(f"start of the noise of {name}", start)
                    values[f"start of noise.{name}"].check(None)
        z, eta = None, None
        if noise.given is not None:
            z = np.asarray(noise.given, dtype=np.float64)
            if coloured is not None and z.ndim == 3 and len(z) == steps + 1:
                eta, z = z[0], z[1:]
            expected = (steps, len(states), nodes)
            if z.shape != expected:
                raise SimulationError(
                    f"given noise must have shape (step, variable, node) = {expected}, but has {np.shape(noise.given)}"
                )
        return cls(system, tuple(sigmas), values, z, coloured, eta)

    def per_step(self, table: Mapping[str, Array], dt: float) -> dict[str, Array]:
        """`table` with the strengths of one step in place of sigma and tau."""
        result = dict(table)
        for name in self.names:
            if self.coloured is None:
                result[f"p.noise.{name}"] = table[f"p.noise.{name}"] * math.sqrt(dt)
                continue
            tau = table[f"p.decay.{name}"]
            result[f"p.noise.{name}"] = table[f"p.noise.{name}"] * dt / np.sqrt(tau)
            result[f"p.decay.{name}"] = np.exp(-dt / tau)
            result[f"p.kick.{name}"] = np.sqrt(-np.expm1(-2 * dt / tau))
        return result

    def start(self, step: Step, seeds: NDArray[np.uint64], count: int, nodes: int) -> dict[str, Array]:
        """The first value of each state of coloured noise, (simulation, node)."""
        result: dict[str, Array] = {}
        states = self.system.model.state_names
        for index, state in enumerate(step.states[len(states) :], start=len(states)):
            told = self.values.get(f"start of {state.name}")
            if told is not None:
                value = broadcast_values(told, count, nodes)
            elif self.eta is not None:
                value = self.eta[states.index(state.name.removeprefix("noise."))][None]
            else:
                value = initial_normals(seeds, index, nodes)
            result[state.name] = np.broadcast_to(value, (count, nodes))
        return result

    def padded(self, step: Step) -> Array | None:
        """The given numbers with a column for every state of the step."""
        if self.given is None:
            return None
        missing = len(step.states) - self.given.shape[1]
        return np.pad(self.given, ((0, 0), (0, missing), (0, 0))) if missing else self.given
