"""Monitors that add nodes up: against The Virtual Brain, and against the nodes themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from l2l.errors import SimulationError
from l2l.observables.hrf import convolved_bold
from l2l.simulator import Connectome, coupling, haemodynamics, models, monitors, noise, simulate

RNG = np.random.default_rng(7)
GAIN = RNG.normal(size=(4, 13)) * (RNG.random((4, 13)) < 0.7)
GROUPS = tuple("lr"[i % 2] if i < 11 else "m" for i in range(13))


def run(network: Connectome, **options: Any) -> Any:
    arguments: dict[str, Any] = {
        "duration": 6.0, "dt": 0.1, "noise": noise.Additive(D=1e-3), "parameters": {"G": np.linspace(0.01, 0.05, 3)},
        "precision": "float64", "seed": 4,
        "monitors": [
            monitors.Raw(),
            monitors.GlobalAverage(period=0.5),
            monitors.SpatialAverage(period=0.3, groups=GROUPS, variables="V"),
            monitors.EEG(period=0.6, gain=GAIN, variables=("V", "r*V"), sensors=("a", "b", "c", "d"), reference="b"),
            monitors.SEEG(period=0.6, gain=GAIN, variables="r", average=False),
        ],
    } | options  # fmt: skip
    return simulate(models.MontbrioPazoRoxin, network, **arguments)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("speed", [None, 5.0])
def test_sums_over_nodes_are_those_of_the_recorded_nodes(
    network: Connectome, speed: float | None, backend: str
) -> None:
    result = run(network, speed=speed, backend=backend)
    raw = result.array("raw")  # (simulation, time, variable, node)
    close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(result.array("global"), raw[:, 4::5].mean(axis=3), **close)
    V = raw[:, 2::3, 1]
    groups = np.stack([V[..., np.array(GROUPS) == g].mean(axis=-1) for g in "lmr"], axis=-1)
    np.testing.assert_allclose(result.array("spatial")[:, :, 0], groups, **close)
    r, V = raw[:, :, 0], raw[:, :, 1]
    mean = np.stack([V, r * V], axis=2).reshape(3, 10, 6, 2, 13).mean(axis=2)
    np.testing.assert_allclose(result.array("eeg"), mean @ (GAIN - GAIN[1]).T, **close)
    np.testing.assert_allclose(result.array("seeg")[:, :, 0], r[:, 5::6] @ GAIN.T, **close)


def test_their_results_are_labelled(network: Connectome) -> None:
    result = run(network)
    assert result["global"].dims == ("simulation", "time", "variable")
    assert result["spatial"].dims == ("simulation", "time", "variable", "group")
    assert list(result["spatial"].group.values) == ["l", "m", "r"]
    assert list(result["eeg"].sensor.values) == ["a", "b", "c", "d"]
    np.testing.assert_allclose(result["eeg"].time[:2], [0.3, 0.9])
    np.testing.assert_allclose(result["seeg"].time[:2], [0.6, 1.2])


@pytest.mark.parametrize("speed", [None, 5.0])
def test_they_know_no_batch(network: Connectome, speed: float | None) -> None:
    options: dict[str, Any] = {"precision": "float32", "speed": speed}
    whole = run(network, **options)
    alone = run(network, parameters={"G": 0.03}, seed=np.array([5]), **options)
    for name in whole:
        np.testing.assert_array_equal(alone.array(name)[0], whole.array(name)[1])


def test_a_diverged_simulation_leaves_nothing_in_its_sums(network: Connectome) -> None:
    result = run(network, initial={"V": 1e30}, noise=None, duration=900.0)
    assert not result.status.ok.any()
    assert np.isnan(result.array("global")[:, -1]).all()


def test_monitors_follow_tvb(tvb: Callable[[str], Any]) -> None:
    """40 s of the file, with the noise that its seed gives."""
    data = tvb("monitors_RWW_bold")
    duration = 40000.0
    z = np.random.RandomState(int(data["noise_seed"])).normal(size=(80000, 1, 76))
    model = models.ReducedWongWang
    result = simulate(
        model,
        Connectome(weights=data["weights"], tract_lengths=data["tract_lengths"], allow_self_connections=True),
        parameters={p: float(data[f"par_{p}"][0]) for p in ("a", "b", "d", "gamma", "tau_s", "w", "J_N", "I_o")},
        coupling=coupling.Linear(a=float(data["cpl_a"][0])),
        duration=duration,
        dt=0.5,
        speed=4.0,
        noise=noise.Additive(D=float(data["nsig"][0]), given=z),
        initial={"S": data["initial_state"][0]},
        precision="float64",
        monitors=[
            monitors.TemporalAverage(period=4.0),
            monitors.SubSample(period=100.0),
            monitors.GlobalAverage(period=10.0),
            *(
                monitors.ConvolvedBold(response=name, tr=float(data[f"period_Bold_{name}"]), name=name)
                for name in haemodynamics.RESPONSES
            ),
        ],
    )
    for name in haemodynamics.RESPONSES:
        np.testing.assert_allclose(result[name].time, data[f"t_Bold_{name}"], rtol=1e-12)
        expected = data[f"y_Bold_{name}"][:, 0]
        # As the states: noise of 40 s makes 1e-16 grow, BOLD averages it.
        np.testing.assert_allclose(result.array(name)[0], expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    for name, theirs in (("average", "TemporalAverage"), ("subsample", "SubSample"), ("global", "GlobalAverage")):
        np.testing.assert_allclose(result[name].time, data[f"t_{theirs}"], rtol=1e-12)
        expected = data[f"y_{theirs}"].reshape(result.array(name)[0].shape)
        error = np.abs(result.array(name)[0] - expected) / np.abs(expected).max()
        assert error[result[name].time.values <= 50.0].max(initial=0.0) < 1e-9
        assert error.max() < 1e-6
    np.testing.assert_allclose(result.final["S"][0], data["final_state"][0], rtol=1e-6)


def both_bolds(network: Connectome, **options: Any) -> Any:
    own = haemodynamics.Response("ramp", lambda t: np.exp(-t) * t, 300.0, scale=2.0, offset=-1.0)
    kept: list[monitors.Monitor] = [
        monitors.TemporalAverage(period=4.0, variables="r"),
        monitors.ConvolvedBold(tr=40.0, response="Gamma", drive="r", name="gamma"),
        monitors.ConvolvedBold(tr=60.0, response=own, drive="r", name="own", skip=130.0),
    ]
    return run(network, duration=800.0, monitors=kept, **options), own


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("speed", [None, 5.0])
def test_convolved_bold_is_that_of_the_recorded_averages(
    network: Connectome, speed: float | None, backend: str
) -> None:
    """A response shorter than the run and one longer, with volumes skipped."""
    result, own = both_bolds(network, speed=speed, backend=backend, dt=0.5)
    averages = result.array("average")[:, :, 0]
    close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(result.array("gamma"), convolved_bold(averages, 40.0, "Gamma"), **close)
    np.testing.assert_allclose(result.array("own"), convolved_bold(averages, 60.0, own)[:, 2:], **close)
    np.testing.assert_allclose(result["own"].time, np.arange(180.0, 800.0, 60.0))


def test_convolved_bold_in_float32_knows_no_batch(network: Connectome) -> None:
    whole, own = both_bolds(network, precision="float32")
    alone, _ = both_bolds(network, precision="float32", parameters={"G": 0.03}, seed=np.array([5]))
    np.testing.assert_array_equal(alone.array("own")[0], whole.array("own")[1])
    expected = convolved_bold(whole.array("average")[:, :, 0], 60.0, own)[:, 2:]
    # 75 products, each rounded at 2**-24 of a sum of 2 times 75 times r, some 1.
    np.testing.assert_allclose(whole.array("own"), expected, rtol=0, atol=75 * 2.0**-24 * np.abs(expected).max())


def test_convolved_bold_cannot_go_on(network: Connectome) -> None:
    first = run(network, monitors=[monitors.Raw()])
    with pytest.raises(SimulationError, match="simulate in one piece"):
        run(network, initial=first.final, monitors=[monitors.ConvolvedBold(tr=4.0, drive="r")])


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        (monitors.SpatialAverage(groups=(1, 2)), "group of each of 13 nodes, but there are 2"),
        (monitors.EEG(gain=np.ones((4, 12))), r"\(sensor, 13 nodes\), but has \(4, 12\)"),
        (monitors.EEG(), r"\(sensor, 13 nodes\), but has \(\)"),
        (monitors.MEG(gain=np.full((4, 13), np.nan)), "finite"),
        (monitors.EEG(gain=GAIN, sensors=("a",)), "name 4 sensors, but names 1"),
        (monitors.EEG(gain=GAIN, sensors=("Fz", "Cz", "Pz", "Oz"), reference="cz"), "did you mean 'Cz'"),
        (monitors.GlobalAverage(period=0.25), "multiple of dt"),
        (monitors.ConvolvedBold(tr=6.0), "interim must divide tr"),
        (monitors.ConvolvedBold(tr=4.0, interim=0.25), "interim of the BOLD monitor must be a multiple of dt"),
        (monitors.ConvolvedBold(tr=8.0), "duration >= tr must hold"),
        (monitors.ConvolvedBold(tr=4.0, skip=4.0), "skip must leave at least one volume"),
        (monitors.ConvolvedBold(tr=4.0, response="gamma"), "did you mean 'Gamma'"),
        (monitors.ConvolvedBold(tr=4.0, variables="r"), "choose what drives it by drive="),
        (
            monitors.ConvolvedBold(tr=4.0, response=haemodynamics.Response("pole", np.log, 20.0)),
            "'pole' must give a finite value",
        ),
        (monitors.Bold(tr=4.0, constants={"k1": 2.0}), "must be a name or a Balloon"),  # type: ignore[arg-type]
        (monitors.ConvolvedBold(tr=4.0, response=np.sin), "must be a name or a Response"),  # type: ignore[arg-type]
        (monitors.Bold(tr=4.0, constants="stephan2008"), "did you mean 'stephan2007'"),
    ],
)
def test_bad_monitors_are_refused(network: Connectome, monitor: monitors.Monitor, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        run(network, monitors=[monitor])
