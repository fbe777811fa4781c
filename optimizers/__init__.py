"""Optimizers: each proposes generations of points of the unit cube, and learns from what they were worth."""

from l2l.optimizers.base import Candidate, Optimizer, OptimizerConfig, Told
from l2l.optimizers.cma_es import CMAES
from l2l.optimizers.cross_entropy import CrossEntropy
from l2l.optimizers.genetic import Genetic
from l2l.optimizers.grid import Grid
from l2l.optimizers.random_search import RandomSearch
from l2l.optimizers.registry import OPTIMIZERS, as_json, create
from l2l.optimizers.restarts import Restarts

__all__ = [
    "CMAES",
    "OPTIMIZERS",
    "Candidate",
    "CrossEntropy",
    "Genetic",
    "Grid",
    "Optimizer",
    "OptimizerConfig",
    "RandomSearch",
    "Restarts",
    "Told",
    "as_json",
    "create",
]
