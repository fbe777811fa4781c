"""What the axes of recordings mean: region labels, times in s after the transient, frequencies in Hz, and units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l2l.observables.observed import OBSERVABLES, Observed
from l2l.observables.windows import windows

if TYPE_CHECKING:
    import xarray as xr

    from l2l.simulator.model import Model
    from l2l.simulator.result import Result

SECOND = "other_"
"""Before the name of an axis that stands twice in an array, of its second place: FC is (node, other_node)."""


@dataclass(frozen=True, eq=False)
class Axes:
    """Names of an array's axes, coordinates (values, unit) by axis where there are some, and the unit of its values."""

    dims: tuple[str, ...]
    coordinates: Mapping[str, tuple[Any, str]]
    unit: str = ""

    def arrays(self, values: NDArray[Any], name: str) -> Iterator[xr.DataArray | NDArray[Any]]:
        """Each simulation's array, in float32. values: with the simulations as first axis."""
        import xarray as xr

        kept = np.asarray(values, np.float32)
        if len(self.dims) != kept.ndim - 1:  # nobody knows what its axes are
            yield from kept
            return
        sizes = dict(zip(self.dims, kept.shape[1:], strict=True))
        coordinates = {
            dim: (dim, along, {"units": unit} if unit else {})
            for dim, (along, unit) in self.coordinates.items()
            if len(along) == sizes.get(dim)
        }
        attributes = {"units": self.unit} if self.unit else {}
        template: xr.DataArray | None = None
        for each in kept:
            # A copy with other values is several times as fast as another array with the same coordinates.
            template = (
                xr.DataArray(each, coordinates, self.dims, name, attributes)
                if template is None
                else template.copy(data=each)
            )
            yield template


def axes_of_observable(name: str, observed: Observed, labels: tuple[str, ...]) -> Axes:
    """Of an observable, or of parameters that differ between regions. labels: of the regions that are compared."""
    known = OBSERVABLES.get(name)
    if known is None:
        shape = np.shape(observed[name])
        return Axes(("node",) if len(shape) == 2 and shape[1] == len(labels) else (), {"node": (_numbered(labels), "")})
    coordinates: dict[str, tuple[Any, str]] = {}
    for dim in known.dims:
        kind = dim.removeprefix(SECOND)
        if kind == "node":
            coordinates[dim] = (_numbered(labels), "")
        elif kind == "time":  # volumes are recorded at their ends
            coordinates[dim] = (observed["tr"] * np.arange(1, observed["bold"].shape[-2] + 1), "s")
        elif kind == "window":
            a, tr = observed.analysis, observed["tr"]
            spans = windows(observed["bold"].shape[-2], tr, a.fcd_window, a.fcd_step, not a.fcd_edges)
            coordinates[dim] = (tr * spans.sum(axis=1) / 2, "s")  # the middle of each
        elif kind == "frequency":
            coordinates[dim] = (observed["frequencies"], "Hz")
    return Axes(known.dims, coordinates, known.unit)


def axes_of_monitor(result: Result, name: str, skip: float, model: Model) -> Axes:
    """Of what a monitor recorded later than `skip` ms of a model; a unit where all its variables have the same."""
    times = result.times[name]
    coordinates: dict[str, tuple[Any, str]] = {"time": ((times[times > skip] - skip) / 1e3, "s")}
    last, labels = result.axes.get(name, ("node", None))
    dims = ["time", *([last] if last else [])]
    if result.variables[name]:
        dims.insert(1, "variable")
        coordinates["variable"] = (list(result.variables[name]), "")
    labels = result.labels if last == "node" else labels
    if last and labels is not None:
        coordinates[last] = (_numbered(tuple(map(str, labels))), "")
    known = {state.name: state.unit for state in model.states}
    units = {known.get(variable, "") for variable in result.variables[name]}
    projected = last not in (None, "node")  # gains bring units of their own
    return Axes(tuple(dims), coordinates, units.pop() if len(units) == 1 and not projected else "")


def _numbered(labels: tuple[str, ...]) -> list[Any]:
    """Labels, or numbers where they are no more than that, which take less room in the database."""
    return list(range(len(labels))) if labels == tuple(map(str, range(len(labels)))) else list(labels)
