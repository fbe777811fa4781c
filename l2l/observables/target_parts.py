"""The laws of what a target is given as it is: correlations, spectra, rates and single numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import ObservableError
from l2l.observables.pairs import triangle

Floats = NDArray[np.floating[Any]]
Regions = NDArray[np.intp]


def correlations(matrix: Floats, what: str, regions: Regions) -> Floats:  # noqa: ARG001
    """(node, node), of which `regions` are compared; the diagonal may be anything. Raises ObservableError."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 3:
        raise ObservableError(f"a target FC must be (node, node) with 3 nodes or more, but has {matrix.shape}")
    compared = np.isin(np.arange(len(matrix)), regions)
    apart = ~np.eye(len(matrix), dtype=bool) & compared[:, None] & compared
    bad = np.argwhere(~np.isfinite(matrix) & apart)
    if len(bad):
        place = tuple(map(int, bad[0]))
        raise ObservableError(f"a target FC must be finite, but is not at {place}: leave a region out by exclude=")
    if not np.allclose(matrix[apart], matrix.T[apart], atol=1e-6):
        raise ObservableError("a target FC must be symmetric, but is not: average it with its transpose")
    if np.abs(matrix[apart]).max() > 1 + 1e-6:
        raise ObservableError(
            f"a target FC must lie in [-1, 1], but reaches {np.abs(matrix[apart]).max():.3g}: undo the Fisher z"
        )
    return matrix


def power(values: Floats, what: str, regions: Regions) -> Floats:  # noqa: ARG001 - all are called alike
    """(frequency, node) densities."""
    if values.ndim != 2 or not (np.isfinite(values) & (values >= 0)).all():
        raise ObservableError(
            f"a target {what} must be finite power >= 0 of shape (frequency, node), but has shape {values.shape}"
        )
    return values


def rates(values: Floats, what: str, regions: Regions) -> Floats:  # noqa: ARG001 - all are called alike
    """A number, or (node,)."""
    if values.ndim > 1 or not np.isfinite(values).all():
        raise ObservableError(f"target {what} must be a finite number or (node,), but have shape {values.shape}")
    return values


def numbers(values: Floats, what: str, regions: Regions) -> Floats:  # noqa: ARG001 - all are called alike
    """Finite numbers of any shape."""
    if not np.isfinite(values).all():
        raise ObservableError(f"target {what} must be finite, but {int((~np.isfinite(values)).sum())} are not")
    return values


def number(values: Floats, what: str, regions: Regions) -> Floats:
    """One finite number."""
    if values.size != 1:
        raise ObservableError(f"target {what} must be one number, but has shape {values.shape}")
    return numbers(values, what, regions).reshape(())


def values_of_fcd(values: Floats, what: str, regions: Regions) -> Floats:
    """(value,), of those or of a (window, window) matrix."""
    if values.ndim == 2 and values.shape[0] == values.shape[1]:
        values = triangle(values)
    if values.ndim != 1 or len(values) < 3:
        raise ObservableError(
            f"a target {what} must be its values (value,), 3 or more, or (window, window), but has {values.shape}"
        )
    if np.abs(numbers(values, what, regions)).max() > 1 + 1e-6:
        raise ObservableError(f"a target {what} must lie in [-1, 1], but reaches {np.abs(values).max():.3g}")
    return values
