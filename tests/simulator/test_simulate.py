from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from l2l.errors import ModelError, SimulationError
from l2l.simulator import (
    Connectome,
    CouplingInput,
    Model,
    Parameter,
    StateVariable,
    coupling,
    models,
    monitors,
    noise,
    simulate,
)

COUPLINGS = {
    "Linear": coupling.Linear(a=0.03, b=0.01),
    "Scaling": coupling.Scaling(a=0.03),
    "Difference": coupling.Difference(a=0.02),
    "Kuramoto": coupling.Kuramoto(a=0.05),
    "Sigmoidal": coupling.Sigmoidal(sigma=2.0),
    "HyperbolicTangent": coupling.HyperbolicTangent(a=0.02, midpoint=0.3),
    "SigmoidalJansenRit": coupling.SigmoidalJansenRit(midpoint=0.2),
    "PreSigmoidal": coupling.PreSigmoidal(H=0.02, G=2.0),
}
OSCILLATOR = Model(
    name="Oscillator",
    states=(StateVariable("x", -1, 1), StateVariable("y", -1, 1)),
    parameters=(Parameter("omega", 1.0), Parameter("k", 0.0)),
    inputs=(CouplingInput("c", "x"),),
    derivatives={"x": "-omega*y + c", "y": "omega*x - k*y"},
)
RELAXATION = Model(
    name="Relaxation",
    states=(StateVariable("x", 0, 0),),
    parameters=(Parameter("tau", 10.0, minimum=0.0, exclusive=True),),
    inputs=(),
    derivatives={"x": "-x/tau"},
)


def run(network: Any, **options: Any) -> Any:
    arguments: dict[str, Any] = {
        "model": models.ReducedWongWang,
        "duration": 10.0,
        "dt": 0.1,
        "seed": 11,
        "parameters": {"G": np.linspace(0.01, 0.05, 3)},
        "monitors": [monitors.Raw()],
    } | options
    return simulate(arguments.pop("model"), network, **arguments)


@pytest.mark.parametrize(
    ("name", "scheme", "speed"),  # no delays; 20 to 80 steps; 1 to 2 steps
    [
        ("MontbrioPazoRoxin", "heun", None),
        ("MontbrioPazoRoxin", "heun", 5.0),
        ("MontbrioPazoRoxin", "euler", 200.0),
        ("MontbrioPazoRoxin", "rk4", None),
        ("ReducedWongWang", "euler", None),
        ("ReducedWongWang", "heun", 5.0),
        ("ReducedWongWang", "rk4", 200.0),
    ],
)
def test_cpu_follows_the_reference(network: Connectome, name: str, scheme: str, speed: float | None) -> None:
    options: dict[str, Any] = {
        "model": name,
        "integrator": scheme,
        "speed": speed,
        "duration": 5.0,
        "noise": None if scheme == "rk4" else noise.Additive(sigma=0.01),
        "parameters": {"cv": 0.1} if name == "MontbrioPazoRoxin" else {},
        "coupling": coupling.Linear(a=np.linspace(0.01, 0.05, 3), b=0.001),
        "monitors": [monitors.Raw(), monitors.TemporalAverage(period=0.7)],
    }
    reference = run(network, backend="reference", **options)
    double = run(network, precision="float64", **options)
    single = run(network, precision="float32", **options)
    for key in reference:
        expected = reference.array(key)
        scale = np.abs(expected).max()
        # Sums and products in another order: 50 steps of some 50 roundings.
        assert np.abs(double.array(key) - expected).max() < 1e-11 * scale
        assert np.abs(single.array(key) - expected).max() < 2e-4 * scale


@pytest.mark.parametrize(("name", "speed"), [*((name, None) for name in COUPLINGS), ("Kuramoto", 100.0)])
def test_every_coupling_follows_the_reference(network: Connectome, name: str, speed: float | None) -> None:
    options = {"coupling": COUPLINGS[name], "speed": speed, "duration": 4.0, "parameters": {}, "simulations": 2}
    expected = run(network, backend="reference", **options).array("raw")
    found = run(network, precision="float64", **options).array("raw")
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)


