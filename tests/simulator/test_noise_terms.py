"""Coloured and multiplicative noise, and both: exact laws, The Virtual Brain's recursion, the same on every kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from l2l.errors import ModelError, SimulationError
from l2l.simulator import Connectome, Model, Parameter, StateVariable, models, monitors, noise, simulate

STILL = Model(
    name="Still",
    states=(StateVariable("x", 0, 0), StateVariable("y", 0, 0)),
    parameters=(Parameter("a", 0.0),),
    inputs=(),
    derivatives={"x": "a*x", "y": "0*y"},
)
ALONE = Connectome(weights=np.zeros((5, 5)))


def run(given: noise.Additive, duration: float = 100.0, dt: float = 0.1, **options: Any) -> Any:
    arguments: dict[str, Any] = {"integrator": "euler", "precision": "float64", "seed": 8} | options
    return simulate(arguments.pop("model", STILL), ALONE, duration=duration, dt=dt, noise=given, **arguments)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_coloured_noise_has_its_variance_and_memory(precision: str) -> None:
    tau, dt, sigma = np.array([[2.0], [5.0]]), 0.5, 0.3
    given = noise.Coloured(sigma={"x": sigma}, tau=tau)
    x = run(given, 40000.0, dt, precision=precision, initial={"x": 0.0}).array("raw")[:, :, 0].astype(np.float64)
    eta = np.diff(x, axis=1) / (dt * sigma / np.sqrt(tau[:, None]))
    for i in range(2):
        memory = float(tau[i, 0])
        # Of some duration/(2 tau) independent values a node, five nodes: five standard errors.
        error = 5 * np.sqrt(2 / (5 * 40000 / (2 * memory)))
        assert eta[i].var() == pytest.approx(1.0, abs=error)
        for lag in (1, 4, 12):
            found = np.mean(eta[i, lag:] * eta[i, :-lag])
            assert found == pytest.approx(np.exp(-lag * dt / memory), abs=error)
        # Nodes know nothing of each other.
        assert np.abs(np.corrcoef(eta[i].T) - np.eye(5)).max() < error
    # It starts in its stationary state, not from 0.
    short = noise.Coloured(sigma={"x": sigma}, tau=2.0)
    first = run(short, 0.5, dt, seed=np.arange(500), initial={"x": 0.0})
    assert first.final["x"][:, 0].std() == pytest.approx(dt * sigma / np.sqrt(2.0), rel=0.2)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("integrator", ["euler", "heun"])
def test_coloured_noise_is_that_of_tvb(backend: str, integrator: str) -> None:
    rng = np.random.default_rng(3)
    steps, dt, tau, D = 60, 0.1, 3.0, 0.02
    z = rng.standard_normal((steps + 1, 2, 5))
    model = models.MontbrioPazoRoxin
    start = dict.fromkeys(model.state_names, 0.1)
    options: dict[str, Any] = {"model": model, "initial": start, "integrator": integrator, "backend": backend}
    coloured = run(noise.Coloured(D=D, tau=tau, given=z), steps * dt, dt, **options)
    # The README of the reference files, fed in as if it were white.
    eta, decay = z[0], np.exp(-dt / tau)
    w = np.empty((steps, 2, 5))
    for s in range(steps):
        eta = eta * decay + np.sqrt(1 - decay**2) * z[s + 1]
        w[s] = dt * np.sqrt(1 / tau) * eta * np.sqrt(2 * D)
    white = run(noise.Additive(sigma=1 / np.sqrt(dt), given=w), steps * dt, dt, **options)
    np.testing.assert_allclose(coloured.array("raw"), white.array("raw"), rtol=1e-11)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("integrator", ["euler", "heun"])
def test_coloured_noise_takes_a_factor(backend: str, integrator: str) -> None:
    """Without drift both schemes are one recursion, written out here."""
    steps, dt, tau, sigma = 40, 0.1, 3.0, 0.7
    z = np.random.default_rng(4).standard_normal((steps + 1, 2, 5))
    given = noise.Coloured(sigma={"x": sigma}, tau=tau, given=z, factor={"x": "x*(2 - x) + y"})
    start = {"x": np.linspace(0.2, 1.0, 5), "y": 0.1}
    found = run(given, steps * dt, dt, initial=start, integrator=integrator, backend=backend).array("raw")[0]
    x, eta, decay = start["x"], z[0, 0], np.exp(-dt / tau)
    for s in range(steps):
        eta = eta * decay + np.sqrt(1 - decay**2) * z[s + 1, 0]
        x = x + dt * np.sqrt(1 / tau) * eta * sigma * (x * (2 - x) + 0.1)
        np.testing.assert_allclose(found[s, 0], x, rtol=1e-12)
    assert (found[:, 1] == 0.1).all()


def test_coloured_noise_with_a_factor_solves_the_equation_of_stratonovich() -> None:
    """x' = x eta(t) s/sqrt(tau): log x is its integral, of mean 0 and variance 2 s**2 (t - tau (1 - exp(-t/tau)))."""
    s, tau, t, dt = 0.15, 1.0, 10.0, 0.05
    result = run(
        noise.Coloured(factor={"x": "x"}, sigma=s, tau=tau), t, dt, simulations=2000, initial={"x": 1.0},
        monitors=[monitors.Raw(period=t)],
    )  # fmt: skip
    log = np.log(result.final["x"]).ravel()
    variance = 2 * s**2 * (t - tau * (1 - np.exp(-t / tau)))
    # Euler lacks half the square of each increment. Five standard errors.
    lacking = s**2 * t * dt / (2 * tau)
    assert log.mean() == pytest.approx(-lacking, abs=5 * np.sqrt(variance / log.size))
    assert log.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / log.size) + dt / tau)
    # White noise of the same strength in the sense of Itô would lose s**2 t.
    assert s**2 * t > 20 * np.sqrt(variance / log.size)


