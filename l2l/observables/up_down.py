"""Up and down states: when the activity of each node is high, when it is low, and for how long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from l2l.errors import ObservableError
from l2l.observables.signals import Floats, checked, rate_of


class Durations(NamedTuple):
    """Of each simulation (...), means over its nodes.

    up, down: ms, the mean duration of the states of a node, those at both ends included; 0 for a node that has none.
    share: of time spent up, in [0, 1]. switches: changes of state a second and node.
    """

    up: Floats
    down: Floats
    share: Floats
    switches: Floats


def up_states(
    rates: ArrayLike,
    period: float,
    *,
    share: float = 0.4,
    floor: float = 0.2,
    smooth: float = 10.0,
    shortest: float = 50.0,
) -> NDArray[np.bool_]:
    """Where each node is up: (..., time, node) -> booleans of the same shape.

    rates: Hz. period: ms between samples. A node is up where its smoothed rate exceeds floor + share * the largest
    smoothed rate of that node. smooth: standard deviation of the Gaussian, ms. floor: Hz. A state shorter than
    `shortest`, ms, counts as a part of the longer one before it.
    Raises ObservableError for settings out of range; for signals as `rate_statistics`, those of a batch that are not
    finite are down throughout.
    Source: Aquilué-Llorens et al. (2024), Neuroinformatics 22:75-87, whose share is 0.3 to 0.4 and floor 0.2 Hz.
    """
    rate_of(period)
    if not 0 <= share < 1:
        raise ObservableError(f"0 <= share < 1 must hold, but got {share!r}")
    for name, value in (("floor", floor), ("smooth", smooth), ("shortest", shortest)):
        if not (np.isfinite(value) and value >= 0):
            raise ObservableError(f"{name} must be finite and >= 0, but got {value!r}")
    x = checked(rates, "up and down states", varying=False)
    smoothed = gaussian_filter1d(x, smooth / period, axis=-2, mode="nearest") if smooth > 0 else x
    with np.errstate(invalid="ignore"):
        up = smoothed > floor + share * smoothed.max(axis=-2, keepdims=True)
    rows = np.ascontiguousarray(np.moveaxis(up, -2, -1))
    merged = _merged(rows.reshape(-1, rows.shape[-1]), round(shortest / period))
    return np.ascontiguousarray(np.moveaxis(merged.reshape(rows.shape), -1, -2))


def durations(states: ArrayLike, period: float) -> Durations:
    """Durations and shares of `up_states`: (..., time, node) booleans; period: ms."""
    rate_of(period)
    given = np.asarray(states)
    if given.dtype != np.bool_ or given.ndim < 2:
        raise ObservableError(f"states must be booleans (..., time, node), but are {given.dtype} of {given.shape}")
    rows = np.moveaxis(given, -2, -1)
    steps = rows.shape[-1]
    begins = np.ones(rows.shape, dtype=bool)
    begins[..., 1:] = rows[..., 1:] != rows[..., :-1]
    ups, downs = (begins & rows).sum(axis=-1), (begins & ~rows).sum(axis=-1)
    high = rows.sum(axis=-1)
    return Durations(
        *(
            np.asarray(value.mean(axis=-1), dtype=np.float64)
            for value in (
                high / np.maximum(ups, 1) * period,
                (steps - high) / np.maximum(downs, 1) * period,
                high / steps,
                (ups + downs - 1) / (steps * period * 1e-3),
            )
        )
    )


def _merged(rows: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """(row, time) with states of fewer than `shortest` samples given to the state before them."""
    begins = np.ones(rows.shape, dtype=bool)
    begins[:, 1:] = rows[:, 1:] != rows[:, :-1]
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, rows.size))
    first = starts % rows.shape[1] == 0
    # The first state of a row has none before it, so that it stays whatever its length.
    lasting = np.where((lengths >= shortest) | first, np.arange(len(starts)), 0)
    states = rows.ravel()[starts][np.maximum.accumulate(lasting)]
    return np.repeat(states, lengths).reshape(rows.shape)
