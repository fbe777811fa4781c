"""Networks that the simulator's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from l2l.simulator import Connectome

HERE = Path(__file__).resolve()


@pytest.fixture(scope="session", autouse=True)
def kernel_cache() -> None:
    """Compiled kernels of the tests are kept in the repository's cache folder, if nothing else is chosen."""
    os.environ.setdefault("L2L_CACHE", str(HERE.parents[2] / ".pytest_cache" / "l2l"))


@pytest.fixture(scope="session")
def network() -> Connectome:
    """13 nodes (no multiple of any vector width), directed, 60 % of the connections, delays of 2 to 8 ms at 5 mm/ms."""
    rng = np.random.default_rng(5)
    weights = rng.random((13, 13)) * (rng.random((13, 13)) < 0.6)
    np.fill_diagonal(weights, 0.0)
    return Connectome(weights=weights, tract_lengths=10 + 30 * rng.random((13, 13)))
