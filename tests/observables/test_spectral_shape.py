"""Slopes, peaks and distances of spectra that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from l2l.errors import ObservableError
from l2l.observables.spectra import Spectrum, power_spectrum
from l2l.observables.spectral_shape import alpha_peak, aperiodic, spectra_distance

F = np.arange(0, 60.5, 0.5)


def _power_law(exponent: float, offset: float, f: np.ndarray = F) -> np.ndarray:
    return 10.0**offset * np.maximum(f, 1e-9) ** -exponent


def _spectrum(log_bump: np.ndarray | float = 0.0) -> Spectrum:
    laws = np.stack([_power_law(1.0, 0.3), _power_law(2.3, -4.0)], axis=-1)
    return Spectrum(F, laws * 10 ** np.broadcast_to(log_bump, F.shape)[:, None])


def _bump(centre: float, height: float) -> np.ndarray:
    return np.maximum(height - 0.06 * (F - centre) ** 2, 0.0)


@pytest.mark.parametrize("method", ["least_squares", "theil_sen"])
def test_a_power_law_has_its_exponent(method: str) -> None:
    fit = aperiodic(_spectrum(_bump(10.0, 0.5)), (2.0, 40.0), exclude=[(6.0, 14.0)], method=method)
    np.testing.assert_allclose(fit.exponent, [1.0, 2.3], atol=1e-10)
    np.testing.assert_allclose(fit.offset, [0.3, -4.0], atol=1e-10)


def test_the_robust_slope_is_scipys_and_heeds_peaks_less() -> None:
    rng = np.random.default_rng(0)
    noisy = Spectrum(F, _spectrum(_bump(10.0, 0.8)).power * np.exp(0.1 * rng.normal(size=(3, len(F), 2))))
    fit = aperiodic(noisy, (2.0, 40.0), method="theil_sen")
    inside = (F >= 2) & (F <= 40)
    known = stats.theilslopes(np.log10(noisy.power[2, inside, 1]), np.log10(F[inside]))
    assert fit.exponent[2, 1] == pytest.approx(-known.slope, rel=1e-9)
    plain = aperiodic(noisy, (2.0, 40.0))
    assert (np.abs(fit.exponent - [1.0, 2.3]) < np.abs(plain.exponent - [1.0, 2.3])).all()


def test_brownian_motion_has_exponent_2() -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(size=(300_000, 2)), axis=0)
    fit = aperiodic(power_spectrum(walk, 1.0, window=2000.0), (2.0, 50.0))
    # P ~ 1 / sin^2(w / 2): at 50 Hz of 1000 0.8 % above the power law. 97 frequencies of 300 windows scatter by 6 %.
    np.testing.assert_allclose(fit.exponent, 2.0, atol=0.06)


@pytest.mark.parametrize("centre", [9.95, 10.0, 10.2, 11.09])
def test_a_peak_is_found_between_frequencies(centre: float) -> None:
    peak = alpha_peak(_spectrum(_bump(centre, 0.5)))
    # The bump is a parabola of the logarithm and ends within the band: interpolation is exact.
    np.testing.assert_allclose(peak.frequency, centre, atol=1e-9)
    np.testing.assert_allclose(peak.height, 0.5, atol=1e-9)


@pytest.mark.parametrize("bump", [0.0, _bump(10.0, 0.05), _bump(20.0, 0.6), _bump(15.0, 0.6)])
def test_no_peak_is_nan(bump: np.ndarray | float) -> None:
    peak = alpha_peak(_spectrum(bump))
    assert np.isnan(peak.frequency).all()
    assert np.isnan(peak.height).all()


def test_peaks_of_signals() -> None:
    rng = np.random.default_rng(2)
    x = np.cumsum(rng.normal(size=(60_000, 2)), axis=0)
    resonance = np.zeros(60_000)
    a, b = 2 * 0.985 * np.cos(2 * np.pi * 10 / 250), -(0.985**2)
    z = rng.normal(size=60_000)
    for k in range(2, 60_000):
        resonance[k] = a * resonance[k - 1] + b * resonance[k - 2] + z[k]
    x[:, 1] += 2 * resonance
    peak = alpha_peak(power_spectrum(x, 4.0, window=2000.0))
    assert np.isnan(peak.frequency[0])
    # The resonance is 0.015 * 250 / pi = 1.2 Hz wide.
    assert peak.frequency[1] == pytest.approx(10.0, abs=0.6)


def test_distance_of_known_spectra() -> None:
    one = _spectrum()
    other = Spectrum(F, one.power * [10.0, 1000.0])
    assert float(spectra_distance(other, one, (2.0, 40.0))) == pytest.approx(0.0, abs=1e-12)
    # Decades: sqrt((1 + 9) / 2).
    assert float(spectra_distance(other, one, (2.0, 40.0), gain=True)) == pytest.approx(np.sqrt(5))
    assert float(spectra_distance(other, one, (2.0, 40.0), measure="correlation")) == pytest.approx(0.0, abs=1e-12)
    upside = Spectrum(F[1:], 1 / one.power[1:])
    assert float(spectra_distance(upside, one, (2.0, 40.0), measure="correlation")) == pytest.approx(2.0)
    inside = np.log10(F[(F >= 2) & (F <= 40)])
    steeper = Spectrum(F, np.stack([_power_law(1.5, 0.0)] * 2, axis=-1))
    flatter = Spectrum(F, _power_law(1.1, 2.0)[:, None])
    assert float(spectra_distance(steeper, flatter, (2.0, 40.0))) == pytest.approx(0.4 * inside.std())


def test_grids_meet_at_the_coarser_one() -> None:
    coarse, fine = np.arange(0, 50, 2.0), np.arange(0, 50, 0.3)
    # Exponential in frequency, so that the interpolation of logarithms is exact.
    a, b = (Spectrum(f, np.exp(-f / 7)[:, None]) for f in (coarse, fine))
    for x, y in ((a, b), (b, a)):
        assert float(spectra_distance(x, y, (2.0, 40.0), gain=True)) == pytest.approx(0.0, abs=1e-12)


def test_a_batch_against_one_target_keeps_the_bad_apart() -> None:
    power = np.stack([_spectrum().power, _spectrum(_bump(10.0, 0.5)).power, _spectrum().power])
    power[2, 30, 0] = np.nan
    batch = Spectrum(F, power)
    distance = spectra_distance(batch, _spectrum(), (2.0, 40.0))
    assert distance[0] == pytest.approx(0.0, abs=1e-12)
    assert distance[1] > 0.05
    assert np.isnan(distance[2])
    peak, fit = alpha_peak(batch), aperiodic(batch, (2.0, 40.0))
    assert np.isnan(peak.frequency).tolist() == [[True, True], [False, False], [True, True]]
    assert np.isnan(fit.exponent).tolist() == [[False, False], [False, False], [True, False]]


def test_what_is_refused() -> None:
    one = _spectrum()
    with pytest.raises(ObservableError, match="did you mean 'theil_sen'"):
        aperiodic(one, (2.0, 40.0), method="theilsen")
    with pytest.raises(ObservableError, match="did you mean 'correlation'"):
        spectra_distance(one, one, (2.0, 40.0), measure="corelation")
    with pytest.raises(ObservableError, match="0 < low < high"):
        aperiodic(one, (0.0, 40.0))
    with pytest.raises(ObservableError, match="at least 3 frequencies"):
        aperiodic(one, (2.0, 3.0), exclude=[(2.4, 2.6)])
    with pytest.raises(ObservableError, match="3 frequencies in its band"):
        alpha_peak(one, (9.0, 9.6))
    with pytest.raises(ObservableError, match="node 1 is not"):
        aperiodic(Spectrum(F, one.power * [1.0, 0.0]), (2.0, 40.0))
    with pytest.raises(ObservableError, match="same number of nodes, but got 2 and 3"):
        spectra_distance(one, Spectrum(F, np.ones((len(F), 3))), (2.0, 40.0))
    with pytest.raises(ObservableError, match="within both spectra"):
        spectra_distance(one, Spectrum(F[:50], one.power[:50]), (2.0, 40.0))
    with pytest.raises(ObservableError, match="shapes"):
        aperiodic(Spectrum(F[1:], one.power), (2.0, 40.0))
    with pytest.raises(ObservableError, match="ascend"):
        aperiodic(Spectrum(F[::-1], one.power), (2.0, 40.0))
