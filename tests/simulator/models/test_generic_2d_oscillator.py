"""The generic planar oscillator: its equations and its regimes."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.simulator.models import Generic2dOscillator


def test_equations(draw, check) -> None:
    v = draw(Generic2dOscillator)
    dV = v.d * v.tau * (v.alpha * v.W - v.f * v.V**3 + v.e * v.V**2 + v.g * v.V + v.gamma * (v.I + v.c_V))
    dW = v.d / v.tau * (v.a + v.b * v.V + v.c * v.V**2 - v.beta * v.W)
    check(Generic2dOscillator, v, {"V": dV, "W": dW}, 1e-12)


def test_excitable_by_default_and_oscillating_for_a_of_2(alone) -> None:
    result = alone(
        Generic2dOscillator, 4000.0, parameters={"a": np.array([[-2.0], [2.0]])}, initial={"V": 1.5, "W": -5.0}
    )
    V = result.array("raw")[:, -20000:, 0, 0]
    # At rest W = -2 - 10 V and V**3 - 3 V**2 - W = 0.
    [rest] = [r.real for r in np.roots([1, -3, 10, 2]) if abs(r.imag) < 1e-12]
    np.testing.assert_allclose(V[0], rest, atol=1e-6)
    assert np.ptp(V[1]) > 1.0


def test_speed_d_only_scales_time(alone) -> None:
    slow = alone(Generic2dOscillator, 100.0, 0.1, initial={"V": 1.0, "W": 1.0})
    fast = alone(Generic2dOscillator, 50.0, 0.05, parameters={"d": 0.04}, initial={"V": 1.0, "W": 1.0})
    assert slow.final["V"][0, 0] == pytest.approx(fast.final["V"][0, 0], rel=1e-12)
