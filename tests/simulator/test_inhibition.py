"""Inhibition control against cuBNM's files, and against what it promises: the target is held."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from l2l.errors import SimulationError
from l2l.simulator import Connectome, RangeWarning, coupling, inhibition, monitors, noise, simulate
from l2l.simulator.inhibition_rest import EXCITATORY_CURRENT

HERE = Path(__file__)
SPEC = importlib.util.spec_from_file_location("l2l_tests_cubnm_files", HERE.parent / "models" / "cubnm_files.py")
assert SPEC is not None
assert SPEC.loader is not None
cubnm_files = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(cubnm_files)
HOME = os.environ.get("L2L_REFERENCE")
FOLDER = (Path(HOME) if HOME else HERE.resolve().parents[3] / "shared" / "reference") / "cubnm"


def tuned_files(trials: bool) -> list[str]:
    """The files with inhibition control, with trials or without."""
    found = []
    for path in sorted(FOLDER.glob("*.npz")):
        data = np.load(path)
        if "fic_wIE" in data and (int(json.loads(str(data["settings"]))["max_fic_trials"]) > 0) == trials:
            found.append(path.stem)
    return found or [""]


def opened(name: str) -> Any:
    if not name:
        pytest.skip(f"no such file in {FOLDER}; set L2L_REFERENCE to the folder that holds cubnm/")
    return cubnm_files.CubnmFile(dict(np.load(FOLDER / f"{name}.npz")))


@pytest.fixture(autouse=True)
def _unusual_parameters() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RangeWarning)
        yield


@pytest.mark.parametrize("name", tuned_files(trials=False))
def test_analytical_inhibition_is_that_of_the_file(name: str) -> None:
    file = opened(name)
    parts = [
        inhibition.analytical(run["model"], run["connectome"].weights, run["parameters"], coupling=run["coupling"])
        for run in file.runs()
    ]
    np.testing.assert_array_equal(np.concatenate([part.converged for part in parts]), ~file.data["fic_unstable"])
    assert not any(part.trials.any() for part in parts)
    # cuBNM's root finder stops where a bracket is 0.1 % wide; Brent's last secant step then errs by some 1e-9.
    w_IE = np.concatenate([part.w_IE for part in parts])
    np.testing.assert_allclose(w_IE, file.data["fic_wIE"], rtol=1e-8)


@pytest.mark.parametrize("name", tuned_files(trials=True))
def test_numerical_inhibition_takes_the_trials_of_the_file(name: str) -> None:
    file = opened(name)
    trials = int(json.loads(str(file.data["settings"]))["max_fic_trials"])
    keys = ("model", "connectome", "parameters", "coupling", "dt", "initial", "speed")
    parts = []
    for run in file.runs():
        drawn = run["noise"] and replace(run["noise"], given=run["noise"].given[: round(10_000 / file.dt)])
        chosen = {key: run[key] for key in keys}
        parts.append(inhibition.numerical(**chosen, noise=drawn, max_trials=trials, precision="float64"))
    np.testing.assert_array_equal(np.concatenate([part.trials for part in parts]), file.data["fic_ntrials"])
    np.testing.assert_array_equal(np.concatenate([part.converged for part in parts]), ~file.data["fic_failed"])
    w_IE = np.concatenate([part.w_IE for part in parts])
    # Every step moves by at least 0.001 nA; the start errs as above.
    np.testing.assert_allclose(w_IE, file.data["fic_wIE"], rtol=1e-8)


def network(nodes: int = 12) -> Connectome:
    weights = np.random.default_rng(2).uniform(0, 1, (nodes, nodes)) / nodes
    np.fill_diagonal(weights, 0.0)
    return Connectome(weights=weights, tract_lengths=np.where(weights > 0, 20.0, 0.0))


def rate(current: Any, slope: float, offset: float, curvature: float) -> Any:
    u = slope * current - offset
    return u / (1 - np.exp(-curvature * u))


@pytest.mark.parametrize("speed", [None, 5.0])
@pytest.mark.parametrize("model", ["ReducedWongWangFIC", "ReducedWongWangExcInh"])
def test_analytical_inhibition_holds_every_node_at_rest(model: str, speed: float | None) -> None:
    """From the fixed point of its own equations (SciPy's root), the network does not move."""
    rng = np.random.default_rng(3)
    here = network()
    excitatory, inhibitory = ("S_E", "S_I") if model.endswith("FIC") else ("S_e", "S_i")
    J_N = rng.uniform(0.1, 0.2, (3, 12))
    parameters = {"w_p": rng.uniform(1.0, 1.6, (3, 12)), "J_N": J_N, "G": np.array([[0.3], [0.9], [1.5]])}
    chosen = coupling.Scaling(1.0)
    if model.endswith("FIC"):
        chosen = coupling.Scaling(parameters.pop("G"))
    found = inhibition.analytical(model, here.weights, parameters, coupling=chosen)
    assert found.converged.all()
    target = 0.1647572075
    S_I = np.vectorize(
        lambda J: 0.01 * rate(brentq(lambda x: 0.7 * 0.382 + J * target - 0.01 * rate(x, 615, 177, 0.087) - x, 0, 1),
                              615, 177, 0.087)
    )(J_N)  # fmt: skip
    result = simulate(
        model, here, duration=300.0, dt=0.1, parameters={**parameters, **found.parameters}, coupling=chosen,
        speed=speed, initial={excitatory: target, inhibitory: S_I}, precision="float64", backend="cpu",
        monitors=[monitors.SubSample(period=100.0, variables=excitatory)],
    )  # fmt: skip
    # The target is given to ten digits.
    np.testing.assert_allclose(result.array("subsample"), target, rtol=1e-7)


def test_other_kinetics_have_a_target_of_their_own() -> None:
    """With tau_E = 80 ms the gating at the target's rate is S = g/(1 + g), g = gamma tau_E r."""
    here, r = network(), rate(EXCITATORY_CURRENT, 310, 125, 0.16)
    g = 0.641e-3 * 80.0 * r
    found = inhibition.analytical("ReducedWongWangFIC", here.weights, {"tau_E": 80.0}, coupling=coupling.Scaling(0.5))
    result = simulate(
        "ReducedWongWangFIC", here, duration=2000.0, dt=0.5, parameters={"tau_E": 80.0, **found.parameters},
        coupling=coupling.Scaling(0.5), initial={"S_E": g / (1 + g), "S_I": 0.04}, precision="float64", backend="cpu",
        monitors=[monitors.SubSample(period=500.0, variables="S_E")],
    )  # fmt: skip
    # The inhibitory start is off by 2 % and decays.
    np.testing.assert_allclose(result.array("subsample")[:, -1], g / (1 + g), rtol=1e-6)


def test_inhibition_that_would_be_negative_is_a_failure() -> None:
    """Without recurrence I_E = I_0 - w_IE S_I: with I_0 below the target, w_IE < 0."""
    found = inhibition.analytical(
        "ReducedWongWangFIC",
        network().weights,
        {"J_N": np.array([[0.0], [0.15]]), "I_0": np.array([[0.37], [0.382]])},
        coupling=coupling.Scaling(0.5),
    )
    np.testing.assert_array_equal(found.converged, [False, True])
    assert (found.w_IE[0] == 1.0).all()
    assert np.isnan(found.deviation[0])


def trial_run(**options: Any) -> inhibition.Inhibition:
    arguments: dict[str, Any] = {
        "parameters": {"J_N": 0.15}, "coupling": coupling.Scaling(np.array([[0.2], [0.5], [0.8], [2.5]])),
        "noise": noise.Additive(sigma=0.005), "dt": 0.5, "initial": {"S_E": 0.16, "S_I": 0.04}, "settle": 500.0,
        "window": 1000.0, "max_trials": 12, "precision": "float64", "backend": "cpu", "seed": 7,
    } | options  # fmt: skip
    return inhibition.numerical("ReducedWongWangFIC", network(), **arguments)


def test_numerical_inhibition_holds_the_mean_current() -> None:
    """What converged is simulated anew: its mean current lies within the tolerance, the others' does not."""
    start = inhibition.analytical("ReducedWongWangFIC", network().weights, {}, coupling=coupling.Scaling(0.5)).w_IE
    found = trial_run(start=start)
    assert found.converged.any()
    assert found.trials[found.converged].max() > 0
    assert not found.converged.all()
    assert (found.trials[~found.converged] == 12).all()
    result = simulate(
        "ReducedWongWangFIC", network(), duration=1500.0, dt=0.5, integrator="euler", noise=noise.Additive(sigma=0.005),
        parameters={"J_N": 0.15, **found.parameters}, coupling=coupling.Scaling(np.array([[0.2], [0.5], [0.8], [2.5]])),
        initial={"S_E": 0.16, "S_I": 0.04}, precision="float64", backend="cpu", seed=7,
        monitors=[monitors.Raw(variables=("S_E", "S_I"))],
    )  # fmt: skip
    # Of each ms from 500 to 1500 that of the step which ends then, so of the state before it.
    S_E, S_I = np.moveaxis(result.array("raw")[:, 998::2], 2, 0)
    arrives = np.array([0.2, 0.5, 0.8, 2.5])[:, None, None] * S_E @ network().weights.T
    I_E = 0.382 + 1.4 * 0.15 * S_E + 0.15 * arrives - found.w_IE[:, None] * S_I
    means = I_E.mean(axis=1)
    worst = np.abs(means - inhibition.HELD_CURRENT).max(axis=1)
    np.testing.assert_allclose(found.deviation, worst, rtol=1e-9)
    np.testing.assert_array_equal(worst <= 0.005, found.converged)


def test_both_models_are_corrected_alike() -> None:
    """They are the same equations under other names, and the noise of a state goes by its number."""
    one = trial_run(start=1.0, max_trials=4)
    other = inhibition.numerical(
        "ReducedWongWangExcInh", network(), parameters={"J_N": 0.15, "G": np.array([[0.2], [0.5], [0.8], [2.5]])},
        coupling=coupling.Scaling(1.0), noise=noise.Additive(sigma=0.005), dt=0.5, initial={"S_e": 0.16, "S_i": 0.04},
        settle=500.0, window=1000.0, max_trials=4, precision="float64", backend="cpu", seed=7, start=1.0,
    )  # fmt: skip
    assert one.trials.any()
    np.testing.assert_array_equal(one.trials, other.trials)
    # Steps of 0.001 nA at least, added in the same order.
    np.testing.assert_allclose(one.w_IE, other.w_IE, rtol=1e-12)
    assert list(other.parameters) == ["J_i"]


def test_a_simulation_is_corrected_as_if_it_were_alone() -> None:
    together = trial_run(start=1.0, max_trials=3)
    alone = trial_run(start=1.0, max_trials=3, coupling=coupling.Scaling(0.8), seed=np.array([9]))
    np.testing.assert_array_equal(together.w_IE[2], alone.w_IE[0])
    assert together.trials[2] == alone.trials[0]


def test_delays_and_speeds_of_their_own() -> None:
    found = trial_run(speed=np.array([2.0, 5.0, 2.0, 5.0]), max_trials=1)
    one = trial_run(speed=2.0, max_trials=1)
    np.testing.assert_array_equal(found.w_IE[[0, 2]], one.w_IE[[0, 2]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inhibition.analytical("Kuramoto", network().weights), "models that have it: ReducedWongWangFIC"),
        (lambda: inhibition.numerical("JansenRit", network()), "models that have it: ReducedWongWangFIC"),
        (lambda: inhibition.analytical("ReducedWongWangFIC", np.ones((2, 3))), r"\(node, node\)"),
        (lambda: inhibition.analytical("ReducedWongWangFIC", network().weights, {"J_M": 1.0}), "did you mean 'J_N'"),
        (lambda: trial_run(max_trials=-1), "max_trials >= 0"),
        (lambda: trial_run(tolerance=0.0), "tolerance > 0"),
        (lambda: trial_run(window=0.3), "window must be a multiple of dt"),
        (lambda: trial_run(sampling=3.0), "sampling must divide settle"),
        (lambda: trial_run(settle=0.5, sampling=0.5), "two steps or more"),
        (lambda: trial_run(start=np.full((4, 12), -1.0)), "0 <= wIE"),
        (lambda: trial_run(backend="gpu"), "unknown backend 'gpu'"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        call()
