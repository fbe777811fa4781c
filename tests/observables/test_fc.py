from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.fc import fc, fc_corr, triangle

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 2e-6)])
def test_agrees_with_numpy(dtype: type, tolerance: float) -> None:
    # Small changes on a large constant, as BOLD may be.
    signals = (5.0 + 0.05 * RNG.standard_normal((3, 200, 9))).astype(dtype)
    found = fc(signals)
    assert found.dtype == dtype
    for one, matrix in zip(signals, found, strict=True):
        np.testing.assert_allclose(matrix, np.corrcoef(one.T.astype(np.float64)), atol=tolerance)
        np.testing.assert_allclose(fc(one), matrix, atol=tolerance)


def test_a_constant_signal_is_no_correlation() -> None:
    signals = RNG.standard_normal((3, 50, 4))
    signals[1, :, 2] = 0.1
    with pytest.raises(ObservableError, match="node 2"):
        fc(signals[1])
    found = fc(signals)
    assert np.isnan(found[1, 2]).all()
    assert np.isnan(found[1, :, 2]).all()
    assert np.isfinite(np.delete(np.delete(found[1], 2, 0), 2, 1)).all()
    assert np.isfinite(found[[0, 2]]).all()


def test_nan_stays_in_its_simulation() -> None:
    signals = RNG.standard_normal((2, 50, 4)).astype(np.float32)
    signals[0, 7, 1] = np.nan
    found = fc(signals)
    assert np.isnan(found[0, 1]).all()
    assert np.isfinite(found[1]).all()
    assert np.isnan(fc_corr(found, found[1])[0])
    with pytest.raises(ObservableError, match="node 1"):
        fc(signals[0])


def test_triangle_is_row_major() -> None:
    matrix = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(triangle(matrix), [4, 8, 9, 12, 13, 14])
    with pytest.raises(ObservableError, match="square"):
        triangle(np.zeros((2, 3)))


def test_correlation_of_connectivities() -> None:
    matrices = fc(RNG.standard_normal((5, 40, 7)))
    expected = [np.corrcoef(triangle(m), triangle(matrices[0]))[0, 1] for m in matrices]
    np.testing.assert_allclose(fc_corr(matrices, matrices[0]), expected, atol=1e-14)
    assert isinstance(fc_corr(matrices[1], matrices[0]), float)
    assert np.isnan(fc_corr(np.ones((4, 4)), fc(RNG.standard_normal((9, 4)))))
    with pytest.raises(ObservableError, match="7 and 6"):
        fc_corr(matrices[0], matrices[0][:6, :6])


def test_too_few_volumes() -> None:
    with pytest.raises(ObservableError, match="2 volumes"):
        fc(np.zeros((1, 5)))
