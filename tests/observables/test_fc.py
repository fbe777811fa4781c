from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.fc import fc, fc_corr, fisher_z, partial_correlation
from l2l.observables.pairs import triangle

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


@pytest.mark.parametrize("name", ["rWW_det", "rWW_det_delay", "rWW_fic_det", "rWW_noise", "rWWEx_det", "rWWEx_noise"])
def test_fc_of_cubnm(cubnm: Callable[[str], Any], name: str) -> None:
    data = cubnm(name)
    removed = int(data["bold_remove_s"] / data["TR_s"])
    # Asked for; rounding alone leaves 1e-15.
    np.testing.assert_allclose(triangle(fc(data["bold"][:, removed:])), data["fc_tril"], rtol=0, atol=1e-8)


def test_scrubbed_volumes_do_not_count() -> None:
    signals = RNG.standard_normal((3, 60, 5))
    kept = RNG.random(60) < 0.7
    spoiled = np.where(kept[:, None], signals, np.nan)
    np.testing.assert_array_equal(fc(spoiled, kept), fc(signals[:, kept]))
    np.testing.assert_array_equal(partial_correlation(spoiled[0], kept), partial_correlation(signals[0, kept]))


@pytest.mark.parametrize("volumes", [np.ones(59, dtype=bool), np.ones(60), np.arange(60), np.ones((60, 5), dtype=bool)])
def test_a_mask_has_one_boolean_a_volume(volumes: np.ndarray) -> None:
    with pytest.raises(ObservableError, match="boolean mask of the 60 volumes, True where kept"):
        fc(RNG.standard_normal((60, 5)), volumes)


def test_too_few_volumes_are_kept() -> None:
    with pytest.raises(ObservableError, match="2 volumes"):
        fc(RNG.standard_normal((60, 5)), np.arange(60) == 7)


def test_partial_correlation_is_that_of_what_regression_leaves() -> None:
    signals = RNG.standard_normal((2, 80, 5)) @ RNG.standard_normal((5, 5))
    found = partial_correlation(signals)
    for run, matrix in zip(signals, found, strict=True):
        for i in range(5):
            for j in range(i):
                others = np.column_stack([np.delete(run, [i, j], axis=1), np.ones(80)])
                left = [x - others @ np.linalg.lstsq(others, x)[0] for x in (run[:, i], run[:, j])]
                # Both ways solve 5 equations whose condition is below 1e4.
                assert matrix[i, j] == pytest.approx(np.corrcoef(*left)[0, 1], abs=1e-11)
                assert matrix[i, j] == matrix[j, i]
    np.testing.assert_array_equal(np.diagonal(found, axis1=1, axis2=2), 1.0)


def test_a_ridge_does_without_volumes() -> None:
    signals = RNG.standard_normal((8, 12))
    with pytest.raises(ObservableError, match=r"more volumes than nodes, but got 8 volumes of 12 nodes: .* ridge"):
        partial_correlation(signals)
    inverse = np.linalg.inv(np.corrcoef(signals.T) + 0.1 * np.eye(12))
    size = np.sqrt(np.diag(inverse))
    expected = -inverse / np.outer(size, size) + 2 * np.eye(12)
    # The smallest eigenvalue is 0.1, so that little is lost.
    np.testing.assert_allclose(partial_correlation(signals, ridge=0.1), expected, atol=1e-13)
    with pytest.raises(ObservableError, match="ridge must be finite and >= 0, but is -1"):
        partial_correlation(signals, ridge=-1)


def test_partial_correlation_of_a_combination() -> None:
    signals = RNG.standard_normal((3, 50, 4))
    signals[1, :, 2] = signals[1, :, 0]
    with pytest.raises(ObservableError, match=r"that of node [02] is: leave it out"):
        partial_correlation(signals[1])
    signals[2, :, 3] = 7.0
    with pytest.raises(ObservableError, match="first node 3"):
        partial_correlation(signals[2])
    found = partial_correlation(signals)
    np.testing.assert_array_equal(np.isnan(found).all(axis=(1, 2)), [False, True, True])
    assert np.isfinite(found[0]).all()


def test_fisher_z() -> None:
    matrix = fc(RNG.standard_normal((40, 5)))
    found = fisher_z(matrix)
    r = triangle(matrix)
    np.testing.assert_allclose(triangle(found), np.log((1 + r) / (1 - r)) / 2, atol=1e-15)
    np.testing.assert_array_equal(np.diag(found), 0.0)
    with pytest.raises(ObservableError, match="was z taken already"):
        fisher_z(found * 10)
    with pytest.raises(ObservableError, match="square"):
        fisher_z(r)
