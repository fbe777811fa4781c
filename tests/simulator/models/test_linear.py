"""The linear model: exact solutions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from l2l.simulator import coupling, simulate
from l2l.simulator.models import Linear


def test_equation(draw, check) -> None:
    v = draw(Linear)
    check(Linear, v, {"x": v.gamma * v.x + v.c})


def test_alone_it_decays_exponentially(alone) -> None:
    result = alone(Linear, 2.0, 0.001, parameters={"gamma": np.array([[-1.0], [-3.0]])}, initial={"x": 0.7})
    expected = 0.7 * np.exp(np.array([[-1.0], [-3.0]]) * result.times["raw"])
    # Fourth order with gamma*dt = 0.003: 1e-12 a step, thousands of steps.
    np.testing.assert_allclose(result.array("raw")[:, :, 0, 0], expected, rtol=1e-10)


def test_a_network_under_euler_is_a_power_of_its_matrix() -> None:
    rng = np.random.default_rng(0)
    weights, start = rng.uniform(0, 1, (5, 5)), rng.uniform(-1, 1, (1, 5))
    network = SimpleNamespace(weights=weights, tract_lengths=None)
    result = simulate(
        Linear, network, duration=1.0, dt=0.01, coupling=coupling.Linear(0.3), integrator="euler",
        initial={"x": start}, backend="cpu", precision="float64",
    )  # fmt: skip
    step = np.eye(5) + 0.01 * (-10 * np.eye(5) + 0.3 * weights)
    np.testing.assert_allclose(result.final["x"][0], np.linalg.matrix_power(step, 100) @ start[0], rtol=1e-11)
