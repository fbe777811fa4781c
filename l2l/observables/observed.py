"""What is observed of a batch of simulations, or of a measurement: each quantity once, when it is first asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import ObservableError, nearest
from l2l.observables import complexity, phase, spectra
from l2l.observables.analysis import Analysis
from l2l.observables.fc import fc as correlations
from l2l.observables.fc import partial_correlation
from l2l.observables.fcd import fcd as dynamics
from l2l.observables.pairs import triangle

Floats = NDArray[Any]


@dataclass(frozen=True)
class Observable:
    """One quantity.

    description: what it is, with the shape that it has for one simulation.
    compute: takes other observables by argument name, and `analysis`; all but the shared ones have the simulations as
        their first axis, and so has what it returns. None for what only a monitor or the user can give.
    pool: how those of several runs of one subject become one; None: computed from pooled ones.
    shared: the same for all simulations, so that it has no axis of simulations.
    remedy: said where it is not there and cannot be computed.
    dims: names of its axes for one simulation; the second "node" of a matrix is "other_node". unit: of its values.
    """

    name: str
    description: str
    compute: Callable[..., Any] | None = None
    pool: Callable[[list[Any]], Any] | None = None
    shared: bool = False
    remedy: str = ""
    dims: tuple[str, ...] = ()
    unit: str = ""

    @cached_property
    def needs(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.compute).parameters) if self.compute else ()


class Observed(Mapping[str, Any]):
    """Observables of a batch by name, computed when first asked for and then kept.

    given: what there is at the start: "tr" (s), "pairs" (mask or None), "volumes" (mask or None), and signals with the
        simulations as first axis.
    """

    def __init__(self, given: Mapping[str, Any], analysis: Analysis) -> None:
        self.analysis = analysis
        self.failures: dict[int, Exception] = {}
        """What a function of the user's raised for a simulation, by its number."""
        self._values = {"analysis": analysis, "pairs": None, "volumes": None, **given}

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            self._values[name] = self._computed(name)
        return self._values[name]

    def _computed(self, name: str) -> Any:
        observable = OBSERVABLES.get(name)
        if observable is None:
            raise ObservableError(
                f"unknown observable {name!r}: {nearest(name, dict.fromkeys([*OBSERVABLES, *self._values]))}"
            )
        if observable.compute is None:
            raise ObservableError(f"{name!r} is not there: {observable.remedy}")
        return observable.compute(**{each: self[each] for each in observable.needs})

    def available(self, name: str) -> bool:
        """Whether it is there or can be computed, without computing it."""
        if name in self._values:
            return True
        observable = OBSERVABLES.get(name)
        return bool(observable and observable.compute and all(self.available(each) for each in observable.needs))

    def take(self, members: Any) -> Observed:
        """The observables of some of the simulations; those computed so far are not computed again."""
        return Observed(
            {name: value if is_shared(name) else value[members] for name, value in self._values.items()}, self.analysis
        )

    def __contains__(self, name: object) -> bool:
        """Whether it has been given or computed already."""
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Pooled(Observed):
    """Observables of several runs of one subject: those with a `pool` are of each run and then put together."""

    def __init__(self, runs: Iterable[Observed], given: Mapping[str, Any], analysis: Analysis) -> None:
        super().__init__(given, analysis)
        self._runs = list(runs)

    def _computed(self, name: str) -> Any:
        pool = OBSERVABLES[name].pool if name in OBSERVABLES else None
        return pool([run[name] for run in self._runs]) if pool and self._runs else super()._computed(name)

    def available(self, name: str) -> bool:
        pool = OBSERVABLES[name].pool if name in OBSERVABLES else None
        if name not in self._values and pool and self._runs:
            return all(run.available(name) for run in self._runs)
        return super().available(name)


def is_shared(name: str) -> bool:
    """Whether an observable has no axis of simulations."""
    return name == "analysis" or (name in OBSERVABLES and OBSERVABLES[name].shared)


def _fc(bold: Floats, volumes: Any) -> Floats:
    return correlations(bold, volumes)


def _partial(bold: Floats, volumes: Any) -> Floats:
    return partial_correlation(bold, volumes)


def _fcd(bold: Floats, tr: float, pairs: Any, volumes: Any, analysis: Analysis) -> Floats:
    a = analysis
    return dynamics(bold, tr, a.fcd_window, a.fcd_step, drop_edges=not a.fcd_edges, volumes=volumes, pairs=pairs)


