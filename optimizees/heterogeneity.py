"""Parameters that differ between regions: free in each region or group, or following maps of the cortex."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import OptimizeeError, nearest
from l2l.individual import Individual
from l2l.space import Integer, Parameter, Real, Space

Floats = NDArray[np.float64]
NORMALISATIONS = ("z", "minmax", None)
# Bounds of coefficients stop this short of where a region would reach zero.
_MARGIN = 0.99


@dataclass(frozen=True, eq=False)
class Regional:
    """A parameter that is free in each region, or in each group of regions.

    parameter: the range of each of its values.
    groups: None: each region has its own, under the parameter's name with an index ("J_N[3]"). Otherwise a label for
        each region, (node,), such as the network that it belongs to, or a mapping from labels to the regions (labels
        or indices) of the group. Each group has its own value, named "J_N.Vis"; of numbers "J_N.group1".
    """

    parameter: Real
    groups: Any = None

    def __post_init__(self) -> None:
        _check_range(self, self.parameter)


@dataclass(frozen=True, eq=False)
class MapScaled:
    """A parameter that follows maps of the cortex (myelin, gradients, receptor densities).

    In region i it is base * (1 + sum_k b_k m_ki), as in cuBNM: `base` is free within `parameter` under the
    parameter's name ("w_p"), and the coefficient b_k of each map m_k is free under "w_p.MAP" ("w_p.myelin").

    parameter: the range of the base.
    maps: names of maps that the BrainNetwork is given (`maps=`), or a mapping from names to (node,) arrays.
    normalise: "z": each map less its mean, by its standard deviation over regions, so that the base is the mean over
        regions; "minmax": to [0, 1], so that the base belongs to the smallest value; None: as it is.
    scale: the range of the coefficients, for all maps or by name. None: -0.99 / (K max m_k) to 0.99 / (K |min m_k|) for
        K maps (to 1 / max m_k where a map has no negative value): wide enough to take a region near zero, and no
        individual can leave the positive side. With other ranges, individuals that give any region a factor <= 0 are
        recorded as invalid, with the reason, and are not simulated (cuBNM shifts the whole map instead, which
        changes the base).
    """

    parameter: Real
    maps: Any
    normalise: Literal["z", "minmax"] | None = "z"
    scale: Real | Mapping[str, Real] | None = None

    def __post_init__(self) -> None:
        _check_range(self, self.parameter)
        if self.normalise not in NORMALISATIONS:
            raise OptimizeeError(f"unknown normalisation {self.normalise!r}: {nearest(str(self.normalise), _WORDS)}")
        if isinstance(self.maps, str):
            object.__setattr__(self, "maps", (self.maps,))
        if not isinstance(self.maps, Mapping) and any(not isinstance(each, str) for each in self.maps):
            raise OptimizeeError(
                "maps of MapScaled must be names of maps, or (node,) arrays by name, but are a "
                f"{type(self.maps).__name__}: maps={{'myelin': array}}"
            )
        if not len(self.maps):
            raise OptimizeeError("MapScaled needs a map or more, but got none")


Free = Parameter | Regional | MapScaled
_WORDS = ("z", "minmax", "None")


@dataclass(frozen=True)
class _Uniform:
    """Values as the space holds them."""

    name: str

    def values(self, individuals: Sequence[Individual]) -> Floats:
        return _column(individuals, self.name)


@dataclass(frozen=True, eq=False)
class _Grouped:
    names: tuple[str, ...]
    members: NDArray[np.intp]  # (node,) the number of each region's group

    def values(self, individuals: Sequence[Individual]) -> Floats:
        columns = np.hstack([_column(individuals, name) for name in self.names])
        return columns[:, self.members]


@dataclass(frozen=True, eq=False)
class _Scaled:
    name: str
    coefficients: tuple[str, ...]
    maps: Floats  # (map, node)

    def factors(self, individuals: Sequence[Individual]) -> Floats:
        return 1.0 + np.hstack([_column(individuals, name) for name in self.coefficients]) @ self.maps

    def values(self, individuals: Sequence[Individual]) -> Floats:
        return _column(individuals, self.name) * self.factors(individuals)


class FreeParameters:
    """What a search may vary of a network: its space, and the values of individuals in every region.

    free: by name of the model's parameter a Real or Integer (of shape () or (node,)), Regional or MapScaled.
    labels: of the regions. maps: by name, (node,) arrays.
    Raises OptimizeeError where one does not fit the regions.
    """

    def __init__(
        self,
        free: Mapping[str, Free] | Space,
        labels: Sequence[str],
        maps: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        if not isinstance(free, Mapping):
            raise OptimizeeError(
                f"free must be ranges by name, such as {{'G': Real(0, 2)}}, but is a {type(free).__name__}"
            )
        self._labels = tuple(labels)
        self._expressions: dict[str, _Uniform | _Grouped | _Scaled] = {}
        parameters: dict[str, Parameter] = {}
        for name, given in free.items():
            if isinstance(given, Regional):
                parameters |= self._regional(name, given)
            elif isinstance(given, MapScaled):
                parameters |= self._scaled(name, given, maps or {})
            else:
                parameters[name] = self._plain(name, given)
        self.space = free if isinstance(free, Space) else Space(parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """The model's parameters that are free."""
        return tuple(self._expressions)

    def values(self, individuals: Sequence[Individual]) -> dict[str, Floats]:
        """By the model's parameter (individual, 1) or (individual, node)."""
        return {name: expression.values(individuals) for name, expression in self._expressions.items()}

    def refusals(self, individuals: Sequence[Individual]) -> list[str]:
        """For each individual why it cannot be simulated, or ""."""
        reasons = [""] * len(individuals)
        for name, expression in self._expressions.items():
            if not isinstance(expression, _Scaled):
                continue
            factors = expression.factors(individuals)
            for i in np.flatnonzero((factors <= 0).any(axis=1)):
                region = int(factors[i].argmin())
                reasons[i] = reasons[i] or (
                    f"{name} must stay positive in every region, but its maps scale it by {factors[i, region]:.3g} in "
                    f"{self._labels[region]!r}: narrow scale=, or leave it out to have bounds that cannot do so"
                )
        return reasons

    def corners(self) -> list[Individual]:
        """Two individuals: all values at the lower end of their range, and at the upper.

        Coefficients of maps are as near to 0 as they may be: most of the corners of wide ranges are refused anyway.
        """
        ends = self.space.decode_many([[0.0] * self.space.dimension, [1.0] * self.space.dimension])
        for expression in self._expressions.values():
            for name in expression.coefficients if isinstance(expression, _Scaled) else ():
                parameter = self.space[name]
                assert isinstance(parameter, Real)
                for end in ends:
                    end[name] = float(np.clip(0.0, parameter.low, parameter.high))
        return [Individual(end) for end in ends]

    def describe(self) -> dict[str, Any]:
        """What the space alone does not tell: groups and maps; JSON."""
        described: dict[str, Any] = {}
        for name, expression in self._expressions.items():
            if isinstance(expression, _Grouped):
                described[name] = {"groups": list(expression.names), "members": expression.members.tolist()}
            elif isinstance(expression, _Scaled):
                digest = hashlib.sha256(np.ascontiguousarray(expression.maps).tobytes()).hexdigest()
                described[name] = {"coefficients": list(expression.coefficients), "maps_sha256": digest}
        return described

    def _plain(self, name: str, parameter: Any) -> Parameter:
        if not isinstance(parameter, Real | Integer):
            raise OptimizeeError(
                f"free parameter {name!r} must be Real or Integer, Regional or MapScaled, but is {parameter!r}"
            )
        nodes = len(self._labels)
        if parameter.shape not in {(), (nodes,)}:
            raise OptimizeeError(
                f"free parameter {name!r} must have one value, or one for each region (shape=({nodes},)), "
                f"but has shape {parameter.shape}"
            )
        self._expressions[name] = _Uniform(name)
        return parameter

    def _regional(self, name: str, given: Regional) -> dict[str, Parameter]:
        if given.groups is None:
            self._expressions[name] = _Uniform(name)
            return {name: _with_shape(given.parameter, (len(self._labels),))}
        groups, members = _members(name, given.groups, self._labels)
        names = _part_names(name, groups)
        self._expressions[name] = _Grouped(names, members)
        parameters: dict[str, Parameter] = dict.fromkeys(names, given.parameter)
        return parameters

    def _scaled(self, name: str, given: MapScaled, known: Mapping[str, ArrayLike]) -> dict[str, Parameter]:
        maps = {each: _map(each, given, known, self._labels) for each in given.maps}
        ranges = {each: _range(each, values, given.scale, len(maps)) for each, values in maps.items()}
        names = _part_names(name, list(maps))
        self._expressions[name] = _Scaled(name, names, np.array(list(maps.values())))
        parameters: dict[str, Parameter] = {name: given.parameter}
        return parameters | dict(zip(names, ranges.values(), strict=True))


