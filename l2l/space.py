"""Search spaces: named parameters with ranges, mapped to the unit cube that optimizers work in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import SpaceError, nearest

Floats = NDArray[np.float64]


class Dimension(Protocol):
    """What every kind of parameter guarantees; `encode` and `decode` work on whole arrays at once."""

    shape: tuple[int, ...]

    def check(self, name: str, value: Any) -> Any:
        """The value in its plain Python or NumPy form. Raises SpaceError if it is none of this parameter's."""

    def encode(self, values: ArrayLike) -> Floats:
        """(..., *shape) values to (..., *shape) numbers in [0, 1]."""

    def decode(self, units: Floats) -> NDArray[Any]:
        """The inverse of `encode`, for numbers in [0, 1]."""

    def as_json(self) -> dict[str, Any]:
        """What rebuilds this parameter: `from_json` reads it."""


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond the largest float
        return False


def _check_shape(shape: object) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if any(isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1 for size in sizes):
        raise SpaceError(f"a shape must hold integers >= 1, but got {shape!r}")
    return tuple(int(size) for size in sizes)


@dataclass(frozen=True)
class Real:
    """A real number in [low, high], or an array of them.

    log: equal steps of the unit interval are equal factors; needs low > 0.
    shape: () for a number; (n,) for one value a region, and so on.
    unit: for tables and plots, such as "ms".
    """

    low: float
    high: float
    log: bool = False
    shape: tuple[int, ...] = ()
    unit: str = ""

    def __post_init__(self) -> None:
        for end, value in (("low", self.low), ("high", self.high)):
            if not _is_number(value):
                raise SpaceError(f"{end} must be a finite number, but got {value!r}")
        if not self.low < self.high:
            raise SpaceError(f"low < high must hold, but got (low={self.low}, high={self.high})")
        if self.log and not self.low > 0:
            raise SpaceError(f"a log scale needs low > 0, but got (low={self.low}, high={self.high})")
        if not math.isfinite(float(self.high) - float(self.low)):
            raise SpaceError(f"high - low must be finite, but got (low={self.low}, high={self.high})")
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        object.__setattr__(self, "shape", _check_shape(self.shape))

    def check(self, name: str, value: Any) -> Any:
        try:
            given = np.asarray(value)
            if given.dtype.kind not in "iufO":  # no strings, booleans, complex numbers or dates
                raise TypeError(f"got {given.dtype}")
            array = given.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise SpaceError(f"parameter {name!r} must be a number, but got {value!r}") from error
        if array.shape != self.shape:
            raise SpaceError(f"parameter {name!r} must have shape {self.shape}, but has {array.shape}")
        if not np.all((array >= self.low) & (array <= self.high)):  # also catches NaN
            raise SpaceError(f"parameter {name!r} must lie in [{self.low}, {self.high}], but got {value!r}")
        return array if self.shape else float(array)

    def encode(self, values: ArrayLike) -> Floats:
        numbers = np.asarray(values, dtype=np.float64)
        if self.log and self._narrow:
            units = np.log1p((numbers - self.low) / self.low) / math.log1p((self.high - self.low) / self.low)
        elif self.log:
            units = (np.log(numbers) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            units = (numbers - self.low) / (self.high - self.low)
        return self._exact_ends(units, numbers, (self.low, self.high), (0.0, 1.0))

    def decode(self, units: Floats) -> Floats:
        if self.log and self._narrow:
            numbers = self.low + self.low * np.expm1(units * math.log1p((self.high - self.low) / self.low))
        elif self.log:
            log_low, log_high = math.log(self.low), math.log(self.high)
            numbers = np.exp(log_low + units * (log_high - log_low))
        else:
            numbers = self.low + units * (self.high - self.low)
        return self._exact_ends(np.clip(numbers, self.low, self.high), units, (0.0, 1.0), (self.low, self.high))

    @property
    def _narrow(self) -> bool:
        # The logarithms of nearly equal numbers are equal, or differ by rounding; that of their ratio does not.
        return self.high - self.low <= self.low

    @staticmethod
    def _exact_ends(result: Floats, source: Floats, at: tuple[float, float], to: tuple[float, float]) -> Floats:
        # exp(log(high)) is not high to the last bit, and a bound must be.
        inside = np.where(source >= at[1], to[1], np.clip(result, *to))
        return np.where(source <= at[0], to[0], inside)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": "real",
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "shape": list(self.shape),
            "unit": self.unit,
        }


