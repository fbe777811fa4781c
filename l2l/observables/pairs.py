"""Which pairs of regions are compared, and in which order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError

Floats = NDArray[np.floating[Any]]


def floats(values: ArrayLike) -> Floats:
    """As an array that keeps float32 and makes float64 of everything else."""
    array = np.asarray(values)
    return array if array.dtype == np.float32 else array.astype(np.float64)


def places(nodes: int, pairs: ArrayLike | None = None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pairs (i, j), i > j, row by row; those that `pairs` leaves out are skipped.

    pairs: (node, node) boolean; of each pair, the entry below the diagonal counts. Raises ObservableError.
    """
    rows, columns = np.tril_indices(nodes, -1)
    if pairs is None:
        return rows, columns
    mask = np.asarray(pairs)
    if mask.dtype != np.bool_ or mask.shape != (nodes, nodes):
        raise ObservableError(f"pairs must be boolean ({nodes}, {nodes}), but is {mask.dtype} {mask.shape}")
    chosen = mask[rows, columns]
    if not chosen.any():
        raise ObservableError("pairs must leave at least one pair below the diagonal, but leaves none")
    return rows[chosen], columns[chosen]


def triangle(matrix: ArrayLike, pairs: ArrayLike | None = None) -> Floats:
    """The lower triangle without the diagonal, row by row: (..., node, node) -> (..., pair).

    pairs: (node, node) boolean, the pairs that count, such as `within_hemispheres(nodes)`; None: all.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ObservableError(f"a triangle is taken of square matrices (..., node, node), but got shape {matrix.shape}")
    rows, columns = places(matrix.shape[-1], pairs)
    # NumPy leaves the pairs outermost in memory: sums over them would round otherwise in a batch than alone.
    return np.ascontiguousarray(matrix[..., rows, columns])


def within_hemispheres(nodes: int, hemispheres: ArrayLike | None = None) -> NDArray[np.bool_]:
    """The pairs within one hemisphere, (node, node) boolean: without connections between the hemispheres.

    hemispheres: (node,), any label for each node; None: the first half of the nodes is one hemisphere and the second
    half the other, as cuBNM (exc_interhemispheric) takes it. Raises ObservableError if neither holds.
    """
    if hemispheres is None:
        if nodes % 2:
            raise ObservableError(f"{nodes} nodes have no halves: give hemispheres, one label for each node")
        hemispheres = np.arange(nodes) >= nodes // 2
    labels = np.asarray(hemispheres)
    if labels.shape != (nodes,):
        raise ObservableError(f"hemispheres must name one for each of {nodes} nodes, but has shape {labels.shape}")
    return np.asarray(labels[:, None] == labels[None, :])
