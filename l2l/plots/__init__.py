"""Pictures of results and runs: needs matplotlib (`pip install 'l2l[plots]'`), and never opens a window.

    from l2l import Trajectory, plots
    plots.fit(Trajectory.open("l2l.db"), target=data.fc).savefig("fit.png")

Each function returns a `matplotlib.figure.Figure`. The single panels take `ax=` and then draw into a figure of yours.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2l.plots.activity import result, series
    from l2l.plots.canvas import require, save
    from l2l.plots.maps import grid
    from l2l.plots.matrices import connectome, fc
    from l2l.plots.overview import fit
    from l2l.plots.profiles import recovery
    from l2l.plots.search import fitness, history, parameters

__all__ = [
    "connectome",
    "fc",
    "fit",
    "fitness",
    "grid",
    "history",
    "parameters",
    "recovery",
    "require",
    "result",
    "save",
    "series",
]

_HOMES = {
    "connectome": "matrices",
    "fc": "matrices",
    "fit": "overview",
    "fitness": "search",
    "grid": "maps",
    "history": "search",
    "parameters": "search",
    "recovery": "profiles",
    "require": "canvas",
    "result": "activity",
    "save": "canvas",
    "series": "activity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'l2l.plots' has no attribute {name!r}")
    return getattr(importlib.import_module(f"l2l.plots.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
