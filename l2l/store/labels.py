"""What the axes of an array mean: names, coordinates and units, from and to xarray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import StoreError
from l2l.store.plain import clean

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Labels:
    """Names of an array's axes, coordinates along them, and the unit of its values.

    dims: a name for each axis; None where nobody gave any.
    coordinates: by name of an axis, {"values": [...]} or, where they are regular, {"start": s, "step": d}; with a
    "unit" if they have one.
    """

    dims: list[str] | None = None
    coordinates: dict[str, Any] | None = None
    unit: str = ""


def labels_of(array: Any) -> Labels:
    """The labels of an `xarray.DataArray`, but for coordinates that are not of one axis; none for anything else."""
    if not (hasattr(array, "dims") and hasattr(array, "coords") and hasattr(array, "attrs")):
        return Labels()
    dims = [clean(str(dim)) for dim in array.dims]
    coordinates = {}
    for dim, name in zip(array.dims, dims, strict=True):
        if dim in array.coords and array.coords[dim].dims == (dim,):
            found = _compact(np.asarray(array.coords[dim].values))
            if found is not None:
                unit = _unit(array.coords[dim].attrs)
                coordinates[name] = {**found, "unit": unit} if unit else found
    return Labels(dims, coordinates or None, _unit(array.attrs))


def labelled(values: NDArray[Any], name: str, labels: Labels) -> xr.DataArray:
    """An array with its labels. Raises StoreError if they do not fit it."""
    import xarray as xr

    dims = labels.dims or [f"dim_{axis}" for axis in range(values.ndim)]
    if not isinstance(dims, list) or len(dims) != values.ndim or len(set(map(str, dims))) != len(dims):
        raise StoreError(f"recording {name!r} needs {values.ndim} different names of axes, but has {dims!r:.100}")
    sizes = dict(zip(map(str, dims), values.shape, strict=True))
    found = labels.coordinates or {}
    coordinates = {dim: (dim, *_expand(name, dim, sizes[dim], found[dim])) for dim in sizes if dim in found}
    attributes = {"units": labels.unit} if labels.unit else {}
    return xr.DataArray(values, coordinates, list(sizes), name, attributes)


def _compact(values: NDArray[Any]) -> dict[str, Any] | None:
    if values.dtype.kind in "UO":
        texts = values.tolist()
        return {"values": [clean(text) for text in texts]} if all(isinstance(text, str) for text in texts) else None
    if values.dtype.kind not in "biuf":
        return None
    if values.size > 2 and values.dtype.kind in "iuf" and np.isfinite(values[[0, 1, -1]]).all():
        numbers = values.astype(np.float64) if values.dtype.kind == "f" else values
        start, step = numbers[0].item(), numbers[1].item() - numbers[0].item()
        # Only if it gives the same bits: a time that was summed up step by step is kept as it was.
        if np.array_equal(_regular(start, step, values.size), numbers):
            return {"start": start, "step": step}
    return {"values": values.tolist()}


def _regular(start: float, step: float, size: int) -> NDArray[Any]:
    return start + step * np.arange(size)


def _expand(name: str, dim: str, size: int, found: Any) -> tuple[NDArray[Any] | list[Any], dict[str, Any]]:
    if not isinstance(found, Mapping):
        raise StoreError(f"recording {name!r}: the coordinates of {dim!r} must be an object, but are {found!r:.60}")
    attributes = {"units": found["unit"]} if isinstance(found.get("unit"), str) else {}
    start, step, values = found.get("start"), found.get("step"), found.get("values")
    if isinstance(start, int | float) and isinstance(step, int | float):
        return _regular(start, step, size), attributes
    if isinstance(values, Sequence) and not isinstance(values, str) and len(values) == size:
        return list(values), attributes
    raise StoreError(f"recording {name!r}: the coordinates of {dim!r} must be {size} values, which they are not")


def _unit(attributes: Mapping[Any, Any]) -> str:
    for name in ("units", "unit"):
        if isinstance(attributes.get(name), str):
            return clean(attributes[name])
    return ""
