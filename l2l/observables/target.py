"""What was measured in a person or a group, and what a simulation is compared with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError


@dataclass(frozen=True, eq=False)
class Target:
    """Measured functional connectivity.

    fc: (node, node) correlations, symmetric, in [-1, 1]; the diagonal is not compared.
    name: where it comes from, for tables.
    Raises ObservableError if it is not square, not finite, not symmetric or not in range.
    """

    fc: NDArray[np.float64]
    name: str = ""

    def __init__(self, fc: ArrayLike, name: str = "") -> None:
        matrix = np.array(fc, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 3:
            raise ObservableError(f"a target FC must be (node, node) with 3 nodes or more, but has {matrix.shape}")
        apart = ~np.eye(len(matrix), dtype=bool)
        bad = np.argwhere(~np.isfinite(matrix) & apart)
        if len(bad):
            place = tuple(map(int, bad[0]))
            raise ObservableError(f"a target FC must be finite, but is not at {place}: drop that region")
        if not np.allclose(matrix[apart], matrix.T[apart], atol=1e-6):
            raise ObservableError("a target FC must be symmetric, but is not: average it with its transpose")
        if np.abs(matrix[apart]).max() > 1 + 1e-6:
            raise ObservableError(
                f"a target FC must lie in [-1, 1], but reaches {np.abs(matrix[apart]).max():.3g}: undo the Fisher z"
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "fc", matrix)
        object.__setattr__(self, "name", name)

    @property
    def n_nodes(self) -> int:
        return len(self.fc)

    def digest(self) -> str:
        """SHA-256 of the matrix."""
        return hashlib.sha256(np.ascontiguousarray(self.fc).tobytes()).hexdigest()
