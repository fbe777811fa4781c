"""Stimuli: against The Virtual Brain, against exact solutions, and the same on every kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from l2l.errors import SimulationError
from l2l.simulator import Connectome, Model, Parameter, StateVariable, coupling, models, monitors, simulate, stimulus

INTEGRATOR = Model(
    name="Integrator",
    states=(StateVariable("x", 0, 0), StateVariable("y", 0, 0)),
    parameters=(Parameter("a", 0.0),),
    inputs=(),
    derivatives={"x": "a*x", "y": "a*y"},
)
ALONE = Connectome(weights=np.zeros((3, 3)))


def responses(given: Any, duration: float = 20.0, dt: float = 0.1, **options: Any) -> np.ndarray:
    """(simulation, time, variable, node) of states that only add up their stimulus."""
    arguments: dict[str, Any] = {"integrator": "euler", "precision": "float64"} | options
    return simulate(INTEGRATOR, ALONE, duration=duration, dt=dt, stimulus=given, **arguments).array("raw")


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_stimulus_follows_tvb(backend: str, tvb: Callable[[str], Any]) -> None:
    data = tvb("stimulus_G2D")
    duration = 200.0 if backend == "cpu" else 30.0
    model = models.Generic2dOscillator
    result = simulate(
        model,
        Connectome(weights=data["weights"], tract_lengths=data["tract_lengths"], allow_self_connections=True),
        parameters={name: float(data[f"par_{name}"][0]) for name in model.parameter_names},
        coupling=coupling.Linear(a=float(data["cpl_a"][0])),
        duration=duration,
        dt=0.1,
        speed=4.0,
        initial=dict(zip(model.state_names, data["initial_state"], strict=True)),
        stimulus=stimulus.Series(state="V", values=data["stim_pattern"]),
        backend=backend,
        precision="float64",
    )
    found = result.array("raw")[0]
    expected = data["y"][: len(found)]
    error = np.abs(found - expected) / np.abs(data["y"]).max(axis=(0, 2))[None, :, None]
    assert error[data["t"][: len(found)] <= 50.0].max() < 1e-9
    assert error.max() < 1e-6


def test_a_step_adds_amplitude_times_time() -> None:
    x = responses(stimulus.Step(state="x", amplitude=2.0, onset=5.0, end=15.0, nodes=[1]))[0]
    assert x[49, 0, 1] == 0.0  # t = 5
    assert x[99, 0, 1] == pytest.approx(10.0)
    assert x[-1, 0, 1] == pytest.approx(20.0)
    assert not x[:, 0, [0, 2]].any()
    assert not x[:, 1].any()


def test_pulses_have_their_width_whatever_the_step_rounds_to() -> None:
    for dt in (0.1, 0.01, 0.025):
        x = responses(stimulus.Pulses(state="x", width=0.3, period=0.7, onset=0.3), duration=7.0, dt=dt)[0, :, 0, 0]
        rise = np.diff(x, prepend=0.0) > dt / 2
        t = np.arange(len(x)) * dt
        edges = t[1:][np.diff(rise.astype(int)) != 0]
        # Up at 0.3 + 0.7 k, down 0.3 later; a width that is no multiple of dt ends with the step it falls into.
        np.testing.assert_allclose(edges[::2], 0.3 + 0.7 * np.arange(len(edges[::2])), atol=dt * 0.51)
        np.testing.assert_allclose(edges[1::2] - edges[::2][: len(edges[1::2])], 0.3, atol=dt * 1.01)


def test_a_sinusoid_is_integrated() -> None:
    frequency = np.array([[20.0], [50.0]])
    x = responses(stimulus.Sinusoid(state="y", frequency=frequency, phase=np.pi / 2), dt=0.01)[:, :, 1, 0]
    omega = 2e-3 * np.pi * frequency
    t = 0.01 * np.arange(1, x.shape[1] + 1)
    # Euler's sum of cos(omega t) is off by half a step at either end.
    np.testing.assert_allclose(x, np.sin(omega * t) / omega, atol=0.011)


SWEPT = [
    stimulus.Step(state="V", amplitude=np.array([0.1, 0.2, 0.3, 0.4])[:, None], onset=1.0),
    stimulus.Pulses(state="V", amplitude=0.5, width=np.array([[0.2], [0.3], [0.4], [0.5]]), period=1.0, nodes=[0, 5]),
    stimulus.Sinusoid(state="r", amplitude=0.01, frequency=np.linspace(10, 90, 13)[None], onset=0.5, end=3.0),
    stimulus.Series(state="r", values=np.random.default_rng(1).random((4, 13, 100)) * 0.01),
    stimulus.Series(state="V", values=np.random.default_rng(2).random(100)),
]


def ensemble(network: Connectome, members: Any = slice(None), **options: Any) -> np.ndarray:
    """Four simulations that differ in every way a stimulus can differ, or some of them."""
    given = []
    for one in SWEPT:
        changes = {}
        for name in ("amplitude", "width", "values"):
            value = getattr(one, name, 0.0)
            if np.ndim(value) > 1 and np.shape(value)[0] == 4:
                changes[name] = value[members]
        given.append(type(one)(**{f: getattr(one, f) for f in one.__dataclass_fields__} | changes))
    arguments: dict[str, Any] = {"duration": 5.0, "dt": 0.05, "integrator": "heun"} | options
    return simulate(
        models.MontbrioPazoRoxin, network, stimulus=given, initial={"r": 0.1, "V": -1.0}, seed=np.arange(4)[members],
        monitors=[monitors.Raw(period=0.5)], **arguments,
    ).array("raw")  # fmt: skip


@pytest.mark.parametrize("speed", [None, 5.0])
@pytest.mark.parametrize("integrator", ["euler", "heun", "rk4"])
def test_lanes_follow_the_reference(network: Connectome, speed: float | None, integrator: str) -> None:
    expected = ensemble(network, speed=speed, integrator=integrator, backend="reference")
    found = ensemble(network, speed=speed, integrator=integrator, precision="float64")
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("speed", [None, 5.0])
def test_a_stimulated_simulation_does_not_know_its_batch(network: Connectome, speed: float | None) -> None:
    whole = ensemble(network, speed=speed)
    np.testing.assert_array_equal(ensemble(network, [2], speed=speed)[0], whole[2])


def test_a_continued_run_goes_on_in_the_stimulus() -> None:
    given = stimulus.Sinusoid(state="x", frequency=30.0)
    options: dict[str, Any] = {"dt": 0.1, "stimulus": given, "precision": "float64"}
    whole = simulate(INTEGRATOR, ALONE, duration=20.0, **options)
    first = simulate(INTEGRATOR, ALONE, duration=7.0, **options)
    second = simulate(INTEGRATOR, ALONE, duration=13.0, initial=first.final, **options)
    np.testing.assert_array_equal(second.final.state, whole.final.state)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (stimulus.Step(state="X"), "unknown state variable 'X' of Integrator; did you mean 'x'"),
        (stimulus.Step(state="x", nodes=[3]), "indices below 3"),
        (stimulus.Step(state="x", onset=np.nan), "finite"),
        (stimulus.Pulses(state="x", width=1.0, period=0.0), "0 < period must hold"),
        (stimulus.Pulses(state="x", width=np.ones(4), period=np.ones(5)), "agree on the number of simulations"),
        (stimulus.Series(state="x", values=np.ones(199)), "step 200, but have 199"),
        (stimulus.Series(state="x", values=np.ones((2, 200))), r"shape \(2, 200\)"),
        ([1.0], "must be one of l2l.simulator.stimulus"),
    ],
)
def test_bad_stimuli_are_refused(given: Any, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        responses(given)
