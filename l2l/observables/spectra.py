"""Power spectra and coherence by Welch's method."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from l2l.errors import ObservableError
from l2l.observables.signals import Band, Floats, band_of, checked, rate_of


class Spectrum(NamedTuple):
    """A power spectrum.

    frequencies: (frequency,), Hz, ascending.
    power: (..., frequency, node), one-sided density, (unit of the signals)^2 / Hz.
    """

    frequencies: Floats
    power: Floats


def power_spectrum(
    signals: ArrayLike, period: float, *, window: float | None = None, overlap: float = 0.5, taper: str = "hann"
) -> Spectrum:
    """One-sided power spectral density: the mean of the periodograms of overlapping, tapered windows.

    signals: (..., time, node). period: ms between samples. window: ms; frequencies are 1000 / window Hz apart; None:
    eight windows, overlapping as said, fill the signals. overlap: share of a window, in [0, 1).
    taper: a window of scipy.signal, by name. The mean of each window is removed. What is left at the end is unused.
    The integral over frequency is the variance of the signals.
    A single recording with a constant or non-finite signal raises ObservableError naming the node; in a batch that
    signal's power is NaN.
    Source: Welch (1967), IEEE Trans. Audio Electroacoust. 15:70.
    """
    rate = rate_of(period)
    x = checked(signals, "a power spectrum", least=4)
    length, shared = _windows(x.shape[-2], period, window, overlap)
    weights: Any = _taper(taper, length)  # the stubs of SciPy know windows by name only
    frequencies, power = signal.welch(
        x, rate, window=weights, nperseg=length, noverlap=shared, detrend="constant", axis=-2
    )
    return Spectrum(np.asarray(frequencies, dtype=np.float64), np.asarray(power, dtype=np.float64))


def coherence(
    signals: ArrayLike,
    period: float,
    band: Band,
    *,
    window: float | None = None,
    overlap: float = 0.5,
    taper: str = "hann",
) -> Floats:
    """Magnitude-squared coherence |S_jk|^2 / (S_jj S_kk), the mean over the frequencies of a band, in [0, 1].

    Arguments as in `power_spectrum`; band: (low, high) Hz, both included, or a name of `signals.BANDS`.
    Returns (..., node, node), symmetric, 1 on the diagonal. Of K independent windows, unrelated signals have about 1/K.
    Raises ObservableError as `power_spectrum` does, for fewer than 2 windows (coherence would be 1), and for a band
    without a frequency.
    Source: Carter, Knapp, Nuttall (1973), IEEE Trans. Audio Electroacoust. 21:337.
    """
    return _by_frequency(signals, period, band, window, overlap, taper, lambda c: np.abs(c) ** 2, 1.0)


def imaginary_coherence(
    signals: ArrayLike,
    period: float,
    band: Band,
    *,
    window: float | None = None,
    overlap: float = 0.5,
    taper: str = "hann",
) -> Floats:
    """|Im S_jk| / sqrt(S_jj S_kk), the mean over the frequencies of a band, in [0, 1]: blind to mixing without lag.

    Arguments and errors as in `coherence`. Returns (..., node, node), symmetric, 0 on the diagonal.
    Source: Nolte et al. (2004), Clin. Neurophysiol. 115:2292.
    """
    return _by_frequency(signals, period, band, window, overlap, taper, lambda c: np.abs(c.imag), 0.0)


def _by_frequency(
    signals: ArrayLike,
    period: float,
    band: Band,
    window: float | None,
    overlap: float,
    taper: str,
    of: Any,
    itself: float,
) -> Floats:
    low, high = band_of(band, period)
    x = checked(signals, "coherence", least=4)
    length, shared = _windows(x.shape[-2], period, window, overlap)
    step = length - shared
    if (x.shape[-2] - length) // step + 1 < 2:
        raise ObservableError(
            f"coherence needs at least 2 windows, but signals of {x.shape[-2] * period:g} ms hold one of "
            f"{length * period:g} ms: shorten the window"
        )
    frequencies = np.fft.rfftfreq(length, period / 1000.0)
    chosen = (frequencies >= low) & (frequencies <= high)
    if not chosen.any():
        raise ObservableError(
            f"the band ({low:g}, {high:g}) Hz must hold a frequency, but they are {frequencies[1]:g} Hz apart with "
            f"windows of {length * period:g} ms: lengthen the window to {1000.0 / (high - low):g} ms or more"
        )
    weights = _taper(taper, length)
    batch = x.reshape(-1, *x.shape[-2:])
    n = x.shape[-1]
    result = np.empty((len(batch), n, n))
    for index, each in enumerate(batch):  # one at a time: the windows of an ensemble may not fit into memory
        cut = np.lib.stride_tricks.sliding_window_view(each, length, axis=0)[::step]
        spectra = np.fft.rfft((cut - cut.mean(axis=-1, keepdims=True)) * weights, axis=-1)[..., chosen]
        z = np.moveaxis(spectra, -1, 0)  # (frequency, window, node)
        cross = np.matmul(np.conj(np.swapaxes(z, -1, -2)), z)
        power = np.real(np.diagonal(cross, axis1=-2, axis2=-1))
        with np.errstate(divide="ignore", invalid="ignore"):
            coherency = cross / np.sqrt(power[:, :, None] * power[:, None, :])
        result[index] = np.clip(of(coherency).mean(axis=0), 0.0, 1.0)
        np.fill_diagonal(result[index], np.where(np.isfinite(power).all(axis=0), itself, np.nan))
    return result.reshape(*x.shape[:-2], n, n)


def _windows(n_time: int, period: float, window: float | None, overlap: float) -> tuple[int, int]:
    """The length of a window and how much the next shares of it, in samples."""
    if not 0 <= overlap < 1:
        raise ObservableError(f"0 <= overlap < 1 must hold, but got {overlap!r}")
    if window is not None and not 4 * period <= window < np.inf:
        raise ObservableError(f"a window must last at least 4 samples of {period:g} ms, but lasts {window!r} ms")
    length = max(4, int(n_time / (1 + 7 * (1 - overlap)))) if window is None else round(window / period)
    if length > n_time:
        raise ObservableError(
            f"the window must not be longer than the signals, but lasts {length * period:g} ms and they last "
            f"{n_time * period:g} ms: shorten the window, or record for longer"
        )
    return length, min(int(length * overlap), length - 1)


def _taper(name: str, length: int) -> NDArray[np.float64]:
    try:
        return np.asarray(signal.get_window(name, length), dtype=np.float64)
    except ValueError as error:
        raise ObservableError(f"taper must name a window of scipy.signal, as hann, but got {name!r}: {error}") from None
