from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.pairs import places, triangle, within_hemispheres


def test_the_triangle_is_row_major() -> None:
    matrix = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(triangle(matrix), [4, 8, 9, 12, 13, 14])
    np.testing.assert_array_equal(triangle(np.stack([matrix, -matrix]))[1], -triangle(matrix))


def test_pairs_left_out_are_skipped_in_the_same_order() -> None:
    matrix = np.arange(16).reshape(4, 4)
    mask = np.ones((4, 4), dtype=bool)
    mask[2, 0] = mask[3, 1] = False
    mask[1, 3] = True  # above the diagonal: without effect
    np.testing.assert_array_equal(triangle(matrix, mask), [4, 9, 12, 14])


def test_hemispheres() -> None:
    halves = within_hemispheres(4)
    np.testing.assert_array_equal(triangle(np.arange(16).reshape(4, 4), halves), [4, 14])
    np.testing.assert_array_equal(within_hemispheres(5, list("LRLRL"))[0], [True, False, True, False, True])
    with pytest.raises(ObservableError, match="5 nodes have no halves: give hemispheres"):
        within_hemispheres(5)
    with pytest.raises(ObservableError, match=r"one for each of 5 nodes, but has shape \(4,\)"):
        within_hemispheres(5, [0, 0, 1, 1])


def test_bad_input() -> None:
    with pytest.raises(ObservableError, match="square"):
        triangle(np.zeros((2, 3)))
    with pytest.raises(ObservableError, match=r"boolean \(3, 3\), but is float64 \(3, 3\)"):
        places(3, np.ones((3, 3)))
    with pytest.raises(ObservableError, match=r"but is bool \(4, 4\)"):
        places(3, np.ones((4, 4), dtype=bool))
    with pytest.raises(ObservableError, match="at least one pair"):
        places(3, np.eye(3, dtype=bool))
