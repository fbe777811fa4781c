"""A brain network model that is fitted to measured functional connectivity."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.duration import seconds
from l2l.errors import ObjectiveError, OptimizeeError, nearest
from l2l.individual import Individual, Outcome
from l2l.objective import Objective
from l2l.observables.target import Target
from l2l.optimizees.base import Optimizee
from l2l.space import Parameter, Real, Space

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
    sigma: noise amplitude: each step adds sigma sqrt(dt) z to every state variable the model drives by noise; dt in ms.
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
        sigma: float = 0.01,
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
        from l2l.observables.fc import fc
        from l2l.simulator import monitors, noise, simulate

        result = simulate(
            self.model,
            self.connectome,
            parameters=self._values(individuals),
            noise=noise.Additive(sigma=self._noise(individuals)),
            duration=(self.transient + self.duration) * 1e3,
            dt=self.dt,
            integrator=self.integrator,
            speed=self.speed,
            monitors=[monitors.Bold(tr=self.tr * 1e3, skip=self.transient * 1e3)],
            seed=np.array([individual.seed for individual in individuals], dtype=np.uint64),
            precision=self.precision,
            threads=1,
        )
        matrices = fc(result["bold"].values[:, :, 0, :])
        return [self._outcome(matrix, status) for matrix, status in zip(matrices, result.status, strict=True)]

    def baselines(self) -> Mapping[str, float]:
        """Correlation with the target of what needs no neural model: weights alone, and linear diffusion on them."""
        if self.objectives[0].name != "fc_corr":
            return {}
        from l2l.observables.linear import best_linear_diffusion, log_weights_correlation

        diffusion, time = best_linear_diffusion(self.connectome.weights, self.target.fc)
        return {
            "log weights": log_weights_correlation(self.connectome.weights, self.target.fc),
            f"best linear diffusion model (time {time:.3g})": diffusion,
        }

    def validation(self) -> BrainNetwork:
        longer = copy.copy(self)
        longer.duration = self.validation_duration
        return longer

    def describe(self) -> dict[str, Any]:
        return {
            "optimizee": type(self).__name__,
            "model": self.model.name,
            "equations": self.model.digest(),
            "connectome": {"name": self.connectome.name, "sha256": self.connectome.digest()},
            "target": {"name": self.target.name, "sha256": self.target.digest()},
            "objectives": [objective.as_json() for objective in self.objectives],
            "parameters": {name: np.asarray(value).tolist() for name, value in self.parameters.items()},
            "duration_s": self.duration,
            "transient_s": self.transient,
            "tr_s": self.tr,
            "sigma": self.sigma,
            "dt_ms": self.dt,
            "speed_mm_per_ms": self.speed,
            "integrator": self.integrator,
            "precision": self.precision,
            "validation_duration_s": self.validation_duration,
        }

    @cached_property
    def _triangle(self) -> NDArray[np.float64]:
        return triangle(self.target.fc)
