"""The SIMD functions against NumPy and SciPy, in units in the last place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit
from scipy import special

from l2l.simulator.codegen.vector import make_load, store
from l2l.simulator.codegen.vectormath import VECTOR_FUNCTIONS

LANES = 8
WIDE = np.linspace(-30.0, 30.0, 20001)
POSITIVE = np.logspace(-37, 37, 20001)
EXACT: dict[str, tuple[Any, Any]] = {
    "exp": (np.exp, np.linspace(-87, 88, 20001)),
    "expm1": (np.expm1, np.concatenate([np.linspace(-20, 80, 20001), np.logspace(-30, 0, 500)])),
    "exprel": (special.exprel, np.concatenate([np.linspace(-20, 80, 20001), np.logspace(-30, 0, 500), [0.0]])),
    "bernoulli": (lambda x: 1 / special.exprel(x), np.concatenate([np.linspace(-80, 80, 20001), [0.0]])),
    "log": (np.log, np.concatenate([POSITIVE, np.linspace(0.5, 2, 20001)])),
    "sin": (np.sin, WIDE),
    "cos": (np.cos, WIDE),
    "tanh": (np.tanh, np.concatenate([WIDE, np.logspace(-30, 0, 500)])),
    "sinh": (np.sinh, np.concatenate([np.linspace(-80, 80, 20001), np.logspace(-30, 0, 500)])),
    "cosh": (np.cosh, np.linspace(-80, 80, 20001)),
    "sqrt": (np.sqrt, POSITIVE),
    "erfc": (special.erfc, np.linspace(-6, 9, 20001)),
    "floor": (np.floor, WIDE),
    "ceil": (np.ceil, WIDE),
    "abs": (np.abs, WIDE),
}


def apply(name: str, x: np.ndarray) -> np.ndarray:
    function, load = VECTOR_FUNCTIONS[name], make_load(LANES)

    @njit(error_model="numpy")
    def run(x, y):  # type: ignore[no-untyped-def]
        for i in range(0, x.size, LANES):
            store(y, i, function(load(x, i)))

    padded = np.resize(x, -(-len(x) // LANES) * LANES)
    y = np.empty_like(padded)
    run(padded, y)
    return y[: len(x)]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", list(EXACT))
def test_a_few_units_in_the_last_place(name: str, precision: str) -> None:
    exact, points = EXACT[name]
    x = points.astype(precision)
    expected = exact(x.astype(np.float64))
    eps = np.finfo(precision).eps
    # Sine and cosine are exact relative to 1, the rest relative to their value; erfc = exp(-x*x) ... loses x*x units.
    scale = np.ones_like(expected) if name in {"sin", "cos"} else np.abs(expected)
    if name == "erfc":
        scale = scale * (1 + x.astype(np.float64) ** 2)
    tiny = np.finfo(precision).tiny
    error = np.abs(apply(name, x).astype(np.float64) - expected) / np.maximum(scale, tiny / eps)
    assert error.max() < 16 * eps


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_edges(precision: str) -> None:
    edges = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-42, -1.0, 1.0], dtype=precision)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(apply("log", edges), np.log(edges), rtol=1e-5)
        np.testing.assert_allclose(apply("exp", edges), np.exp(edges), rtol=1e-6)
    for name in ("exp", "tanh", "sin", "cos", "exprel", "sqrt", "erfc", "floor", "abs", "sinh", "cosh"):
        assert np.isnan(apply(name, np.full(LANES, np.nan, precision))).all(), name
