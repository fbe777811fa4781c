"""The laws a connectome's arrays and labels keep, each with the error that states it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components

from l2l.errors import ConnectomeError

FloatArray = npt.NDArray[np.float64]


def real_array(value: npt.ArrayLike, what: str) -> FloatArray:
    """A read-only float64 copy without negative zeros."""
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "biuf":
            raise TypeError(f"entries of type {given.dtype}")
        array = np.array(given, dtype=np.float64, order="C") + 0.0
    except (TypeError, ValueError) as error:
        raise ConnectomeError(f"{what} must be a rectangular array of real numbers, but: {error}") from None
    array = np.asarray(array)
    array.flags.writeable = False
    return array


def unique_labels(given: Sequence[str], n: int) -> tuple[str, ...]:
    """`given` as a tuple of n unique strings; "0", "1", ... where none are given."""
    if isinstance(given, str):
        raise ConnectomeError(f"labels must be a sequence of {n} strings, but got the string {given!r}")
    labels = tuple(str(label) for label in given) if len(given) else tuple(str(i) for i in range(n))
    if len(labels) != n:
        raise ConnectomeError(f"there must be one label a node, {n}, but got {len(labels)}")
    first: dict[str, int] = {}
    for i, label in enumerate(labels):
        if label in first:
            raise ConnectomeError(
                f"labels must be unique, but {label!r} names nodes {first[label]} and {i}; "
                "add the hemisphere, say 'L.' and 'R.'"
            )
        first[label] = i
    return labels


def check_entries(matrix: FloatArray, what: str, labels: tuple[str, ...]) -> None:
    """Raise ConnectomeError naming the first entry of `matrix`, (node, node), that is negative or not finite."""
    bad = ~(np.isfinite(matrix) & (matrix >= 0))
    if bad.any():
        i, j = np.argwhere(bad)[0]
        raise ConnectomeError(
            f"{what} must be finite and >= 0, but {what}[{i}, {j}] = {matrix[i, j]} "
            f"({labels[i]!r} from {labels[j]!r}; {int(bad.sum())} such entries); "
            "write 0 where there is no connection"
        )


def is_acyclic(weights: FloatArray) -> bool:
    """Whether no path leads from any node back to itself, so that all eigenvalues are 0."""
    if np.diagonal(weights).any():
        return False
    components, _ = connected_components(weights > 0, directed=True, connection="strong")
    return bool(components == len(weights))
