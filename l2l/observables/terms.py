"""What a fit may ask for: numbers that say how near a simulation is to what was measured."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import ObjectiveError, nearest
from l2l.observables import distances
from l2l.observables.fc import fc_corr
from l2l.observables.observed import OBSERVABLES, Observed, is_shared
from l2l.observables.spectra import Spectrum
from l2l.observables.spectral_shape import spectra_distance

Floats = NDArray[np.float64]
Reference = Mapping[str, Any]
"""A target made ready for terms: its observables by name, without an axis of simulations."""


@dataclass(frozen=True, eq=False)
class Term:
    """One number of a fit.

    name: as an objective of that name.
    score: a function of observables by argument name (see `OBSERVABLES`; "fc", "bold", "tr", ..., and monitors), and of
        the target's as `target_fc`, and so on. It is called once for each simulation, with arrays of that simulation,
        and returns a number; it travels to workers by value.
    maximize: whether larger is better.
    batched: it takes all simulations at once, along the first axis of each of its observables that is not shared, and
        returns (simulation,); for each simulation the same number as alone.
    """

    name: str
    score: Callable[..., Any]
    maximize: bool = False
    batched: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ObjectiveError(f"a term's name must be a non-empty string, but got {self.name!r}")
        if not callable(self.score):
            raise ObjectiveError(f"term {self.name!r} needs a function of observables, but got {self.score!r}")
        for argument in inspect.signature(self.score).parameters.values():
            if argument.kind in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL, argument.POSITIONAL_ONLY):
                raise ObjectiveError(
                    f"term {self.name!r} must name the observables that it takes as arguments, but has {argument}"
                )

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """Those without a default."""
        given = inspect.signature(self.score).parameters.values()
        return tuple(each.name for each in given if each.default is each.empty)

    @property
    def needs(self) -> tuple[str, ...]:
        """Observables of the simulation."""
        return tuple(name for name in self.arguments if not name.startswith(_TARGET))

    @property
    def against(self) -> tuple[str, ...]:
        """Observables of the target."""
        return tuple(name.removeprefix(_TARGET) for name in self.arguments if name.startswith(_TARGET))

    @property
    def parts(self) -> tuple[Term, ...]:
        return (self,)

    def __call__(self, observed: Observed, reference: Reference) -> Floats:
        """(simulation,) scores; NaN, and the error among the failures of `observed`, where the function raises."""
        measured = {_TARGET + name: reference[name] for name in self.against}
        simulated = {name: observed[name] for name in self.needs}
        if self.batched:
            return np.asarray(self.score(**simulated, **measured), dtype=np.float64)
        shared = {name: value for name, value in simulated.items() if is_shared(name)}
        own = {name: value for name, value in simulated.items() if name not in shared}
        count = len(next(iter(own.values()))) if own else len(observed["seed"])
        scores = np.full(count, np.nan)
        for i in range(count):
            try:
                scores[i] = self._number(self.score(**{n: v[i] for n, v in own.items()}, **shared, **measured))
            except Exception as error:  # one simulation's, and not that of the others
                observed.failures.setdefault(i, error)
        return scores

    def __reduce__(self) -> tuple[Any, ...]:
        # One that is known by name stays the one that is known by name.
        if TERMS.get(self.name) is self:
            return as_term, (self.name,)
        return Term, (self.name, self.score, self.maximize, self.batched, self.description)

    def _number(self, returned: Any) -> float:
        if np.ndim(returned) != 0 or isinstance(returned, str | bytes | bool) or returned is None:
            raise ObjectiveError(f"term {self.name!r} must return a number, but returned {returned!r:.80}")
        return float(returned)


@dataclass(frozen=True, eq=False)
class Combined:
    """A sum of terms with weights, as one objective: Combined("both", {"fc_corr": 1, "fcd_ks": -1}).

    weights: by term (a name, a Term, or a function of observables). maximize: whether a larger sum is better.
    The text "+fc_corr-fcd_ks" says the same, with a number before a star for other weights: "+fc_corr-0.5*fcd_ks".
    """

    name: str
    weights: Mapping[Any, float]
    maximize: bool = True
    parts: tuple[Term, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping) or not self.weights:
            raise ObjectiveError(f"the combination {self.name!r} needs weights by term, but got {self.weights!r}")
        parts = []
        for given, weight in self.weights.items():
            part = as_term(given)
            if not isinstance(part, Term):
                raise ObjectiveError(f"the combination {self.name!r} must be of single terms, but holds {given!r}")
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < abs(weight) < np.inf:
                raise ObjectiveError(
                    f"the weight of {part.name!r} in {self.name!r} must be a number, but is {weight!r}"
                )
            parts.append(part)
        object.__setattr__(self, "parts", tuple(parts))

    def total(self, scores: Mapping[str, Floats]) -> Floats:
        """(simulation,) the sum, of the scores of its parts."""
        weighted = [w * scores[part.name] for part, w in zip(self.parts, self.weights.values(), strict=True)]
        return np.asarray(np.sum(weighted, axis=0))


_TARGET = "target_"
_WEIGHT = r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?"
_SUM = re.compile(rf"(?:[+-](?:{_WEIGHT}\*)?[A-Za-z_]\w*)+")
_SUMMAND = re.compile(rf"([+-])(?:({_WEIGHT})\*)?([A-Za-z_]\w*)")


def as_term(given: Any) -> Term | Combined:
    """A term from its name, a text such as "+fc_corr-fcd_ks", a Term, a Combined, or a function (minimised).

    Raises ObjectiveError, with the nearest name for an unknown one.
    """
    if isinstance(given, Term | Combined):
        return given
    if isinstance(given, str):
        if given in TERMS:
            return TERMS[given]
        text = given.replace(" ", "")
        # The first sign may be left out, as people write sums.
        text = text if text.isidentifier() or text[:1] in "+-" else f"+{text}"
        if _SUM.fullmatch(text):
            summands = _SUMMAND.findall(text)
            return Combined(given, {name: float(f"{sign}{weight or 1}") for sign, weight, name in summands})
        sums = "" if text.isidentifier() else '; a combination reads "+fc_corr-0.5*fcd_ks"'
        raise ObjectiveError(f"unknown objective {given!r}: {nearest(given, TERMS)}{sums}")
    if callable(given):
        name = getattr(given, "__name__", "")
        if not name.isidentifier():
            raise ObjectiveError(f'a function of observables needs a name: Term("name", function), but got {given!r}')
        return Term(name, given)
    raise ObjectiveError(
        f"an objective must be a name of a term, a Term, a Combined or a function of observables, but is {given!r}"
    )


def as_terms(given: Any) -> tuple[Term | Combined, ...]:
    """Terms from one or several; names must differ. Raises ObjectiveError."""
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    terms = tuple(as_term(each) for each in listed)
    if not terms:
        raise ObjectiveError(f"at least one objective is needed, but got none: {nearest('', TERMS)}")
    singles: dict[str, Term] = {}
    for term in terms:
        for part in term.parts:
            if singles.setdefault(part.name, part).score is not part.score:
                raise ObjectiveError(f"terms must have different names, but two functions are called {part.name!r}")
    return terms


def check_terms(terms: Iterable[Term | Combined], known: Iterable[str]) -> None:
    """Raises ObjectiveError if a term takes an observable that is neither known by name nor a monitor (`known`)."""
    names = [*OBSERVABLES, *known]
    for term in terms:
        for part in term.parts:
            for name in part.needs:
                if name not in names:
                    raise ObjectiveError(
                        f"term {part.name!r} takes {name!r}, which is no observable: {nearest(name, names)}; those of "
                        "the target are called target_NAME"
                    )


def score(
    terms: Iterable[Term | Combined],
    observed: Observed,
    reference: Reference,
    known: Mapping[str, Floats] | None = None,
) -> dict[str, Floats]:
    """Scores by name, (simulation,) each; of a combination its parts, too.

    observed: of a batch of simulations. reference: the target that all of them are compared with.
    known: scores that have been computed elsewhere, by term.
    """
    listed = list(terms)
    scores: dict[str, Floats] = dict(known or {})
    for part in (part for term in listed for part in term.parts):
        if part.name not in scores:
            scores[part.name] = part(observed, reference)
    return scores | {term.name: term.total(scores) for term in listed if isinstance(term, Combined)}


def score_each(
    terms: Iterable[Term | Combined], observed: Observed, references: Sequence[Reference]
) -> dict[str, Floats]:
    """As `score`, each simulation against its own target; references: one a simulation, the same object for equal ones.

    Observables of the simulations are computed once for all of them.
    """
    listed = list(terms)
    for name in {name for term in listed for part in term.parts for name in part.needs}:
        observed[name]
    groups: dict[int, list[int]] = {}
    for number, reference in enumerate(references):
        groups.setdefault(id(reference), []).append(number)
    scores: dict[str, Floats] = {}
    for members in groups.values():
        taken = observed.take(np.array(members))
        own = score(listed, taken, references[members[0]])
        observed.failures |= {members[i]: error for i, error in taken.failures.items()}
        for name, values in own.items():
            scores.setdefault(name, np.empty(len(references)))[members] = values
    return scores


def _spectra(spectrum: Any, frequencies: Any, analysis: Any, target_spectrum: Any, target_frequencies: Any) -> Any:
    band, measured = analysis.spectrum_band, Spectrum(target_frequencies, target_spectrum)
    # One at a time: sums over two axes of a batch round otherwise than of one simulation.
    return [spectra_distance(Spectrum(frequencies, each[None]), measured, band)[0] for each in spectrum]


def _rates(rates: Any, target_rates: Any) -> Any:
    return np.sqrt(((np.asarray(rates, np.float64) - target_rates) ** 2).mean(axis=-1))


def _partial(partial_fc: Any, target_partial_fc: Any, pairs: Any) -> Any:
    return fc_corr(partial_fc, target_partial_fc, pairs)


def _phase(phase_fc: Any, target_phase_fc: Any, pairs: Any) -> Any:
    return fc_corr(phase_fc, target_phase_fc, pairs)


def _corr(fc: Any, target_fc: Any, pairs: Any) -> Any:
    return fc_corr(fc, target_fc, pairs)


def _mae(fc: Any, target_fc: Any, pairs: Any) -> Any:
    return distances.fc_mae(fc, target_fc, pairs)


def _rmse(fc: Any, target_fc: Any, pairs: Any) -> Any:
    return distances.fc_rmse(fc, target_fc, pairs)


def _normalised_error(fc: Any, target_fc: Any, pairs: Any) -> Any:
    return distances.fc_normalised_error(fc, target_fc, pairs)


def _mean_difference(fc: Any, target_fc: Any, pairs: Any) -> Any:
    return distances.fc_mean_difference(fc, target_fc, pairs)


def _fcd_ks(fcd_values: Any, target_fcd_values: Any) -> Any:
    return distances.ks(fcd_values, target_fcd_values)


def _metastability(metastability: Any, target_metastability: Any) -> Any:
    return np.abs(metastability - target_metastability)


def _synchrony(synchrony: Any, target_synchrony: Any) -> Any:
    return np.abs(synchrony - target_synchrony)


def _complexity(functional_complexity: Any, target_functional_complexity: Any) -> Any:
    return np.abs(functional_complexity - target_functional_complexity)


def _pci(pci: Any, target_pci: Any) -> Any:
    return np.abs(pci - target_pci)


def _built_in(name: str, score: Callable[..., Any], description: str, maximize: bool = False) -> Term:
    return Term(name, score, maximize, batched=True, description=description)


TERMS: dict[str, Term] = {
    term.name: term
    for term in (
        _built_in("fc_corr", _corr, "Pearson correlation of the triangles of FC", maximize=True),
        _built_in("fc_mae", _mae, "mean absolute difference of FC"),
        _built_in("fc_rmse", _rmse, "root of the mean squared difference of FC"),
        _built_in("fc_normalised_error", _normalised_error, "distance of FC over its largest possible value"),
        _built_in("fc_mean_difference", _mean_difference, "absolute difference of the mean FC"),
        _built_in("partial_fc_corr", _partial, "correlation of the triangles of partial correlation", maximize=True),
        _built_in("phase_fc_corr", _phase, "correlation of the triangles of phase locking", maximize=True),
        _built_in("fcd_ks", _fcd_ks, "Kolmogorov-Smirnov distance of the values of FCD"),
        _built_in("spectra_distance", _spectra, "RMS difference of log10 power in the spectrum band, decades"),
        _built_in("metastability_error", _metastability, "absolute difference of metastability"),
        _built_in("synchrony_error", _synchrony, "absolute difference of synchrony"),
        _built_in("functional_complexity_error", _complexity, "absolute difference of functional complexity"),
        _built_in("rates_rmse", _rates, "root of the mean squared difference of mean rates from static targets"),
        _built_in("pci_error", _pci, "absolute difference of the perturbational complexity index"),
    )
}
