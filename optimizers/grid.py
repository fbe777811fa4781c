"""Grid search: every combination of given values, in batches, never held in memory as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from l2l.errors import OptimizerError, SpaceError, nearest
from l2l.optimizers import checks
from l2l.optimizers.base import Candidate, Floats, Optimizer, OptimizerConfig, count_values
from l2l.space import Parameter, Real, Space

LARGEST = 10**9
_DEFAULT = 5


@dataclass(frozen=True)
class Grid(OptimizerConfig):
    """Full factorial design: the last parameter varies fastest. It needs no seed and serves any number of objectives.

    points: how many values of each parameter: one number for every Real, or, by parameter name, a number or the list
        of values itself. Numbers spread evenly from low to high, both included (in the logarithm, for log scales; one
        point is the middle). An Integer or Categorical that is not named takes all of its values, a Real 5. The
        elements of a parameter with a shape each take the values in turn.
    batch: points a generation.
    Raises OptimizerError when built for more than 10**9 points.
    """

    name: ClassVar[str] = "grid"

    points: int | Mapping[str, int | Sequence[Any]] = _DEFAULT
    batch: int = 256

    def __post_init__(self) -> None:
        checks.whole("batch", self.batch, 1)
        if not isinstance(self.points, Mapping):
            checks.whole("points", self.points, 1)
            return
        for name, given in self.points.items():
            if isinstance(given, Sequence) and not isinstance(given, str):
                if not given:
                    raise OptimizerError(f"points of {name!r} must hold at least one value, but is empty")
            else:
                checks.whole(f"points of {name!r}", given, 1)

    def build(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> GridOptimizer:
        return GridOptimizer(self, space, seed, objectives)


class GridOptimizer(Optimizer):
    multi_objective = True
    patience = None

    def __init__(self, config: Grid, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> None:
        super().__init__(space, seed, objectives)
        points = config.points if isinstance(config.points, Mapping) else {}
        for name in points:
            if name not in space:
                raise OptimizerError(f"points name the unknown parameter {name!r}: {nearest(str(name), space)}")
        default = _DEFAULT if isinstance(config.points, Mapping) else config.points
        sizes = {
            name: points.get(name, default if isinstance(parameter, Real) else count_values(parameter))
            for name, parameter in space.items()
        }
        self.size = math.prod(
            (size if isinstance(size, int | np.integer) else len(size)) ** math.prod(space[name].shape)
            for name, size in sizes.items()
        )
        if self.size > LARGEST:
            count = f"{self.size:,}" if self.size < 10**15 else f"about 10**{len(str(self.size)) - 1}"
            raise OptimizerError(
                f"a grid may have at most {LARGEST:,} points, but this one has {count} in {space.dimension} dimensions:"
                " give fewer points a parameter, fix some parameters, or use another optimizer"
            )
        self._axes = [
            axis
            for name, parameter in space.items()
            for axis in [_axis(name, parameter, sizes[name])] * math.prod(parameter.shape)
        ]
        self._batch = config.batch
        self._next = 0

    def _propose(self) -> list[Candidate]:
        numbers = np.arange(self._next, min(self._next + self._batch, self.size))
        self._next += len(numbers)
        digits = np.unravel_index(numbers, [len(axis) for axis in self._axes])
        points = np.stack([axis[digit] for axis, digit in zip(self._axes, digits, strict=True)], axis=1)
        return [Candidate(point) for point in points]

    def _learn(self, points: Floats, losses: Floats, failed: NDArray[np.bool_]) -> None:
        pass

    def _stop(self) -> str | None:
        return f"all {self.size:,} points of the grid have been asked" if self._next >= self.size else None

    def summary(self) -> dict[str, Any]:
        return {"points": self.size, "asked": self._next}


def _axis(name: str, parameter: Parameter, points: int | Sequence[Any]) -> Floats:
    """The places of one parameter's values in the unit interval."""
    if not isinstance(points, int | np.integer):
        return _places(name, parameter, points)
    if isinstance(parameter, Real):
        return np.linspace(0.0, 1.0, points) if points > 1 else np.array([0.5])
    values = count_values(parameter)
    if points > values:
        raise OptimizerError(f"parameter {name!r} has only {values} values, but the grid asks for {points} of them")
    steps = np.rint(np.linspace(0, values - 1, points)) if points > 1 else np.array([(values - 1) // 2])
    return (steps + 0.5) / values


def _places(name: str, parameter: Parameter, values: Sequence[Any]) -> Floats:
    try:
        if isinstance(parameter, Real):  # each element of a shape takes the values in turn
            one = Real(parameter.low, parameter.high, parameter.log)
            places = one.encode([one.check(name, value) for value in values])
        else:
            places = parameter.encode([parameter.check(name, value) for value in values])
    except SpaceError as error:
        raise OptimizerError(f"a grid's values must belong to the space, but {error}") from error
    if len(np.unique(places)) < len(places):
        raise OptimizerError(f"a grid's values must differ, but those of {name!r} are {list(values)!r}")
    return places
