"""How far simulated connectivity is from measured: one number a simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from l2l.errors import ObservableError
from l2l.observables.pairs import Floats, floats, triangle


def _difference(a: ArrayLike, b: ArrayLike, pairs: ArrayLike | None) -> Floats:
    if np.shape(a)[-1:] != np.shape(b)[-1:]:
        raise ObservableError(
            f"connectivities must have the same number of nodes, but got {np.shape(a)[-1]} and {np.shape(b)[-1]}"
        )
    return np.asarray(triangle(floats(a), pairs).astype(np.float64) - triangle(floats(b), pairs))


def _number(value: Floats) -> Any:
    return float(value) if np.ndim(value) == 0 else value


def fc_mae(a: ArrayLike, b: ArrayLike, pairs: ArrayLike | None = None) -> Any:
    """Mean absolute difference of two connectivities over the pairs of nodes.

    a, b: (..., node, node); leading axes broadcast. pairs: (node, node) boolean, those that count; None: all.
    Returns a number, or (...); NaN where a connectivity has NaN. Raises ObservableError for unlike shapes.
    """
    return _number(np.abs(_difference(a, b, pairs)).mean(axis=-1))


def fc_rmse(a: ArrayLike, b: ArrayLike, pairs: ArrayLike | None = None) -> Any:
    """Root of the mean squared difference over the pairs; arguments as for `fc_mae`."""
    return _number(np.sqrt(np.square(_difference(a, b, pairs)).mean(axis=-1)))


def fc_normalised_error(a: ArrayLike, b: ArrayLike, pairs: ArrayLike | None = None) -> Any:
    """Euclidean distance of the triangles over its largest possible value, 2 sqrt(number of pairs): in [0, 1].

    This is half the RMSE. Arguments as for `fc_mae`.
    Source: cuBNM 0.1.0, `-fc_normec` with the sign left out.
    """
    return _number(np.sqrt(np.square(_difference(a, b, pairs)).mean(axis=-1)) / 2)


def fc_mean_difference(a: ArrayLike, b: ArrayLike, pairs: ArrayLike | None = None) -> Any:
    """Absolute difference of the mean connectivities, |mean(a) - mean(b)|; arguments as for `fc_mae`.

    Source: cuBNM 0.1.0, `-fc_diff` with the sign left out.
    """
    return _number(np.abs(_difference(a, b, pairs).mean(axis=-1)))


def ks(a: ArrayLike, b: ArrayLike) -> Any:
    """Kolmogorov-Smirnov distance of two samples: the largest difference of their distribution functions.

    a: (..., value), b: (..., other value); leading axes broadcast (many simulated against one empirical, say).
    Returns a number, or (...); NaN where a sample has NaN. Raises ObservableError for an empty sample.
    For FCD: `ks(triangle(simulated), triangle(empirical))`.
    """
    from l2l.observables.steps import largest_step  # Numba, when it is needed

    one, two = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if min(one.ndim, two.ndim) < 1 or not (one.shape[-1] and two.shape[-1]):
        raise ObservableError(f"KS needs samples (..., value) that are not empty, but got {one.shape} and {two.shape}")
    try:
        shape = np.broadcast_shapes(one.shape[:-1], two.shape[:-1])
    except ValueError:
        raise ObservableError(f"leading axes of samples must broadcast, but got {one.shape} and {two.shape}") from None
    # A sample that is compared with many is sorted once.
    one, two = (np.broadcast_to(x, (*shape, x.shape[-1])) for x in (np.sort(one, axis=-1), np.sort(two, axis=-1)))
    result = np.empty(shape)
    for index in np.ndindex(shape):
        result[index] = largest_step(one[index], two[index])
    return _number(result)
