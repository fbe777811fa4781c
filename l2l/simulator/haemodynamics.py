"""Haemodynamic responses: what a short burst of activity does to the BOLD signal, as a function of time.

A signal made of them (`monitors.ConvolvedBold`, `l2l.observables.hrf`) is linear in the activity, unlike that of the
Balloon-Windkessel model. Constants as in The Virtual Brain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Response:
    """A haemodynamic response.

    function: its values at (time,) seconds. length: ms after which it counts as 0.
    scale, offset: the signal is scale * (sum of response times activity) + offset.
    """

    name: str
    function: Callable[[Array], Array]
    length: float
    scale: float = 1.0
    offset: float = 0.0
    source: str = ""

    def weights(self, interim: float) -> Array:
        """What the averages over each `interim` ms of activity count, the newest first.

        The newest meets the oldest value of the response, as in The Virtual Brain; `scale` is part of them.
        Raises SimulationError unless all are finite.
        """
        n = math.ceil(self.length / interim)
        seconds: Array = np.arange(n, dtype=np.float64) * np.float64(self.length / n / 1000.0)
        with np.errstate(all="ignore"):
            values = np.asarray(self.function(seconds), dtype=np.float64)
        if values.shape != seconds.shape or not np.isfinite(values).all():
            raise SimulationError(
                f"response {self.name!r} must give a finite value for each of {n} times, but gave shape {values.shape}"
            )
        return np.asarray(np.roll(values, 1) * self.scale)


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


# Friston et al. (2000): k_1 V_0 (convolution - 1), k_1 = 5.6, V_0 = 0.02.
FIRST_ORDER_VOLTERRA = Response(
    "FirstOrderVolterra", first_order_volterra, 20000.0, 5.6 * 0.02, -5.6 * 0.02, "Friston et al. (2000)"
)
GAMMA = Response("Gamma", gamma, 20000.0, source="Boynton et al. (1996)")
DOUBLE_EXPONENTIAL = Response("DoubleExponential", double_exponential, 20000.0, source="Polonsky et al. (2000)")
MIXTURE_OF_GAMMAS = Response("MixtureOfGammas", mixture_of_gammas, 15000.0, source="Glover (1999)")
RESPONSES = {r.name: r for r in (FIRST_ORDER_VOLTERRA, GAMMA, DOUBLE_EXPONENTIAL, MIXTURE_OF_GAMMAS)}


def get(response: str | Response) -> Response:
    """The response of that name; raises SimulationError with the nearest one."""
    if isinstance(response, Response):
        return response
    if not isinstance(response, str):
        raise SimulationError(f"response must be a name or a Response, but got {response!r}")
    if response not in RESPONSES:
        raise SimulationError(f"unknown haemodynamic response {response!r}; {nearest(response, RESPONSES)}")
    return RESPONSES[response]
