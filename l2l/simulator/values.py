"""Values that a user gives: a number, (simulation,), (node,) or (simulation, node)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError
from l2l.simulator.model import Parameter


class RangeWarning(UserWarning):
    """A value is possible but not usual. Python shows it once a process; filter it as any warning."""


class Values:
    """One named quantity as the user gave it. usual: the parameter whose usual range it should keep, if any."""

    def __init__(self, label: str, value: Any) -> None:
        self.label = label
        self.usual: Parameter | None = None
        try:
            self.array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise SimulationError(f"{label} must be numbers, but got {value!r}") from None
        if self.array.ndim > 2:
            raise SimulationError(
                f"{label} must be a number, (simulation,), (node,) or (simulation, node), "
                f"but has shape {self.array.shape}"
            )

    def check(self, parameter: Parameter | None) -> None:
        """Raises SimulationError unless all values are finite and possible."""
        array = self.array
        if not np.isfinite(array).all():
            raise SimulationError(f"{self.label} must be finite, but got {self._first(~np.isfinite(array))}")
        if parameter is None:
            return
        if parameter.exclusive:
            bad, sign = (array <= parameter.minimum) | (array >= parameter.maximum), "<"
        else:
            bad, sign = (array < parameter.minimum) | (array > parameter.maximum), "<="
        if bad.any():
            low = f"{parameter.minimum:g} {sign} " if math.isfinite(parameter.minimum) else ""
            high = f" {sign} {parameter.maximum:g}" if math.isfinite(parameter.maximum) else ""
            raise SimulationError(f"{low}{parameter.name}{high} must hold, but {self.label} has {self._first(bad)}")

    def warn(self) -> None:
        """Warns if a value lies outside the range that makes sense."""
        parameter = self.usual
        if parameter is not None and ((self.array < parameter.low) | (self.array > parameter.high)).any():
            low = f"{parameter.low:g} <= " if math.isfinite(parameter.low) else ""
            high = f" <= {parameter.high:g}" if math.isfinite(parameter.high) else ""
            # The text does not tell the value: a search would repeat the warning with every generation.
            text = f"{self.label} leaves its usual range {low}{parameter.name}{high}"
            warnings.warn(text, RangeWarning, stacklevel=2)

    def _first(self, bad: NDArray[np.bool_]) -> str:
        return repr(float(self.array[bad].flat[0])) if self.array.ndim else repr(float(self.array))


def size_of_ensemble(values: Iterable[Values], nodes: int, told: list[tuple[str, int]]) -> int:
    """The number of simulations that all values agree on; raises SimulationError naming the shapes."""
    values = list(values)
    for value in values:
        array = value.array
        if array.ndim == 2 and array.shape[0] > 1:
            told = [*told, (f"{value.label} of shape {array.shape}", array.shape[0])]
    # A single axis that is not the number of nodes can only be the simulations.
    for value in values:
        array = value.array
        if array.ndim == 1 and array.size not in (1, nodes):
            told = [*told, (f"{value.label} of shape {array.shape}", array.size)]
    sizes = {size for _, size in told}
    if len(sizes) > 1:
        listed = ", ".join(f"{label}: {size}" for label, size in told)
        raise SimulationError(f"shapes must agree on the number of simulations (with {nodes} nodes), but got {listed}")
    return sizes.pop() if sizes else 1


def broadcast_values(value: Values, count: int, nodes: int) -> NDArray[np.float64]:
    """(simulation or 1, node or 1) array."""
    array = value.array
    if array.ndim == 0 or array.size == 1:
        return array.reshape(1, 1)
    if array.ndim == 1:
        if array.size == count:
            if count == nodes:
                raise SimulationError(
                    f"{value.label} of shape {array.shape} may be meant for {count} simulations or {nodes} nodes: "
                    "write (simulation, 1) or (1, node)"
                )
            return array.reshape(count, 1)
        if array.size == nodes:
            return array.reshape(1, nodes)
    elif array.shape[0] in (1, count) and array.shape[1] in (1, nodes):
        return array
    raise SimulationError(
        f"{value.label} of shape {array.shape} does not broadcast to (simulation, node) = ({count}, {nodes})"
    )
