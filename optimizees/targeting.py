"""A simulation as the target of a fit, so that what is found can be compared with what was put in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from l2l.errors import ObservableError
from l2l.observables.observed import OBSERVABLES
from l2l.observables.target import Target

_GIVEN = ("rates", "pci")  # what a target is told rather than computes


def simulated_target(
    signals: Mapping[str, Any], like: Target, against: Iterable[str], tr: float, parameters: Mapping[str, Any]
) -> Target:
    """A target made of one simulation, with all that is looked at.

    signals: of that simulation, by name: "bold" (volume, node), "rates" (node,), "pci", monitors and parameters.
    like: the target that it stands for: regions left out and band are taken over. against: what terms look at.
    tr: of the simulation, s. parameters: at which it was simulated, for the target's name.
    Raises ObservableError where terms look at what no simulation gives.
    """
    wanted = list(against)
    given: dict[str, Any] = {name: signals[name] for name in _GIVEN if name in wanted and name in signals}
    data = {name: np.asarray(signals[name]) for name in wanted if name not in OBSERVABLES and name in signals}
    computed = [name for name in wanted if name in OBSERVABLES and name not in _GIVEN]
    for name in wanted:
        if name not in given and name not in data and not (name in computed and "bold" in signals):
            raise ObservableError(f"a simulation cannot be the target of this fit, since it gives no {name!r}")
    bold = np.asarray(signals["bold"]) if computed else None
    whole = bold is not None and bold.shape[1] == like.n_regions  # else the network has only the compared regions
    left_out = sorted(set(range(like.n_regions)) - set(like.regions.tolist())) if whole else []
    assert not isinstance(like.band, str)
    return Target(
        bold=None if bold is None else bold.T,
        tr=None if bold is None else tr,
        band=like.band,
        exclude=left_out,
        data=data,
        name="simulated at " + ", ".join(f"{name}={_short(value)}" for name, value in parameters.items()),
        **given,
    )


def on_host(signals: Mapping[str, Any]) -> dict[str, Any]:
    """The same arrays in memory, where some lie on a GPU."""
    return {name: value.copy_to_host() if hasattr(value, "copy_to_host") else value for name, value in signals.items()}


def _short(value: Any) -> str:
    return f"{value:.6g}" if np.ndim(value) == 0 else np.array2string(np.asarray(value), precision=4, threshold=6)
