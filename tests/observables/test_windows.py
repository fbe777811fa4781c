from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import ObservableError
from l2l.observables.windows import windows


def test_whole_windows() -> None:
    # 5 volumes each (4 TR and the centre), 3 apart, from 0 up to the last that fits into 12.
    np.testing.assert_array_equal(windows(12, 2.0, 8.0, 6.0), [[0, 5], [3, 8], [6, 11]])
    np.testing.assert_array_equal(windows(11, 2.0, 8.0, 6.0), [[0, 5], [3, 8], [6, 11]])
    np.testing.assert_array_equal(windows(10, 2.0, 8.0, 6.0), [[0, 5], [3, 8]])


def test_edges_are_cut_off() -> None:
    expected = [[0, 3], [1, 6], [4, 9], [7, 12]]
    np.testing.assert_array_equal(windows(12, 2.0, 8.0, 6.0, drop_edges=False), expected)


def test_volumes_that_do_not_count() -> None:
    np.testing.assert_array_equal(windows(12, 2.0, 8.0, 6.0, first=4), [[4, 9], [7, 12]])
    # With edges, the first window takes what was recorded before.
    np.testing.assert_array_equal(windows(12, 2.0, 8.0, 6.0, False, first=4), [[2, 7], [5, 10], [8, 12]])


@pytest.mark.parametrize(
    ("tr", "window", "step"),
    [(0.72, "60 s", "2.16 s"), ("720 ms", "1 min", 2.16), (0.72, "84 TR", "3 TR"), ("0.72 s", "84TRs", "3 tr")],
)
def test_times_as_people_write_them(tr: str | float, window: str | float, step: str | float) -> None:
    # 60 s are 83.3 TR: the nearest even number is 84.
    np.testing.assert_array_equal(windows(90, tr, window, step), [[0, 85], [3, 88]])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((50, 1.0, 60.0, 1.0), "60 TR spans 61 volumes, but only 50"),
        ((50, 1.0, 60.0, 1.0, False), "60 TR spans 61 volumes, but only 50"),
        ((50, 1.0, 10.0, 0), "step must be a positive time"),
        ((50, 1.0, 10.0, "0 TR"), "step must last for at least 1 TR"),
        ((50, 1.0, 10.0, 0.4), "step must last for at least 1 TR"),
        ((50, 1.0, 0.9, 1.0), "window must last for at least 2 TR"),
        ((50, 100.0, 10.0, 1.0), "window must last for at least 2 TR"),
        ((50, 1.0, "5 TR", 1.0), "must be even"),
        ((50, 1.0, "5 volumes", 1.0), 'nor a number of TRs such as "40 TR"'),
        ((50, 1.0, float("nan"), 1.0), "window must be a positive time"),
        ((50, 0.0, 10.0, 1.0), "tr must be a positive time"),
    ],
)
def test_bad_input(arguments: tuple[int, float, float, float], told: str) -> None:
    with pytest.raises(ObservableError, match=told):
        windows(*arguments)


@pytest.mark.parametrize("first", [-1, 50])
def test_first_is_a_volume(first: int) -> None:
    with pytest.raises(ObservableError, match="0 <= first < volumes"):
        windows(50, 1.0, 10.0, 1.0, first=first)
