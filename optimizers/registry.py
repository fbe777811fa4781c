"""Optimizers by name, and their settings as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from l2l.errors import OptimizerError, nearest
from l2l.optimizers.base import OptimizerConfig
from l2l.optimizers.cma_es import CMAES
from l2l.optimizers.cross_entropy import CrossEntropy
from l2l.optimizers.genetic import Genetic
from l2l.optimizers.grid import Grid
from l2l.optimizers.random_search import RandomSearch
from l2l.optimizers.restarts import Restarts

OPTIMIZERS: dict[str, type[OptimizerConfig]] = {
    config.name: config for config in (CMAES, Genetic, CrossEntropy, Grid, RandomSearch, Restarts)
}


def create(spec: str | Mapping[str, Any] | OptimizerConfig) -> OptimizerConfig:
    """The settings that `spec` describes.

    spec: a name ("cma-es", "genetic", "cross-entropy", "grid", "random", "restarts"), a mapping with such a "name" and
        any of that optimizer's fields, or the settings themselves.
    Raises OptimizerError for an unknown name or field (with the nearest known one), or a bad value.
    """
    if isinstance(spec, OptimizerConfig):
        return spec
    if isinstance(spec, str):
        spec = {"name": spec}
    if not isinstance(spec, Mapping):
        raise OptimizerError(f"an optimizer must be given by name, mapping or configuration, but got {spec!r}")
    arguments = dict(spec)
    name = arguments.pop("name", None)
    if name is None:
        raise OptimizerError(f"an optimizer's mapping must hold its 'name', but holds {list(arguments)}")
    if name not in OPTIMIZERS:
        raise OptimizerError(f"unknown optimizer {name!r}: {nearest(str(name), OPTIMIZERS)}")
    kind = OPTIMIZERS[name]
    known = [item.name for item in fields(kind)]
    for key in arguments:
        if key not in known:
            raise OptimizerError(f"{name!r} has no setting {key!r}: {nearest(str(key), known)}")
    return kind(**arguments)


def as_json(config: OptimizerConfig) -> dict[str, Any]:
    """JSON values from which `create` makes the same settings."""
    return {"name": config.name, **{item.name: _plain(getattr(config, item.name)) for item in fields(config)}}


def _plain(value: Any) -> Any:
    if isinstance(value, OptimizerConfig):
        return as_json(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    return value
