"""Trajectories of The Virtual Brain and BOLD of cuBNM, reproduced (conventions: the READMEs beside the files)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from l2l.observables.bold import bold
from l2l.simulator import Connectome, History, coupling, models, monitors, noise, simulate

CASES = ["ReducedWongWang", "MontbrioPazoRoxin", "MontbrioPazoRoxin_euler", "bounds_mpr", "stochastic_MPR_heun"]


def run(data: Any, backend: str, precision: str, duration: float, simulations: int = 1) -> np.ndarray:
    model = models.get(str(data["model"]))
    parameters = {name: float(data[f"par_{name}"][0]) for name in model.parameter_names}
    network = Connectome(weights=data["weights"], tract_lengths=data["tract_lengths"], allow_self_connections=True)
    dt = float(data["dt"])
    given = None
    if "z" in data:
        steps = round(duration / dt)
        amplitudes = dict(zip(model.state_names, data["nsig"][:, 0, 0], strict=True))
        given = noise.Additive(D=amplitudes, given=data["z"][:steps])
    period = float(data["t"][1] - data["t"][0])
    result = simulate(
        model,
        network,
        parameters=parameters,
        coupling=coupling.Linear(a=float(data["cpl_a"][0]), b=float(data["cpl_b"][0])),
        duration=duration,
        dt=dt,
        speed=float(data["speed"][0]),
        integrator="euler" if str(data["integrator"]).startswith("Euler") else "heun",
        noise=given,
        initial=dict(zip(model.state_names, data["initial_state"], strict=True)),
        monitors=[monitors.Raw(period=round(period, 6))],
        simulations=simulations,
        backend=backend,
        precision=precision,
    )
    assert result.status.ok.all()
    return result.array("raw")


def relative_error(found: np.ndarray, data: Any) -> np.ndarray:
    """(time,) largest error over nodes and variables, relative to each variable's largest value."""
    expected = data["y"][: len(found)]
    scale = np.abs(data["y"]).max(axis=(0, 2), keepdims=True)
    return (np.abs(found - expected) / scale).max(axis=(1, 2))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_float64_follows_tvb(case: str, backend: str, tvb: Callable[[str], Any]) -> None:
    data = tvb(case)
    # The reference kernel takes a millisecond a step: 50 ms suffice to show that it is the same system.
    duration = float(data["T"]) if backend == "cpu" else min(float(data["T"]), 200 * float(data["dt"]))
    error = relative_error(run(data, backend, "float64", duration)[0], data)
    early = data["t"][: len(error)] <= 50.0
    assert error[early].max() < 1e-9
    assert error.max() < 1e-6


@pytest.mark.parametrize("case", CASES)
def test_float32_follows_tvb_as_far_as_rounding_allows(case: str, tvb: Callable[[str], Any]) -> None:
    data = tvb(case)
    duration = min(float(data["T"]), 20.0)
    error = relative_error(run(data, "cpu", "float32", duration)[0], data)
    # `sens_1e12`: what a perturbation of 1e-12 grows to. Rounding of the right-hand side perturbs by 6e-8 each step;
    # bounded below by what a few roundings make, whatever the growth.
    growth = float(data["sens_1e12"].max()) / 1e-12
    assert error.max() < 6e-8 * max(16.0, 4 * growth)


def test_monitors_follow_tvb(tvb: Callable[[str], Any]) -> None:
    """The file's noise is not at hand: averages are compared with each other and with the sampled states."""
    data = tvb("monitors_RWW_bold")
    model = models.ReducedWongWang
    result = simulate(
        model,
        Connectome(weights=data["weights"], tract_lengths=data["tract_lengths"], allow_self_connections=True),
        duration=40.0,
        dt=0.5,
        speed=4.0,
        initial={"S": data["initial_state"][0]},
        precision="float64",
        monitors=[monitors.Raw(), monitors.TemporalAverage(period=4.0), monitors.SubSample(period=10.0)],
    )
    raw = result.array("raw")[0]
    average = raw.reshape(10, 8, *raw.shape[1:]).mean(axis=1)
    np.testing.assert_allclose(result.array("average")[0], average, rtol=1e-14)
    np.testing.assert_array_equal(result.array("subsample")[0], raw[19::20])
    np.testing.assert_allclose(result["average"].time, data["t_TemporalAverage"][:10])
    np.testing.assert_allclose(result["subsample"].time[:1], 10.0)


