"""Coupling at every stage of the integrator: order of convergence, delays, and the same on every kernel."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from l2l.errors import SimulationError
from l2l.simulator import (
    Connectome,
    CouplingInput,
    History,
    Model,
    StateVariable,
    coupling,
    integrators,
    models,
    monitors,
    noise,
    simulate,
)

WEIGHTS = np.array([[0.0, 1.0, 0.4], [0.3, 0.0, 0.9], [0.8, 0.2, 0.0]])
DECAY = Model(
    name="Decay",
    states=(StateVariable("x", -1, 1),),
    parameters=(),
    inputs=(CouplingInput("c", "x"),),
    derivatives={"x": "-0.5*x + c"},
)
START = np.array([[1.0, -0.4, 0.3]])


def end(dt: float, integrator: str, *, lengths: float = 0.0, history: Any = None, **options: Any) -> np.ndarray:
    network = Connectome(weights=WEIGHTS, tract_lengths=np.full((3, 3), lengths))
    return simulate(
        DECAY, network, coupling=coupling.Linear(a=0.8), duration=2.0, dt=dt, integrator=integrator,
        initial={"x": START} if history is None else history, precision="float64",
        speed=1.0 if lengths else None, monitors=[monitors.Raw(period=2.0)], **options,
    ).array("raw")[0, 0, 0]  # fmt: skip


@pytest.mark.parametrize(
    ("integrator", "per_stage", "order"), [("heun", False, 1), ("heun", True, 2), ("rk4", False, 1), ("rk4", True, 4)]
)
def test_order_of_convergence_of_a_coupled_system(integrator: str, per_stage: bool, order: int) -> None:
    exact = expm((0.8 * WEIGHTS - 0.5 * np.eye(3)) * 2.0) @ START[0]
    errors = [np.abs(end(dt, integrator, coupling_per_stage=per_stage) - exact).max() for dt in (0.05, 0.025, 0.0125)]
    measured = np.log2(np.array(errors[:-1]) / errors[1:])
    # The next order of the error shifts the measured one by about dt.
    np.testing.assert_allclose(measured, order, atol=0.1)


@pytest.mark.parametrize(("integrator", "order"), [("heun", 2), ("rk4", 4)])
def test_order_of_convergence_with_delays(integrator: str, order: int) -> None:
    """Constant until 0, so that the slope jumps there: steps of a 512th of the delay, halved twice, tell the truth."""
    true = end(0.5 / 512, "rk4", lengths=0.5, coupling_per_stage=True)
    for per_stage, expected in ((True, order), (False, 1)):
        errors = [
            np.abs(end(dt, integrator, lengths=0.5, coupling_per_stage=per_stage) - true).max() for dt in (0.05, 0.025)
        ]
        # The next order of the error shifts the measured one by about dt.
        assert np.log2(errors[0] / errors[1]) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_rk4_is_of_fourth_order_where_delays_are_of_few_steps_or_none(backend: str) -> None:
    """x(t) = exp(m t) v solves the delayed equation exactly if m v = -0.5 v + 0.8 W(m) v, W_ij = w_ij exp(-m d_ij)."""
    lengths = np.array([[0.0, 0.1, 0.0], [0.2, 0.0, 0.1], [0.4, 0.3, 0.0]])  # of 1 step and more, and of none
    m, v = 0.0, START[0]
    for _ in range(200):  # a fixed point: the largest growth
        values, vectors = np.linalg.eig(0.8 * WEIGHTS * np.exp(-m * lengths) - 0.5 * np.eye(3))
        m, v = float(values.real.max()), vectors[:, values.real.argmax()].real
    network = Connectome(weights=WEIGHTS, tract_lengths=lengths)
    errors = []
    for dt in (0.1, 0.05, 0.025):
        past = np.exp(m * dt * np.arange(-20, 1))[:, None, None] * v
        found = simulate(
            DECAY, network, coupling=coupling.Linear(a=0.8), duration=2.0, dt=dt, integrator="rk4", speed=1.0,
            initial=History(past), precision="float64", coupling_per_stage=True, backend=backend,
        ).array("raw")[0, -1, 0]  # fmt: skip
        errors.append(np.abs(found - np.exp(2.0 * m) * v).max())
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 4, atol=0.3)


def test_a_scheme_that_does_not_know_its_middle_is_refused(network: Connectome) -> None:
    for changed in ({"midpoint": ""}, {"times": (0.0, 0.3, 0.5, 1.0)}):
        scheme = dataclasses.replace(integrators.RK4, **changed)
        with pytest.raises(SimulationError, match="stages at whole or half steps"):
            simulate(
                DECAY, network, duration=1.0, dt=0.1, integrator=scheme, speed=5.0, coupling_per_stage=True,
                backend="reference",
            )  # fmt: skip


ENSEMBLE: dict[str, Any] = {
    "duration": 4.0, "dt": 0.1, "coupling_per_stage": True, "seed": 3, "coupling": coupling.Difference(a=0.02),
    "parameters": {"eta": np.array([[-5.0], [-4.0], [-3.0]])},
}  # fmt: skip


@pytest.mark.parametrize("speed", [None, 5.0, 60.0])
@pytest.mark.parametrize(
    ("integrator", "given"),
    [
        ("heun", noise.Additive(D=1e-3)),
        ("heun", noise.Coloured(D=1e-3, tau=2.0)),
        ("heun", noise.Multiplicative(factor={"V": "0.1*V + 0.1*c_r"}, D=0.1)),
        ("rk4", None),
    ],
)
def test_lanes_follow_the_reference(network: Connectome, speed: float | None, integrator: str, given: Any) -> None:
    lengths = np.array(network.tract_lengths)
    lengths[2], lengths[:, 5] = 0.0, 0.0  # some connections without delay read the predictor
    mixed = Connectome(weights=network.weights, tract_lengths=lengths)
    options = ENSEMBLE | {"speed": speed, "integrator": integrator, "noise": given}
    expected = simulate(models.MontbrioPazoRoxin, mixed, backend="reference", **options).array("raw")
    found = simulate(models.MontbrioPazoRoxin, mixed, precision="float64", **options).array("raw")
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("integrator", "speed"), [("heun", None), ("heun", 5.0), ("rk4", 5.0)])
def test_no_batch_is_known_and_runs_go_on(network: Connectome, integrator: str, speed: float | None) -> None:
    given = noise.Additive(D=1e-3) if integrator == "heun" else None
    options = ENSEMBLE | {"speed": speed, "noise": given, "resumable": True, "integrator": integrator}
    whole = simulate(models.MontbrioPazoRoxin, network, **options)
    alone = simulate(
        models.MontbrioPazoRoxin, network, **options | {"parameters": {"eta": -4.0}, "seed": np.array([4])}
    )
    np.testing.assert_array_equal(alone.array("raw")[0], whole.array("raw")[1])
    first = simulate(models.MontbrioPazoRoxin, network, **options | {"duration": 1.5})
    second = simulate(models.MontbrioPazoRoxin, network, **options | {"duration": 2.5, "initial": first.final})
    np.testing.assert_array_equal(second.final.state, whole.final.state)


def test_euler_has_one_stage_only(network: Connectome) -> None:
    options: dict[str, Any] = {"duration": 2.0, "dt": 0.1, "integrator": "euler"}
    once = simulate(models.ReducedWongWang, network, **options)
    each = simulate(models.ReducedWongWang, network, coupling_per_stage=True, **options)
    np.testing.assert_array_equal(once.final.state, each.final.state)
