from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from l2l.errors import ObservableError
from l2l.observables.distances import fc_mae, fc_mean_difference, fc_normalised_error, fc_rmse, ks
from l2l.observables.fc import fc, fc_corr
from l2l.observables.pairs import within_hemispheres

RNG = np.random.default_rng(3)
ROUNDING = 1e-14  # of sums of some 15 numbers below 2
FCS = fc(RNG.standard_normal((5, 40, 6)))
MEASURED = fc(RNG.standard_normal((40, 6)))


def test_distances_of_connectivities() -> None:
    below = np.tril_indices(6, -1)
    apart = np.array([m[below] - MEASURED[below] for m in FCS])
    np.testing.assert_allclose(fc_mae(FCS, MEASURED), np.abs(apart).sum(1) / 15, atol=ROUNDING)
    np.testing.assert_allclose(fc_rmse(FCS, MEASURED), np.linalg.norm(apart, axis=1) / 15**0.5, atol=ROUNDING)
    # As cuBNM writes them.
    largest = 2 * np.sqrt(15)
    np.testing.assert_allclose(
        fc_normalised_error(FCS, MEASURED), np.linalg.norm(apart, axis=1) / largest, atol=ROUNDING
    )
    means = np.array([m[below].mean() for m in FCS])
    np.testing.assert_allclose(fc_mean_difference(FCS, MEASURED), abs(means - MEASURED[below].mean()), atol=ROUNDING)
    assert isinstance(fc_mae(FCS[0], MEASURED), float)


def test_the_largest_normalised_error_is_1() -> None:
    assert fc_normalised_error(np.ones((5, 5)), -np.ones((5, 5))) == 1.0


@pytest.mark.parametrize("distance", [fc_mae, fc_rmse, fc_normalised_error, fc_mean_difference, fc_corr])
def test_pairs_left_out_do_not_count(distance: object) -> None:
    mask = within_hemispheres(6)
    other = np.where(mask, FCS, 7.0)
    assert (np.asarray(distance(FCS, MEASURED)) != distance(other, MEASURED)).all()  # type: ignore[operator]
    np.testing.assert_array_equal(distance(FCS, MEASURED, mask), distance(other, MEASURED, mask))  # type: ignore[operator]


def test_nan_stays_in_its_simulation() -> None:
    broken = FCS.copy()
    broken[1, 3, 2] = np.nan
    for distance in (fc_mae, fc_rmse, fc_normalised_error, fc_mean_difference):
        np.testing.assert_array_equal(np.isnan(distance(broken, MEASURED)), [False, True, False, False, False])


def test_different_node_counts() -> None:
    with pytest.raises(ObservableError, match="6 and 5"):
        fc_mae(FCS, MEASURED[:5, :5])


# Few different numbers, so that there are ties within and between the samples.
SAMPLES = hnp.arrays(np.float64, st.integers(1, 30), elements=st.sampled_from([-1.0, -0.25, 0.0, 0.25, 0.5, 1.0]))


# The exact method rounds the statistic; the other one divides by 0 in the p-value, which is not asked for.
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@given(SAMPLES, SAMPLES)
def test_ks_is_that_of_scipy(a: np.ndarray, b: np.ndarray) -> None:
    assert ks(a, b) == scipy.stats.ks_2samp(a, b, method="asymp").statistic


def test_ks_of_many_against_one() -> None:
    many, one = RNG.standard_normal((2, 3, 300)).astype(np.float32), RNG.standard_normal(200)
    expected = [[scipy.stats.ks_2samp(x, one, method="asymp").statistic for x in row] for row in many]
    np.testing.assert_array_equal(ks(many, one), expected)
    np.testing.assert_array_equal(ks(one, many), expected)
    assert isinstance(ks(many[0, 0], one), float)


def test_ks_of_nan_is_nan() -> None:
    many = RNG.standard_normal((3, 10))
    many[1, 4] = np.nan
    np.testing.assert_array_equal(np.isnan(ks(many, many[0])), [False, True, False])
    assert np.isnan(ks(many[0], many[1]))


def test_ks_needs_samples() -> None:
    with pytest.raises(ObservableError, match="not empty"):
        ks([], [1.0])
    with pytest.raises(ObservableError, match="not empty"):
        ks(1.0, [1.0])
    with pytest.raises(ObservableError, match="leading axes"):
        ks(np.zeros((2, 3)), np.zeros((4, 3)))
