"""Zero-phase Butterworth filters, for bands of M/EEG and of measured BOLD."""

from __future__ import annotations

import math
from typing import Literal

from numpy.typing import ArrayLike
from scipy import signal

from l2l.errors import ObservableError
from l2l.observables.signals import Band, Floats, band_of, checked, rate_of

Kind = Literal["bandpass", "lowpass", "highpass"]


def bandpass(signals: ArrayLike, period: float, band: Band, *, order: int = 2) -> Floats:
    """Signals in a band of frequencies, without a shift in time.

    signals: (..., time, node). period: ms between samples. band: (low, high) Hz, or a name of `signals.BANDS`.
    order: of the Butterworth prototype, >= 1. The filter runs forwards and backwards, so that the gain is the square of
    the Butterworth gain: 1/2 in amplitude at low and at high.
    Edges: both ends are continued by one period of `low`, point-reflected about the first and the last sample
    (x -> 2 x_end - x), which keeps value and slope; the continuation is then dropped. Within about 1 / (high - low) of
    an end the result still depends on it.
    Returns (..., time, node), float64. A single recording with a constant or non-finite signal raises ObservableError
    naming the node; in a batch that signal is NaN. Raises ObservableError for a band beyond half the sampling rate and
    for signals shorter than one period of `low`.
    Source: Butterworth (1930), Wireless Engineer 7:536; filtering in second-order sections of scipy.signal.
    """
    low, high = band_of(band, period)
    return _both_ways(signals, period, "bandpass", [low, high], low, order)


def lowpass(signals: ArrayLike, period: float, frequency: float, *, order: int = 2) -> Floats:
    """Signals below `frequency` (Hz), without a shift in time; otherwise as `bandpass`, continued by 1 / frequency."""
    low, _ = _edge(frequency, period)
    return _both_ways(signals, period, "lowpass", low, low, order)


def highpass(signals: ArrayLike, period: float, frequency: float, *, order: int = 2) -> Floats:
    """Signals above `frequency` (Hz), without a shift in time; otherwise as `bandpass`, continued by 1 / frequency."""
    low, _ = _edge(frequency, period)
    return _both_ways(signals, period, "highpass", low, low, order)


def _edge(frequency: float, period: float) -> tuple[float, float]:
    limit = rate_of(period) / 2
    if not 0 < frequency < limit:
        raise ObservableError(
            f"0 < frequency < {limit:g} Hz, half the sampling rate, must hold, but got {frequency!r} Hz with a period "
            f"of {period:g} ms"
        )
    return float(frequency), limit


def _both_ways(
    signals: ArrayLike, period: float, kind: Kind, edges: float | list[float], low: float, order: int
) -> Floats:
    if int(order) != order or not 1 <= order <= 12:
        raise ObservableError(f"the order of a filter must be an integer from 1 to 12, but is {order!r}")
    rate = rate_of(period)
    sections = signal.butter(int(order), edges, btype=kind, fs=rate, output="sos")
    padding = max(math.ceil(rate / low), 3 * (2 * len(sections) + 1))
    x = checked(signals, f"a {kind} filter from {low:g} Hz on (one period and a sample)", least=padding + 1)
    result: Floats = signal.sosfiltfilt(sections, x, axis=-2, padtype="odd", padlen=padding)
    return result
