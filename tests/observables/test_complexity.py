"""Distributions of correlations that are known."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.complexity import fc_entropy, functional_complexity


def _fc(values: np.ndarray) -> np.ndarray:
    """The FC whose lower triangle is `values`."""
    n = round((1 + np.sqrt(1 + 8 * len(values))) / 2)
    matrix = np.eye(n)
    rows, columns = np.tril_indices(n, -1)
    matrix[rows, columns] = matrix[columns, rows] = values
    return matrix


UNIFORM = (np.arange(45) % 9 + 0.5) / 9


@pytest.mark.parametrize("signed", [False, True])
def test_uniform_is_1_and_one_value_0(signed: bool) -> None:
    values = 2 * UNIFORM - 1 if signed else UNIFORM
    fc = np.stack([_fc(values), _fc(np.full(45, 0.02)), _fc(np.ones(45)), _fc(np.zeros(45))])
    for measure in (functional_complexity, fc_entropy):
        np.testing.assert_allclose(measure(fc, bins=9, signed=signed), [1, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize(("bins", "taken"), [(10, 2), (50, 5), (5, 3)])
def test_k_of_m_bins_filled_alike(bins: int, taken: int) -> None:
    pairs = 190 if 190 % taken == 0 else 210
    fc = _fc(np.tile((np.arange(taken) + 0.5) / bins, pairs // taken))
    # |1/k - 1/m| k + (m - k) / m = 2 (m - k) / m, over 2 (m - 1) / m.
    assert float(functional_complexity(fc, bins=bins)) == pytest.approx(1 - (bins - taken) / (bins - 1))
    assert float(fc_entropy(fc, bins=bins)) == pytest.approx(np.log(taken) / np.log(bins))


def test_numpys_histogram_agrees() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, size=(4, 1225))
    fc = np.stack([_fc(each) for each in values])
    for signed, shown, limits in ((False, np.abs(values), (0, 1)), (True, values, (-1, 1))):
        known = []
        for each in shown:
            share = np.histogram(each, 50, limits)[0] / 1225
            known.append(1 - np.abs(share - 1 / 50).sum() * 50 / (2 * 49))
        np.testing.assert_allclose(functional_complexity(fc, signed=signed), known, atol=1e-12)


def test_a_batch_keeps_what_is_not_finite_apart() -> None:
    fc = np.stack([_fc(UNIFORM), _fc(UNIFORM)])
    fc[1, 3, :] = fc[1, :, 3] = np.nan
    assert np.isnan(functional_complexity(fc)).tolist() == [False, True]
    assert np.isnan(fc_entropy(fc)).tolist() == [False, True]


def test_what_is_refused() -> None:
    fc = _fc(UNIFORM)
    with pytest.raises(ObservableError, match="bins >= 2"):
        functional_complexity(fc, bins=1)
    with pytest.raises(ObservableError, match="square"):
        functional_complexity(fc[:4])
    with pytest.raises(ObservableError, match="at least 2 nodes"):
        fc_entropy(np.eye(1))
    with pytest.raises(ObservableError, match="undo the Fisher z"):
        fc_entropy(np.arctanh(_fc(UNIFORM) - 2e-7) * 2)
    fc[2, 1] = np.nan
    with pytest.raises(ObservableError, match="must be finite"):
        fc_entropy(fc)