def _check_range(owner: object, parameter: object) -> None:
    if not isinstance(parameter, Real) or parameter.shape:
        raise OptimizeeError(
            f"{type(owner).__name__} needs the range of one value as a Real without a shape, but got {parameter!r}"
        )


def _with_shape(parameter: Real, shape: tuple[int, ...]) -> Real:
    return Real(parameter.low, parameter.high, parameter.log, shape, parameter.unit)


def _column(individuals: Sequence[Individual], name: str) -> Floats:
    return np.array([individual[name] for individual in individuals], dtype=np.float64).reshape(len(individuals), -1)


def _part_names(name: str, parts: Sequence[Any]) -> tuple[str, ...]:
    """ "J_N.Vis" and so on: words of letters, digits and _ that the database can name columns by."""
    names = []
    for part in parts:
        word = re.sub(r"\W+", "_", str(part)).strip("_")
        names.append(f"{name}.{word if word.isidentifier() else 'group' + word}")
    doubled = sorted({each for each in names if names.count(each) > 1})
    if doubled:
        raise OptimizeeError(f"parts of {name!r} must have different names, but several are called {doubled[0]!r}")
    return tuple(names)


def _members(name: str, groups: Any, labels: tuple[str, ...]) -> tuple[list[Any], NDArray[np.intp]]:
    """The groups, sorted (of a mapping: in its order), and the number of each region's."""
    if isinstance(groups, Mapping):
        listed = [(group, region) for group, regions in groups.items() for region in regions]
        given: list[Any] = [None] * len(labels)
        for group, region in listed:
            index = _region(name, region, labels)
            if given[index] is not None:
                raise OptimizeeError(
                    f"groups of {name!r} must hold each region once, but {labels[index]!r} is in "
                    f"{given[index]!r} and {group!r}"
                )
            given[index] = group
        order = list(groups)
    else:
        given = np.asarray(groups, dtype=object).tolist() if np.ndim(groups) == 1 else [groups]
        if len(given) != len(labels):
            raise OptimizeeError(
                f"groups of {name!r} must name a group for each of {len(labels)} regions, but name {len(given)}"
            )
        order = []
    for region, group in zip(labels, given, strict=True):
        if group is None or group == "" or (isinstance(group, float) and not np.isfinite(group)):
            raise OptimizeeError(f"groups of {name!r} must hold every region, but {region!r} is in none")
    order = [group for group in order if group in given] or sorted(
        set(given), key=lambda group: (str(type(group)), group)
    )
    return order, np.array([order.index(group) for group in given], dtype=np.intp)


