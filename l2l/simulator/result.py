"""What a simulation gives back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest

if TYPE_CHECKING:
    import xarray

    from l2l.simulator.prepare import Prepared, Resume


@dataclass(frozen=True, eq=False)
class Final:
    """The end of a run, from where another may go on (`initial=`).

    step: number of the last step, counted from the very first start. state: (simulation, state, node).
    """

    step: int
    state: NDArray[np.float64]
    compensation: NDArray[np.float64]
    balloon: tuple[NDArray[np.float64] | None, ...]
    resume: Resume | None
    state_names: tuple[str, ...]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """(simulation, node) final values of one state variable."""
        if name not in self.state_names:
            raise SimulationError(f"no state variable {name!r}; {nearest(name, self.state_names)}")
        return self.state[:, self.state_names.index(name)]


@dataclass(frozen=True)
class Status:
    """How each simulation ended.

    diverged_at: (simulation,) the step by which a state was not finite or had run away (beyond 1e12), or -1.
    """

    diverged_at: NDArray[np.int64]

    @property
    def ok(self) -> NDArray[np.bool_]:
        """(simulation,) whether all states stayed finite."""
        return self.diverged_at < 0

    def __len__(self) -> int:
        return len(self.diverged_at)

    def __getitem__(self, simulation: int) -> str:
        step = int(self.diverged_at[simulation])
        return "ok" if step < 0 else f"diverged at step {step}"

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True, eq=False)
class Result(Mapping[str, Any]):
    """Recordings by the name of their monitor, as xarray DataArrays.

    Raw, SubSample, TemporalAverage: (simulation, time, variable, node). SpatialAverage and Projection: with an axis
    `group` or `sensor` in place of `node`; GlobalAverage: without it. Bold: (simulation, time, node), a volume each
    TR.
    `array(name)` gives the plain NumPy array, or the array on the GPU where it was left there.
    """

    arrays: Mapping[str, NDArray[np.floating]]
    times: Mapping[str, NDArray[np.float64]]
    variables: Mapping[str, tuple[str, ...]]
    status: Status
    final: Final
    labels: tuple[str, ...] | None = None
    axes: Mapping[str, tuple[str, tuple[Any, ...] | None]] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        prepared: Prepared,
        records: list[NDArray[np.floating]],
        diverged: NDArray[np.int64],
        final: Final,
        labels: tuple[str, ...] | None,
    ) -> Result:
        arrays = {}
        for shown, record in zip(prepared.shown, records, strict=True):
            array = record[:, :, 0] if shown.variables == () else record
            arrays[shown.name] = array if shown.axis else array[..., 0]
        return cls(
            arrays=arrays,
            times={s.name: s.times for s in prepared.shown},
            variables={s.name: s.variables for s in prepared.shown},
            status=Status(diverged),
            final=final,
            labels=labels,
            axes={s.name: (s.axis, s.labels) for s in prepared.shown},
        )

    def array(self, name: str) -> NDArray[np.floating]:
        """The recording as a NumPy array, or, left on the GPU, as one with `__cuda_array_interface__`."""
        if name not in self.arrays:
            raise SimulationError(f"no monitor named {name!r}; {nearest(name, self.arrays)}")
        return self.arrays[name]

    def __getitem__(self, name: str) -> xarray.DataArray:
        import xarray

        values: Any = self.array(name)
        if not isinstance(values, np.ndarray):
            values = values.copy_to_host()
        coordinates: dict[str, Any] = {"time": ("time", self.times[name], {"units": "ms"})}
        axis, labels = self.axes.get(name, ("node", None))
        dims = ["simulation", "time", *([axis] if axis else [])]
        if self.variables[name]:
            dims.insert(2, "variable")
            coordinates["variable"] = list(self.variables[name])
        if axis == "node":
            labels = self.labels
        if labels is not None and len(labels) == values.shape[-1]:
            coordinates[axis] = list(labels)
        return xarray.DataArray(values, dims=dims, coords=coordinates, name=name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)
