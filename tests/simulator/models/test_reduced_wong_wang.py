"""The reduced Wong-Wang model: its equation, its rest states, and no 0/0."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from l2l.simulator.models import ReducedWongWang


def _slope(S, w, I_o, c=0.0):
    u = 0.27 * (w * 0.2609 * S + I_o + 0.2609 * c) - 0.108
    return -S / 100 + (1 - S) * 0.641 * u / (1 - np.exp(-154 * u))


def test_equation(draw, check) -> None:
    v = draw(ReducedWongWang)
    u = v.a * (v.w * v.J_N * v.S + v.I_o + v.J_N * v.c) - v.b
    check(ReducedWongWang, v, {"S": -v.S / v.tau_s + (1 - v.S) * v.gamma * u / (1 - np.exp(-v.d * u))}, 1e-11)


def test_where_the_input_is_at_threshold_nothing_is_lost(quantities, draw) -> None:
    # u = 0: H = 1/d.
    v = draw(ReducedWongWang, S=0.0, c=0.0, a=0.25, b=0.0625, I_o=0.25, w=0.0, J_N=0.0, d=154.0, gamma=0.641)
    assert np.isfinite(quantities(ReducedWongWang, v)["dS"]).all()
    np.testing.assert_allclose(quantities(ReducedWongWang, v)["dS"], 0.641 / 154, rtol=1e-14)


def test_rest_states(alone) -> None:
    # Strong recurrence: a node alone has a low and a high state, and a saddle between them.
    grid = np.linspace(0, 1, 2001)
    signs = np.sign(_slope(grid, 1.0, 0.32))
    rests = [brentq(_slope, grid[i], grid[i + 1], args=(1.0, 0.32)) for i in np.flatnonzero(np.diff(signs))]
    assert len(rests) == 3
    result = alone(
        ReducedWongWang, 20000.0, 1.0, parameters={"w": 1.0, "I_o": 0.32}, initial={"S": np.array([[0.0], [0.9]])}
    )
    np.testing.assert_allclose(result.final["S"][:, 0], [rests[0], rests[2]], rtol=1e-6)