def _region(name: str, region: Any, labels: tuple[str, ...]) -> int:
    if isinstance(region, str):
        if region not in labels:
            raise OptimizeeError(f"groups of {name!r}: no region is labelled {region!r}: {nearest(region, labels)}")
        return labels.index(region)
    if not isinstance(region, int | np.integer) or not 0 <= region < len(labels):
        raise OptimizeeError(
            f"groups of {name!r}: a region must be a label or an index below {len(labels)}, but got {region!r}"
        )
    return int(region)


def _map(name: str, given: MapScaled, known: Mapping[str, ArrayLike], labels: tuple[str, ...]) -> Floats:
    """One map, checked and normalised."""
    if not isinstance(given.maps, Mapping) and name not in known:
        raise OptimizeeError(
            f"unknown map {name!r}: {nearest(name, known)}; give the arrays by name as maps={{{name!r}: array}}"
        )
    try:
        values = np.array(given.maps[name] if isinstance(given.maps, Mapping) else known[name], dtype=np.float64)
    except (TypeError, ValueError):
        raise OptimizeeError(f"map {name!r} must be a number for each of {len(labels)} regions, but is not") from None
    if values.shape != (len(labels),):
        raise OptimizeeError(
            f"map {name!r} must have a value for each of {len(labels)} regions, but has {values.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise OptimizeeError(
            f"map {name!r} must be finite, but is {values[bad[0]]} in {len(bad)} regions, first {labels[bad[0]]!r}: "
            "fill them in, or take regions out with Connectome.subset"
        )
    spread = float(np.ptp(values))
    if spread == 0:
        raise OptimizeeError(f"map {name!r} must vary between regions, but is {values[0]:g} in all: leave it out")
    if given.normalise == "z":
        return np.asarray((values - values.mean()) / values.std())
    return np.asarray((values - values.min()) / spread) if given.normalise == "minmax" else values


def _range(name: str, values: Floats, scale: Real | Mapping[str, Real] | None, count: int) -> Real:
    """The range of a map's coefficient."""
    if isinstance(scale, Mapping):
        if name not in scale:
            raise OptimizeeError(f"scale must give a range for map {name!r}: {nearest(name, scale)}")
        scale = scale[name]
    if scale is not None:
        if not isinstance(scale, Real) or scale.shape:
            raise OptimizeeError(f"scale of map {name!r} must be a Real without a shape, but is {scale!r}")
        return scale
    largest, smallest = float(values.max()), float(values.min())
    low = -_MARGIN / (count * largest) if largest > 0 else 1 / smallest
    high = _MARGIN / (count * -smallest) if smallest < 0 else 1 / largest
    return Real(low, high)
