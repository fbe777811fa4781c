"""Correlation of envelopes that are known."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.envelopes import envelope, envelope_correlation

N = 4000
TURN = 2 * np.pi * np.arange(N) / N
CARRIER = 100 * TURN
# Slower than the carrier and of whole periods: the Hilbert transform then gives them exactly (Bedrosian's theorem).
SLOW = [1 + 0.4 * np.cos(3 * TURN), 1 + 0.3 * np.cos(3 * TURN + 1.0), 1 + 0.5 * np.sin(5 * TURN)]


def _r(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_envelopes_are_what_was_put_in() -> None:
    x = np.stack([a * np.cos(CARRIER + k) for k, a in enumerate(SLOW)], axis=-1)
    np.testing.assert_allclose(envelope(x, 1.0), np.stack(SLOW, axis=-1), atol=1e-11)


@pytest.mark.parametrize("log", [False, True])
def test_correlation_of_known_envelopes(log: bool) -> None:
    x = np.stack([a * np.cos(CARRIER + k) for k, a in enumerate(SLOW)], axis=-1)
    known = np.corrcoef(np.log(SLOW) if log else SLOW)
    np.testing.assert_allclose(envelope_correlation(x, 1.0, log=log), known, atol=1e-10)


def test_orthogonalisation_removes_what_has_no_lag() -> None:
    a, _, c = SLOW
    b = 2 * a
    # Y = b cos + c sin beside X = a cos: of Y is left c, of X is left a c / sqrt(b^2 + c^2).
    x = np.stack([a * np.cos(CARRIER), b * np.cos(CARRIER) + c * np.sin(CARRIER)], axis=-1)
    size = np.hypot(b, c)
    known = (_r(a, c) + _r(size, a * c / size)) / 2
    found = envelope_correlation(x, 1.0, orthogonal=True)
    np.testing.assert_allclose(found, [[1, known], [known, 1]], atol=1e-10)
    assert abs(envelope_correlation(x, 1.0)[0, 1] - known) > 0.1


@pytest.mark.parametrize("smooth", [None, 2.0])
@pytest.mark.parametrize("log", [False, True])
def test_a_multiple_has_nothing_left(smooth: float | None, log: bool) -> None:
    x = np.random.default_rng(0).normal(size=(N, 1)) * np.array([1.0, -3.0])
    np.testing.assert_array_equal(envelope_correlation(x, 1.0, orthogonal=True, smooth=smooth, log=log), np.eye(2))
    np.testing.assert_allclose(envelope_correlation(x, 1.0, smooth=smooth), 1.0, atol=1e-12)


def test_independent_noise_has_none_and_mixed_noise_only_without_orthogonalisation() -> None:
    rng = np.random.default_rng(3)
    source = rng.normal(size=(60_000, 2))
    mixed = source @ np.array([[1.0, 0.6], [0.6, 1.0]])
    band = (8.0, 13.0)
    # 60 s of 5 Hz hold about 300 independent values: a correlation of 0 has a standard deviation near 0.06.
    assert abs(envelope_correlation(source, 1.0, band, edge=500.0)[0, 1]) < 0.24
    assert abs(envelope_correlation(mixed, 1.0, band, orthogonal=True, log=True, edge=500.0)[0, 1]) < 0.24
    assert envelope_correlation(mixed, 1.0, band, edge=500.0)[0, 1] > 0.5


def test_smoothing_hears_the_slow_part_only() -> None:
    # Envelopes that agree at 0.5 Hz and oppose each other at 20 Hz.
    slow, fast = 0.3 * np.cos(2 * TURN), 0.3 * np.sin(80 * TURN)
    x = np.stack([(1 + slow + fast), (1 + slow - fast)], axis=-1) * np.cos(4 * CARRIER)[:, None]
    assert abs(envelope_correlation(x, 1.0)[0, 1]) < 1e-10
    # 20 Hz is left at (2 / 20)^4 of its strength.
    assert envelope_correlation(x, 1.0, smooth=2.0)[0, 1] > 0.99


@pytest.mark.parametrize("orthogonal", [False, True])
def test_a_batch_keeps_a_bad_node_apart(orthogonal: bool) -> None:
    x = np.random.default_rng(4).normal(size=(2, 600, 3))
    whole = envelope_correlation(x, 1.0, (10.0, 40.0), orthogonal=orthogonal)
    x[1, :, 2] = 5.0
    value = envelope_correlation(x, 1.0, (10.0, 40.0), orthogonal=orthogonal)
    np.testing.assert_allclose(value[0], whole[0], atol=1e-12)
    np.testing.assert_allclose(value[1, :2, :2], whole[1, :2, :2], atol=1e-12)
    assert np.isnan(value[1, 2]).all()
    assert np.isnan(value[1, :, 2]).all()


def test_what_is_refused() -> None:
    x = np.random.default_rng(4).normal(size=(600, 3))
    with pytest.raises(ObservableError, match="at least 3 samples, but has 2"):
        envelope_correlation(x, 1.0, edge=299.0)
    x[:, 1] = 0.0
    with pytest.raises(ObservableError, match="first node 1"):
        envelope_correlation(x, 1.0, "gamma")
