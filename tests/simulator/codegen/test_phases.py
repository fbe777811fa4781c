"""Phases are found in the equations, and whole turns taken off without losing a digit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from l2l.simulator import coupling, models
from l2l.simulator.codegen.expression import evaluate, symbol
from l2l.simulator.codegen.parser import parse
from l2l.simulator.codegen.phases import period, reduce, within_a_turn
from l2l.simulator.codegen.system import advance, compose
from l2l.simulator.integrators import HEUN

NAMES = {name: symbol(name) for name in ("x", "y", "a")}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["sin(x - y) + a"], 2 * math.pi),
        (["sin(y - 2*x/4)*cos(a)"], 4 * math.pi),
        (["sin(x) + cos(3*x + a)", "tan(-x)"], 2 * math.pi),
        (["a + sin(y + 0.3*sin(x))"], 2 * math.pi),  # the outer argument sees the inner sine only
        (["sin(6.283185307179586*x)"], 1.0),
        (["sin(2*x) + sin(3*x)"], None),  # period 2 pi, but no factor divides the other
        (["sin(x) + x"], None),
        (["sin(a*x)"], None),  # a is not known
        (["sin(x*x)"], None),
        (["sin(where(x > 3, x, x + 1))"], None),
        (["sin(x)", "where(x > 0, 1, 2)"], None),
        (["sin(y)"], None),
    ],
)
def test_periods(texts: list[str], expected: float | None) -> None:
    found = period([parse(text, NAMES, "test") for text in texts], "x")
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-15))


def test_only_what_does_not_change_is_reduced() -> None:
    roots = [parse(text, NAMES, "test") for text in ("sin(2*x + a)", "sin(x/2)", "x*cos(x)")]
    found = reduce(roots, "x", symbol("r"), 2 * math.pi)
    assert [repr(node) for node in found] == ["sin(((2.0 * r) + a))", "sin((x / 2.0))", "(x * cos(r))"]


def test_turns_come_off_to_a_rounding() -> None:
    x = np.concatenate([np.linspace(-20, 20, 4001), np.random.default_rng(0).uniform(-1e6, 1e6, 20000)])
    head = x.astype(np.float32)
    turn = 2 * math.pi

    def kernel(value: np.ndarray, error: np.ndarray) -> np.ndarray:
        """The graph in float32; products go into sums unrounded, as the printer fuses them."""
        inverse, first, second = np.float32(1 / turn), np.float32(turn), np.float32(turn - float(np.float32(turn)))
        turns = np.floor((inverse.astype(float) * value + 0.5).astype(np.float32)).astype(float)
        rest = (value - turns * float(first)).astype(np.float32)
        assert np.array_equal(rest, value - turns * float(first))  # exact, as the comment there says
        return rest - (turns * float(second) + error).astype(np.float32)

    graph = within_a_turn(symbol("x"), symbol("e"), turn)
    error = head.astype(float) - x
    exact = np.remainder(x + math.pi, turn) - math.pi
    for found in (evaluate([graph], {"x": head.astype(float), "e": error})[0], kernel(head, error.astype(np.float32))):
        apart = np.abs(np.exp(1j * found) - np.exp(1j * exact))
        # One rounding of a number below 2 pi; at 1e6 those of the error and of the turn's tail are a tenth of it.
        assert apart.max() < 2.0**-22
        # 1e6/turn is known to 0.016 turns.
        assert np.abs(found).max() < math.pi + 0.2


def test_kuramoto_is_a_phase_unless_its_coupling_sees_the_turns() -> None:
    for function, count in ((coupling.KURAMOTO, 1), (coupling.LINEAR, 0), (coupling.DIFFERENCE, 0)):
        step = advance(compose(models.Kuramoto, function), HEUN, compensated=True)
        assert len(step.reduced) == count, function.name
    assert not advance(compose(models.Kuramoto, coupling.KURAMOTO), HEUN).reduced
    for model in models.MODELS.values():
        reduced = advance(compose(model, coupling.LINEAR), HEUN, compensated=True).reduced
        assert not reduced, model.name
