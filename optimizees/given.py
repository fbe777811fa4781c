"""What a brain network may be given: the kinds of its parts, with the remedy where another is a usual mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2l.duration import seconds
from l2l.errors import ObservableError, OptimizeeError, nearest
from l2l.observables.analysis import Analysis
from l2l.observables.target import LONGEST_TR, Target
from l2l.optimizees.perturbation import Perturbation

if TYPE_CHECKING:
    from l2l.simulator.connectome import Connectome
    from l2l.simulator.model import Model

_IN_TRS = re.compile(r"TRs?\s*$", re.IGNORECASE)


def as_model(given: Any) -> Model:
    """A model, of itself or of its name."""
    from l2l.simulator import models
    from l2l.simulator.model import Model

    if isinstance(given, str):
        return models.get(given)
    if not isinstance(given, Model):
        raise OptimizeeError(f"model must be a Model of l2l.simulator.models or its name, but is {given!r:.80}")
    return given


def as_connectome(given: Any) -> Connectome:
    """A connectome, of itself alone."""
    from l2l.simulator.connectome import Connectome

    if not isinstance(given, Connectome):
        remedy = (
            "Connectome(weights)" if hasattr(given, "__array__") else "datasets.load(...).connectome, or from files"
        )
        raise OptimizeeError(f"connectome must be a Connectome, but is a {type(given).__name__}: give {remedy}")
    return given


def as_target(given: Any) -> Target:
    """A target, of itself or of its FC."""
    if isinstance(given, Target):
        return given
    if given is None or isinstance(given, str | Path):
        raise OptimizeeError(
            f"target must be a Target or a (node, node) FC, but is {given!r:.80}: read files with Target.from_bold"
        )
    return Target(given)


def as_duration(given: Any, what: str, *, zero: bool = False) -> float:
    """s; 0 only where it says so."""
    if zero and isinstance(given, int | float) and not isinstance(given, bool) and given == 0:
        return 0.0
    return seconds(given, what)


def as_tr(given: Any) -> float:
    """s."""
    tr = seconds(given, "tr")
    if tr > LONGEST_TR:
        raise OptimizeeError(f'tr <= {LONGEST_TR:g} s must hold, but got {given!r}, which is in s: write "720 ms"')
    return tr


def check_settings(maps: Any, batch_size: Any, backend: Any, perturbation: Any) -> None:
    """Raises OptimizeeError for what would fail in every simulation, whatever it simulates."""
    from l2l.simulator.simulate import BACKENDS

    if maps is not None and not isinstance(maps, Mapping):
        raise OptimizeeError(
            f"maps must be (node,) arrays by name, but are a {type(maps).__name__}: maps={{'m': array}}"
        )
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise OptimizeeError(f"batch_size must be an integer >= 1, but got {batch_size!r}")
    if perturbation is not None and not isinstance(perturbation, Perturbation):
        raise OptimizeeError(
            f"perturbation must be a Perturbation(stimulus, onset=...), but is a {type(perturbation).__name__}"
        )
    if backend not in BACKENDS:
        raise OptimizeeError(f"unknown backend {backend!r}: {nearest(str(backend), BACKENDS)}")


def check_windows(analysis: Analysis, target: Target, tr: float) -> None:
    """Raises ObservableError where windows of FCD in TRs would last longer in one than in the other."""
    if not target.runs or target.tr is None or abs(target.tr - tr) < 1e-9 * tr:
        return
    for name in ("fcd_window", "fcd_step"):
        given = getattr(analysis, name)
        if isinstance(given, str) and _IN_TRS.search(given):
            raise ObservableError(
                f"windows of FCD must last as long in the simulation as in the target, but {name} = {given!r} is in "
                f"TRs, which are {tr:g} s and {target.tr:g} s long: give it in seconds, or simulate at the target's tr"
            )
