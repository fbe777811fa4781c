"""Any Python function as an optimizee."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import OptimizeeError, nearest
from l2l.individual import Individual, Outcome
from l2l.objective import Objective, as_objectives
from l2l.optimizees.base import Optimizee, as_outcome
from l2l.optimizees.source import fingerprint_of
from l2l.space import Categorical, Parameter, Space

_EXTRAS = ("rng", "seed")
_ALL_AT_ONCE = ("parameters", "params", "p", "point", "values", "config", "theta")


class FunctionOptimizee(Optimizee):
    """A function of the parameters that returns its fitness.

    function: called in one of three ways, decided by its signature:
        `f(x, y)` or `f(**values)`: with the parameters by name;
        `f(parameters)`: with a dict of all of them, where the one argument is annotated as a mapping or is called
            parameters, params, p, point, values, config or theta (and the space has no parameter of that name);
        `f(individual)`: with the Individual, where the argument is called so or annotated with that class.
        It is also given `rng` (numpy.random.Generator) or `seed` (int) of the evaluation if it has such arguments.
        It returns an Outcome, a mapping of fitness by objective, a number, or numbers in the objectives' order.
    space: a Space, or the mapping it is made from.
    objectives: names or Objective instances; a bare name is minimised.
    name: for tables; by default the function's own.
    batch: the function takes many individuals at once: an array for every parameter, (individual, *shape), and
        `seed` (individual,) or a list of `rng`. It returns an array, a mapping of arrays, or arrays in the objectives'
        order; or one outcome for each individual. Each result must depend on its own individual alone.
    batch_size: how many at once, where `batch`.

    Raises OptimizeeError if the function does not take the parameters of the space.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        space: Space | Mapping[str, Parameter],
        objectives: str | Objective | Iterable[str | Objective] = "loss",
        name: str | None = None,
        *,
        batch: bool = False,
        batch_size: int = 256,
    ) -> None:
        if not callable(function):
            raise OptimizeeError(f"a function is needed, but got a {type(function).__name__}")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise OptimizeeError(f"batch_size must be an integer >= 1, but got {batch_size!r}")
        self.function = function
        self.space = space if isinstance(space, Space) else Space(space)
        self.objectives = as_objectives(objectives)
        self.name = name or _name(function)
        self.batch = batch
        self.batch_size = batch_size if batch else 1
        self._style, self._positional, self._extras = _calling(function, self.space, self.name)

    def simulate(self, individual: Individual) -> Outcome:
        if self.batch:
            (outcome,) = self.simulate_batch([individual])
            return outcome
        extras: dict[str, Callable[[], Any]] = {"rng": individual.rng, "seed": lambda: individual.seed}
        given = {name: extras[name]() for name in self._extras}
        values = dict(individual.parameters)
        if self._style == "individual":
            returned = self.function(individual, **given)
        elif self._style == "mapping":
            returned = self.function(values, **given)
        else:
            returned = self._by_name(values, given)
        return as_outcome(returned, self.objectives)

    def simulate_batch(self, individuals: Sequence[Individual]) -> list[Outcome]:
        if not self.batch:
            return [self.simulate(individual) for individual in individuals]
        extras: dict[str, Callable[[], Any]] = {
            "rng": lambda: [individual.rng() for individual in individuals],
            "seed": lambda: np.array([individual.seed for individual in individuals], dtype=np.uint64),
        }
        given = {name: extras[name]() for name in self._extras}
        if self._style == "individual":
            return self._split(self.function(individuals, **given))
        columns = {name: _column(individuals, name, parameter) for name, parameter in self.space.items()}
        if self._style == "mapping":
            return self._split(self.function(columns, **given))
        return self._split(self._by_name(columns, given))

    def _by_name(self, values: dict[str, Any], extras: dict[str, Any]) -> Any:
        named = values | extras
        return self.function(*[named.pop(name) for name in self._positional], **named)

    def _split(self, returned: Any) -> list[Outcome]:
        """One outcome an individual from what a function of many returned."""
        names = [objective.name for objective in self.objectives]
        if isinstance(returned, list | tuple) and all(isinstance(item, Outcome | Mapping) for item in returned):
            return [as_outcome(item, self.objectives) for item in returned]
        if not isinstance(returned, Mapping):
            columns = returned if isinstance(returned, tuple) and len(names) > 1 else (returned,)
            if len(columns) != len(names):
                raise OptimizeeError(f"arrays must be one for each of {', '.join(names)}, but {len(columns)} came back")
            returned = dict(zip(names, columns, strict=True))
        arrays = {name: np.asarray(values) for name, values in returned.items()}
        shapes = {name: array.shape for name, array in arrays.items()}
        if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 1:
            raise OptimizeeError(f"fitness of a batch must be arrays with one number an individual, but got {shapes}")
        return [
            Outcome(fitness=dict(zip(arrays, row, strict=True)))
            for row in zip(*(array.tolist() for array in arrays.values()), strict=True)
        ]

    def describe(self) -> dict[str, Any]:
        """Its name and a hash of its source, which stays the same however the script was started."""
        return {
            "optimizee": "FunctionOptimizee",
            "function": self.name,
            "source": fingerprint_of(self.function),
            "batch": self.batch,
        }


def _name(function: Callable[..., Any]) -> str:
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__name__))


def _column(individuals: Sequence[Individual], name: str, parameter: Parameter) -> NDArray[Any]:
    values = [individual[name] for individual in individuals]
    if isinstance(parameter, Categorical):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    return np.array(values)


def _calling(function: Callable[..., Any], space: Space, name: str) -> tuple[str, list[str], list[str]]:
    """How to call the function: "named", "mapping" or "individual"; what goes by position; which extras it takes."""
    try:
        arguments = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # built-in functions without a signature
        return "named", [], []
    extras = [each.name for each in arguments if each.name in _EXTRAS and each.name not in space]
    own = [each for each in arguments if each.name not in extras]
    anything = any(each.kind is each.VAR_KEYWORD for each in own)
    named = [each for each in own if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    required = [each for each in named if each.default is each.empty]
    if len(required) == 1 and required[0].name not in space and not anything:
        style = _style_of(required[0])
        if style is not None:
            return style, [], extras
    for each in required:
        if each.name not in space:
            raise OptimizeeError(
                f"the function {name} needs {each.name!r}, which is no parameter of the space: "
                f"{nearest(each.name, space)}; to take all parameters at once, call its one argument `parameters`"
            )
    known = [each.name for each in named]
    for parameter in space:
        if parameter not in known and not anything:
            raise OptimizeeError(f"the function {name} takes no argument {parameter!r}: {nearest(parameter, known)}")
    return "named", [each.name for each in named if each.kind is each.POSITIONAL_ONLY], extras


def _style_of(argument: inspect.Parameter) -> str | None:
    """How a function with this one argument wants all parameters: "individual", "mapping", or None if it does not."""
    annotation = argument.annotation
    written = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    kind = written.split("[")[0].split(".")[-1]
    if kind == "Individual" or argument.name == "individual":
        return "individual"
    if kind in ("dict", "Dict", "Mapping", "MutableMapping") or argument.name in _ALL_AT_ONCE:
        return "mapping"
    return None
