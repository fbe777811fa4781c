from __future__ import annotations

import numpy as np
import pytest

from l2l.simulator.codegen.expression import evaluate, symbol
from l2l.simulator.codegen.parser import parse
from l2l.simulator.codegen.separate import separate

NAMES = {name: symbol(name) for name in ("x_j", "x_i", "a", "b")}
SEPARABLE = {
    "sin(x_j - x_i)": 2,
    "a*(x_j - x_i)": 2,
    "(x_j - x_i)**3": 4,
    "cos(x_i + b - 2*x_j)*x_i": 2,
    "exp(a*(x_j - x_i))": 1,
    "x_j*(1 - x_i)/(1 + x_i**2)": 1,
    "sinh(x_j + x_i) - cosh(x_j)/a": 3,
    "tanh(x_j) + x_i": 2,
    "x_i + a": 1,
}


@pytest.mark.parametrize("text", SEPARABLE)
def test_a_function_is_split_into_products(text: str) -> None:
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=50) for name in NAMES}
    node = parse(text, NAMES)
    products = separate(node)
    assert products is not None
    assert len(products) <= SEPARABLE[text]
    total = sum(h * g for h, g in (evaluate(pair, values) for pair in products))
    np.testing.assert_allclose(total, evaluate([node], values)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("text", ["tanh(x_j - x_i)", "x_j/(x_j + x_i)", "sin(x_j*x_i)", "where(x_j > x_i, 1, 0)"])
def test_what_cannot_be_split_is_left(text: str) -> None:
    assert separate(parse(text, NAMES)) is None
