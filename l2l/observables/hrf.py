"""BOLD by convolution with a fixed haemodynamic response, as The Virtual Brain's Bold monitor does it.

Not the Balloon-Windkessel model (`l2l.observables.bold`): the response is linear in the activity.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import SimulationError, nearest

Array = NDArray[np.float64]
INTERIM = 4.0  # ms: what activity is averaged over first


def first_order_volterra(t: Array) -> Array:
    """Friston et al. (2000), NeuroImage 12:466, with tau_s = 0.8 s, tau_f = 0.4 s. t: s."""
    omega = np.sqrt(1 / 0.4 - 1 / (4 * 0.8**2))
    return np.asarray(np.exp(-0.5 * t / 0.8) * np.sin(omega * t) / omega / 3)


def gamma(t: Array) -> Array:
    """Boynton et al. (1996), J. Neurosci. 16:4207, tau = 1.08 s, n = 3; its largest value is 0.1."""
    return _to_peak((t / 1.08) ** 2 * np.exp(-t / 1.08), 0.1)


def double_exponential(t: Array) -> Array:
    """Polonsky et al. (2000), Nat. Neurosci. 3:1153; its largest value is 0.1."""
    first = 0.1 * np.exp(-t / 7.22) * np.sin(2 * np.pi * 0.03 * t)
    return _to_peak(first - 0.1 * np.exp(-t / 7.4) * np.sin(2 * np.pi * 0.12 * t), 0.1)


def mixture_of_gammas(t: Array) -> Array:
    """Glover (1999), NeuroImage 9:416, with The Virtual Brain's constants; not scaled to a peak."""
    return np.asarray(t**5 * np.exp(-t) / math.factorial(5) - 0.4 * t**12 * np.exp(-t) / math.factorial(12))


def _to_peak(response: Array, peak: float) -> Array:
    return np.asarray(response / response.max() * peak)


# Each response with its length, ms.
RESPONSES: dict[str, tuple[Callable[[Array], Array], float]] = {
    "FirstOrderVolterra": (first_order_volterra, 20000.0),
    "Gamma": (gamma, 20000.0),
    "DoubleExponential": (double_exponential, 20000.0),
    "MixtureOfGammas": (mixture_of_gammas, 15000.0),
}


def convolved_bold(averages: ArrayLike, tr: float, response: str = "FirstOrderVolterra") -> Array:
    """BOLD of activity that was averaged over each 4 ms (`monitors.TemporalAverage(period=4.0)`).

    averages: (..., time, node), from the very start, before which the activity counts as 0.
    tr: ms, a multiple of 4. response: a name of `RESPONSES`.
    Returns (..., volume, node); the volumes are at tr, 2 tr, ... The newest average meets the oldest value of the
    response, as in The Virtual Brain.
    Raises SimulationError for an unknown response or a tr that is no multiple of 4 ms.
    """
    if response not in RESPONSES:
        raise SimulationError(f"unknown haemodynamic response {response!r}; {nearest(response, RESPONSES)}")
    every = round(tr / INTERIM)
    if every < 1 or abs(every * INTERIM - tr) > 1e-9 * tr:
        raise SimulationError(f"tr must be a multiple of {INTERIM:g} ms, but got {tr!r} ms")
    activity = np.asarray(averages, dtype=np.float64)
    function, length = RESPONSES[response]
    n = int(np.ceil(length / INTERIM))
    seconds: Array = np.arange(n, dtype=np.float64) * np.float64(length / n / 1000.0)
    kernel = function(seconds)
    weights = np.roll(kernel, 1)  # of the newest average first
    ends = np.arange(every, activity.shape[-2] + 1, every)
    volumes = []
    for end in ends:
        seen = activity[..., max(0, end - n) : end, :][..., ::-1, :]
        volumes.append(np.einsum("...tn,t->...n", seen, weights[: seen.shape[-2]]))
    if not volumes:
        return np.empty((*activity.shape[:-2], 0, activity.shape[-1]))
    bold = np.stack(volumes, axis=-2)
    return 5.6 * 0.02 * (bold - 1.0) if response == "FirstOrderVolterra" else bold
