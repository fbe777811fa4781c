"""The Kuramoto model: its equation, its solution alone, and its phase transition."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from l2l.simulator import coupling, monitors, simulate
from l2l.simulator.models import Kuramoto


def test_equation(draw, check) -> None:
    v = draw(Kuramoto)
    check(Kuramoto, v, {"theta": v.omega + v.c})


def test_alone_the_phase_turns_evenly(alone) -> None:
    omega = np.array([[0.1], [0.3]])
    result = alone(Kuramoto, 20.0, parameters={"omega": omega}, initial={"theta": 1.0})
    expected = 1.0 + omega * result.times["raw"]
    np.testing.assert_allclose(result.array("raw")[:, :, 0, 0], expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("integrator", "per_stage", "speed"),
    [("euler", False, None), ("heun", False, 1.0), ("heun", True, None), ("heun", True, 1.0)],
)
def test_float32_knows_the_angle_after_thousands_of_turns(
    integrator: str, per_stage: bool, speed: float | None
) -> None:
    omega = np.array([[1 + 2.0**-20, 0.9375 + 2.0**-20]])  # a step of it is exact in float32, the phase is not
    network = SimpleNamespace(weights=np.zeros((2, 2)), tract_lengths=np.full((2, 2), 9.0))
    result = simulate(
        Kuramoto, network, duration=10_000.0, dt=0.125, parameters={"omega": omega, "G": 1.0}, speed=speed,
        initial={"theta": 1.0}, integrator=integrator, coupling_per_stage=per_stage, backend="cpu",
        monitors=[monitors.Raw(period=500.0, variables=("theta", "x", "sin(2*theta)", "sin(theta/2)"))],
    )  # fmt: skip
    theta = 1.0 + omega * result.times["raw"][:, None]
    found = result.array("raw")[0].astype(np.float64)
    unit = np.spacing(np.float32(theta.max()))
    np.testing.assert_array_equal(found[:, 0], theta.astype(np.float32))  # never wrapped
    # The angle within a turn is rounded to 2**-22, sine and cosine to as much.
    np.testing.assert_allclose(found[:, 1], np.cos(theta), rtol=0, atol=2.0**-21)
    np.testing.assert_allclose(found[:, 2], np.sin(2 * theta), rtol=0, atol=2.0**-20)
    # Half the phase is another after a turn: it is as good as float32 can hold it.
    np.testing.assert_allclose(found[:, 3], np.sin(theta / 2), rtol=0, atol=unit)
    assert np.abs(found[:, 3] - np.sin(theta / 2)).max() > 2.0**-20
    # What would be known without the care taken: nothing of the last four digits.
    assert np.abs(np.cos(theta.astype(np.float32)) - np.cos(theta)).max() > 1e-4


def test_two_oscillators_lock_at_the_known_phase_difference() -> None:
    # d' = domega - 2 a sin(d): locked at sin(d) = domega/(2 a).
    network = SimpleNamespace(weights=np.array([[0.0, 1.0], [1.0, 0.0]]), tract_lengths=None)
    result = simulate(
        Kuramoto, network, duration=500.0, dt=0.05, parameters={"omega": np.array([[0.25, 0.35]])},
        coupling=coupling.Kuramoto(0.1), initial={"theta": 0.0}, backend="cpu", precision="float64",
    )  # fmt: skip
    difference = result.final["theta"][0, 1] - result.final["theta"][0, 0]
    assert np.sin(difference) == pytest.approx(0.1 / 0.2, rel=1e-9)


def test_critical_coupling_of_evenly_spread_frequencies() -> None:
    # Frequencies even in [-g, g]: partial synchrony sets in at once at K = 4 g/pi, with r = pi/4 (Pazó 2005).
    nodes, g = 200, 0.1
    critical = 4 * g / np.pi
    network = SimpleNamespace(weights=np.ones((nodes, nodes)) / nodes, tract_lengths=None)
    result = simulate(
        Kuramoto, network, duration=3000.0, dt=0.2,
        parameters={"omega": (-g + 2 * g * (np.arange(nodes) + 0.5) / nodes)[None, :],
                    "G": critical * np.array([[0.7], [0.95], [1.05], [1.5]])},
        coupling=coupling.Kuramoto(), monitors=[monitors.Raw(period=10.0)], seed=3, backend="cpu",
    )  # fmt: skip
    phase = result.array("raw")[:, 150:, 0].astype(np.float64)
    order = np.abs(np.exp(1j * phase).mean(axis=2)).mean(axis=1)
    # Incoherent phases of 200 nodes have r of some 1/sqrt(200) = 0.07, more near the threshold.
    assert order[0] < 0.15
    assert order[1] < 0.3
    assert order[2] > np.pi / 4 - 0.03
    assert order[3] > order[2]
