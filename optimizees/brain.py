"""A brain network model that is fitted to measured connectivity, dynamics, spectra or rates."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from l2l.duration import seconds
from l2l.errors import OptimizeeError, SimulationError, nearest
from l2l.individual import Individual, Outcome
from l2l.observables.analysis import Analysis
from l2l.observables.observed import OBSERVABLES
from l2l.observables.target import Target
from l2l.observables.terms import TERMS
from l2l.optimizees.base import Optimizee
from l2l.optimizees.baselines import correlations_with
from l2l.optimizees.fit import Fit, Goal
from l2l.optimizees.given import as_connectome, as_duration, as_model, as_target, as_tr, check_settings, check_windows
from l2l.optimizees.heterogeneity import Free, FreeParameters
from l2l.optimizees.inhibition import InhibitionControl
from l2l.optimizees.labelled import Axes, axes_of_monitor
from l2l.optimizees.perturbation import Perturbation
from l2l.optimizees.source import settings_of
from l2l.optimizees.targeting import on_host, simulated_target
from l2l.space import Space

if TYPE_CHECKING:
    from l2l.simulator.connectome import Connectome
    from l2l.simulator.inhibition import Inhibition
    from l2l.simulator.model import Model
    from l2l.simulator.monitors import Bold, ConvolvedBold, Monitor
    from l2l.simulator.result import Result, Status

# The variable of a model that is a firing rate.
RATES = {"ReducedWongWangFIC": "r_E", "ReducedWongWangExcInh": "H_e", "MontbrioPazoRoxin": "r"}
_RATE = "_rate"  # the monitor behind the observable "rates"


class BrainNetwork(Optimizee):
    """Simulate a network of neural masses, turn its activity into observables, and compare them with a target.

    model: a model of `l2l.simulator.models`, or its name.
    connectome: weights (row receives from column) and, if `speed` is given, tract lengths.
    target: a Target, or its (node, node) FC.
    free: the parameters to fit, by name: of the model, of its coupling ("G" is the global coupling), "sigma" or
        "speed". A Real or Integer; with shape (node,) one value a region; Regional: free in each region or group;
        MapScaled: following maps.
    objectives: terms of `l2l.observables.terms` by name ("fc_corr", "fcd_ks", ...), a Term, a Combined or a text such
        as "+fc_corr-fcd_ks", a function of observables (minimised), or several of these: each an objective.
    measure: further terms whose values are recorded as measurements.
    record: arrays that are kept: observables ("fc", "fcd", "bold", "spectrum", ...), monitors, free parameters.
    analysis: an Analysis, or its settings by name: windows of FCD, bands, pairs.
    parameters: values for parameters that stay fixed but differ from the model's defaults.
    initial: values by state variable where simulations start; what is not given is drawn from the model's ranges.
    maps: (node,) arrays by name, which MapScaled may name.
    duration, transient: simulated time that counts, and the time before it that does not: "10 min", or seconds.
    tr: repetition time of the BOLD signal: "720 ms", or seconds.
    bold: how BOLD is made: constants of the Balloon-Windkessel model by name, or a `monitors.Bold` or
        `monitors.ConvolvedBold`, whose tr, skip and name are set here.
    rate: the variable of the model that is its firing rate, where rates are asked for.
    monitors: further monitors; each is an observable of its name, without the transient.
    sigma: noise amplitude, for all state variables or by name: each step adds sigma sqrt(dt) z, dt in ms.
    dt: integration step, ms. speed: conduction speed, mm/ms; None for no delays.
    inhibition_control: "analytical", "numerical" or an InhibitionControl, of models with feedback inhibition.
    perturbation: how individuals are stimulated, where "pci" is asked for.
    validation_duration: how long the best individuals are simulated again; by default `duration`.
    batch_size: simulations in one call of the kernel. backend: as of `simulate`.
    Raises the error of the part that is amiss, before anything is simulated.
    """

    def __init__(
        self,
        model: str | Model,
        connectome: Connectome,
        target: Target | ArrayLike,
        free: Mapping[str, Free] | Space,
        *,
        objectives: Any = "fc_corr",
        measure: Any = (),
        record: str | Sequence[str] | None = ("fc",),
        analysis: Analysis | Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        initial: Mapping[str, Any] | None = None,
        maps: Mapping[str, ArrayLike] | None = None,
        duration: str | float = "5 min",
        transient: str | float = "20 s",
        tr: str | float = 0.72,
        bold: str | Bold | ConvolvedBold = "friston2003",
        rate: str | None = None,
        monitors: Sequence[Monitor] = (),
        sigma: float | Mapping[str, float] = 0.01,
        dt: float = 1.0,
        speed: float | None = None,
        integrator: str = "euler",
        precision: str = "float32",
        validation_duration: str | float | None = None,
        inhibition_control: InhibitionControl | str | None = None,
        perturbation: Perturbation | None = None,
        batch_size: int = 64,
        backend: str = "auto",
    ) -> None:
        check_settings(maps, batch_size, backend, perturbation)
        self.model = as_model(model)
        self.connectome = as_connectome(connectome)
        self.target = as_target(target)
        self.free = FreeParameters(free, connectome.labels, maps)
        self.space = self.free.space
        self.parameters = dict(parameters or {})
        self.initial = dict(initial or {})
        self.dt = dt
        self.inhibition_control = InhibitionControl.of(inhibition_control)
        self.monitors = tuple(monitors)
        self.perturbation = perturbation
        self.fit = Fit(objectives, measure, record, analysis, self._others())
        self.objectives = self.fit.objectives
        self.duration = seconds(duration)
        self.transient = as_duration(transient, "transient", zero=True)
        self.tr = as_tr(tr)
        self.bold = bold
        self.rate = rate
        self.sigma = sigma
        self.speed = speed
        self.integrator = integrator
        self.precision = precision
        self.validation_duration = seconds(duration if validation_duration is None else validation_duration)
        self.batch_size = batch_size
        self.backend = backend
        self.goal = self._check()

    @property
    def name(self) -> str:
        return self.model.name

    def simulate(self, individual: Individual) -> Outcome:
        outcome = self.simulate_batch([individual])[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def simulate_batch(self, individuals: Sequence[Individual]) -> list[Outcome | Exception]:
        refusals = self.free.refusals(individuals)
        possible = [each for each, refusal in zip(individuals, refusals, strict=True) if not refusal]
        outcomes = iter(self._simulated(possible) if possible else [])
        return [OptimizeeError(refusal) if refusal else next(outcomes) for refusal in refusals]

    def _simulated(self, individuals: Sequence[Individual]) -> list[Outcome | Exception]:
        signals, status, tuned, axes = self._observed(individuals)
        outcomes = self.fit.outcomes(signals, self.goal, axes)
        if self.inhibition_control and tuned:
            outcomes = self.inhibition_control.judged(outcomes, tuned, self.objectives)
        return [
            outcome if fine else SimulationError(f"the simulation {what}")
            for outcome, fine, what in zip(outcomes, status.ok, status, strict=True)
        ]

    def _observed(
        self, individuals: Sequence[Individual]
    ) -> tuple[dict[str, Any], Status, Inhibition | None, dict[str, Axes]]:
        """What is observed, by name, with the individuals as first axis; how each ended; what was tuned; axes."""
        settings = self._settings(individuals)
        control = self.inhibition_control
        tuned = control.tune(self.model, self.connectome, settings, len(individuals), self.backend) if control else None
        if tuned:
            settings["parameters"] |= tuned.parameters
        result = self._run(settings)
        signals = self._signals(result, individuals)
        if "pci" in self.fit.needs:
            signals["pci"] = self._perturbed(individuals, tuned)
        axes = {each.name: axes_of_monitor(result, each.name, self._skip, self.model) for each in self.monitors}
        return signals | (tuned.parameters if tuned else {}), result.status, tuned, axes

    def targeting(self, hidden: Individual) -> BrainNetwork:
        """The same fit with its own simulation at `hidden` as target, of as many regions, in the same band.

        Raises SimulationError or ObservableError where that simulation diverges or cannot be a target.
        """
        signals, status, *_ = self._observed([hidden])
        if not status.ok[0]:
            raise SimulationError(f"the simulation of the target {status[0]}")
        other = copy.copy(self)
        own = {name: np.asarray(value)[0] for name, value in on_host(signals).items()}
        other.target = simulated_target(own, self.target, self.fit.against, self.tr, hidden.parameters)
        other.goal = other._check()
        return other

    def _perturbed(self, individuals: Sequence[Individual], tuned: Inhibition | None) -> Any:
        """(individual,) perturbational complexity of stimulated trials."""
        how = self.perturbation
        assert how is not None
        found = []
        for members in how.blocks(len(individuals), self.connectome.n_nodes):
            settings = self._settings(how.repeated(individuals[members])) | how.arguments(self.model.bold)
            for name, values in tuned.parameters.items() if tuned else ():
                settings["parameters"][name] = np.repeat(values[members], how.trials, axis=0)
            found.append(how.index(self._run(settings), self.goal.nodes))
        return np.concatenate(found)

    def _run(self, settings: Mapping[str, Any]) -> Result:
        """On a GPU what is recorded stays there, and is scored there."""
        from l2l.simulator import simulate
        from l2l.simulator.kernels import cuda_device

        if self.backend == "cuda" or (self.backend == "auto" and cuda_device.usable()):
            try:
                result = simulate(self.model, self.connectome, **settings, backend="cuda", on_device=True)
            except SimulationError:  # the kernel may lack something that the CPU's has
                if self.backend == "cuda":
                    raise
            else:
                self.device = "cuda"
                return result
        backend = "cpu" if self.backend == "auto" else self.backend
        return simulate(self.model, self.connectome, **settings, backend=backend)

    def _settings(self, individuals: Sequence[Individual]) -> dict[str, Any]:
        """The arguments of `simulate` for these individuals: a row of values each."""
        from l2l.simulator import noise

        columns: dict[str, Any] = self.free.values(individuals)
        sigma: Any = self.sigma
        if "sigma" in columns:
            sigma = dict.fromkeys(self._noisy, columns.pop("sigma"))
        speed = columns.pop("speed")[:, 0] if "speed" in columns else self.speed
        return {
            "parameters": {**self.parameters, **columns},
            "noise": noise.Additive(sigma=sigma),
            # The last volume ends with the run, so that a simulation never lasts longer than what is kept of it.
            "duration": self._volumes(self.transient + self.duration) * self.tr * 1e3,
            "dt": self.dt,
            "initial": self.initial or None,
            "integrator": self.integrator,
            "speed": speed,
            "monitors": self._monitors(),
            "seed": np.array([individual.seed for individual in individuals], dtype=np.uint64),
            "precision": self.precision,
        }

    def _monitors(self) -> tuple[Monitor, ...]:
        from l2l.simulator import monitors

        tr, skip = self.tr * 1e3, self._skip
        asked = list(self.monitors)
        if "bold" in self.fit.needs or not asked:
            how = monitors.Bold(constants=self.bold) if isinstance(self.bold, str) else self.bold
            asked.append(replace(how, tr=tr, skip=skip, name="bold"))
        if "rates" in self.fit.needs:
            asked.append(monitors.TemporalAverage(variables=(self._rate,), period=tr, name=_RATE))
        return tuple(asked)

    def _signals(self, result: Result, individuals: Sequence[Individual]) -> dict[str, Any]:
        """What is observed, by name, with the simulations as first axis."""
        signals: dict[str, Any] = {}
        for name in result:
            if name == "bold":
                signals[name] = result.array(name)
                continue
            array: Any = result.array(name)
            late = result.times[name] > self._skip
            array = (array if isinstance(array, np.ndarray) else array.copy_to_host())[:, late]
            if name == _RATE:
                signals["rates"] = array[:, :, 0].mean(axis=1, dtype=np.float64)
            else:
                signals[name] = array
        uniform = {name for name in self.free.names if name in self.space and not self.space[name].shape}
        for name, value in self.free.values(individuals).items():
            if name in self.fit.needs:
                signals[name] = value[:, 0] if name in uniform and value.shape[1] == 1 else value
        return signals

    @property
    def _noisy(self) -> Sequence[str]:
        return list(self.sigma) if isinstance(self.sigma, Mapping) else self.model.state_names

    @property
    def _rate(self) -> str:
        """The variable that is recorded as the rate."""
        rate = self.rate or RATES.get(self.model.name)
        if rate is None:
            names = [*self.model.state_names, *(name for name, _ in self.model.derived)]
            raise OptimizeeError(
                f"rate= must say which variable of {self.model.name} is its rate: {nearest('', names)}"
            )
        return rate

    @property
    def _skip(self) -> float:
        """ms at the start that do not count: whole volumes."""
        return self._volumes(self.transient) * self.tr * 1e3

    def _volumes(self, duration: float) -> int:
        """Whole volumes in a time."""
        return int(duration / self.tr + 1e-9)

    def _others(self) -> list[str]:
        """What may be observed beside the observables: monitors, free parameters and the controlled one."""
        names = [monitor.name for monitor in self.monitors]
        for name in names:
            if name in OBSERVABLES or name == _RATE or names.count(name) > 1:
                raise OptimizeeError(
                    f"each further monitor needs a name of its own, but {name!r} is taken: Raw(name=...), say"
                )
        control = self.inhibition_control
        given = [*self.parameters, *self.free.names]
        tuned = [control.check(self.model, given, self.dt)] if control else []
        return [*names, *self.free.names, *tuned]

    def _check(self) -> Goal:
        """Refuse now what would fail on every worker; the target made ready."""
        from l2l.simulator.prepare import prepare

        lengths = [self._volumes(duration) for duration in (self.duration, self.validation_duration)]
        for duration, volumes in zip((self.duration, self.validation_duration), lengths, strict=True):
            if volumes < 2:
                raise OptimizeeError(
                    f"the duration must hold two volumes or more, but {duration:g} s is {volumes} at "
                    f"tr = {self.tr:g} s: simulate longer"
                )
        if "fcd" in self.fit.needs:
            check_windows(self.fit.analysis, self.target, self.tr)
        goal = self.fit.goal(self.target, self.connectome, self.tr, min(lengths))
        corners = self.free.corners()
        for refusal in filter(None, self.free.refusals(corners)):
            raise OptimizeeError(refusal)
        settings = self._settings(corners)
        asked = [settings]
        if "pci" in self.fit.needs:
            if self.perturbation is None:
                raise OptimizeeError("the perturbational complexity index needs a stimulus: give perturbation=")
            asked.append(settings | self.perturbation.arguments(self.model.bold))
        for each in asked:
            prepare(
                self.model,
                self.connectome.weights,
                self.connectome.tract_lengths,
                coupling=None,
                simulations=None,
                **each,
            )
        return goal

    def baselines(self) -> Mapping[str, float]:
        """Correlation with the target of what needs no neural model: weights alone, and linear diffusion on them."""
        if self.fit.terms[0] is not TERMS["fc_corr"]:
            return {}
        weights = self.connectome.weights
        if self.goal.nodes is not None:
            weights = weights[np.ix_(self.goal.nodes, self.goal.nodes)]
        return correlations_with(self.goal.reference["fc"], weights)

    def validation(self) -> BrainNetwork:
        longer = copy.copy(self)
        longer.duration = self.validation_duration
        return longer

    def describe(self) -> dict[str, Any]:
        described = {
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
        # Only where they are used: a run recorded before they existed keeps its fingerprint.
        further = {
            "fit": self.fit.describe(),
            "regions": self.free.describe(),
            "initial": {name: np.asarray(value).tolist() for name, value in self.initial.items()},
            "bold": self.bold if isinstance(self.bold, str) and self.bold != "friston2003" else "",
            "haemodynamics": {} if isinstance(self.bold, str) else settings_of(self.bold),
            "rate": self._rate if "rates" in self.fit.needs else "",
            "monitors": [settings_of(monitor) for monitor in self.monitors],
            "inhibition_control": self.inhibition_control.as_json() if self.inhibition_control else {},
            "perturbation": settings_of(self.perturbation) if self.perturbation and "pci" in self.fit.needs else {},
        }
        return described | {name: value for name, value in further.items() if value}
