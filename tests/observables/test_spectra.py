"""Spectra and coherence against closed forms and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from l2l.errors import ObservableError
from l2l.observables.spectra import coherence, imaginary_coherence, power_spectrum

PERIOD = 4.0  # ms
RATE = 250.0


def _var1(matrix: np.ndarray, n: int, seed: int) -> np.ndarray:
    """x(k + 1) = A x(k) + z: an Ornstein-Uhlenbeck process, step by step."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n + 500, len(matrix)))
    x = np.zeros_like(z)
    for k in range(1, len(z)):
        x[k] = matrix @ x[k - 1] + z[k]
    return x[500:]


def _cross_spectrum(matrix: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """2 dt H H*, H = (1 - A e^(-i w))^-1: one-sided."""
    turn = np.exp(-2j * np.pi * frequencies * PERIOD / 1000)
    h = np.linalg.inv(np.eye(len(matrix)) - matrix * turn[:, None, None])
    return 2 * PERIOD / 1000 * h @ np.conj(np.swapaxes(h, -1, -2))


@pytest.mark.parametrize("a", [0.0, 0.6, 0.9])
def test_the_spectrum_of_an_autoregressive_process(a: float) -> None:
    matrix = np.array([[a]])
    f, power = power_spectrum(_var1(matrix, 200_000, 1), PERIOD, window=1000.0)
    known = np.real(_cross_spectrum(matrix, f))[:, 0, 0]
    inner = (f >= 2) & (f <= 120)  # at 0 and at half the rate one-sided density counts once
    # 1,600 half-overlapping windows scatter each frequency by about 1 / sqrt(1600 * 18 / 19) = 2.6 %: five of that.
    np.testing.assert_allclose(power[inner, 0], known[inner], rtol=0.13)
    # Their mean over 119 frequencies scatters by 0.3 %; leakage of a Hann window bends a = 0.9 by less than 1 %.
    assert np.mean(power[inner, 0] / known[inner]) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
@pytest.mark.parametrize("taper", ["hann", "boxcar"])
def test_a_wave_has_its_variance_at_its_frequency(overlap: float, taper: str) -> None:
    t = np.arange(5000) * PERIOD / 1000
    x = 3 + 2 * np.cos(2 * np.pi * 10 * t)
    f, power = power_spectrum(x[:, None], PERIOD, window=2000.0, overlap=overlap, taper=taper)
    assert f[1] == pytest.approx(0.5)
    assert f[power[:, 0].argmax()] == pytest.approx(10.0)
    assert power.sum() * f[1] == pytest.approx(2.0, rel=1e-9)  # 2^2 / 2, units^2


def test_the_default_windows_are_eight_half_overlapping_ones() -> None:
    x = np.random.default_rng(0).normal(size=(4500, 2))
    f, power = power_spectrum(x, PERIOD)
    known_f, known = signal.welch(x, RATE, nperseg=1000, axis=0)
    np.testing.assert_allclose(f, known_f)
    np.testing.assert_allclose(power, known, rtol=1e-9)


def test_coherence_of_coupled_ornstein_uhlenbeck_processes() -> None:
    matrix = np.array([[0.8, 0.0, 0.0], [0.3, 0.7, 0.0], [0.0, 0.0, 0.5]])
    x = _var1(matrix, 200_000, 2)
    found = coherence(x, PERIOD, (4.0, 30.0), window=1000.0)
    lagged = imaginary_coherence(x, PERIOD, (4.0, 30.0), window=1000.0)
    s = _cross_spectrum(matrix, np.arange(4.0, 31.0))
    power = np.real(np.diagonal(s, axis1=1, axis2=2))
    c = s / np.sqrt(power[:, :, None] * power[:, None, :])
    # Squared coherence of 1,500 effective windows scatters by sqrt(2 C) (1 - C) / sqrt 1500 < 1.4 % and is biased by
    # 1 / 1500 at most; the mean over 27 frequencies is better still. Imaginary part: |.| of 0 is about 0.02.
    np.testing.assert_allclose(found, (np.abs(c) ** 2).mean(axis=0), atol=0.01)
    np.testing.assert_allclose(lagged, np.abs(c.imag).mean(axis=0), atol=0.03)
    assert found[0, 1] > 0.2
    assert lagged[0, 1] > 0.1


def test_coherence_is_scipys() -> None:
    x = np.random.default_rng(3).normal(size=(2, 1500, 3))
    x[..., 1] += np.roll(x[..., 0], 2, axis=-1)
    found = coherence(x, PERIOD, (20.0, 40.0), window=800.0, overlap=0.25, taper="hamming")
    f, known = signal.coherence(x[1, :, 0], x[1, :, 1], RATE, window="hamming", nperseg=200, noverlap=50)
    assert found[1, 0, 1] == pytest.approx(known[(f >= 20) & (f <= 40)].mean(), rel=1e-9)
    np.testing.assert_allclose(found, np.swapaxes(found, -1, -2), atol=1e-12)


def test_a_known_lag_and_a_mixture_without_lag() -> None:
    x = np.random.default_rng(4).normal(size=(100_000, 1))
    delayed = np.concatenate([x[4:], x[:-4], -2 * x[:-4]], axis=1)  # 16 ms
    # Coherency of a delay is e^(-i w d); at 10 to 20 Hz w d lies in 1.0 to 2.0. Windows of 2 s lose 2 x 16 / 2000.
    turn = np.abs(np.sin(2 * np.pi * np.arange(10, 20.5, 0.5) * 0.016)).mean()
    assert imaginary_coherence(delayed, PERIOD, (10.0, 20.0), window=2000.0)[0, 1] == pytest.approx(turn, abs=0.02)
    assert imaginary_coherence(delayed, PERIOD, (10.0, 20.0), window=2000.0)[1, 2] < 1e-12


def test_a_batch_keeps_a_bad_node_apart() -> None:
    x = np.random.default_rng(5).normal(size=(2, 2, 600, 3))
    x[1, 0, :, 1] = np.nan
    power, value = power_spectrum(x, PERIOD).power, coherence(x, PERIOD, (10.0, 40.0))
    assert np.argwhere(np.isnan(power).any(axis=-2)).tolist() == [[1, 0, 1]]
    assert np.isnan(value[1, 0, 1]).all()
    assert not np.isnan(value[1, 0][np.ix_([0, 2], [0, 2])]).any()
    np.testing.assert_allclose(value[0, 1], coherence(x[0, 1], PERIOD, (10.0, 40.0)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 4000.0}, "must not be longer than the signals"),
        ({"window": 4.0}, "at least 4 samples"),
        ({"overlap": 1.0}, "0 <= overlap < 1"),
        ({"taper": "hnan"}, "must name a window of scipy.signal"),
        ({"window": 2400.0}, "at least 2 windows"),
        ({"window": 100.0, "band": (11.0, 19.0)}, "lengthen the window to 125 ms"),
        ({"band": (30.0, 125.0)}, "half the sampling rate"),
    ],
)
def test_what_is_refused(arguments: dict[str, object], message: str) -> None:
    x = np.random.default_rng(5).normal(size=(600, 3))
    with pytest.raises(ObservableError, match=message):
        coherence(x, PERIOD, **{"band": "alpha"} | arguments)  # type: ignore[arg-type]


def test_constant_signals_are_named() -> None:
    x = np.random.default_rng(5).normal(size=(600, 3))
    x[:, 2] = 1e6
    with pytest.raises(ObservableError, match="first node 2"):
        power_spectrum(x, PERIOD)
