"""Functional connectivity: correlations of signals between regions, and of connectivities with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError

Floats = NDArray[np.floating[Any]]


def _floats(values: ArrayLike) -> Floats:
    """As an array that keeps float32 and makes float64 of everything else."""
    array = np.asarray(values)
    return array if array.dtype == np.float32 else array.astype(np.float64)


def fc(bold: ArrayLike) -> Floats:
    """Pearson correlation between all nodes.

    bold: (..., volume, node), at least 2 volumes; float32 stays float32. Returns (..., node, node).
    A single recording with a constant or non-finite signal raises ObservableError naming the node. In a batch (leading
    axes) such a signal makes its rows and columns NaN in its own simulation, and nowhere else.
    """
    signals = _floats(bold)
    if signals.ndim < 2 or signals.shape[-2] < 2:
        raise ObservableError(f"FC needs signals (..., volume, node), >= 2 volumes, but got shape {signals.shape}")
    with np.errstate(all="ignore"):
        # The mean is taken in float64: BOLD is a small change on a constant.
        centred = signals - signals.mean(axis=-2, keepdims=True, dtype=np.float64)
        size = np.sqrt(np.square(centred).sum(axis=-2, keepdims=True))
        # Relative to its mean, what rounding alone makes of a constant.
        floor = 4 * np.finfo(signals.dtype).eps * np.abs(signals).max(axis=-2, keepdims=True) * signals.shape[-2] ** 0.5
        flat = ~(size > floor)
        scores = (centred / np.where(flat, np.nan, size)).astype(signals.dtype)
    if signals.ndim == 2 and flat.any():
        nodes = np.flatnonzero(flat[0])
        raise ObservableError(
            f"FC needs signals that vary and are finite, but those of {len(nodes)} nodes are not, first node {nodes[0]}"
        )
    result: Floats = np.matmul(np.swapaxes(scores, -1, -2), scores)
    np.clip(result, -1.0, 1.0, out=result)
    diagonal = np.arange(result.shape[-1])
    result[..., diagonal, diagonal] = np.where(flat[..., 0, :], np.nan, 1.0)
    return result


def triangle(matrix: ArrayLike) -> Floats:
    """The lower triangle without the diagonal, row by row: (..., node, node) -> (..., pair)."""
    matrix = np.asarray(matrix)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ObservableError(f"a triangle is taken of square matrices (..., node, node), but got shape {matrix.shape}")
    rows, columns = np.tril_indices(matrix.shape[-1], -1)
    return np.asarray(matrix[..., rows, columns])


def fc_corr(a: ArrayLike, b: ArrayLike) -> Any:
    """Pearson correlation of the triangles of two connectivities.

    a, b: (..., node, node); leading axes broadcast (one empirical against many simulated, say).
    Returns a number, or (...). A connectivity with NaN, or with all pairs alike, gives NaN.
    """
    first, second = triangle(_floats(a)).astype(np.float64), triangle(_floats(b)).astype(np.float64)
    if first.shape[-1] != second.shape[-1]:
        raise ObservableError(
            f"connectivities must have the same number of nodes, but got {np.shape(a)[-1]} and {np.shape(b)[-1]}"
        )
    if first.shape[-1] < 2:
        raise ObservableError(f"the correlation of connectivities needs at least 3 nodes, but got {np.shape(a)[-1]}")
    first = first - first.mean(axis=-1, keepdims=True)
    second = second - second.mean(axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        size = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
        value = (first * second).sum(axis=-1) / np.where(size > 0, size, np.nan)
    return float(value) if np.ndim(value) == 0 else np.clip(value, -1.0, 1.0)
