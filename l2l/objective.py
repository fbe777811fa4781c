"""Objectives: what a fitness value is called and which direction is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2l.errors import ObjectiveError, nearest


@dataclass(frozen=True)
class Objective:
    """One number of an outcome that the optimizer improves.

    name: the key under which an outcome's fitness reports it.
    maximize: True if larger is better.
    """

    name: str
    maximize: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ObjectiveError(f"an objective's name must be a non-empty string, but got {self.name!r}")
        if not isinstance(self.maximize, bool):
            raise ObjectiveError(f"maximize must be True or False, but got {self.maximize!r}")

    def loss(self, fitness: float) -> float:
        """Sign-corrected fitness: smaller is always better."""
        return -fitness if self.maximize else fitness

    def fitness(self, loss: float) -> float:
        """The inverse of `loss`."""
        return -loss if self.maximize else loss

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "maximize": self.maximize}


def as_objectives(given: str | Objective | Iterable[str | Objective]) -> tuple[Objective, ...]:
    """Objectives from names or Objective instances; a bare name is minimised. Raises ObjectiveError."""
    if not isinstance(given, str | Objective | Iterable):
        raise ObjectiveError(f"objectives must be given by name or as Objective, but got {given!r}")
    items = [given] if isinstance(given, str | Objective) else list(given)
    objectives = tuple(item if isinstance(item, Objective) else Objective(item) for item in items)
    if not objectives:
        raise ObjectiveError("at least one objective is needed, but got none")
    names = [objective.name for objective in objectives]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ObjectiveError(f"objective names must be unique, but {', '.join(map(repr, repeated))} is repeated")
    return objectives


def check_fitness(fitness: object, objectives: tuple[Objective, ...]) -> dict[str, float]:
    """The fitness as plain floats by objective name.

    Raises ObjectiveError if a name is missing or unknown, or a value is not a finite real number.
    """
    names = [objective.name for objective in objectives]
    if not isinstance(fitness, Mapping):
        raise ObjectiveError(f"fitness must map objective names to numbers, but is {type(fitness).__name__}")
    for name in fitness:
        if name not in names:
            raise ObjectiveError(f"fitness reports {name!r}, which is no objective: {nearest(str(name), names)}")
    checked = {}
    for name in names:
        if name not in fitness:
            raise ObjectiveError(f"fitness must report every objective, but {name!r} is missing")
        checked[name] = _as_finite(name, fitness[name])
    return checked


def _as_finite(name: str, value: object) -> float:
    if isinstance(value, str | bytes | bool | np.bool_):
        raise ObjectiveError(f"fitness {name!r} must be a number, but is {value!r} ({type(value).__name__})")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ObjectiveError(f"fitness {name!r} must be a number, but is {type(value).__name__}") from error
    except OverflowError as error:
        raise ObjectiveError(f"fitness {name!r} must be finite, but is beyond the largest float") from error
    if not math.isfinite(number):
        raise ObjectiveError(f"fitness {name!r} must be finite, but is {number}")
    return number
