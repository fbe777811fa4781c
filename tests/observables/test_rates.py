"""Statistics of rates that are known."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.rates import mean_rates, rate_statistics, state_variance, up_share

# Whole periods: a wave of amplitude A has variance A^2 / 2.
WAVE = np.sin(2 * np.pi * 7 * np.arange(1000) / 1000)[:, None]
RATES = np.array([2.0, 4.0, 9.0]) + WAVE * np.array([1.0, 0.0, 3.0])


def test_statistics_of_waves() -> None:
    found = rate_statistics(RATES, quantiles=(0.0, 0.5, 1.0))
    assert float(found.mean) == pytest.approx(5.0)
    assert float(found.over_time) == pytest.approx((1 + 0 + 3) / np.sqrt(2) / 3)
    assert float(found.over_nodes) == pytest.approx(np.sqrt(26 / 3))
    # At its trough and crest; half of the values lie at or below 4, the constant one's.
    np.testing.assert_allclose(found.quantiles, [1.0, 4.0, 12.0], atol=1e-4)
    np.testing.assert_allclose(mean_rates(RATES), [2.0, 4.0, 9.0])
    np.testing.assert_allclose(state_variance(RATES), [0.5, 0.0, 4.5], atol=1e-12)
    np.testing.assert_allclose(state_variance(RATES, unbiased=True), np.array([0.5, 0.0, 4.5]) * 1000 / 999, atol=1e-12)


def test_up_states_alternate() -> None:
    up = (np.arange(1000) // 100 % 2 == 1)[:, None]
    rates = np.where(up, [10.0, 20.0, 3.0], [0.5, 0.1, 0.0])
    share = up_share(rates, 5.0)
    np.testing.assert_allclose(share, np.where(up[:, 0], 2 / 3, 0.0))
    assert up_share(rates, 10.0).max() == pytest.approx(1 / 3)  # above, not at


def test_a_batch_keeps_bad_simulations_apart() -> None:
    batch = np.stack([RATES, RATES, 2 * RATES])
    batch[1, 5, 2] = np.inf
    found = rate_statistics(batch)
    for part in found:
        assert np.isnan(part.reshape(3, -1)).all(axis=1).tolist() == [False, True, False]
    assert found.quantiles.shape == (3, 5)
    np.testing.assert_allclose(found.quantiles[2], 2 * found.quantiles[0])
    assert np.isnan(up_share(batch, 1.0)).all(axis=-1).tolist() == [False, True, False]
    assert np.argwhere(np.isnan(state_variance(batch))).tolist() == [[1, 2]]


def test_what_is_refused() -> None:
    with pytest.raises(ObservableError, match=r"quantiles must lie in \[0, 1\]"):
        rate_statistics(RATES, quantiles=(0.5, 50.0))
    with pytest.raises(ObservableError, match="threshold"):
        up_share(RATES, np.nan)
    with pytest.raises(ObservableError, match=r"\(..., time, node\)"):
        rate_statistics(RATES[:, 0])
    with pytest.raises(ObservableError, match="first node 1"):
        state_variance(np.where([False, True, False], np.nan, RATES))
