"""Inhibition control as a part of each evaluation: who asks for it, with which options, and what its failure costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from l2l.errors import OptimizeeError, nearest
from l2l.individual import Outcome
from l2l.objective import Objective

if TYPE_CHECKING:
    from l2l.simulator.connectome import Connectome
    from l2l.simulator.inhibition import Inhibition
    from l2l.simulator.model import Model

METHODS = ("analytical", "numerical")


@dataclass(frozen=True)
class InhibitionControl:
    """Feedback inhibition that holds the excitatory rates near 3 Hz, set anew for each individual.

    method: "analytical" (Demirtaş et al. 2019) or "numerical" (Deco et al. 2014); see `l2l.simulator.inhibition`.
    penalty: >= 0. Where the control fails, the simulation still runs and its evaluation is ok, but every objective is
        made worse by `penalty`, in its own unit, and the measurements tell it (`fic_converged`, `fic_trials`,
        `fic_penalty`: take it off again for the bare score). The default 1 is the way from a perfect correlation to
        none, and the whole range of a Kolmogorov-Smirnov distance: no failed individual beats a sound one that fits at
        all, yet among failed ones the better fit still leads. 0 only records.
    current: nA, at which the mean excitatory current is held; None: the usual one of the method.
    trials, tolerance: "numerical" corrects at most so often, until every node is within the tolerance (nA).
    """

    method: Literal["analytical", "numerical"] = "analytical"
    penalty: float = 1.0
    current: float | None = None
    trials: int = 10
    tolerance: float = 0.005

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise OptimizeeError(f"unknown inhibition control {self.method!r}: {nearest(str(self.method), METHODS)}")
        if not (np.isfinite(self.penalty) and self.penalty >= 0):
            raise OptimizeeError(f"0 <= penalty < infinity must hold, but got {self.penalty!r}")
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or self.trials < 1:
            raise OptimizeeError(f"trials must be an integer >= 1, but got {self.trials!r}")
        if not (np.isfinite(self.tolerance) and self.tolerance > 0):
            raise OptimizeeError(f"tolerance > 0 nA must hold, but got {self.tolerance!r}")
        if self.current is not None and not np.isfinite(self.current):
            raise OptimizeeError(f"current must be finite, in nA, but got {self.current!r}")

    @classmethod
    def of(cls, given: InhibitionControl | str | None) -> InhibitionControl | None:
        """From itself, the name of its method, or None."""
        if given is not None and not isinstance(given, str | InhibitionControl):
            raise OptimizeeError(
                f"inhibition_control must be an InhibitionControl, or {' or '.join(map(repr, METHODS))}, or None, but "
                f"is {given!r:.80}"
            )
        return cls(given) if isinstance(given, str) else given  # type: ignore[arg-type]

    def check(self, model: Model, given: Sequence[str], dt: float) -> str:
        """The parameter that it sets. Raises where the model has none, the user gives it, too, or dt (ms) fits not."""
        from l2l.simulator.inhibition_rest import names_of
        from l2l.simulator.monitors import steps_of

        parameter = names_of(model).weight
        if parameter in given:
            raise OptimizeeError(
                f"inhibition control sets {parameter!r} of {model.name}, but it is given as well: leave out one of them"
            )
        if self.method == "numerical":
            steps_of(1.0, dt, "the sampling of numerical inhibition control")
        return parameter

    def tune(
        self, model: Model, connectome: Connectome, settings: Mapping[str, Any], count: int, backend: str
    ) -> Inhibition:
        """The inhibition of each simulation; settings: the arguments of `simulate`."""
        from l2l.simulator import inhibition, inhibition_rest

        usual = inhibition_rest.EXCITATORY_CURRENT if self.method == "analytical" else inhibition.HELD_CURRENT
        current = usual if self.current is None else self.current
        parameters = settings["parameters"]
        if self.method == "analytical":
            return inhibition.analytical(model, connectome.weights, parameters, simulations=count, current=current)
        return inhibition.numerical(
            model,
            connectome,
            parameters,
            noise=settings["noise"],
            speed=settings["speed"],
            dt=settings["dt"],
            integrator=settings["integrator"],
            seed=settings["seed"],
            precision=settings["precision"],
            simulations=count,
            backend=backend,
            max_trials=self.trials,
            current=current,
            tolerance=self.tolerance,
        )

    def judged(
        self, outcomes: Sequence[Outcome | Exception], tuned: Inhibition, objectives: Sequence[Objective]
    ) -> list[Outcome | Exception]:
        """The outcomes with what became of the control, penalised where it failed."""
        return [
            outcome
            if isinstance(outcome, Exception)
            else self._judged(
                outcome, bool(tuned.converged[i]), int(tuned.trials[i]), float(tuned.deviation[i]), objectives
            )
            for i, outcome in enumerate(outcomes)
        ]

    def _judged(
        self, outcome: Outcome, converged: bool, trials: int, deviation: float, objectives: Sequence[Objective]
    ) -> Outcome:
        penalty = 0.0 if converged else self.penalty
        return replace(
            outcome,
            fitness={
                each.name: outcome.fitness[each.name] - penalty
                if each.maximize
                else outcome.fitness[each.name] + penalty
                for each in objectives
            },
            measurements={
                **outcome.measurements,
                "fic_converged": converged,
                "fic_trials": trials,
                "fic_deviation": deviation,
                "fic_penalty": penalty,
            },
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
