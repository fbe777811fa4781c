"""Phases of signals, how they lock, and how synchronous a network is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from l2l.errors import ObservableError
from l2l.observables.filters import bandpass
from l2l.observables.signals import Band, Floats, checked, rate_of, samples


def analytic(
    signals: ArrayLike, period: float, band: Band | None = None, *, edge: float = 0.0
) -> NDArray[np.complex128]:
    """The analytic signal x + i H[x] (Hilbert transform), after the mean of each signal is removed.

    signals: (..., time, node). period: ms between samples. band: (low, high) Hz or a name, filtered first as
    `filters.bandpass` does; None: taken as they are. edge: ms dropped at both ends afterwards, where the filter and the
    transform (which takes signals as periodic) are least certain.
    Returns (..., time, node), complex. A single recording with a constant or non-finite signal raises ObservableError
    naming the node; in a batch that signal is NaN.
    Source: Gabor (1946), J. Inst. Electr. Eng. 93:429.
    """
    rate_of(period)
    cut = samples(edge, period, "the edge")
    x = checked(signals, "the analytic signal", least=2 * cut + 2)
    if band is not None:
        x = bandpass(x, period, band)
    z: NDArray[np.complex128] = signal.hilbert(x - x.mean(axis=-2, keepdims=True), axis=-2)
    return z[..., cut : z.shape[-2] - cut, :]


def phases(signals: ArrayLike, period: float, band: Band | None = None, *, edge: float = 0.0) -> Floats:
    """Instantaneous phases, rad in (-pi, pi], of the `analytic` signal: same arguments, returns (..., time, node)."""
    return np.asarray(np.angle(analytic(signals, period, band, edge=edge)), dtype=np.float64)


def phase_locking(phases: ArrayLike) -> Floats:
    """Phase-locking value |<exp(i (phi_j - phi_k))>|, the mean over time, in [0, 1].

    phases: (..., time, node), rad. Returns (..., node, node), symmetric, 1 on the diagonal. Non-finite phases raise
    ObservableError in a single recording; in a batch the rows and columns of that node are NaN.
    Source: Lachaux et al. (1999), Hum. Brain Mapp. 8:194.
    """
    z = np.exp(1j * checked(phases, "phase locking", varying=False))
    value = np.abs(np.matmul(np.conj(np.swapaxes(z, -1, -2)), z)) / z.shape[-2]
    return np.asarray(np.clip(value, 0.0, 1.0), dtype=np.float64)


def phase_lag_index(phases: ArrayLike) -> Floats:
    """Phase-lag index |<sign sin(phi_j - phi_k)>|, the mean over time, in [0, 1]: blind to lags of 0 and pi.

    phases: (..., time, node), rad. Returns (..., node, node), symmetric, 0 on the diagonal; bad phases as in
    `phase_locking`.
    Source: Stam, Nolte, Daffertshofer (2007), Hum. Brain Mapp. 28:1178, eq. 2.
    """
    phi = checked(phases, "the phase-lag index", varying=False)
    sine, cosine = np.sin(phi), np.cos(phi)
    n = phi.shape[-1]
    result = np.zeros((*phi.shape[:-2], n, n))
    for j in range(n):
        # sin(a - b); a node against itself gives exactly 0.
        lag = sine[..., j, None] * cosine[..., j:] - cosine[..., j, None] * sine[..., j:]
        result[..., j, j:] = result[..., j:, j] = np.abs(np.sign(lag).mean(axis=-2))
    return result


def order_parameter(phases: ArrayLike) -> Floats:
    """Kuramoto's order parameter R(t) = |mean over nodes of exp(i phi)|, in [0, 1]: 1 if all phases are equal.

    phases: (..., time, node), rad, of a phase model or of `phases`; 2 nodes or more. Returns (..., time).
    Non-finite phases raise ObservableError in a single recording; in a batch that simulation's R is NaN.
    Source: Kuramoto (1984), Chemical Oscillations, Waves, and Turbulence, eq. 5.4.3.
    """
    phi = checked(phases, "the order parameter", least=1, varying=False)
    if phi.shape[-1] < 2:
        raise ObservableError(f"the order parameter needs at least 2 nodes, but got {phi.shape[-1]}")
    return np.asarray(np.abs(np.exp(1j * phi).mean(axis=-1)), dtype=np.float64)


def synchrony(phases: ArrayLike) -> Floats:
    """The mean over time of `order_parameter`, (...)."""
    return np.asarray(order_parameter(phases).mean(axis=-1))


def metastability(phases: ArrayLike) -> Floats:
    """The standard deviation over time (divided by the number of samples) of `order_parameter`, (...).

    Source: Shanahan (2010), Chaos 20:013108, who takes the variance; Cabral et al. (2014), NeuroImage 90:423.
    """
    return np.asarray(order_parameter(phases).std(axis=-1))
