from __future__ import annotations

import numpy as np
import pytest

from l2l.observables import gram

RNG = np.random.default_rng(8)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-15), (np.float32, 1e-6)])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (8, 2), (17, 5), (2, 3, 24, 9), (3, 5, 1100)])
def test_products_are_those_of_numpy(shape: tuple[int, ...], dtype: type, tolerance: float) -> None:
    """Relative to the sum of the absolute products: each of the two, and each sum, rounds once."""
    x = RNG.standard_normal(shape).astype(dtype)
    exact = x.astype(np.float64)
    for found, left in (
        (gram.of_columns(x), np.swapaxes(exact, -1, -2)),
        (gram.of_rows(x), exact),
    ):
        right = np.swapaxes(left, -1, -2)
        assert found.dtype == dtype
        assert (np.abs(found - left @ right) <= tolerance * (np.abs(left) @ np.abs(right))).all()
        np.testing.assert_array_equal(found, np.swapaxes(found, -1, -2))


def test_nan_stays_where_it_belongs() -> None:
    x = RNG.standard_normal((2, 20, 5))
    x[1, 3, 2] = np.nan
    bad = np.isnan(gram.of_columns(x))
    assert not bad[0].any()
    np.testing.assert_array_equal(bad[1], (np.arange(5) == 2)[:, None] | (np.arange(5) == 2))
