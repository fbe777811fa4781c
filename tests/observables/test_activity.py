"""Terms of activity on signals of known rate, frequency and connectivity, and on the states of the AdEx brain."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from l2l.datasets import synthetic
from l2l.errors import ObservableError
from l2l.individual import Individual
from l2l.observables.activity import Activity
from l2l.observables.target import Target
from l2l.optimizees import BrainNetwork
from l2l.space import Real

NODES = 6
TIMES = np.arange(0, 8000, 5.0)  # ms


def recorded(rates: np.ndarray) -> np.ndarray:
    """As the monitor gives it: (time, variable, node), kHz, float32."""
    return (rates[:, None] / 1000).astype(np.float32)


def values(activity: Activity, signal: np.ndarray) -> dict[str, float]:
    return {term.name: term.score(activity=recorded(signal)) for term in activity.terms}


def test_a_sine_has_its_rate_its_spread_and_its_frequency() -> None:
    shifts = np.linspace(0, np.pi, NODES, endpoint=False)
    found = values(Activity(), 10 + 4 * np.sin(2 * np.pi * 3 * TIMES[:, None] / 1000 + shifts))
    assert found["rate"] == pytest.approx(10, rel=1e-5)  # whole periods, in float32
    assert found["rate_sd"] == pytest.approx(4 / np.sqrt(2), rel=1e-5)
    assert found["dominant_frequency"] == pytest.approx(3.0)  # one of the frequencies, 0.5 Hz apart
    assert found["slow_power"] > 0.99  # of the Hann taper's three lines, all below 4 Hz
    assert found["phase_lag"] == pytest.approx(1, abs=0.02)  # always the same order; Hilbert errs at both ends
    # cos of the differences of phase, the mean over pairs
    pairs = [np.cos(a - b) for i, a in enumerate(shifts) for b in shifts[:i]]
    assert found["activity_fc"] == pytest.approx(np.mean(pairs), abs=1e-4)


def test_fc_is_compared_with_the_connectome() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(NODES, NODES))
    signal = 100 + rng.normal(size=(len(TIMES), NODES)) @ mixing
    correlations = np.corrcoef(signal.T)
    found = values(Activity(weights=correlations), signal)
    assert found["fc_sc"] == pytest.approx(1, abs=1e-6)  # float32
    assert "fc_sc" not in values(Activity(), signal)


def test_noise_of_a_known_slope_has_that_exponent() -> None:
    rng = np.random.default_rng(1)
    white = rng.normal(size=(40_000, 4))
    found = values(Activity(), 100 + white)
    assert found["spectral_exponent"] == pytest.approx(0, abs=0.05)  # 80 windows: power errs by 1/sqrt(320) a bin
    walk = np.cumsum(white, axis=0)
    # 1/f^2, flattened near the Nyquist frequency of 100 Hz: sin^2 instead of its argument, 0.04 of log10 at 40 Hz
    assert values(Activity(), 1000 + walk)["spectral_exponent"] == pytest.approx(2, abs=0.1)


def test_nodes_that_do_not_vary_are_left_out_and_silence_has_no_connectivity() -> None:
    rng = np.random.default_rng(2)
    signal = 5 + rng.normal(size=(len(TIMES), NODES))
    weights = np.abs(rng.normal(size=(NODES, NODES)))
    some = values(Activity(weights=weights), np.where(np.arange(NODES) == 0, 5.0, signal))
    fewer = values(Activity(weights=weights[1:, 1:]), signal[:, 1:])
    assert some["fc_sc"] == pytest.approx(fewer["fc_sc"], abs=1e-12)
    silent = values(Activity(weights=weights), np.zeros((len(TIMES), NODES)))
    assert silent["rate"] == 0
    assert silent["up_share"] == 0
    for name in ("activity_fc", "fc_sc", "phase_lag", "dominant_frequency", "slow_power", "spectral_exponent"):
        assert np.isnan(silent[name])


def test_terms_are_found_by_name_and_travel() -> None:
    activity = Activity(weights=np.eye(3))
    assert activity["fc_sc"].maximize
    assert pickle.loads(pickle.dumps(activity["rate"])).name == "rate"
    with pytest.raises(ObservableError, match="did you mean 'rate_sd'"):
        activity["rate_s"]


def test_adaptation_turns_asynchronous_activity_into_up_and_down_states() -> None:
    """Goldman et al. (2023), Front. Comput. Neurosci. 16:1058957: b_e = 5 pA wakes, 60 pA brings slow waves."""
    brain = synthetic(20).connectome.normalised("rows")
    activity = Activity(weights=brain.weights)
    network = BrainNetwork(
        "ZerlautAdaptationSecondOrder", brain, Target(), {"b_e": Real(0, 120)},
        parameters={
            "tvb_compatible": 1, "a_e": 0, "weight_noise": 1e-4, "external_input_ex_ex": 0.315e-3,
            "external_input_in_ex": 0.315e-3, "E_L_e": -64.0, "E_L_i": -65.0, "T": 20.0, "G": 0.3,
        },
        initial=dict.fromkeys(["E", "I", "C_ee", "C_ei", "C_ii"], 0.0) | {"W_e": 100.0}, sigma={"ou_drift": 2**0.5},
        speed=4.0, dt=0.1, integrator="heun", duration="3 s", transient="1 s", tr="100 ms", record=(),
        monitors=[activity.monitor], objectives=activity["fc_sc"], measure=activity.terms,
    )  # fmt: skip
    wake, sleep = (
        each.measurements
        for each in network.simulate_batch([Individual({"b_e": b}, seed=1) for b in (5.0, 60.0)])
        if not isinstance(each, Exception)
    )
    assert 1 < wake["rate"] < 10
    assert wake["up_share"] == 1
    assert sleep["rate_sd"] > 2 * wake["rate_sd"]
    assert 0.02 < sleep["up_share"] < 0.5  # short up states between long down states, not one of them for ever
    assert sleep["switches"] > 1
    assert sleep["slow_power"] > 2 * wake["slow_power"]
    assert sleep["activity_fc"] > wake["activity_fc"]
