"""The Wong-Wang model with tuned feedback inhibition."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from scipy.optimize import brentq

from l2l.simulator import coupling, simulate
from l2l.simulator.models import ReducedWongWangFIC


def _rate(current, slope, offset, curvature):
    u = slope * current - offset
    return u / (1 - np.exp(-curvature * u))


def test_equations(draw, check) -> None:
    v = draw(ReducedWongWangFIC, W_E=1.0, W_I=0.7, I_0=0.382, gamma=0.000641, tau_E=100.0, tau_I=10.0)
    r_E = _rate(0.382 + v.w_p * v.J_N * v.S_E + v.J_N * v.c - v.wIE * v.S_I, 310, 125, 0.16)
    r_I = _rate(0.7 * 0.382 + v.J_N * v.S_E - v.S_I, 615, 177, 0.087)
    check(
        ReducedWongWangFIC,
        v,
        {"S_E": 0.000641 * (1 - v.S_E) * r_E - v.S_E / 100, "S_I": 0.001 * r_I - v.S_I / 10},
        1e-11,
    )


def test_analytical_inhibition_holds_every_node_at_the_target() -> None:
    # Demirtaş et al. (2019): the wIE that makes S_E = 0.1647572 (some 3 Hz) a rest state of the coupled network.
    rng = np.random.default_rng(2)
    nodes, G, target, current = 12, 1.0, 0.1647572075, 0.3773805650
    weights = rng.uniform(0, 1, (nodes, nodes)) / nodes
    w_p, J_N = rng.uniform(1.0, 1.6, nodes), rng.uniform(0.1, 0.2, nodes)

    def balance(I_I: float, J: float) -> float:
        return 0.7 * 0.382 + J * target - 0.01 * _rate(I_I, 615, 177, 0.087) - I_I

    S_I = np.array([0.01 * _rate(brentq(balance, 0.0, 1.0, args=(J,), xtol=1e-15), 615, 177, 0.087) for J in J_N])
    wIE = -(current - 0.382 - target * (w_p * J_N + G * J_N * weights.sum(axis=1))) / S_I
    result = simulate(
        ReducedWongWangFIC, SimpleNamespace(weights=weights, tract_lengths=None), duration=500.0, dt=0.1,
        parameters={"w_p": w_p[None], "J_N": J_N[None], "wIE": wIE[None]}, coupling=coupling.Scaling(G),
        initial={"S_E": target, "S_I": S_I[None]}, backend="cpu", precision="float64",
    )  # fmt: skip
    # The target itself is given to ten digits.
    np.testing.assert_allclose(result.final["S_E"][0], target, rtol=1e-7)
    np.testing.assert_allclose(result.final["S_I"][0], S_I, rtol=1e-7)
