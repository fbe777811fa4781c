"""Optimizees: what is fitted."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from l2l.errors import nearest

if TYPE_CHECKING:
    from l2l.optimizees.base import Optimizee
    from l2l.optimizees.brain import BrainNetwork
    from l2l.optimizees.cohort import Cohort
    from l2l.optimizees.family import TaskFamily
    from l2l.optimizees.function import FunctionOptimizee
    from l2l.optimizees.heterogeneity import MapScaled, Regional
    from l2l.optimizees.inhibition import InhibitionControl
    from l2l.optimizees.perturbation import Perturbation
    from l2l.optimizees.test_functions import test_function

__all__ = [
    "BrainNetwork",
    "Cohort",
    "FunctionOptimizee",
    "InhibitionControl",
    "MapScaled",
    "Optimizee",
    "Perturbation",
    "Regional",
    "TaskFamily",
    "test_function",
]

_MODULES = {
    "Optimizee": "l2l.optimizees.base",
    "BrainNetwork": "l2l.optimizees.brain",
    "Cohort": "l2l.optimizees.cohort",
    "FunctionOptimizee": "l2l.optimizees.function",
    "InhibitionControl": "l2l.optimizees.inhibition",
    "MapScaled": "l2l.optimizees.heterogeneity",
    "Regional": "l2l.optimizees.heterogeneity",
    "Perturbation": "l2l.optimizees.perturbation",
    "TaskFamily": "l2l.optimizees.family",
    "test_function": "l2l.optimizees.test_functions",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'l2l.optimizees' has no attribute {name!r}: {nearest(name, __all__)}")
    return getattr(importlib.import_module(_MODULES[name]), name)
