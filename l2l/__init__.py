"""Fit brain network models to data: optimizers, runners, simulators and a database of all that happened."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2l.experiment import Experiment as Experiment
    from l2l.individual import Evaluation as Evaluation
    from l2l.individual import Individual as Individual
    from l2l.individual import Outcome as Outcome
    from l2l.objective import Objective as Objective
    from l2l.observables.analysis import Analysis as Analysis
    from l2l.observables.target import Target as Target
    from l2l.observables.terms import Combined as Combined
    from l2l.observables.terms import Term as Term
    from l2l.optimizees import BrainNetwork as BrainNetwork
    from l2l.optimizees import Cohort as Cohort
    from l2l.optimizees import FunctionOptimizee as FunctionOptimizee
    from l2l.optimizees import InhibitionControl as InhibitionControl
    from l2l.optimizees import MapScaled as MapScaled
    from l2l.optimizees import Optimizee as Optimizee
    from l2l.optimizees import Perturbation as Perturbation
    from l2l.optimizees import Regional as Regional
    from l2l.optimizees import TaskFamily as TaskFamily
    from l2l.optimizers import CMAES as CMAES
    from l2l.optimizers import CrossEntropy as CrossEntropy
    from l2l.optimizers import Genetic as Genetic
    from l2l.optimizers import Grid as Grid
    from l2l.optimizers import RandomSearch as RandomSearch
    from l2l.optimizers import Restarts as Restarts
    from l2l.runners import DaskRunner as DaskRunner
    from l2l.runners import SerialRunner as SerialRunner
    from l2l.simulator import Connectome as Connectome
    from l2l.space import Categorical as Categorical
    from l2l.space import Integer as Integer
    from l2l.space import Real as Real
    from l2l.space import Space as Space
    from l2l.store import Store as Store
    from l2l.trajectory import Trajectory as Trajectory

__version__ = "0.1.0"

# Where each public name lives. Loaded when first asked for: numba, Dask and pandas take seconds to import.
_HOMES = {
    "Experiment": "l2l.experiment",
    "Evaluation": "l2l.individual",
    "Individual": "l2l.individual",
    "Outcome": "l2l.individual",
    "Objective": "l2l.objective",
    "Analysis": "l2l.observables.analysis",
    "Target": "l2l.observables.target",
    "Combined": "l2l.observables.terms",
    "Term": "l2l.observables.terms",
    "BrainNetwork": "l2l.optimizees",
    "Cohort": "l2l.optimizees",
    "FunctionOptimizee": "l2l.optimizees",
    "InhibitionControl": "l2l.optimizees",
    "MapScaled": "l2l.optimizees",
    "Optimizee": "l2l.optimizees",
    "Perturbation": "l2l.optimizees",
    "Regional": "l2l.optimizees",
    "TaskFamily": "l2l.optimizees",
    "CMAES": "l2l.optimizers",
    "CrossEntropy": "l2l.optimizers",
    "Genetic": "l2l.optimizers",
    "Grid": "l2l.optimizers",
    "RandomSearch": "l2l.optimizers",
    "Restarts": "l2l.optimizers",
    "DaskRunner": "l2l.runners",
    "SerialRunner": "l2l.runners",
    "Connectome": "l2l.simulator",
    "Categorical": "l2l.space",
    "Integer": "l2l.space",
    "Real": "l2l.space",
    "Space": "l2l.space",
    "Store": "l2l.store",
    "Trajectory": "l2l.trajectory",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'l2l' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
