"""A brain network model that is fitted to measured functional connectivity."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.duration import seconds
from l2l.errors import ObjectiveError, OptimizeeError, SimulationError, nearest
from l2l.individual import Individual, Outcome
from l2l.objective import Objective, as_objectives
from l2l.observables.fc import fc, triangle
from l2l.observables.target import Target
from l2l.optimizees.base import Optimizee
from l2l.space import Categorical, Parameter, Space

if TYPE_CHECKING:
    from l2l.simulator.connectome import Connectome
    from l2l.simulator.model import Model


def _fc_corr(simulated: NDArray[Any], target: NDArray[np.float64]) -> float:
    return float(np.corrcoef(simulated, target)[0, 1])


def _fc_rmse(simulated: NDArray[Any], target: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean((simulated - target) ** 2)))


# How triangles of FC are compared, and whether larger is better.
FIT_TERMS: dict[str, tuple[Callable[[NDArray[Any], NDArray[np.float64]], float], bool]] = {
    "fc_corr": (_fc_corr, True),
    "fc_rmse": (_fc_rmse, False),
}


class BrainNetwork(Optimizee):
    """Simulate a network of neural masses, turn its activity into BOLD and FC, and compare with a target.

    model: a model of `l2l.simulator.models`, or its name.
    connectome: weights (row receives from column) and, if `speed` is given, tract lengths.
    target: a Target, or its (node, node) FC.
    free: the parameters to fit, by name: of the model, of its coupling ("G" is the global coupling), or "sigma". A
        Real with shape (node,) is one value a region.
    objectives: "fc_corr" (correlation of the triangles of FC), "fc_rmse", or several.
    parameters: values for parameters that stay fixed but differ from the model's defaults.
    duration, transient: simulated time that counts, and the time before it that does not: "10 min", or seconds.
    tr: repetition time of the BOLD signal: "720 ms", or seconds.
    sigma: noise amplitude, for all state variables or by name: each step adds sigma sqrt(dt) z, dt in ms.
    dt: integration step, ms. speed: conduction speed, mm/ms; None for no delays.
    validation_duration: how long the best individuals are simulated again; by default `duration`.
    batch_size: simulations in one call of the kernel.
    Raises the error of the part that is amiss, before anything is simulated.
    """

    def __init__(
        self,
        model: str | Model,
        connectome: Connectome,
        target: Target | ArrayLike,
        free: Mapping[str, Parameter] | Space,
        *,
        objectives: str | Sequence[str] = "fc_corr",
        parameters: Mapping[str, Any] | None = None,
        duration: str | float = "5 min",
        transient: str | float = "20 s",
        tr: str | float = 0.72,
        sigma: float | Mapping[str, float] = 0.01,
        dt: float = 1.0,
        speed: float | None = None,
        integrator: str = "euler",
        precision: str = "float32",
        validation_duration: str | float | None = None,
        batch_size: int = 64,
    ) -> None:
        from l2l.simulator import models

        self.model = models.get(model) if isinstance(model, str) else model
        self.connectome = connectome
        self.target = target if isinstance(target, Target) else Target(target)
        self.space = free if isinstance(free, Space) else Space(free)
        self.objectives = _objectives(objectives)
        self.parameters = dict(parameters or {})
        self.duration = seconds(duration)
        self.transient = seconds(transient, "transient")
        self.tr = seconds(tr, "tr")
        self.sigma = sigma
        self.dt = dt
        self.speed = speed
        self.integrator = integrator
        self.precision = precision
        self.validation_duration = seconds(duration if validation_duration is None else validation_duration)
        self.batch_size = batch_size
        self._check()

    @property
    def name(self) -> str:
        return self.model.name

    def simulate(self, individual: Individual) -> Outcome:
        outcome = self.simulate_batch([individual])[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def simulate_batch(self, individuals: Sequence[Individual]) -> list[Outcome | Exception]:
        from l2l.simulator import simulate

        result = simulate(self.model, self.connectome, **self._settings(individuals))
        matrices = fc(result.array("bold"))
        return [
            self._outcome(matrix) if fine else SimulationError(f"the simulation {status}")
            for matrix, fine, status in zip(matrices, result.status.ok, result.status, strict=True)
        ]

    def _settings(self, individuals: Sequence[Individual]) -> dict[str, Any]:
        """The arguments of `simulate` for these individuals: a row of values each."""
        from l2l.simulator import monitors, noise

        free = {name: np.array([individual[name] for individual in individuals]) for name in self.space}
        columns = {name: values.reshape(len(individuals), -1) for name, values in free.items()}
        sigma: Any = self.sigma
        if "sigma" in columns:
            sigma = dict.fromkeys(self._noisy, columns.pop("sigma"))
        return {
            "parameters": {**self.parameters, **columns},
            "noise": noise.Additive(sigma=sigma),
            # The last volume ends with the run, so that a simulation never lasts longer than what is kept of it.
            "duration": self._volumes(self.transient + self.duration) * self.tr * 1e3,
            "dt": self.dt,
            "integrator": self.integrator,
            "speed": self.speed,
            "monitors": [monitors.Bold(tr=self.tr * 1e3, skip=self._volumes(self.transient) * self.tr * 1e3)],
            "seed": np.array([individual.seed for individual in individuals], dtype=np.uint64),
            "precision": self.precision,
        }

    @property
    def _noisy(self) -> Sequence[str]:
        return list(self.sigma) if isinstance(self.sigma, Mapping) else self.model.state_names

    def _volumes(self, duration: float) -> int:
        """Whole volumes in a time."""
        return int(duration / self.tr + 1e-9)

    def _outcome(self, matrix: NDArray[Any]) -> Outcome:
        simulated = triangle(matrix).astype(np.float64)
        fitness = {each.name: FIT_TERMS[each.name][0](simulated, self._target) for each in self.objectives}
        return Outcome(fitness, {"mean_fc": float(simulated.mean())}, {"fc": matrix.astype(np.float32)})

    def _check(self) -> None:
        """Refuse now what would fail on every worker."""
        from l2l.simulator.prepare import prepare

        nodes = self.connectome.n_nodes
        if self.target.n_nodes != nodes:
            raise OptimizeeError(
                f"target and connectome must have the same regions, but have {self.target.n_nodes} and {nodes}: "
                "reorder or drop regions with Connectome.subset"
            )
        for duration in (self.duration, self.validation_duration):
            if self._volumes(duration) < 2:
                raise OptimizeeError(
                    f"the duration must hold two volumes or more, but {duration:g} s is {self._volumes(duration)} at "
                    f"tr = {self.tr:g} s: simulate longer"
                )
        for name, parameter in self.space.items():
            if isinstance(parameter, Categorical):
                raise OptimizeeError(f"free parameter {name!r} must be Real or Integer, but is {parameter!r}")
            if parameter.shape not in {(), (nodes,)}:
                raise OptimizeeError(
                    f"free parameter {name!r} must have one value, or one for each region (shape=({nodes},)), "
                    f"but has shape {parameter.shape}"
                )
        corners = self.space.decode_many([[0.0] * self.space.dimension, [1.0] * self.space.dimension])
        settings = self._settings([Individual(corner) for corner in corners])
        prepare(
            self.model,
            self.connectome.weights,
            self.connectome.tract_lengths,
            coupling=None,
            initial=None,
            simulations=None,
            **settings | {"monitors": tuple(settings["monitors"])},
        )

    def baselines(self) -> Mapping[str, float]:
        """Correlation with the target of what needs no neural model: weights alone, and linear diffusion on them."""
        if self.objectives[0].name != "fc_corr":
            return {}
        from l2l.observables.linear import (
            best_diffusive_network,
            best_heat_kernel,
            best_linear_diffusion,
            log_weights_correlation,
        )

        weights, measured = self.connectome.weights, self.target.fc
        network, heat = best_linear_diffusion(weights, measured, _COUPLINGS), best_heat_kernel(weights, measured)
        diffusive = best_diffusive_network(weights, measured)
        return {
            "log weights": log_weights_correlation(weights, measured),
            f"best linear network with noise (g = {network.parameter:.4g})": network.correlation,
            f"best diffusive network with noise (b = {diffusive.parameter:.3g})": diffusive.correlation,
            f"best heat kernel (t = {heat.parameter:.3g})": heat.correlation,
        }

    def validation(self) -> BrainNetwork:
        longer = copy.copy(self)
        longer.duration = self.validation_duration
        return longer

    def describe(self) -> dict[str, Any]:
        return {
            "optimizee": type(self).__name__,
            "model": self.model.name,
            "equations": hashlib.sha256(repr(self.model).encode()).hexdigest(),
            "connectome": {"name": self.connectome.name, "sha256": self.connectome.digest()},
            "target": {"name": self.target.name, "sha256": self.target.digest()},
            "objectives": [objective.as_json() for objective in self.objectives],
            "parameters": {name: np.asarray(value).tolist() for name, value in self.parameters.items()},
            "duration_s": self.duration,
            "transient_s": self.transient,
            "tr_s": self.tr,
            "sigma": dict(self.sigma) if isinstance(self.sigma, Mapping) else self.sigma,
            "dt_ms": self.dt,
            "speed_mm_per_ms": self.speed,
            "integrator": self.integrator,
            "precision": self.precision,
            "validation_duration_s": self.validation_duration,
        }

    @cached_property
    def _target(self) -> NDArray[np.float64]:
        return triangle(self.target.fc).astype(np.float64)


# Finely towards 1, where the linear network is at its best: a baseline is worth beating only if it is at its best too.
_COUPLINGS = tuple(1 - np.logspace(0, -4, 200)[1:])


def _objectives(names: str | Sequence[str]) -> tuple[Objective, ...]:
    asked = [names] if isinstance(names, str) else list(names)
    for name in asked:
        if name not in FIT_TERMS:
            raise ObjectiveError(f"unknown objective {name!r}: {nearest(name, FIT_TERMS)}")
    return as_objectives([Objective(name, maximize=FIT_TERMS[name][1]) for name in asked])
