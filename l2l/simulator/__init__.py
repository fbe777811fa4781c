"""Brain network models: ensembles of simulations on one connectome.

    from l2l.simulator import Connectome, coupling, models, monitors, noise, simulate

Nothing heavy is imported before it is used: `import l2l.simulator` needs no compiler.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# At once, since a later import of the module of that name would hide the function.
from l2l.simulator.simulate import simulate

if TYPE_CHECKING:
    from l2l.simulator import coupling, inhibition, integrators, models, monitors, noise, stimulus
    from l2l.simulator.connectome import Connectome
    from l2l.simulator.model import CouplingInput, Model, Parameter, StateVariable
    from l2l.simulator.result import Final, Result, Status
    from l2l.simulator.start import History
    from l2l.simulator.values import RangeWarning

__all__ = [
    "Connectome",
    "CouplingInput",
    "Final",
    "History",
    "Model",
    "Parameter",
    "RangeWarning",
    "Result",
    "StateVariable",
    "Status",
    "coupling",
    "inhibition",
    "integrators",
    "models",
    "monitors",
    "noise",
    "simulate",
    "stimulus",
]

_MODULES = ("coupling", "inhibition", "integrators", "models", "monitors", "noise", "stimulus")
_HOME = {
    "Connectome": "connectome",
    "CouplingInput": "model",
    "Final": "result",
    "History": "start",
    "Model": "model",
    "Parameter": "model",
    "RangeWarning": "values",
    "Result": "result",
    "StateVariable": "model",
    "Status": "result",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"l2l.simulator.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(f"l2l.simulator.{_HOME[name]}"), name)
    raise AttributeError(f"module 'l2l.simulator' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
