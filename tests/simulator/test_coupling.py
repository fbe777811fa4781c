"""Couplings of a user's own, and several in one model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from l2l.errors import ModelError, SimulationError
from l2l.simulator import Connectome, coupling, models, noise, simulate


def run(network: Connectome, given: Any, **options: Any) -> np.ndarray:
    arguments: dict[str, Any] = {
        "duration": 4.0, "dt": 0.1, "noise": noise.Additive(D=1e-4), "seed": 2, "simulations": 3,
        "precision": "float64",
    } | options  # fmt: skip
    return simulate(arguments.pop("model", models.MontbrioPazoRoxin), network, coupling=given, **arguments).array("raw")


@pytest.mark.parametrize(
    ("own", "known"),
    [
        (coupling.Custom("x_j", "a*S + b", {"a": 0.03, "b": 0.01}), coupling.Linear(a=0.03, b=0.01)),
        (coupling.Custom("x_j - x_i", parameters={"a": 0.02}), coupling.Difference(a=0.02)),
        (coupling.Custom("sin(x_j - x_i)", parameters={"a": 0.05}), coupling.Kuramoto(a=0.05)),
        (
            coupling.Custom("1 + tanh((x_j - m)/s)", parameters={"a": 0.02, "m": 0.3, "s": 1.0}),
            coupling.HyperbolicTangent(a=0.02, midpoint=0.3),
        ),
    ],
)
@pytest.mark.parametrize("speed", [None, 5.0])
def test_known_couplings_can_be_written_out(network: Connectome, own: Any, known: Any, speed: float | None) -> None:
    np.testing.assert_allclose(run(network, own, speed=speed), run(network, known, speed=speed), rtol=1e-9, atol=1e-12)


SWEEP = np.array([[0.01], [0.02], [0.05]])
REGIONAL = np.linspace(0.5, 2.0, 13)[None]
OWN = {
    "split": coupling.Custom("(x_j - b*x_i)**2 + sin(x_j - x_i)", "a*S/k_i", {"a": SWEEP, "b": REGIONAL}),
    "pairs": coupling.Custom("tanh(b*x_j - c*x_i)", "a*S - x_i/100", {"a": SWEEP, "b": REGIONAL, "c": SWEEP * 10}),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("speed", [None, 5.0, 60.0])
@pytest.mark.parametrize(("per_stage", "integrator"), [(False, "heun"), (True, "heun"), (True, "rk4")])
def test_lanes_follow_the_reference(
    network: Connectome, name: str, speed: float | None, per_stage: bool, integrator: str
) -> None:
    lengths = np.array(network.tract_lengths)
    lengths[2] = 0.0
    mixed = Connectome(weights=network.weights + 0.01, tract_lengths=lengths, allow_self_connections=True)
    options: dict[str, Any] = {"speed": speed, "coupling_per_stage": per_stage, "integrator": integrator}
    if integrator == "rk4":
        options["noise"] = None
    expected = run(mixed, OWN[name], backend="reference", **options)
    np.testing.assert_allclose(run(mixed, OWN[name], **options), expected, rtol=1e-9, atol=1e-12)


def test_the_direct_path_equals_the_split_one(network: Connectome) -> None:
    """minimum(x, 1e9) hides from the splitter that it is x."""
    for speed in (None, 5.0):
        split = run(network, coupling.Custom("sin(x_j - x_i)", parameters={"a": 0.05}), speed=speed)
        direct = run(network, coupling.Custom("sin(minimum(x_j - x_i, 1e9))", parameters={"a": 0.05}), speed=speed)
        np.testing.assert_allclose(direct, split, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("speed", [None, 5.0])
def test_pairs_know_no_batch(network: Connectome, speed: float | None) -> None:
    own = coupling.Custom("tanh(x_j - x_i)", parameters={"a": SWEEP})
    whole = run(network, own, speed=speed, precision="float32")
    one = coupling.Custom("tanh(x_j - x_i)", parameters={"a": 0.02})
    alone = run(network, one, speed=speed, precision="float32", simulations=1, seed=np.array([3]))
    np.testing.assert_array_equal(alone[0], whole[1])


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_each_input_has_its_coupling(network: Connectome, backend: str) -> None:
    both = {"c_r": coupling.Linear(a=0.03), "c_V": coupling.Difference(a=0.02)}
    options: dict[str, Any] = {"parameters": {"cr": 1.0, "cv": 1.0}, "backend": backend}
    found = run(network, both, **options)
    # Written as one: an input's own weight switches the other off.
    only_r = run(network, both, **options | {"parameters": {"cr": 1.0, "cv": 0.0}})
    np.testing.assert_allclose(only_r, run(network, coupling.Linear(a=0.03), backend=backend), rtol=1e-10, atol=1e-13)
    only_v = run(network, both, **options | {"parameters": {"cr": 0.0, "cv": 1.0}})
    single = run(network, coupling.Difference(a=0.02), **options | {"parameters": {"cr": 0.0, "cv": 1.0}})
    np.testing.assert_allclose(only_v, single, rtol=1e-10, atol=1e-13)
    assert not np.allclose(found, only_r)
    named = {"parameters": {"cr": 1.0, "cv": 1.0, "coupling.c_r.a": 0.03, "coupling.c_V.a": 0.02}}
    again = run(network, {"c_r": coupling.Linear(), "c_V": coupling.Difference()}, **options | named)
    np.testing.assert_array_equal(again, found)


def test_couplings_of_one_input_add_up(network: Connectome) -> None:
    several = {"c_r": [coupling.Linear(a=0.01), coupling.Custom("x_j*x_i", parameters={"a": 0.02})]}
    one = {"c_r": coupling.Custom("0.01*x_j + 0.02*x_j*x_i", "S", {})}
    np.testing.assert_allclose(run(network, several), run(network, one), rtol=1e-9, atol=1e-12)
    assert run(network, several, parameters={"coupling.c_r.1.a": SWEEP}).shape[0] == 3


def test_bad_couplings_are_refused(network: Connectome) -> None:
    for given, message in [
        ({"c_v": coupling.Linear()}, "no coupling input 'c_v'; did you mean 'c_V'"),
        ({"c_V": []}, "must be a Coupling, or several"),
        ("Liner", "unknown coupling 'Liner'; did you mean 'Linear'"),
        ({"c_r": "Diference"}, "did you mean 'Difference'"),
        (1.0, "coupling must be a Coupling"),
        (coupling.Custom("x_k - x_i"), "pre of Custom coupling: unknown symbol 'x_k'"),
        (coupling.Custom("x_j", "a*T"), "post of Custom coupling: unknown symbol 'T'"),
    ]:
        with pytest.raises(ModelError, match=message):
            run(network, given)
    with pytest.raises(SimulationError, match=r"unknown parameter 'G'|unknown parameter 'coupling.a'"):
        run(network, {"c_r": coupling.Linear()}, parameters={"coupling.a": 1.0})


@pytest.mark.parametrize("name", ["Kuramoto", "JansenRit", "Epileptor", "ReducedWongWang"])
def test_a_model_has_its_usual_coupling(name: str) -> None:
    weights = np.random.default_rng(0).random((5, 5)) * (1 - np.eye(5))
    usual = {"Kuramoto": "Kuramoto", "JansenRit": "SigmoidalJansenRit", "Epileptor": "Difference"}.get(name, "Linear")

    values = {"G": 0.3} | ({"Kvf": 1.0} if name == "Epileptor" else {})  # by default nothing reaches an Epileptor

    def run(chosen: str | None) -> np.ndarray:
        return simulate(
            name, Connectome(weights), parameters=values, coupling=chosen, duration=2, dt=0.1, backend="reference"
        ).array("raw")

    assert np.array_equal(run(None), run(usual))
    assert not np.array_equal(run(None), run("Difference" if usual == "Linear" else "Linear"))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("speed", [None, 5.0])
def test_what_is_not_connected_is_not_computed(network: Connectome, speed: float | None, backend: str) -> None:
    """1/(x_j - x_i) is infinite for a node and itself, to which the network has no connection."""
    own = coupling.Custom("1/(x_j - x_i)", parameters={"a": 1e-6})
    start = {"r": np.linspace(0.1, 0.9, 13)[None], "V": -2.0}
    recorded = run(network, own, speed=speed, backend=backend, initial=start, noise=None, simulations=1)
    assert np.isfinite(recorded).all()
