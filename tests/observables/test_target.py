"""Targets: what may be compared with a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.target import Target


def correlations(nodes: int = 5) -> np.ndarray:
    return np.corrcoef(np.random.default_rng(0).normal(size=(nodes, 50)))


def test_a_target_is_a_read_only_copy() -> None:
    matrix = correlations()
    target = Target(matrix, "mine")
    matrix[0, 1] = 9
    assert target.n_nodes == 5
    assert target.fc[0, 1] != 9
    with pytest.raises(ValueError, match="read-only"):
        target.fc[0, 1] = 0


def test_equal_matrices_have_equal_digests() -> None:
    assert Target(correlations()).digest() == Target(correlations()).digest()
    assert Target(correlations()).digest() != Target(-correlations()).digest()


def spoiled(place: tuple[int, int], value: float, symmetric: bool = True) -> np.ndarray:
    matrix = correlations()
    matrix[place] = value
    if symmetric:
        matrix[place[::-1]] = value
    return matrix


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((3, 4)), r"must be \(node, node\)"),
        (np.zeros(9), r"must be \(node, node\)"),
        (spoiled((1, 2), np.nan), r"must be finite, but is not at \(1, 2\)"),
        (spoiled((1, 2), 0.9, symmetric=False), "must be symmetric"),
        (spoiled((1, 2), 1.8), "undo the Fisher z"),
    ],
)
def test_what_is_no_functional_connectivity_is_refused(matrix: np.ndarray, message: str) -> None:
    with pytest.raises(ObservableError, match=message):
        Target(matrix)


def test_the_diagonal_is_not_compared_and_may_be_anything() -> None:
    Target(spoiled((2, 2), np.nan))
