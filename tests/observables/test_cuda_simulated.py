"""The kernels of `l2l.observables.cuda` in Numba's CUDA simulator. `test_cuda.py` runs this file in a process."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables import connectivity
from l2l.observables.connectivity import Comparison
from l2l.observables.distances import ks
from l2l.observables.fc import fc
from l2l.observables.fcd import fcd
from l2l.observables.pairs import triangle, within_hemispheres

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_ENABLE_CUDASIM") != "1", reason="test_cuda.py runs this file in the CUDA simulator"
)

RNG = np.random.default_rng(6)
WINDOWS: dict[str, Any] = {"window": "4 TR", "step": "3 TR"}


def agree(bold: np.ndarray, comparison: Comparison, tolerance: float, **options: Any) -> None:
    from numba import cuda

    from l2l.observables.cuda import scores

    ours = scores(cuda.to_device(bold), comparison, **options)
    theirs = connectivity.scores(bold, comparison)
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=0, atol=tolerance, err_msg=name)


# FC is rounded to the precision of the signals (float32: 1e-7), and a correlation is relative to how much its 3 values
# differ, 0.1 or so. A KS distance counts: it is the same, since of so few values none lies that near to a measured one.
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 5e-6)])
def test_scores_are_those_of_the_cpu(dtype: type, tolerance: float) -> None:
    bold = RNG.standard_normal((2, 12, 3)).astype(dtype)
    measured = RNG.standard_normal((20, 3))
    sample = triangle(fcd(measured, 1.0, **WINDOWS))
    comparison = Comparison(fc(measured), sample, 1.0, **WINDOWS, first=2)
    agree(bold, comparison, tolerance, at_once=1)


def test_edges_pairs_and_broken_simulations() -> None:
    bold = RNG.standard_normal((3, 7, 4))
    bold[1, 6, 2] = np.nan
    bold[2, :, 0] = 5.0
    mask = ~within_hemispheres(4)
    sample = np.concatenate([RNG.uniform(-1, 1, 5), [-1.0, 1.0]])
    comparison = Comparison(fcd=sample, tr=1.0, **WINDOWS, drop_edges=False, pairs=mask)
    agree(bold, comparison, 1e-14)


@pytest.mark.parametrize(
    "sample", [[0.0], [-1.0, 0.0, 0.0, 0.25], [-0.5, 0.5, 0.5, 0.5, 0.75, 1.0], [2.0], [-2.0, -3.0]]
)
def test_distances_of_values_that_are_equal(sample: list[float]) -> None:
    """Rows whose products are exact, so that the values of both samples meet."""
    from numba import cuda

    from l2l.observables.cuda import FEW, distribution, kernels

    rows = np.array([[1.0, 0.0], [0.5, 0.0], [0.0, 1.0], [-1.0, 0.25]])
    products = triangle(rows @ rows.T)
    marks, below = distribution(np.sort(sample))
    histogram, broken, result = np.zeros((1, len(below)), np.int32), np.zeros(1, np.int32), np.zeros(1)
    kernel = kernels("float64", True)
    kernel["dynamics"][(1, 2, 2), (FEW, FEW)](cuda.to_device(rows[None]), marks, histogram, broken)
    assert histogram.sum() == len(products)
    kernel["distances"][1, FEW](histogram, below, len(products), len(sample), broken, result)
    assert result[0] == ks(products, sample)


def test_a_monitors_recording_needs_no_reshaping_and_scores_may_stay() -> None:
    from numba import cuda

    from l2l.observables.cuda import scores

    bold = RNG.standard_normal((2, 6, 1, 3)).astype(np.float32)
    comparison = Comparison(fc(RNG.standard_normal((9, 3))))
    ours = scores(cuda.to_device(bold), comparison, on_device=True)
    theirs = connectivity.scores(bold[:, :, 0], comparison)
    for name, values in theirs.items():
        # float32 correlations
        np.testing.assert_allclose(ours[name].copy_to_host(), values, rtol=0, atol=1e-6)
    # The same by the function that takes arrays of both kinds.
    np.testing.assert_array_equal(
        connectivity.scores(cuda.to_device(bold), comparison)["fc_mae"], ours["fc_mae"].copy_to_host()
    )


def test_bad_input() -> None:
    from l2l.observables.cuda import scores

    comparison = Comparison(fc(RNG.standard_normal((9, 3))))
    with pytest.raises(ObservableError, match="3 nodes, but the simulation 4"):
        scores(np.zeros((2, 6, 4)), comparison)
    with pytest.raises(ObservableError, match="float32 or float64, but is int64"):
        scores(np.zeros((2, 6, 3), dtype=np.int64), comparison)
