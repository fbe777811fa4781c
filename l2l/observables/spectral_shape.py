"""What is read off power spectra: the aperiodic slope, the alpha peak, and how far two spectra are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from l2l.errors import ObservableError, nearest
from l2l.observables.signals import Floats
from l2l.observables.spectra import Spectrum

METHODS = ("least_squares", "theil_sen")
MEASURES = ("log", "correlation")


class Aperiodic(NamedTuple):
    """log10 P(f) = offset - exponent log10 f.

    exponent: (..., node), dimensionless: 0 for white noise, 2 for Brownian motion.
    offset: (..., node), log10 of the power at 1 Hz.
    """

    exponent: Floats
    offset: Floats


class Peak(NamedTuple):
    """frequency: (..., node), Hz. height: (..., node), log10 of power over the aperiodic fit. NaN: no peak."""

    frequency: Floats
    height: Floats


def aperiodic(
    spectrum: Spectrum,
    band: tuple[float, float],
    *,
    exclude: Sequence[tuple[float, float]] = (),
    method: str = "least_squares",
) -> Aperiodic:
    """The slope of a spectrum in log-log coordinates, over the frequencies of a band.

    band: (low, high) Hz, both included, low > 0. exclude: bands (low, high) Hz left out, those of peaks.
    method: "least_squares", or "theil_sen": the median of the slopes between all pairs of frequencies, which up to 29 %
    of arbitrary values do not spoil. Every frequency of the spectrum counts alike, so that high ones, denser on a
    logarithmic axis, weigh more. Power that is not > 0 makes its node NaN in a batch, and raises ObservableError in a
    single recording, as do fewer than 3 frequencies.
    Source: Donoghue et al. (2020), Nat. Neurosci. 23:1655 (the aperiodic component without a knee); Theil (1950), Sen
    (1968), J. Am. Stat. Assoc. 63:1379.
    """
    if method not in METHODS:
        raise ObservableError(f"unknown method {method!r}; {nearest(method, METHODS)}")
    frequencies, logs = _logarithms(spectrum)
    chosen = _within(frequencies, band)
    for low, high in exclude:
        chosen &= (frequencies < low) | (frequencies > high)
    if chosen.sum() < 3:
        raise ObservableError(
            f"a slope needs at least 3 frequencies, but the band {band} without {list(exclude)} holds {chosen.sum()}: "
            "widen the band, or lengthen the spectrum's window"
        )
    x, y = np.log10(frequencies[chosen]), logs[..., chosen, :]
    if method == "least_squares":
        centred = x - x.mean()
        slope = np.einsum("f,...fn->...n", centred, y) / (centred @ centred)
        return Aperiodic(-slope, y.mean(axis=-2) - slope * x.mean())
    first, second = np.tril_indices(len(x), -1)
    flat = y.reshape(-1, *y.shape[-2:])
    slopes = [np.median((e[first] - e[second]) / (x[first] - x[second])[:, None], axis=0) for e in flat]
    slope = np.array(slopes).reshape(y.shape[:-2] + y.shape[-1:])
    return Aperiodic(-slope, np.median(y - slope[..., None, :] * x[:, None], axis=-2))


def alpha_peak(
    spectrum: Spectrum,
    band: tuple[float, float] = (7.0, 14.0),
    *,
    fit: tuple[float, float] = (2.0, 40.0),
    minimum: float = 0.1,
    deviations: float = 3.0,
) -> Peak:
    """The highest peak of a band over the aperiodic background.

    band: Hz, where the peak is sought; fit: Hz, where the background is fitted (least squares, the band left out).
    A peak is a local maximum of log10 P - fit that is higher than `minimum` (log10) and than `deviations` standard
    deviations of what the fit leaves outside of the band; its place and height are those of the parabola through it and
    its two neighbours. Without one, both are NaN: a maximum at an edge of the band is none.
    Raises ObservableError as `aperiodic` does, and if the band holds fewer than 3 frequencies.
    """
    frequencies, logs = _logarithms(spectrum)
    inside = _within(frequencies, band)
    if inside.sum() < 3:
        raise ObservableError(
            f"a peak needs at least 3 frequencies in its band, but {band} holds {inside.sum()}: "
            "lengthen the spectrum's window"
        )
    background = aperiodic(spectrum, fit, exclude=[band])
    with np.errstate(divide="ignore"):
        x = np.log10(frequencies)
    rest = logs - background.offset[..., None, :] + background.exponent[..., None, :] * np.where(x > -9, x, 0)[:, None]
    outside = _within(frequencies, fit) & ~inside
    spread = np.sqrt(np.mean(rest[..., outside, :] ** 2, axis=-2))
    places = np.flatnonzero(inside)[1:-1]
    left, here, right = rest[..., places - 1, :], rest[..., places, :], rest[..., places + 1, :]
    local = (here > left) & (here >= right)
    best = np.where(local, here, -np.inf).argmax(axis=-2)[..., None, :]
    a, b, c = (np.take_along_axis(each, best, axis=-2)[..., 0, :] for each in (left, here, right))
    found = np.take_along_axis(local, best, axis=-2)[..., 0, :]
    bend = a - 2 * b + c
    shift = np.where(found, (a - c) / np.where(bend == 0, 1.0, 2 * bend), 0.0)
    height = b - (a - c) * shift / 4
    step = frequencies[1] - frequencies[0]
    found &= (height > minimum) & (height > deviations * spread)
    frequency = frequencies[places][best[..., 0, :]] + shift * step
    return Peak(np.where(found, frequency, np.nan), np.where(found, height, np.nan))


def spectra_distance(
    simulated: Spectrum, target: Spectrum, band: tuple[float, float], *, measure: str = "log", gain: bool = False
) -> Floats:
    """How far spectra are from a target's, over a band of frequencies.

    simulated: power (..., frequency, node); target: power (frequency, node), or one node against all.
    band: (low, high) Hz. Both are compared as log10 power at the frequencies of the coarser grid, the finer
    interpolated linearly in frequency.
    measure: "log", the root of the mean over frequencies and nodes of the squared difference, in decades; without
    `gain` the mean difference of each node over the band is removed first, since simulated units are seldom those of a
    scanner. "correlation": 1 - r, Pearson over frequencies, the mean over nodes, in [0, 2]; `gain` is without effect.
    Returns (...). Power that is not > 0 raises ObservableError in a single recording, and is NaN in a batch; so do node
    counts that differ and fewer than 3 common frequencies.
    """
    if measure not in MEASURES:
        raise ObservableError(f"unknown measure {measure!r}; {nearest(measure, MEASURES)}")
    (first_f, first), (second_f, second) = _logarithms(simulated), _logarithms(target)
    if second.shape[-1] not in (1, first.shape[-1]):
        raise ObservableError(
            f"both spectra must have the same number of nodes, but got {first.shape[-1]} and {second.shape[-1]}"
        )
    low, high = band
    coarse = first_f if np.diff(first_f).max() >= np.diff(second_f).max() else second_f
    grid = coarse[_within(coarse, band)]
    if len(grid) < 3:
        raise ObservableError(f"spectra are compared at 3 frequencies or more, but the band {band} holds {len(grid)}")
    for f in (first_f, second_f):
        if f[f > 0][0] > grid[0] or f[-1] < grid[-1]:
            raise ObservableError(
                f"the band ({low:g}, {high:g}) Hz must lie within both spectra, but one has frequencies from "
                f"{f[f > 0][0]:g} to {f[-1]:g} Hz: narrow the band"
            )
    a, b = _at(grid, first_f, first), _at(grid, second_f, second)
    if measure == "log":
        difference = a - b
        if not gain:
            difference = difference - difference.mean(axis=-2, keepdims=True)
        return np.asarray(np.sqrt((difference**2).mean(axis=(-2, -1))))
    a, b = a - a.mean(axis=-2, keepdims=True), b - b.mean(axis=-2, keepdims=True)
    size = np.sqrt((a**2).sum(axis=-2) * (b**2).sum(axis=-2))
    r = (a * b).sum(axis=-2) / np.where(size > 0, size, np.nan)
    return np.asarray(1 - np.clip(r, -1, 1).mean(axis=-1))


def _logarithms(spectrum: Spectrum) -> tuple[Floats, Floats]:
    """Frequencies and log10 power, that of 0 Hz and of bad nodes NaN."""
    f = np.asarray(spectrum.frequencies, dtype=np.float64)
    power = np.asarray(spectrum.power, dtype=np.float64)
    if f.ndim != 1 or power.ndim < 2 or power.shape[-2] != len(f) or len(f) < 3:
        raise ObservableError(
            f"a spectrum has 3 frequencies or more (frequency,) and power (..., frequency, node), but got shapes "
            f"{f.shape} and {power.shape}"
        )
    if not np.isfinite(f).all() or f[0] < 0 or (np.diff(f) <= 0).any():
        raise ObservableError("the frequencies of a spectrum must be finite, >= 0 and ascend, but do not")
    good = (np.isfinite(power) & (power > 0)) | (f == 0)[:, None]
    if power.ndim == 2 and not good.all():
        node = int(np.flatnonzero(~good.all(axis=0))[0])
        raise ObservableError(f"the power of a spectrum must be > 0 and finite, but that of node {node} is not")
    return f, np.log10(np.where(good & (f > 0)[:, None], power, np.nan))


def _within(frequencies: Floats, band: tuple[float, float]) -> NDArray[np.bool_]:
    low, high = band
    if not 0 < low < high:
        raise ObservableError(f"0 < low < high must hold for a band in Hz, but got {band!r}")
    return np.asarray((frequencies >= low) & (frequencies <= high))


def _at(grid: Floats, frequencies: Floats, logs: Floats) -> Floats:
    """Linear interpolation along the axis of frequency; `grid` lies within `frequencies`."""
    right = np.clip(np.searchsorted(frequencies, grid), 1, len(frequencies) - 1)
    share = ((grid - frequencies[right - 1]) / (frequencies[right] - frequencies[right - 1]))[:, None]
    below, above = logs[..., right - 1, :], logs[..., right, :]
    # Where a grid point is a frequency itself, its other neighbour (0 Hz, say) does not count.
    return np.asarray(np.where(share == 1, above, np.where(share == 0, below, (1 - share) * below + share * above)))
