"""What is asked of simulations: scores against a target, measurements and recordings, made of what monitors kept.

Nothing here knows models or parameters, so that one fit serves a single network and each subject of a cohort.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import ObjectiveError, ObservableError, OptimizeeError, nearest
from l2l.individual import Outcome
from l2l.objective import Objective, as_objectives
from l2l.observables import connectivity
from l2l.observables.analysis import Analysis
from l2l.observables.filters import bandpass
from l2l.observables.observed import OBSERVABLES, Observed, is_shared
from l2l.observables.pairs import triangle
from l2l.observables.target import Target
from l2l.observables.terms import TERMS, Combined, Reference, Term, as_terms, check_terms, score
from l2l.optimizees.labelled import Axes, axes_of_observable
from l2l.optimizees.source import fingerprint_of
from l2l.optimizees.unfit import closure, reason
from l2l.simulator.connectome import Connectome

Array = NDArray[Any]
_MEAN = "mean_fc"  # measured wherever FC is computed
BLOCK = 256 << 20  # bytes of intermediate results of the simulations that are observed at once


@dataclass(frozen=True, eq=False)
class Goal:
    """One target made ready for a network.

    reference: its observables by name. nodes: of the network that are compared, None for all. pairs: (node, node) of
    those that count, None for all. band: Hz, to which simulated BOLD is filtered, or None. tr: of the simulation, s.
    labels: of the regions that are compared.
    """

    reference: Reference
    nodes: NDArray[np.intp] | None
    pairs: NDArray[np.bool_] | None
    band: tuple[float, float] | None
    tr: float
    labels: tuple[str, ...]


class Fit:
    """Terms to improve and to measure, and observables to record.

    objectives: terms, by name or as they are; each is an objective of its own. measure: terms that are only measured.
    record: observables, monitors or free parameters whose arrays are kept. analysis: how observables are taken.
    others: names that simulations bring beside BOLD: monitors and parameters.
    Raises ObjectiveError, ObservableError or OptimizeeError for an unknown name.
    """

    def __init__(
        self,
        objectives: Any,
        measure: Any = (),
        record: str | Sequence[str] | None = ("fc",),
        analysis: Analysis | Mapping[str, Any] | None = None,
        others: Sequence[str] = (),
    ) -> None:
        self.terms = as_terms(objectives)
        self.measured = as_terms(measure) if measure else ()
        self.record = (record,) if isinstance(record, str) else tuple(record or ())
        self.analysis = Analysis.of(analysis)
        self.others = tuple(others)
        as_terms([*self.terms, *self.measured])
        check_terms([*self.terms, *self.measured], [*self.others, "analysis"])
        known = [name for name in [*OBSERVABLES, *self.others] if not is_shared(name)]
        for name in self.record:
            if name not in known:
                raise OptimizeeError(f"no observable {name!r} to record: {nearest(str(name), known)}")

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        return as_objectives([Objective(term.name, maximize=term.maximize) for term in self.terms])

    @cached_property
    def needs(self) -> frozenset[str]:
        """All observables of a simulation that are looked at, with those that they are computed of."""
        asked = [*self.record, *(name for part in self._parts for name in part.needs)]
        asked += ["frequencies"] if "spectrum" in self.record else []
        found: set[str] = set()
        while asked:
            name = asked.pop()
            if name not in found:
                found.add(name)
                asked += OBSERVABLES[name].needs if name in OBSERVABLES else ()
        return frozenset(found)

    @property
    def against(self) -> tuple[str, ...]:
        """What of the target terms look at, each once."""
        return tuple(dict.fromkeys(name for part in self._parts for name in part.against))

    @property
    def _parts(self) -> list[Term]:
        """The single terms, each once."""
        return list({part.name: part for term in [*self.terms, *self.measured] for part in term.parts}.values())

    def goal(self, target: Target, connectome: Connectome, tr: float, volumes: int) -> Goal:
        """The target made ready. tr: s, and volumes, of the shortest simulation that is to come.

        All observables are tried on noise of that size, so that what cannot be had of it is refused now.
        """
        nodes = target.compared(connectome)
        band = target.band if self.analysis.band == "target" else self.analysis.band
        assert not isinstance(band, str)
        if "fcd" in self.needs:
            self.analysis.count_windows(volumes, tr)
            if target.runs:
                self.analysis.count_windows(target.n_volumes, target.tr or tr)
        # A target of numbers alone knows no regions: those of the network count.
        pairs = (
            target.mask_of_pairs(self.analysis) if target.n_regions else self.analysis.mask_of_pairs(connectome.n_nodes)
        )
        labels = tuple(connectome.labels[i] for i in (range(connectome.n_nodes) if nodes is None else nodes))
        goal = Goal(target.reference(self.against, self.analysis, tr), nodes, pairs, band, tr, labels)
        size = len(labels)
        for name, value in goal.reference.items():
            if name.endswith("fc") and np.shape(value) != (size, size):
                raise ObservableError(f"the target's {name} must be ({size}, {size}), but has shape {np.shape(value)}")
        if "bold" in self.needs:
            noise = np.random.default_rng(0).normal(size=(1, volumes, connectome.n_nodes))
            tried = self._observed({"bold": noise}, goal)
            for name in sorted(self.needs):
                if tried.available(name):
                    tried[name]
            for part in self._parts:
                if all(tried.available(name) for name in part.needs):
                    part(tried, goal.reference)
                    self._check_tried(part, tried.failures.pop(0, None))
        return goal

    def _check_tried(self, part: Term, error: Exception | None) -> None:
        """Raises ObjectiveError for what would be wrong with any simulation; an own function may dislike noise."""
        if isinstance(error, ObjectiveError):
            raise error
        if isinstance(error, NameError | TypeError | AttributeError | ImportError):
            raise ObjectiveError(
                f"term {part.name!r} must take its observables and return a number, but on noise of the run's size it "
                f"raised {type(error).__name__}: {error}"
            ) from error

    def outcomes(
        self, signals: Mapping[str, Any], goal: Goal, axes: Mapping[str, Axes] | None = None
    ) -> list[Outcome | Exception]:
        """One outcome for each simulation, or why there is none: what a function of the user's raised, or what of the
        simulation is not finite, and in which region.

        signals: by name, with the simulations as first axis: "bold" (simulation, volume, node), in memory or on a GPU,
        "rates" (simulation, node), "pci" (simulation,), monitors and parameters, as far as `needs` holds them.
        axes: what the axes of monitors mean, by name.
        """
        bold = signals.get("bold")
        scores: dict[str, Array] = {}
        if bold is not None and not isinstance(bold, np.ndarray):
            scores = self._scores_on_device(bold, goal)
            wanted = {*self.record, *(n for part in self._parts if part.name not in scores for n in part.needs)}
            lost = ~np.all([np.isfinite(scores[name]) for name in scores], axis=0) if scores else np.zeros(1, bool)
            if "bold" in closure(wanted) or lost.any():  # or it must be told what is wrong with them
                signals = {**signals, "bold": bold.copy_to_host()}
            else:
                signals = {name: value for name, value in signals.items() if name != "bold"}
        count = len(next(iter(signals.values())) if signals else next(iter(scores.values())))
        found: list[Outcome | Exception] = []
        for members in self._blocks(signals, count):
            own = {name: value[members] for name, value in signals.items()}
            found += self._assess(own, goal, {name: value[members] for name, value in scores.items()}, axes or {})
        return found

    def _scores_on_device(self, bold: Any, goal: Goal) -> dict[str, Array]:
        """What of FC and FCD can be scored where BOLD lies, so that it need not leave the GPU."""
        if goal.nodes is not None or goal.band is not None:
            return {}
        able = {*connectivity.FC_SCORES, "fcd_ks"}
        names = {part.name for part in self._parts if part.name in able and part is TERMS[part.name]}
        if not names:
            return {}
        a = self.analysis
        comparison = connectivity.Comparison(
            goal.reference.get("fc"), goal.reference.get("fcd_values"), goal.tr,
            window=a.fcd_window, step=a.fcd_step, drop_edges=not a.fcd_edges, pairs=goal.pairs,
            mean=not names.isdisjoint(connectivity.FC_SCORES),
        )  # fmt: skip
        scored = connectivity.scores(bold, comparison)
        return {name: values for name, values in scored.items() if name in names or name == _MEAN}

    def _assess(
        self, signals: Mapping[str, Array], goal: Goal, known: Mapping[str, Array], axes: Mapping[str, Axes]
    ) -> list[Outcome | Exception]:
        observed = self._observed(signals, goal)
        scores = score([*self.terms, *self.measured], observed, goal.reference, known)
        recordings = {name: observed[name] for name in self.record}
        names = [term.name for term in self.terms]
        measurements = {name: values for name, values in scores.items() if name not in names}
        for name in [name for name, values in recordings.items() if np.ndim(values) == 1]:
            number = recordings.pop(name)  # one a simulation
            measurements |= {} if name in self.others else {name: number}  # a parameter has its column already
        if "fc" in observed:
            measurements[_MEAN] = triangle(observed["fc"], goal.pairs).astype(np.float64).mean(axis=-1)
        if "rates" in observed:
            measurements["mean_rate"] = np.asarray(observed["rates"], np.float64).mean(axis=-1)
        if "spectrum" in recordings:
            recordings["frequencies"] = np.tile(observed["frequencies"], (len(scores[names[0]]), 1))
        kept = {
            name: list((axes.get(name) or axes_of_observable(name, observed, goal.labels)).arrays(values, name))
            for name, values in recordings.items()
        }
        return [
            observed.failures.get(i)
            or self._unfit(scores, observed, signals.get("bold"), i, goal)
            or Outcome(
                {name: float(scores[name][i]) for name in names},
                {name: float(values[i]) for name, values in measurements.items()},
                {name: arrays[i] for name, arrays in kept.items()},
            )
            for i in range(len(scores[names[0]]))
        ]

    def _unfit(
        self, scores: Mapping[str, Array], observed: Observed, bold: Any, simulation: int, goal: Goal
    ) -> Exception | None:
        """Why a simulation has no fitness, if it has none."""
        for term in self.terms:
            value = float(scores[term.name][simulation])
            if not np.isfinite(value):
                own = None if bold is None else bold[simulation]
                own = own if own is None or goal.nodes is None else own[:, goal.nodes]
                return reason(term, value, observed, simulation, own, goal.labels)
        return None

    def _observed(self, signals: Mapping[str, Any], goal: Goal) -> Observed:
        given = dict(signals)
        for name in ("bold", "rates"):
            if name in given and goal.nodes is not None:
                given[name] = given[name][..., goal.nodes]
        if goal.band is not None and "bold" in given:
            given["bold"] = bandpass(given["bold"], goal.tr * 1e3, goal.band)
        return Observed({**given, "tr": goal.tr, "pairs": goal.pairs}, self.analysis)

    def _blocks(self, signals: Mapping[str, Any], count: int) -> Iterator[slice]:
        # Phases take 16 bytes and more a value of BOLD, connectivities of several kinds 8 bytes an entry.
        shape = np.shape(signals["bold"])[1:] if "bold" in signals else (1, 1)
        each = max(1, 48 * int(np.prod(shape)) + 32 * shape[-1] ** 2)
        many = max(1, BLOCK // each)
        return (slice(start, start + many) for start in range(0, count, many))

    @cached_property
    def _own(self) -> dict[str, str]:
        """The fingerprints of the user's own functions."""
        return {part.name: fingerprint_of(part.score) for part in self._parts if part is not TERMS.get(part.name)}

    def __getstate__(self) -> dict[str, Any]:
        # A copy on a worker cannot look its functions' source up: the fingerprints are taken before, and travel along.
        return {**self.__dict__, "_own": self._own}

    def describe(self) -> dict[str, Any]:
        """All that decides scores, as JSON, without what is as usual; recordings do not."""
        combined = {
            term.name: {part.name: weight for part, weight in zip(term.parts, term.weights.values(), strict=True)}
            for term in (*self.terms, *self.measured)
            if isinstance(term, Combined)
        }
        used = self.analysis != Analysis() or self.needs & {"fcd", "spectrum", "phases"}
        described = {
            "terms": self._own,
            "combined": combined,
            "measure": [term.name for term in self.measured],
            "analysis": self.analysis.as_json() if used else {},
        }
        return {name: value for name, value in described.items() if value}
