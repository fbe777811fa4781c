"""The Hopf normal form: its equations and its exact solution."""

from __future__ import annotations

import numpy as np

from l2l.simulator.models import SupHopf


def test_equations(draw, check) -> None:
    v = draw(SupHopf)
    radius2 = v.x * v.x + v.y * v.y
    check(
        SupHopf,
        v,
        {"x": (v.a - radius2) * v.x - v.omega * v.y + v.c_x, "y": (v.a - radius2) * v.y + v.omega * v.x + v.c_y},
    )


def test_amplitude_and_phase_follow_the_exact_solution(alone) -> None:
    a, omega, start = np.array([[0.25], [-0.5]]), 0.4, 0.1
    result = alone(SupHopf, 30.0, 0.01, parameters={"a": a, "omega": omega}, initial={"x": start, "y": 0.0})
    time = result.times["raw"]
    x, y = np.moveaxis(result.array("raw")[..., 0], 2, 0)
    radius = np.sqrt(a / (1 - (1 - a / start**2) * np.exp(-2 * a * time)))
    # Fourth order with dt = 0.01: errors of (0.01*0.5)**4.
    np.testing.assert_allclose(np.hypot(x, y), radius, rtol=1e-8)
    np.testing.assert_allclose(np.unwrap(np.arctan2(y, x)), np.broadcast_to(omega * time, x.shape), atol=1e-8)


def test_the_limit_cycle_has_the_frequency_omega(alone) -> None:
    omega = 2 * np.pi * 0.012  # 12 Hz
    result = alone(SupHopf, 1000.0, parameters={"a": 0.02, "omega": omega}, initial={"x": 0.1, "y": 0.0})
    x, y = result.array("raw")[0, -1, :, 0]
    assert abs(np.hypot(x, y) - np.sqrt(0.02)) < 1e-8
    crossings = np.sum(np.diff(np.sign(result.array("raw")[0, :, 1, 0])) > 0)
    assert crossings in (11, 12)