def _spectrum(bold: Floats, tr: float, analysis: Analysis) -> Floats:
    return spectra.power_spectrum(bold, tr * 1e3, window=_window(bold, tr, analysis)).power


def _frequencies(bold: Floats, tr: float, analysis: Analysis) -> Floats:
    return np.asarray(np.fft.rfftfreq(round(_window(bold, tr, analysis) / (tr * 1e3)), tr))


def _window(bold: Floats, tr: float, analysis: Analysis) -> float:
    """ms; no longer than the signals."""
    return float(min(round(analysis.spectrum_window / tr), bold.shape[-2]) * tr * 1e3)


def _phases(bold: Floats, tr: float, analysis: Analysis) -> Floats:
    return phase.phases(bold, tr * 1e3, analysis.phase_band)


def _variance(bold: Floats, volumes: Any) -> Floats:
    kept = bold if volumes is None else bold[..., volumes, :]
    return np.asarray(kept.var(axis=-2, dtype=np.float64))


def _fisher_mean(matrices: list[Floats]) -> Floats:
    """Correlations of several runs as one: the mean of their Fisher z, turned back."""
    nearly = 1 - 1e-12  # so that two regions alike in one run do not make the mean infinite
    together = np.tanh(np.mean([np.arctanh(np.clip(matrix, -nearly, nearly)) for matrix in matrices], axis=0))
    diagonal = np.arange(together.shape[-1])
    together[..., diagonal, diagonal] = 1.0
    return np.asarray(together)


def _mean(values: list[Floats]) -> Floats:
    return np.asarray(np.mean(values, axis=0))


def _together(values: list[Floats]) -> Floats:
    return np.concatenate(values, axis=-1)


def _first(values: list[Any]) -> Any:
    return values[0]


_PAIRS, _WINDOWS = ("node", "other_node"), ("window", "other_window")
_BOLD = "give the target its BOLD: Target(bold=..., tr=...)"
_RATES = "give the target its rates: Target(rates=...)"
_INDEX = "give the target its index: Target(pci=...)"

OBSERVABLES: dict[str, Observable] = {
    each.name: each
    for each in (
        Observable("tr", "repetition time, s", shared=True),
        Observable("pairs", "(node, node) pairs that count, or None for all", shared=True),
        Observable("volumes", "(volume,) volumes that count, or None for all", shared=True),
        Observable("bold", "BOLD, (volume, node)", remedy=_BOLD, dims=("time", "node")),
        Observable("fc", "Pearson correlations, (node, node)", _fc, _fisher_mean, dims=_PAIRS),
        Observable("partial_fc", "partial correlations, (node, node)", _partial, _fisher_mean, dims=_PAIRS),
        Observable("fcd", "correlations between the FC of windows, (window, window)", _fcd, dims=_WINDOWS),
        Observable(
            "fcd_values", "its lower triangle, (pair of windows,)", lambda fcd: triangle(fcd), _together, dims=("pair",)
        ),
        # BOLD is a relative change, without a unit.
        Observable(
            "spectrum", "power density, (frequency, node)", _spectrum, _mean, dims=("frequency", "node"), unit="1/Hz"
        ),
        Observable(
            "frequencies", "of the spectrum, (frequency,), Hz", _frequencies, _first, shared=True, dims=("frequency",),
            unit="Hz",
        ),
        Observable("phases", "in the phase band, (volume, node), rad", _phases, dims=("time", "node"), unit="rad"),
        Observable(
            "phase_fc", "phase-locking values, (node, node)", lambda phases: phase.phase_locking(phases), _mean,
            dims=_PAIRS,
        ),
        Observable("synchrony", "mean order parameter", lambda phases: phase.synchrony(phases), _mean),
        Observable("metastability", "its standard deviation", lambda phases: phase.metastability(phases), _mean),
        Observable("functional_complexity", "of FC", lambda fc: complexity.functional_complexity(fc)),
        Observable("variance", "of BOLD, (node,)", _variance, _mean, dims=("node",)),
        Observable("rates", "mean firing rates, (node,)", remedy=_RATES, dims=("node",)),
        Observable("pci", "perturbational complexity index", remedy=_INDEX),
    )
}  # fmt: skip
