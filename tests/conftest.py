"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# How long an example takes says more about the machine, and what else it runs, than about the code.
settings.register_profile("l2l", deadline=None)
settings.load_profile("l2l")


@pytest.fixture
def tvb() -> Callable[[str], Any]:
    """Opens a reference file of The Virtual Brain by name, or skips the test."""
    return _opener("tvb")


@pytest.fixture
def cubnm() -> Callable[[str], Any]:
    """Opens a reference file of cuBNM by name, or skips the test."""
    return _opener("cubnm")


def _opener(kind: str) -> Callable[[str], Any]:
    home = os.environ.get("L2L_REFERENCE")
    folder = (Path(home) if home else Path(__file__).resolve().parents[2] / "shared" / "reference") / kind

    def load(name: str) -> Any:
        path = folder / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"no reference file {path}; set L2L_REFERENCE to the folder that holds {kind}/{name}.npz")
        return np.load(path)

    return load