@dataclass(frozen=True)
class Integer:
    """A whole number in low..high, both included; every value owns an equal part of the unit interval."""

    low: int
    high: int
    unit: str = ""
    shape: tuple[int, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        for end, value in (("low", self.low), ("high", self.high)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise SpaceError(f"{end} must be an integer, but got {value!r}")
        if not self.low < self.high:
            raise SpaceError(f"low < high must hold, but got (low={self.low}, high={self.high})")
        if max(abs(int(self.low)), abs(int(self.high))) > 2**53 or int(self.high) - int(self.low) >= 2**50:
            raise SpaceError(
                "up to 2**50 values between -2**53 and 2**53 are exact in the unit cube, but got "
                f"(low={self.low}, high={self.high}); a Real can hold more"
            )
        object.__setattr__(self, "low", int(self.low))
        object.__setattr__(self, "high", int(self.high))

    def check(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise SpaceError(f"parameter {name!r} must be an integer, but got {value!r}")
        if not self.low <= value <= self.high:
            raise SpaceError(f"parameter {name!r} must lie in [{self.low}, {self.high}], but got {value!r}")
        return int(value)

    def encode(self, values: ArrayLike) -> Floats:
        # Exact but for the division: 2**50 (k + 1/2) has 51 bits, and decode's product errs by less than 1/2.
        return (np.asarray(values, dtype=np.float64) - self.low + 0.5) / (self.high - self.low + 1)

    def decode(self, units: Floats) -> NDArray[np.int64]:
        steps = np.floor(units * (self.high - self.low + 1))
        return np.clip(steps, 0, self.high - self.low).astype(np.int64) + self.low

    def as_json(self) -> dict[str, Any]:
        return {"kind": "integer", "low": self.low, "high": self.high, "unit": self.unit}


@dataclass(frozen=True)
class Categorical:
    """One of a few choices (strings, numbers or booleans), each owning an equal part of the unit interval."""

    choices: tuple[Any, ...]
    shape: tuple[int, ...] = field(default=(), init=False)

    def __init__(self, choices: Sequence[Any]) -> None:
        if isinstance(choices, str | bytes) or not isinstance(choices, Sequence) or len(choices) < 2:
            raise SpaceError(f"a categorical parameter needs a list of two or more choices, but got {choices!r}")
        for choice in choices:
            if not isinstance(choice, str | int | float | bool):
                raise SpaceError(f"choices must be strings, numbers or booleans, but got {choice!r}")
            if isinstance(choice, float) and not math.isfinite(choice):
                raise SpaceError(f"choices must be finite, but got {choice!r}")
        if len({(type(choice), choice) for choice in choices}) < len(choices):
            raise SpaceError(f"choices must differ, but got {list(choices)!r}")
        plain = (choice.item() if isinstance(choice, np.generic) else choice for choice in choices)
        object.__setattr__(self, "choices", tuple(plain))
        object.__setattr__(self, "shape", ())

    def _index(self, value: Any) -> int:
        value = value.item() if isinstance(value, np.generic) else value
        for index, choice in enumerate(self.choices):
            if type(choice) is type(value) and choice == value:
                return index
        raise SpaceError(f"{value!r} is no choice: {nearest(str(value), map(str, self.choices))}")

    def check(self, name: str, value: Any) -> Any:
        try:
            return self.choices[self._index(value)]
        except SpaceError as error:
            raise SpaceError(f"parameter {name!r}: {error}") from None

    def encode(self, values: ArrayLike) -> Floats:
        many = np.asarray(values, dtype=object)
        index = np.array([self._index(value) for value in many.ravel()], dtype=np.float64).reshape(many.shape)
        return (index + 0.5) / len(self.choices)

    def decode(self, units: Floats) -> NDArray[Any]:
        index = np.clip(np.floor(units * len(self.choices)), 0, len(self.choices) - 1).astype(np.int64)
        return np.array(self.choices, dtype=object)[index]

    def as_json(self) -> dict[str, Any]:
        return {"kind": "categorical", "choices": list(self.choices)}


Parameter = Real | Integer | Categorical


class Space(Mapping[str, Parameter]):
    """Named parameters, in order. A point is a mapping from their names to values, or a vector of the unit cube.

    The vector holds the parameters one after the other, those with a shape flattened row by row.
    """

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        if not isinstance(parameters, Mapping) or not parameters:
            raise SpaceError(f"a space needs a mapping with at least one parameter, but got {parameters!r}")
        for name, parameter in parameters.items():
            # "w_p.myelin" is a part of w_p.
            if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
                raise SpaceError(f"a parameter's name must be an identifier, but got {name!r}; dots may join several")
            if not isinstance(parameter, Real | Integer | Categorical):
                raise SpaceError(f"parameter {name!r} must be Real, Integer or Categorical, but is {parameter!r}")
        self._parameters = dict(parameters)
        self._slices: dict[str, slice] = {}
        start = 0
        for name, parameter in self._parameters.items():
            self._slices[name] = slice(start, start + math.prod(parameter.shape))
            start = self._slices[name].stop
        self.dimension: int = start

    def __getitem__(self, name: str) -> Parameter:
        if name not in self._parameters:
            raise SpaceError(f"unknown parameter {name!r}: {nearest(name, self._parameters)}")
        return self._parameters[name]

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __repr__(self) -> str:
        return f"Space({self._parameters!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and list(self.items()) == list(other.items())

    def __hash__(self) -> int:
        return hash(tuple(self._parameters.items()))

    @property
    def labels(self) -> list[str]:
        """A name for each element of a vector: "G", or "w_p[3]" for parameters with a shape."""
        return [
            name + (f"[{','.join(map(str, index))}]" if index else "")
            for name, parameter in self._parameters.items()
            for index in np.ndindex(parameter.shape)
        ]

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values in their plain form and in this space's order. Raises SpaceError for a name or value amiss."""
        if not isinstance(values, Mapping):
            raise SpaceError(f"a point must map parameter names to values, but is {type(values).__name__}")
        for name in values:
            if name not in self._parameters:
                raise SpaceError(f"unknown parameter {name!r}: {nearest(str(name), self._parameters)}")
        missing = [name for name in self._parameters if name not in values]
        if missing:
            raise SpaceError(f"every parameter needs a value, but {', '.join(map(repr, missing))} has none")
        return {name: parameter.check(name, values[name]) for name, parameter in self._parameters.items()}

    def encode(self, values: Mapping[str, Any]) -> Floats:
        """(dimension,) vector in [0, 1] of one point. Raises SpaceError for a name or value amiss."""
        vector: Floats = self.encode_many([values])[0]
        return vector

    def decode(self, units: ArrayLike) -> dict[str, Any]:
        """The named values at one (dimension,) vector of the unit cube."""
        return self.decode_many(np.asarray(units, dtype=np.float64)[None])[0]

    def encode_many(self, points: Sequence[Mapping[str, Any]]) -> Floats:
        """(point, dimension) vectors of many points."""
        checked = [self.check(point) for point in points]
        units = np.empty((len(points), self.dimension))
        for name, parameter in self._parameters.items():
            column: Any = [point[name] for point in checked]
            units[:, self._slices[name]] = parameter.encode(column).reshape(len(points), math.prod(parameter.shape))
        return units

    def decode_many(self, units: ArrayLike) -> list[dict[str, Any]]:
        """Named values at each of (point, dimension) vectors. Raises SpaceError outside [0, 1]."""
        vectors = np.asarray(units, dtype=np.float64)
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise SpaceError(f"vectors must have shape (points, {self.dimension}), but have {vectors.shape}")
        if not np.all((vectors >= 0) & (vectors <= 1)):
            raise SpaceError("every element of a vector must lie in [0, 1], but some do not")
        columns = {}
        for name, parameter in self._parameters.items():
            values = parameter.decode(vectors[:, self._slices[name]].reshape(len(vectors), *parameter.shape))
            columns[name] = list(values) if parameter.shape else values.tolist()
        return [{name: column[index] for name, column in columns.items()} for index in range(len(vectors))]

    def as_json(self) -> dict[str, Any]:
        """What rebuilds this space: `Space.from_json` reads it."""
        return {name: parameter.as_json() for name, parameter in self._parameters.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Mapping[str, Any]]) -> Space:
        """The space that `as_json` described."""
        kinds: dict[str, Any] = {"real": Real, "integer": Integer, "categorical": Categorical}
        parameters = {}
        for name, fields in data.items():
            if not isinstance(fields, Mapping):
                raise SpaceError(f"parameter {name!r} must be described by a mapping, but got {fields!r}")
            arguments = dict(fields)
            kind = arguments.pop("kind", None)
            if kind not in kinds:
                raise SpaceError(f"parameter {name!r} is of unknown kind {kind!r}: {nearest(str(kind), kinds)}")
            if "shape" in arguments:
                arguments["shape"] = tuple(arguments["shape"])
            try:
                parameters[name] = kinds[kind](**arguments)
            except TypeError as error:
                raise SpaceError(f"parameter {name!r} does not describe a {kind!r} parameter: {error}") from error
        return cls(parameters)
