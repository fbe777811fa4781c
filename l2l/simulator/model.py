"""A neural mass model as data: states, parameters, equations. Nothing here knows how it is computed.

Every expression is text in the grammar of `codegen.parser`. It may name the model's states, parameters, coupling
inputs and the derived expressions that stand before it. The text is checked when the model is first used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from l2l.errors import ModelError, nearest


@dataclass(frozen=True)
class Parameter:
    """A constant of the equations.

    low, high: the range that makes sense and that a search may explore.
    minimum, maximum: beyond these the equations lose their meaning; a value there is an error. A limit that itself is
    impossible, such as a time constant of 0, is set with `exclusive=True`.
    """

    name: str
    default: float
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    description: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    exclusive: bool = False


@dataclass(frozen=True)
class StateVariable:
    """A variable that is integrated.

    low, high: range of random initial values. lower, upper: bounds; the state is clipped to them after each stage.
    """

    name: str
    low: float
    high: float
    unit: str = ""
    description: str = ""
    lower: float = -math.inf
    upper: float = math.inf


@dataclass(frozen=True)
class CouplingInput:
    """One quantity that a node receives from the network.

    symbol: the name by which the equations read it.
    source: what the coupling sees of each node, an expression over its states and parameters.
    coupling: name of the coupling function if the model fixes it; otherwise the simulation's serves.
    """

    symbol: str
    source: str
    coupling: str | None = None


@dataclass(frozen=True)
class Model:
    """A neural mass model.

    derived: ordered (name, expression); each may use those before it.
    derivatives: time derivative of each state, per ms.
    exposed: further quantities a monitor may record, expressions by name; derived names may be recorded as well.
    noise: for each state that noise enters with a factor, that factor (multiplicative noise); 1 elsewhere.
    bold: the expression that drives the haemodynamic response.
    coupling: name of the coupling function that a simulation takes unless it is given another.
    source: where the equations come from.
    """

    name: str
    states: tuple[StateVariable, ...]
    parameters: tuple[Parameter, ...]
    inputs: tuple[CouplingInput, ...]
    derivatives: Mapping[str, str]
    derived: tuple[tuple[str, str], ...] = ()
    exposed: Mapping[str, str] = field(default_factory=dict)
    noise: Mapping[str, str] = field(default_factory=dict)
    bold: str = ""
    coupling: str = "Linear"
    description: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        names = [
            *self.state_names,
            *self.parameter_names,
            *(i.symbol for i in self.inputs),
            *(n for n, _ in self.derived),
        ]
        for name in names:
            if not name.isidentifier():
                raise ModelError(f"names in a model must be identifiers, but {self.name} has {name!r}")
            if names.count(name) > 1:
                raise ModelError(
                    f"names in a model must be unique, but {self.name} has {name!r} {names.count(name)} times"
                )
        if not self.states:
            raise ModelError(f"a model must have at least one state variable, but {self.name} has none")
        for name in self.state_names:
            if name not in self.derivatives:
                raise ModelError(f"each state needs a derivative, but {self.name} has none for {name!r}")
        for what, mapping in (("derivative", self.derivatives), ("noise factor", self.noise)):
            for name in mapping:
                if name not in self.state_names:
                    raise ModelError(
                        f"{what} of an unknown state {name!r} in {self.name}; {nearest(name, self.state_names)}"
                    )
        for attribute in ("derivatives", "exposed", "noise"):
            object.__setattr__(self, attribute, _Frozen(getattr(self, attribute)))

    @property
    def state_names(self) -> tuple[str, ...]:
        return tuple(s.name for s in self.states)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters)

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; raises ModelError with the nearest one."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise ModelError(f"{self.name} has no parameter {name!r}; {nearest(name, self.parameter_names)}")

    def with_defaults(self, **values: float) -> Model:
        """The same model with other default values of its parameters."""
        for name in values:
            self.parameter(name)
        return replace(
            self, parameters=tuple(replace(p, default=values.get(p.name, p.default)) for p in self.parameters)
        )


class _Frozen(Mapping[str, str]):
    """A read-only mapping that pickles (a mappingproxy does not)."""

    def __init__(self, items: Mapping[str, str]) -> None:
        self._items = MappingProxyType(dict(items))

    def __getitem__(self, key: str) -> str:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(tuple(self._items.items()))

    def __repr__(self) -> str:
        return repr(dict(self._items))

    def __reduce__(self) -> tuple[type[_Frozen], tuple[dict[str, str]]]:
        return _Frozen, (dict(self._items),)
