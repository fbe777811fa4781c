"""Why a simulation has no fitness: which observable cannot be had of it, and of which region."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import OptimizeeError
from l2l.observables.observed import OBSERVABLES, Observed, is_shared
from l2l.observables.terms import Combined, Term
from l2l.observables.windows import windows


def reason(
    term: Term | Combined, value: float, observed: Observed, simulation: int, bold: Any, labels: Sequence[str]
) -> OptimizeeError:
    """The error of a simulation whose score is not finite.

    observed: of its batch. bold: (volume, node) of the simulation, before any filter, or None.
    labels: of the regions that are compared.
    """
    said = f"{term.name} must be finite, but is {value:g}"
    needs = list(dict.fromkeys(name for part in term.parts for name in part.needs if not is_shared(name)))
    sources = closure(needs)
    if bold is not None and "bold" in sources:
        found = _signals(np.asarray(bold), labels)
        if not found and "fcd" in sources:
            found = _windows(np.asarray(bold), observed, labels)
        if found:
            return OptimizeeError(f"{said}: {found}")
    for name in needs:
        if name in observed and (found := _amiss(name, np.asarray(observed[name][simulation]), labels)):
            return OptimizeeError(f"{said}: {found}")
    taken = ", ".join(needs) or "what it takes"
    return OptimizeeError(f"{said}, although {taken} of the simulation are finite: see what {term.name} does with it")


def _windows(bold: NDArray[Any], observed: Observed, labels: Sequence[str]) -> str:
    """What is wrong with the BOLD in a window of FCD, or ""."""
    a, tr = observed.analysis, observed["tr"]
    spans = windows(len(bold), tr, a.fcd_window, a.fcd_step, not a.fcd_edges)
    found = {number: said for number, (i, j) in enumerate(spans) if (said := _signals(bold[i:j], labels))}
    for number, said in found.items():
        start, stop = spans[number] * tr
        return f"in {len(found)} of {len(spans)} windows of FCD, first from {start:.4g} to {stop:.4g} s, {said}"
    return ""


def _signals(bold: NDArray[Any], labels: Sequence[str]) -> str:
    """What is wrong with the BOLD of a simulation, or ""."""
    wide = bold.astype(np.float64)
    with np.errstate(all="ignore"):
        # As FC tells a constant from a signal.
        flat = np.asarray(wide.std(axis=0) <= 4 * np.finfo(bold.dtype).eps * np.abs(wide).max(axis=0))
    lost = np.asarray(~np.isfinite(wide).all(axis=0))
    bad = np.flatnonzero(flat | lost)
    if not len(bad):
        return ""
    first = bad[0]
    what, remedy = (
        ("not finite", "take a smaller dt or other ranges")
        if lost[first]
        else ("constant", "the model rests there, or sticks to a bound: give it noise (sigma=) or take other ranges")
    )
    return (
        f"the simulated BOLD of region {labels[first]!r} (index {first}) is {what}, as in {len(bad)} of {len(labels)} "
        f"regions; {remedy}"
    )


def _amiss(name: str, values: NDArray[Any], labels: Sequence[str]) -> str:
    """What is wrong with one observable, or ""."""
    lost = np.argwhere(~np.isfinite(values))
    if not len(lost):
        if name == "fc" and values.shape[0] > 1 and np.ptp(values[np.tril_indices(len(values), -1)]) == 0:
            return "the simulated fc is the same in all pairs, so that nothing can be correlated with it"
        return ""
    dims = OBSERVABLES[name].dims if name in OBSERVABLES else ()
    where = ""
    if dims and dims[-1].endswith("node"):
        # Of a matrix the region that is lost in most pairs: its row and its column.
        place = int(np.bincount(lost[:, -1], minlength=len(labels)).argmax())
        where = f" of region {labels[place]!r} (index {place})"
    if name == "pci":
        return "the simulated pci is not finite: a trial diverged, or nothing varies before the stimulus (sigma=)"
    return f"the simulated {name}{where} is not finite ({len(lost)} of {values.size} values)"


def closure(names: Iterable[str]) -> set[str]:
    """Observables and all that they are computed of."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += OBSERVABLES[name].needs if name in OBSERVABLES else ()
    return found
