"""Functional connectivity: correlations of signals between regions, and of connectivities with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError
from l2l.observables.pairs import Floats, floats, triangle

__all__ = ["fc", "fc_corr", "fisher_z", "kept_volumes", "partial_correlation", "triangle"]


def kept_volumes(volumes: ArrayLike | None, count: int) -> NDArray[np.bool_] | None:
    """The mask of the volumes to use, (volume,) boolean, True where kept, or None. Raises ObservableError."""
    if volumes is None:
        return None
    mask = np.asarray(volumes)
    if mask.dtype != np.bool_ or mask.shape != (count,):
        raise ObservableError(
            f"volumes must be a boolean mask of the {count} volumes, True where kept, but is {mask.dtype} {mask.shape}"
        )
    return mask


def fc(bold: ArrayLike, volumes: ArrayLike | None = None) -> Floats:
    """Pearson correlation between all nodes.

    bold: (..., volume, node), at least 2 volumes; float32 stays float32. Returns (..., node, node).
    volumes: (volume,) boolean mask, True where kept (scrubbed volumes are False); None keeps all.
    A single recording with a constant or non-finite signal raises ObservableError naming the node. In a batch (leading
    axes) such a signal makes its rows and columns NaN in its own simulation, and nowhere else.
    """
    from l2l.observables import gram  # Numba, when it is needed

    signals = floats(bold)
    if signals.ndim >= 2:
        mask = kept_volumes(volumes, signals.shape[-2])
        signals = signals if mask is None else signals[..., mask, :]
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
    result = gram.of_columns(scores)
    np.clip(result, -1.0, 1.0, out=result)
    diagonal = np.arange(result.shape[-1])
    result[..., diagonal, diagonal] = np.where(flat[..., 0, :], np.nan, 1.0)
    return result


def partial_correlation(bold: ArrayLike, volumes: ArrayLike | None = None, *, ridge: float = 0.0) -> Floats:
    """The correlation of each two nodes, given all others: -P_ij / sqrt(P_ii P_jj), P the inverse of (FC + ridge I).

    bold: (..., volume, node); volumes: (volume,) boolean mask, True where kept.
    Returns (..., node, node), float64, with 1 on the diagonal.
    ridge: >= 0, added to the diagonal of the correlation matrix; with 0 more volumes than nodes are needed.
    Raises ObservableError where there are too few volumes; for a single recording also where a signal is constant, not
    finite, or a combination of the others. In a batch the whole simulation is NaN then.
    Source: Marrelec et al. (2006), NeuroImage 32:228.
    """
    if not (np.isfinite(ridge) and ridge >= 0):
        raise ObservableError(f"ridge must be finite and >= 0, but is {ridge!r}")
    signals = np.asarray(bold, dtype=np.float64)
    correlations = fc(signals, volumes)
    n = correlations.shape[-1]
    count = signals.shape[-2] if volumes is None else int(np.count_nonzero(volumes))
    if ridge == 0 and count <= n:
        raise ObservableError(
            f"partial correlation needs more volumes than nodes, but got {count} volumes of {n} nodes: record longer, "
            "or give a ridge such as 0.1"
        )
    whole = np.asarray(np.isfinite(correlations).all(axis=(-1, -2)))
    regular = np.where(np.expand_dims(whole, (-1, -2)), correlations, np.eye(n)) + ridge * np.eye(n)
    values, vectors = np.linalg.eigh(regular)
    lowest, highest = values[..., 0], values[..., -1]
    # What rounding makes of an eigenvalue that is 0.
    whole &= lowest > 4 * n * np.finfo(np.float64).eps * highest
    if signals.ndim == 2 and not whole:
        node = int(np.abs(vectors[:, 0]).argmax())
        raise ObservableError(
            f"partial correlation needs signals of which none is a combination of the others, but that of node {node} "
            "is: leave it out, or give a ridge such as 0.1"
        )
    with np.errstate(all="ignore"):
        precision = np.matmul(vectors / values[..., None, :], np.swapaxes(vectors, -1, -2))
        precision = (precision + np.swapaxes(precision, -1, -2)) / 2
        size = np.sqrt(np.diagonal(precision, axis1=-2, axis2=-1))
        result: Floats = -precision / (size[..., :, None] * size[..., None, :])
    np.clip(result, -1.0, 1.0, out=result)
    diagonal = np.arange(n)
    result[..., diagonal, diagonal] = 1.0
    result[~whole] = np.nan
    return result


def fisher_z(correlations: ArrayLike) -> Floats:
    """arctanh of correlations off the diagonal, so that their errors are normal; the diagonal becomes 0.

    correlations: (..., node, node) in [-1, 1]. Perfect correlations become infinite; NaN stays.
    Raises ObservableError beyond [-1, 1]: z has been taken already, perhaps.
    Source: Fisher (1915), Biometrika 10:507.
    """
    matrix = np.array(floats(correlations))
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ObservableError(f"Fisher z is taken of square matrices (..., node, node), but got shape {matrix.shape}")
    diagonal = np.arange(matrix.shape[-1])
    matrix[..., diagonal, diagonal] = 0
    largest = float(np.nanmax(np.abs(matrix), initial=0.0))
    if largest > 1:
        raise ObservableError(
            f"Fisher z needs correlations in [-1, 1], but they reach {largest:.6g}: was z taken already?"
        )
    with np.errstate(divide="ignore"):
        return np.asarray(np.arctanh(matrix))


def fc_corr(a: ArrayLike, b: ArrayLike, pairs: ArrayLike | None = None) -> Any:
    """Pearson correlation of the triangles of two connectivities.

    a, b: (..., node, node); leading axes broadcast (one empirical against many simulated, say).
    pairs: (node, node) boolean, the pairs that count; None: all.
    Returns a number, or (...). A connectivity with NaN, or with all pairs alike, gives NaN.
    """
    if np.shape(a)[-1:] != np.shape(b)[-1:]:
        raise ObservableError(
            f"connectivities must have the same number of nodes, but got {np.shape(a)[-1]} and {np.shape(b)[-1]}"
        )
    first, second = (triangle(floats(m), pairs).astype(np.float64) for m in (a, b))
    if first.shape[-1] < 2:
        raise ObservableError(
            f"the correlation of connectivities needs at least 3 nodes and 2 pairs, but got {np.shape(a)[-1]} nodes, "
            f"{first.shape[-1]} pairs"
        )
    first = first - first.mean(axis=-1, keepdims=True)
    second = second - second.mean(axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        size = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
        value = (first * second).sum(axis=-1) / np.where(size > 0, size, np.nan)
    return float(value) if np.ndim(value) == 0 else np.clip(value, -1.0, 1.0)
