"""Phases of known waves, and locking and order of known phases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import i0, i1

from l2l.errors import ObservableError
from l2l.observables.phase import (
    analytic,
    metastability,
    order_parameter,
    phase_lag_index,
    phase_locking,
    phases,
    synchrony,
)

N = 2000
TURNS = 2 * np.pi * np.arange(N) / N


def test_whole_periods_have_their_phase() -> None:
    known = np.stack([20 * TURNS + 0.5, 31 * TURNS - 2.0], axis=-1)
    found = phases(7.0 + np.cos(known), 1.0)
    # The transform is exact for whole periods; e^(i phi) compares phases modulo 2 pi.
    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * known), atol=1e-11)


def test_a_band_is_filtered_and_edges_are_dropped() -> None:
    wave = 10 * TURNS  # 10 Hz at 0.5 ms
    mixed = np.cos(wave) + 3 * np.cos(12 * wave)
    found = phases(np.tile(mixed, 5)[:, None], 0.5, "alpha", edge=2000.0)
    assert found.shape == (5 * N - 8000, 1)
    known = wave[:N]
    # The transform's kernel 1 / (pi t) hears, 2 s away, at most 1 / (2 pi 10 x 2) of what is amiss at an end of 10 Hz.
    np.testing.assert_allclose(np.exp(1j * found[:, 0]), np.exp(1j * known), atol=8e-3)


def test_locking_of_constant_lags_and_of_whole_turns() -> None:
    phi = np.stack([5 * TURNS, 5 * TURNS + 1.0, 8 * TURNS], axis=-1)
    np.testing.assert_allclose(phase_locking(phi), [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-12)


def test_locking_of_scattered_phases_is_a_ratio_of_bessel_functions() -> None:
    lag = np.random.default_rng(1).vonmises(0.7, 1.5, size=200_000)
    value = phase_locking(np.stack([np.zeros_like(lag), lag], axis=-1))[0, 1]
    # A mean of unit vectors over n samples errs by at most 1 / sqrt n in one direction; four of that.
    assert value == pytest.approx(i1(1.5) / i0(1.5), abs=4 / np.sqrt(200_000))


def test_the_lag_index_sees_lags_but_not_zero_and_counts_leads_against() -> None:
    base = 5 * TURNS
    lead = np.where(np.arange(N) < N // 4, 0.3, -0.3)
    phi = np.stack([base, base, base + 0.3, base + lead], axis=-1)
    value = phase_lag_index(phi)
    np.testing.assert_allclose(value[0], [0.0, 0.0, 1.0, 0.5], atol=1e-12)
    np.testing.assert_array_equal(value, value.T)
    np.testing.assert_array_equal(np.diagonal(value), 0.0)


@pytest.mark.parametrize("n", [2, 5, 68])
def test_order_of_known_phases(n: int) -> None:
    spread = 2 * np.pi * np.arange(n) / n
    np.testing.assert_allclose(order_parameter(np.stack([spread, np.full(n, 1.3)])), [0.0, 1.0], atol=1e-14)


def test_two_clusters_have_the_cosine_of_half_their_distance() -> None:
    half = np.linspace(0, np.pi / 2, 100_001)
    phi = np.stack([half, -half, half, -half], axis=-1) + TURNS[7]
    np.testing.assert_allclose(order_parameter(phi), np.cos(half), atol=1e-12)
    # The integrals over [0, pi / 2] of cos and cos^2; the sum over 1e5 points errs by about 1e-5.
    assert float(synchrony(phi)) == pytest.approx(2 / np.pi, abs=2e-5)
    assert float(metastability(phi)) == pytest.approx(np.sqrt(0.5 - 4 / np.pi**2), abs=2e-5)


def test_batches_keep_bad_simulations_apart() -> None:
    phi = np.random.default_rng(2).normal(size=(2, 3, 100, 4))
    phi[0, 1, 3, 2] = np.nan
    assert np.argwhere(np.isnan(synchrony(phi))).tolist() == [[0, 1]]
    for measure in (phase_locking, phase_lag_index):
        value = measure(phi)
        np.testing.assert_allclose(value[1, 2], measure(phi[1, 2]), atol=1e-12)
        bad = np.isnan(value)
        assert bad[0, 1, 2].sum() >= 3
        assert not bad[0, 1, :2, :2].any()
        assert not bad[1].any()


def test_what_is_refused() -> None:
    phi = np.random.default_rng(2).normal(size=(100, 4))
    with pytest.raises(ObservableError, match="at least 2 nodes"):
        order_parameter(phi[:, :1])
    with pytest.raises(ObservableError, match="edge must be >= 0"):
        analytic(phi, 1.0, edge=-1.0)
    with pytest.raises(ObservableError, match="at least 122 samples"):
        analytic(phi, 1.0, edge=60.0)
    phi[5, 3] = np.nan
    for measure in (phase_locking, phase_lag_index, order_parameter):
        with pytest.raises(ObservableError, match="first node 3"):
            measure(phi)
