"""Correlation of amplitude envelopes, with or without what two signals share at no lag."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError
from l2l.observables.filters import lowpass
from l2l.observables.phase import analytic
from l2l.observables.signals import Band, Floats


def envelope(signals: ArrayLike, period: float, band: Band | None = None, *, edge: float = 0.0) -> Floats:
    """The amplitude envelope: the modulus of `phase.analytic`, in the unit of the signals; same arguments."""
    return np.asarray(np.abs(analytic(signals, period, band, edge=edge)), dtype=np.float64)


def envelope_correlation(
    signals: ArrayLike,
    period: float,
    band: Band | None = None,
    *,
    orthogonal: bool = False,
    log: bool = False,
    smooth: float | None = None,
    edge: float = 0.0,
) -> Floats:
    """Amplitude-envelope correlation: Pearson over time of the envelopes of all pairs of signals.

    signals: (..., time, node). period, band, edge: as in `phase.analytic`.
    orthogonal: whether each signal Y is first freed of what it shares with X at no lag,
        Y_|X(t) = Im(Y(t) conj(X(t)) / |X(t)|), and |Y_|X| is correlated with |X|; the mean of both directions.
    log: whether log(envelope^2) is correlated (Hipp et al.) or the envelope itself.
    smooth: Hz; envelopes are low-passed below it first (before the logarithm they are floored at the smallest positive
        value of the filtered envelope); None: not.
    Returns (..., node, node), symmetric, 1 on the diagonal. Where orthogonalisation leaves nothing (Y a multiple of X)
    the value is 0. Bad signals as in `phase.analytic`.
    Source: Hipp et al. (2012), Nat. Neurosci. 15:884; without orthogonalisation Brookes et al. (2011), PNAS 108:16783.
    """
    z = analytic(signals, period, band, edge=edge)
    if z.shape[-2] < 3:
        raise ObservableError(f"envelope correlation needs at least 3 samples, but has {z.shape[-2]} without its edges")
    amplitude = np.abs(z)
    scores = _standardised(_shaped(amplitude, period, log, smooth))
    n_time, n = z.shape[-2:]
    if not orthogonal:
        result = np.matmul(np.swapaxes(scores, -1, -2), scores)
    else:
        one_way = np.zeros((*z.shape[:-2], n, n))
        real, imaginary = np.ascontiguousarray(z.real), np.ascontiguousarray(z.imag)
        for j in range(n):
            unit = _unit(z[..., j])[..., None]
            rest = np.abs(imaginary * unit.real - real * unit.imag)
            with np.errstate(invalid="ignore"):
                # Rounding alone is left of a multiple; NaN stays NaN.
                empty = rest.max(axis=-2) <= 1e-10 * amplitude.max(axis=-2)
            # Something that varies stands in for nothing, so that a filter takes it.
            np.copyto(rest, np.arange(1.0, n_time + 1)[:, None], where=empty[..., None, :])
            shaped = _shaped(rest, period, log, smooth)
            # The scores have mean 0 and length 1: only the other's length is missing.
            shaped -= shaped.mean(axis=-2, keepdims=True)
            length = np.sqrt(np.einsum("...tn,...tn->...n", shaped, shaped))
            product = np.matmul(scores[..., None, :, j], shaped)[..., 0, :]
            one_way[..., j, :] = np.where(empty | (length == 0), 0.0, product / np.where(length == 0, 1.0, length))
        result = (one_way + np.swapaxes(one_way, -1, -2)) / 2
    result = np.clip(result, -1.0, 1.0)
    diagonal = np.arange(n)
    result[..., diagonal, diagonal] = np.where(np.isfinite(amplitude).all(axis=-2), 1.0, np.nan)
    return np.asarray(result, dtype=np.float64)


def _unit(z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    size = np.abs(z)
    return np.asarray(z / np.where(size > 0, size, 1.0), dtype=np.complex128)


def _shaped(amplitude: Floats, period: float, log: bool, smooth: float | None) -> Floats:
    shaped = amplitude
    if smooth is not None:
        shaped = lowpass(amplitude, period, smooth)
    if log:
        floor = np.min(shaped, axis=-2, keepdims=True, where=shaped > 0, initial=np.inf)
        shaped = 2 * np.log(np.maximum(shaped, floor))
    return shaped


def _standardised(x: Floats) -> Floats:
    """Centred, of length 1 over time; 0 where constant."""
    centred = x - x.mean(axis=-2, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=-2, keepdims=True))
    return np.asarray(centred / np.where(size == 0, 1.0, size), dtype=np.float64)
