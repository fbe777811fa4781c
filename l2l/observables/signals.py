"""What signals, sampling periods and bands must satisfy before anything is computed of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError, nearest

Floats = NDArray[np.float64]
Band = tuple[float, float] | str

# Hz; the usual bands of M/EEG.
BANDS: dict[str, tuple[float, float]] = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 80.0),
}


def numbers(values: ArrayLike, what: str) -> Floats:
    """`values` as a new float64 array. Raises ObservableError if they are no real numbers."""
    try:
        array: NDArray[Any] = np.asarray(values)
        if np.iscomplexobj(array):
            raise TypeError("complex")
        return np.array(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise ObservableError(
            f"{what} must be real numbers, but got {type(values).__name__} that holds others"
        ) from None


def checked(signals: ArrayLike, what: str, *, least: int = 2, varying: bool = True) -> Floats:
    """Signals as float64, or what is wrong with them.

    signals: (..., time, node). least: samples that `what` needs. varying: whether a constant signal is refused.
    A single recording with a constant or non-finite signal raises ObservableError naming the node. In a batch (leading
    axes) that node's signal becomes NaN in its own simulation: one diverged simulation does not stop an ensemble.
    """
    array = numbers(signals, f"the signals of {what}")
    if array.ndim < 2 or array.shape[-1] < 1:
        raise ObservableError(f"{what} needs signals (..., time, node), but got shape {array.shape}")
    if array.shape[-2] < least:
        raise ObservableError(
            f"{what} needs at least {least} samples, but got {array.shape[-2]}: record for longer, or ask for less"
        )
    bad = np.asarray(~np.isfinite(array).all(axis=-2))
    if varying:
        with np.errstate(invalid="ignore"):
            # What rounding alone makes of a constant, in the precision that the signals came in.
            given = np.asarray(signals).dtype
            eps = np.finfo(given if given.kind == "f" else np.float64).eps
            bad |= ~(np.ptp(array, axis=-2) > 8 * eps * np.abs(array).max(axis=-2))
    if not bad.any():
        return array
    if array.ndim == 2:
        nodes = np.flatnonzero(bad)
        law = "vary and are finite" if varying else "are finite"
        raise ObservableError(
            f"{what} needs signals that {law}, but those of {len(nodes)} nodes are not, first node {nodes[0]}: "
            "leave such nodes out"
        )
    array[np.broadcast_to(bad[..., None, :], array.shape)] = np.nan
    return array


def rate_of(period: float) -> float:
    """Sampling rate in Hz of a sampling period in ms. Raises ObservableError unless 0 < period < infinity."""
    if not 0 < period < math.inf:
        raise ObservableError(f"the sampling period must be > 0 ms and finite, but is {period!r}")
    return 1000.0 / float(period)


def band_of(band: Band, period: float) -> tuple[float, float]:
    """The edges (low, high) in Hz of a band, or of the name of one of `BANDS`.

    Raises ObservableError unless 0 < low < high < half the sampling rate.
    """
    if isinstance(band, str):
        if band not in BANDS:
            raise ObservableError(f"unknown band {band!r}; {nearest(band, BANDS)}")
        band = BANDS[band]
    if len(band) != 2:
        raise ObservableError(f"a band is (low, high) in Hz, but got {band!r}")
    low, high, limit = float(band[0]), float(band[1]), rate_of(period) / 2
    if not 0 < low < high < limit:
        raise ObservableError(
            f"0 < low < high < {limit:g} Hz, half the sampling rate, must hold, but got the band "
            f"({low:g}, {high:g}) Hz with a period of {period:g} ms: choose a lower band, or sample more often"
        )
    return low, high


def samples(duration: float, period: float, what: str) -> int:
    """How many samples `duration` (ms) is. Raises ObservableError unless it is finite and at least 0."""
    if not 0 <= duration < math.inf:
        raise ObservableError(f"{what} must be >= 0 ms and finite, but is {duration!r}")
    return round(duration / period)
