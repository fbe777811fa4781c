"""Distribution functions of samples, which rise by steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def largest_step(x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> float:
    """Largest difference of the distribution functions of two sorted samples; NaN, sorted to the end, gives NaN."""
    if np.isnan(x[-1]) or np.isnan(y[-1]):
        return np.nan
    i = j = 0
    largest = 0.0
    while i < len(x) and j < len(y):
        value = min(x[i], y[j])
        # All that are equal belong to one step.
        while i < len(x) and x[i] == value:
            i += 1
        while j < len(y) and y[j] == value:
            j += 1
        largest = max(largest, abs(i / len(x) - j / len(y)))
    return largest