COLOURED = noise.Coloured(D={"V": 0.01, "r": 1e-3}, tau={"V": 5.0, "r": np.array([[1.0], [2.0], [9.0]])})
MULTIPLICATIVE = noise.Multiplicative(factor={"V": "0.05*V + 0.001*c_r", "r": "r/(1 + r)"}, D={"V": 0.2, "r": 0.01})


BOTH = noise.Coloured(
    factor={"V": "0.05*V + 0.001*c_r", "r": "r/(1 + r)"}, D={"V": 0.2, "r": 0.01}, tau={"V": 5.0, "r": 1.0}
)


@pytest.mark.parametrize("given", [COLOURED, MULTIPLICATIVE, BOTH])
@pytest.mark.parametrize("speed", [None, 5.0])
def test_lanes_follow_the_reference(network: Connectome, given: noise.Additive, speed: float | None) -> None:
    options: dict[str, Any] = {
        "duration": 5.0, "dt": 0.1, "noise": given, "speed": speed, "simulations": 3, "seed": 5,
        "parameters": {"G": 0.03},
    }  # fmt: skip
    expected = simulate(models.MontbrioPazoRoxin, network, backend="reference", **options).array("raw")
    found = simulate(models.MontbrioPazoRoxin, network, precision="float64", **options).array("raw")
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    single = simulate(models.MontbrioPazoRoxin, network, **options).array("raw")
    # Fifty steps of some fifty roundings.
    assert np.abs(single - expected).max() < 2e-4 * np.abs(expected).max()


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_coloured_noise_is_continued_and_knows_no_batch(network: Connectome, precision: str) -> None:
    def go(duration: float, members: Any = slice(None), initial: Any = None) -> Any:
        return simulate(
            models.MontbrioPazoRoxin, network, duration=duration, dt=0.1, precision=precision, initial=initial,
            noise=noise.Coloured(D=0.01, tau=np.array([[1.0], [2.0], [9.0]])[members]), seed=np.arange(3)[members],
        )  # fmt: skip

    whole, first = go(8.0), go(3.0)
    second = go(5.0, initial=first.final)
    np.testing.assert_array_equal(second.final.state, whole.final.state)
    np.testing.assert_array_equal(second.array("raw")[:, -1], whole.array("raw")[:, -1])
    np.testing.assert_array_equal(go(8.0, slice(1, 2)).array("raw")[0], whole.array("raw")[1])
    with pytest.raises(SimulationError, match=r"noise\.V"):
        simulate(models.MontbrioPazoRoxin, network, duration=1.0, dt=0.1, initial=first.final)


@pytest.mark.parametrize("integrator", ["euler", "heun"])
def test_multiplicative_noise_solves_the_ito_equation(integrator: str) -> None:
    """Geometric Brownian motion: log x(t) is normal with mean (a - s**2/2) t and variance s**2 t."""
    a, s, t = -0.02, 0.15, 10.0
    result = run(
        noise.Multiplicative(factor={"x": "x"}, sigma=s), t, 0.02, simulations=2000, parameters={"a": a},
        initial={"x": 1.0}, integrator=integrator, monitors=[monitors.Raw(period=t)],
    )  # fmt: skip
    log = np.log(result.final["x"]).ravel()
    # Five standard errors and the weak error of order dt.
    assert log.mean() == pytest.approx((a - s**2 / 2) * t, abs=5 * s * np.sqrt(t / log.size) + 0.02 * s**2)
    assert log.var() == pytest.approx(s**2 * t, rel=5 * np.sqrt(2 / log.size) + 0.02)
    assert not result.final["y"].any()


def test_bad_noise_is_refused() -> None:
    for given, message in [
        (noise.Coloured(D=1.0, tau=0.0), "0 < tau must hold"),
        (noise.Coloured(D={"x": 1.0}, tau={"y": 1.0}), "without noise, 'y'"),
        (noise.Coloured(D=1.0, tau={"y": 1.0}), "lacks 'x'"),
        (noise.Multiplicative(factor={"z": "1"}), "unknown state variable 'z'"),
        (noise.Multiplicative(factor={"x": "1"}, D={"y": 1.0}), "must have a factor, but 'y' has none"),
        (noise.Coloured(factor={"z": "1"}, tau=1.0), "unknown state variable 'z'"),
        (noise.Coloured(factor={"x": "1"}, tau=1.0, D={"x": 1.0, "y": 1.0}), "must have a factor, but 'y' has none"),
        (noise.Coloured(D=1.0, tau=1.0, given=np.zeros((3, 2, 5))), r"\(1000, 2, 5\), but has \(3, 2, 5\)"),
    ]:
        with pytest.raises(SimulationError, match=message):
            run(given)
    with pytest.raises(ModelError, match="unknown symbol 'q'"):
        run(noise.Multiplicative(factor={"x": "q"}))
