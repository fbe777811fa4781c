"""Filters against the Butterworth gain, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.filters import bandpass, highpass, lowpass

PERIOD = 2.0  # ms
TIMES = np.arange(5000) * PERIOD / 1000
MIDDLE = slice(2000, 3000)


def _warped(frequency: float) -> float:
    return float(np.tan(np.pi * frequency * PERIOD / 1000))


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("frequency", [4.0, 8.0, 9.5, 13.0, 30.0])
def test_the_gain_is_the_squared_butterworth_gain_and_there_is_no_lag(order: int, frequency: float) -> None:
    wave = np.cos(2 * np.pi * frequency * TIMES + 0.4)
    low, high, here = _warped(8.0), _warped(13.0), _warped(frequency)
    detuned = (here**2 - low * high) / ((high - low) * here)
    gain = 1 / (1 + detuned ** (2 * order))
    filtered = bandpass(wave[:, None], PERIOD, "alpha", order=order)[:, 0]
    # 4 s from the ends the transients of a filter 5 Hz wide have decayed to rounding.
    np.testing.assert_allclose(filtered[MIDDLE], gain * wave[MIDDLE], atol=1e-7)


@pytest.mark.parametrize(("filtered", "sign"), [(lowpass, 1), (highpass, -1)])
def test_one_sided_filters_have_their_gain(filtered, sign: int) -> None:
    wave = np.cos(2 * np.pi * 7.0 * TIMES)[:, None]
    gain = 1 / (1 + (_warped(7.0) / _warped(10.0)) ** (sign * 4))
    np.testing.assert_allclose(filtered(wave, PERIOD, 10.0)[MIDDLE], gain * wave[MIDDLE], atol=1e-7)


def test_ends_continue_a_slope() -> None:
    line = 3.0 + 2.0 * TIMES[:, None]
    # A start at rest, one period (0.5 s) before the end, has decayed to exp(-2 pi / sqrt 2) = 1.2 % of the rise since.
    assert np.abs(lowpass(line, PERIOD, 2.0) - line).max() < 0.02 * 2.0 * 0.5


def test_a_batch_is_its_members() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 800, 4))
    together = bandpass(x, PERIOD, (8.0, 13.0))
    np.testing.assert_allclose(together[1, 2], bandpass(x[1, 2], PERIOD, "alpha"), rtol=0, atol=1e-12)
    x[0, 1, 5, 2] = np.nan
    x[1, 0, :, 3] = 0.1
    bad = ~np.isfinite(bandpass(x, PERIOD, "alpha")).all(axis=-2)
    assert np.argwhere(bad).tolist() == [[0, 1, 2], [1, 0, 3]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"band": (8.0, 260.0)}, "250 Hz, half the sampling rate"),
        ({"band": (13.0, 8.0)}, "low < high"),
        ({"band": (0.0, 8.0)}, "0 < low"),
        ({"band": "alhpa"}, "did you mean 'alpha'"),
        ({"band": (8.0, 13.0, 20.0)}, r"\(low, high\)"),
        ({"period": 0.0}, "period must be > 0"),
        ({"period": np.nan}, "period must be > 0"),
        ({"order": 0}, "from 1 to 12"),
        ({"band": (0.05, 0.1)}, "at least 10001 samples, but got 5000"),
    ],
)
def test_what_is_refused(arguments: dict[str, object], message: str) -> None:
    x = np.random.default_rng(0).normal(size=(5000, 3))
    with pytest.raises(ObservableError, match=message):
        bandpass(x, **{"period": PERIOD, "band": "alpha"} | arguments)  # type: ignore[arg-type]


def test_bad_signals_are_named() -> None:
    x = np.random.default_rng(0).normal(size=(5000, 3))
    x[:, 1] = 0.3
    with pytest.raises(ObservableError, match="first node 1"):
        bandpass(x, PERIOD, "alpha")
    x[7, 0] = np.inf
    with pytest.raises(ObservableError, match="2 nodes are not, first node 0"):
        bandpass(x, PERIOD, "alpha")
    with pytest.raises(ObservableError, match=r"\(..., time, node\), but got shape \(5000,\)"):
        bandpass(x[:, 2], PERIOD, "alpha")
    with pytest.raises(ObservableError, match="real numbers"):
        bandpass(1j * x[:, 2:], PERIOD, "alpha")
    with pytest.raises(ObservableError, match="0 < frequency < 250"):
        lowpass(x, PERIOD, 250.0)