def test_delays_of_zero_among_longer_ones(network: Connectome) -> None:
    lengths = np.array(network.tract_lengths)
    lengths[2], lengths[:, 5] = 0.0, 0.0
    mixed = Connectome(weights=network.weights, tract_lengths=lengths)
    expected = run(mixed, speed=3.0, backend="reference").array("raw")
    np.testing.assert_allclose(run(mixed, speed=3.0, precision="float64").array("raw"), expected, rtol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("speed", [None, 5.0])
def test_a_simulation_does_not_know_its_batch(network: Connectome, speed: float | None, precision: str) -> None:
    seeds = np.random.default_rng(0).integers(0, 2**64, 70, dtype=np.uint64)
    strength = np.linspace(0.0, 0.05, 70)

    def batch(members: Any, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
        result = run(
            network,
            model="MontbrioPazoRoxin",
            parameters={"G": strength[members].reshape(-1, 1)},
            seed=seeds[members],
            noise=noise.Additive(D={"V": 0.01, "r": 1e-4}),
            speed=speed,
            precision=precision,
            threads=threads,
            duration=6.0,
            monitors=[monitors.Raw(period=0.5), monitors.Bold(tr=2.0, step=1.0)],
        )
        return result.array("raw"), result.array("bold")

    everything = batch(np.arange(70))
    for members, threads in (([63], 1), ([3, 63, 17, 5, 69], 1), (range(69, 5, -1), 2), (range(70), 2)):
        chosen = np.array(list(members))
        for whole, part in zip(everything, batch(chosen, threads), strict=True):
            np.testing.assert_array_equal(part, whole[chosen])


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("speed", [None, 5.0])
def test_a_run_in_two_parts_is_the_whole_run(network: Connectome, speed: float | None, precision: str) -> None:
    options: dict[str, Any] = {
        "noise": noise.Additive(D=1e-5),
        "speed": speed,
        "precision": precision,
        "resumable": True,
        "monitors": [monitors.Raw(), monitors.Bold(tr=3.7, step=0.1)],
    }
    whole = run(network, duration=11.1, **options)
    first = run(network, duration=3.7, **options)
    second = run(network, duration=7.4, initial=first.final, **options)
    for name in whole:
        joined = np.concatenate([first.array(name), second.array(name)], axis=1)
        np.testing.assert_array_equal(joined, whole.array(name))
        np.testing.assert_allclose(np.concatenate([first[name].time, second[name].time]), whole[name].time, rtol=1e-12)
    np.testing.assert_array_equal(second.final.state, whole.final.state)


def test_only_resumable_runs_with_delays_go_on(network: Connectome) -> None:
    with pytest.raises(SimulationError, match="resumable"):
        run(network, speed=5.0, initial=run(network, speed=5.0).final)


def test_speeds_of_their_own(network: Connectome) -> None:
    speeds = np.array([2.0, 5.0, 2.0])
    together = run(network, speed=speeds, seed=np.array([4, 5, 6])).array("raw")
    for i in range(3):
        strength = np.linspace(0.01, 0.05, 3)[i]
        alone = run(network, speed=speeds[i], parameters={"G": strength}, seed=np.array([4 + i])).array("raw")
        np.testing.assert_array_equal(alone[0], together[i])


def test_parameters_of_every_shape(network: Connectome) -> None:
    rng = np.random.default_rng(2)
    shapes = {"I_o": rng.random(13) * 0.3, "w": rng.random((3, 13)), "G": rng.random(3) * 0.02, "tau_s": 90.0}
    expected = run(network, parameters=shapes, backend="reference").array("raw")
    np.testing.assert_allclose(run(network, parameters=shapes, precision="float64").array("raw"), expected, rtol=1e-12)
    one = run(network, parameters=shapes | {"w": shapes["w"][1:2], "G": shapes["G"][1]}, precision="float64", seed=12)
    np.testing.assert_allclose(one.array("raw")[0], expected[1], rtol=1e-12)


def test_g_is_the_strength_of_the_coupling(network: Connectome) -> None:
    by_name = run(network, parameters={"G": 0.03}, simulations=1).array("raw")
    by_coupling = run(network, parameters={}, coupling=coupling.Linear(a=0.03), simulations=1).array("raw")
    by_symbol = run(network, parameters={"coupling.a": 0.03}, simulations=1).array("raw")
    np.testing.assert_array_equal(by_name, by_coupling)
    np.testing.assert_array_equal(by_name, by_symbol)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("speed", [None, 5.0])
def test_divergence_ends_one_simulation_only(network: Connectome, speed: float | None, backend: str) -> None:
    alone = run(network, parameters={"G": 0.01}, speed=speed, duration=50.0, backend=backend, seed=np.array([12]))
    start = np.full((3, 1), 0.5)
    options: dict[str, Any] = {"model": "MontbrioPazoRoxin", "duration": 50.0, "speed": speed, "backend": backend}
    good = run(network, initial={"r": start[:1], "V": -2.0}, parameters={"eta": -5.0}, seed=np.array([1]), **options)
    mixed = run(
        network,
        initial={"r": start, "V": np.array([[-2.0], [1e30], [-2.0]])},
        parameters={"eta": -5.0},
        seed=np.array([1, 1, 1]),
        **options,
    )
    assert mixed.status[0] == "ok"
    assert mixed.status[2] == "ok"
    assert mixed.status[1].startswith("diverged at step")
    np.testing.assert_array_equal(mixed.array("raw")[[0, 2]], good.array("raw")[[0, 0]])
    assert np.isnan(mixed.array("raw")[1, -1]).any()
    assert alone.status.ok.all()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_running_away_is_divergence_though_the_numbers_are_finite(
    network: Connectome, backend: str, precision: str
) -> None:
    # x' = gamma x from 1: e**20 after 200 ms is large, e**30 after 300 ms is beyond 1e12.
    options: dict[str, Any] = {"model": "Linear", "parameters": {"gamma": 0.1, "G": 0.0}, "initial": {"x": 1.0}}
    quiet = {"noise": None, "backend": backend, "precision": precision, "simulations": 1}
    assert run(network, duration=200.0, **options, **quiet).status[0] == "ok"
    assert run(network, duration=300.0, **options, **quiet).status[0].startswith("diverged at step")


def test_when_all_diverge_the_rest_is_unknown(network: Connectome) -> None:
    result = run(network, model="MontbrioPazoRoxin", initial={"V": 1e30}, parameters={}, duration=500.0)
    assert not result.status.ok.any()
    assert np.isnan(result.array("raw")[:, -1]).all()


@pytest.mark.parametrize(("scheme", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_order_of_convergence(scheme: str, order: int) -> None:
    """An oscillator without network: x = cos(t), known at all times."""
    network = Connectome(weights=np.zeros((1, 1)))
    errors = []
    for dt in (0.1, 0.05):
        result = simulate(
            OSCILLATOR, network, duration=2.0, dt=dt, integrator=scheme, initial={"x": 1.0, "y": 0.0},
            precision="float64", monitors=[monitors.Raw()],
        )  # fmt: skip
        t = result["raw"].time.values
        errors.append(np.abs(result.array("raw")[0, :, 0, 0] - np.cos(t)).max())
    # Halving dt: the next order of the error shifts the measured one by about dt.
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_stationary_variance_of_an_ornstein_uhlenbeck_process(precision: str) -> None:
    """dx = -x/tau dt + sqrt(2 D) dW has variance D tau; Heun's is exact to (dt/tau)**2."""
    network = Connectome(weights=np.zeros((8, 8)))
    result = simulate(
        RELAXATION, network, duration=2000.0, dt=0.5, noise=noise.Additive(D=0.3), simulations=64, seed=3,
        precision=precision, monitors=[monitors.SubSample(period=50.0)],
    )  # fmt: skip
    samples = result.array("subsample")[:, 4:].ravel()  # 5 tau apart: all but independent
    assert samples.var() == pytest.approx(3.0, rel=5 * (2 / samples.size) ** 0.5)


def test_float32_keeps_small_increments() -> None:
    """An increment below half a unit in the last place of the state is lost without compensation."""
    drift = Model("Drift", (StateVariable("x", 1, 1),), (Parameter("a", 1e-9),), (), {"x": "a"})
    network = Connectome(weights=np.zeros((1, 1)))
    result = simulate(drift, network, duration=1e5, dt=1.0, integrator="euler", monitors=[monitors.Raw(period=1e5)])
    assert result.array("raw")[0, 0, 0, 0] == pytest.approx(1 + 1e-4, abs=1e-7)


def test_derived_quantities_can_be_recorded(network: Connectome) -> None:
    options: dict[str, Any] = {"monitors": [monitors.Raw(variables=("S", "H", "2*S + x"))], "speed": 5.0}
    expected = run(network, backend="reference", **options)
    found = run(network, precision="float64", **options)
    np.testing.assert_allclose(found.array("raw"), expected.array("raw"), rtol=1e-9, atol=1e-15)
    assert list(found["raw"].coords["variable"].values) == ["S", "H", "2*S + x"]


def test_the_result_is_labelled(network: Connectome) -> None:
    result = run(network, monitors=[monitors.Raw(period=1.0), monitors.Bold(tr=2.0, skip=4.0)])
    assert result["raw"].dims == ("simulation", "time", "variable", "node")
    assert result["bold"].dims == ("simulation", "time", "node")
    np.testing.assert_allclose(result["bold"].time, [6.0, 8.0, 10.0])
    assert list(result["raw"].node.values) == list(network.labels)
    assert result.final["S"].shape == (3, 13)
    with pytest.raises(SimulationError, match="did you mean 'raw'"):
        result["rwa"]


def test_progress_ends_at_one(network: Connectome) -> None:
    told: list[float] = []
    run(network, progress=told.append, duration=300.0)
    assert told[-1] == 1.0
    assert told == sorted(told)
    assert len(told) > 1


BAD: list[tuple[dict[str, Any], str]] = [
    ({"parameters": {"tau": 1.0}}, "did you mean 'tau_s'"),
    ({"parameters": {"G": 1.0, "coupling.a": 1.0}}, "same parameter"),
    ({"parameters": {"w": np.nan}}, "finite, but got nan"),
    ({"parameters": {"w": "high"}}, "must be numbers"),
    ({"parameters": {"tau_s": [10.0, 0.0]}}, "0 < tau_s must hold"),
    ({"parameters": {"w": np.ones(3), "G": np.ones(4)}}, r"shape \(3,\): 3, parameter 'G' of shape \(4,\): 4"),
    ({"parameters": {"w": np.ones((3, 12))}}, r"\(3, 12\) does not broadcast .* \(3, 13\)"),
    ({"parameters": {"w": np.ones(13)}, "simulations": 13}, "write .simulation, 1. or .1, node."),
    ({"duration": 0.0}, "duration >= dt"),
    ({"duration": 0.05}, "duration >= dt"),
    ({"duration": 10.05}, "dt must divide"),
    ({"dt": 0.0}, "dt > 0"),
    ({"dt": np.nan}, "dt > 0"),
    ({"speed": 0.0}, "speed > 0"),
    ({"speed": -3.0}, "speed > 0"),
    ({"speed": np.nan}, "speed > 0"),
    ({"integrator": "hein"}, "did you mean 'heun'"),
    ({"integrator": "rk4", "noise": noise.Additive(D=1.0)}, "deterministic"),
    ({"noise": noise.Additive(D={"T": 1.0})}, "unknown state"),
    ({"noise": noise.Additive(given=np.zeros((3, 1, 13)))}, r"\(100, 1, 13\), but has \(3, 1, 13\)"),
    ({"initial": {"s": 1.0}}, "did you mean 'S'"),
    ({"initial": {"S": np.inf}}, "finite"),
    ({"monitors": [monitors.Raw(period=0.25)]}, "multiple of dt"),
    ({"monitors": [monitors.Raw(period=-1.0)]}, "> 0"),
    ({"monitors": [monitors.TemporalAverage(period=20.0)]}, "at least one period"),
    ({"monitors": [monitors.Bold(tr=1000.0)]}, "duration >= tr"),
    ({"monitors": [monitors.Bold(tr=5.0, step=2.0)]}, "step must divide tr"),
    ({"monitors": [monitors.Bold(tr=5.0, skip=10.0)]}, "skip < duration"),
    ({"monitors": [monitors.Bold(tr=5.0, constants="friston")]}, "did you mean 'friston2003'"),
    ({"monitors": [monitors.Raw(), monitors.Raw()]}, "different names"),
    ({"seed": -1}, "seed >= 0"),
    ({"seed": 1.5}, "integers"),
    ({"seed": 2**64}, "integers"),
    ({"seed": np.arange(4)}, "agree on the number of simulations"),
    ({"precision": "float16"}, "unknown precision"),
    ({"backend": "gpu"}, "unknown backend"),
    ({"simulations": 0}, "simulations >= 1"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input_is_refused_before_anything_runs(network: Connectome, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        run(network, **options)


def test_a_speed_needs_lengths(network: Connectome) -> None:
    with pytest.raises(SimulationError, match="tract lengths"):
        run(Connectome(weights=network.weights), speed=1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ReducedWongWong"}, "did you mean 'ReducedWongWang'"),
        ({"monitors": [monitors.Raw(variables="Z")]}, "unknown symbol 'Z'"),
        ({"monitors": [monitors.Raw(variables="__import__('os')")]}, "unknown function '__import__'"),
        ({"monitors": [monitors.Bold(tr=5.0, drive="S.real")]}, "Attribute is not allowed"),
    ],
)
def test_bad_names_are_refused(network: Connectome, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        run(network, **options)


def test_bad_models_are_refused(network: Connectome) -> None:
    def model(**changes: Any) -> Model:
        return Model(**({
            "name": "M", "states": (StateVariable("x", 0, 1),), "parameters": (Parameter("a", 1.0),), "inputs": (),
            "derivatives": {"x": "a*x"},
        } | changes))  # fmt: skip

    with pytest.raises(ModelError, match="unique"):
        model(parameters=(Parameter("x", 1.0),))
    with pytest.raises(ModelError, match="derivative"):
        model(derivatives={})
    with pytest.raises(ModelError, match="identifiers"):
        model(parameters=(Parameter("a b", 1.0),))
    with pytest.raises(ModelError, match="dx/dt in M"):
        run(network, model=model(derivatives={"x": "a*x + b"}), parameters={})
    with pytest.raises(ModelError, match="coupling has no parameter"):
        coupling.Coupling(coupling.LINEAR, {"c": 1.0})


@pytest.mark.parametrize("names", [("x", "y"), ("tb", "n"), ("load", "kernel"), ("S", "R"), ("np", "real")])
def test_names_of_a_model_cannot_clash_with_the_kernel(network: Connectome, names: tuple[str, str]) -> None:
    first, second = names
    model = Model(
        "Clash",
        (StateVariable(first, 0, 1),),
        (Parameter(second, 0.5),),
        (CouplingInput("c0", first),),
        {first: f"{second}*(c0 - {first})"},
    )
    found = run(network, model=model, parameters={second: 0.3}, simulations=1, precision="float64", duration=1.0)
    expected = run(network, model=model, parameters={second: 0.3}, simulations=1, backend="reference", duration=1.0)
    np.testing.assert_allclose(found.array("raw"), expected.array("raw"), rtol=1e-13)