def _wong_wang(data: Any, i: int) -> dict[str, Any]:
    """Arguments of cuBNM's rWWEx as ours: S has r/1000, so that the coefficients are those of ReducedWongWang."""
    return {
        "w": data["param_w"][i][None, :],
        "I_o": data["param_I0"][i][None, :],
        "G": float(data["param_G"][i]),
        "a": 0.27, "b": 0.108, "d": 154.0, "gamma": 0.641, "tau_s": 100.0, "J_N": 0.2609,
    }  # fmt: skip


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-9), ("float32", 2e-3)])
def test_bold_follows_cubnm(precision: str, tolerance: float, cubnm: Callable[[str], Any]) -> None:
    """20 s with cuBNM's own noise, Euler, BOLD by its order of updates."""
    data = cubnm("rWWEx_noise")
    duration = 2000.0 if precision == "float64" else 3000.0
    raw = data["noise_raw"].reshape(-1, 10, 20, 1)  # the files: 10 inner steps of 0.1 ms in a step of 1 ms
    segments = raw.reshape(-1, round(float(data["noise_segment_s"]) * 1000), 10, 20, 1)
    assert segments.shape[0] == 1
    used = [
        segments[0][ts][:, :, nd]
        for ts, nd in zip(data["noise_shuffled_ts"], data["noise_shuffled_nodes"], strict=True)
    ]
    z = np.concatenate(used).reshape(-1, 20, 1).transpose(0, 2, 1)[: round(duration / 0.1)]
    i = 2
    result = simulate(
        models.ReducedWongWang,
        Connectome(weights=data["sc"].T),
        parameters=_wong_wang(data, i),
        duration=duration,
        dt=0.1,
        integrator="euler",
        noise=noise.Additive(sigma=data["param_sigma"][i][None, :], given=z),
        initial={"S": 0.001},
        precision=precision,
        monitors=[
            monitors.Bold(tr=500.0, step=1.0, average=False),
            monitors.SubSample(period=500.0),
            monitors.SubSample(name="z", period=1.0),
        ],
    )
    volumes = round(duration / 500)
    states = data["state_S"][i, :volumes]
    np.testing.assert_allclose(result.array("subsample")[0, :, 0], states, rtol=max(tolerance / 100, 1e-10))
    expected = data["bold"][i, :volumes]
    scale = np.abs(expected).max()
    assert np.abs(result.array("bold")[0] - expected).max() < tolerance * scale
    # The float64 post-processing of the same activity gives the same signal.
    again = bold(result.array("z")[0, :, 0], dt=1.0, tr=500.0)
    assert np.abs(again - expected).max() < max(tolerance, 1e-6) * scale


def test_a_given_history_is_read_where_the_delays_point() -> None:
    """One node sends, the other receives nothing but the past: S of the receiver depends on the history alone."""
    weights = np.array([[0.0, 1.0], [0.0, 0.0]])
    lengths = np.full((2, 2), 7.0)
    rng = np.random.default_rng(0)
    history = rng.random((8, 1, 2))
    runs = {}
    for backend in ("reference", "cpu"):
        runs[backend] = simulate(
            models.ReducedWongWang,
            Connectome(weights=weights, tract_lengths=lengths),
            parameters={"G": 1.0},
            duration=20.0,
            dt=1.0,
            speed=1.0,
            initial=History(history),
            backend=backend,
            precision="float64",
        ).array("raw")
    np.testing.assert_allclose(runs["cpu"], runs["reference"], rtol=1e-12)
    # Independent of the code: the first step of the receiver by hand.
    S, past = history[-1, 0, 0], history[0, 0, 1]
    p = {q.name: q.default for q in models.ReducedWongWang.parameters}

    def slope(s: float) -> float:
        x = p["w"] * p["J_N"] * s + p["I_o"] + p["J_N"] * past
        u = p["a"] * x - p["b"]
        return float(-s / p["tau_s"] + (1 - s) * p["gamma"] * u / (1 - np.exp(-p["d"] * u)))

    predicted = S + slope(S)
    assert runs["cpu"][0, 0, 0, 0] == pytest.approx(S + 0.5 * (slope(S) + slope(min(max(predicted, 0), 1))), rel=1e-12)
