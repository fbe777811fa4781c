"""A network's own simulation as its target: at the same noise nothing is left to improve, and regions stay left out."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.datasets import synthetic
from l2l.errors import ObservableError, SimulationError
from l2l.individual import Individual
from l2l.observables.target import Target
from l2l.observables.terms import Term
from l2l.optimizees import BrainNetwork
from l2l.optimizees.targeting import simulated_target
from l2l.space import Real

NODES = 8
HIDDEN = Individual({"G": 0.5, "w": 0.6}, seed=7)


def network(**changes: object) -> BrainNetwork:
    noise = np.random.default_rng(0).normal(size=(NODES, 60))
    settings: dict = {
        "model": "ReducedWongWang",
        "connectome": synthetic(NODES).connectome.normalised("spectral"),
        "target": Target(bold=noise, tr=0.5),
        "free": {"G": Real(0, 1), "w": Real(0.2, 0.9)},
        "parameters": {"I_o": 0.32},
        "duration": "20 s",
        "transient": "4 s",
        "tr": "500 ms",
        "sigma": 0.005,
    }
    return BrainNetwork(**settings | changes)


def test_the_hidden_simulation_again_leaves_nothing_to_improve() -> None:
    targeted = network(objectives=["fc_corr", "fc_rmse", "spectra_distance"]).targeting(HIDDEN)
    fitness = targeted.simulate(HIDDEN).fitness
    # the same float32 BOLD, correlated in float32 here and in float64 there
    assert fitness["fc_corr"] == pytest.approx(1, abs=1e-6)
    assert fitness["fc_rmse"] == pytest.approx(0, abs=1e-6)
    assert fitness["spectra_distance"] == pytest.approx(0, abs=1e-6)
    elsewhere = targeted.simulate(Individual({"G": 0.0, "w": 0.3}, seed=8)).fitness
    assert elsewhere["fc_corr"] < 0.9
    assert targeted.target.name == "simulated at G=0.5, w=0.6"


def test_it_is_another_optimizee_and_the_first_stays_as_it_was() -> None:
    first = network()
    before = first.fingerprint()
    assert first.targeting(HIDDEN).fingerprint() != before
    assert first.fingerprint() == before
    assert first.targeting(HIDDEN).fingerprint() == first.targeting(HIDDEN).fingerprint()


def test_regions_left_out_and_the_band_are_taken_over() -> None:
    noise = np.random.default_rng(0).normal(size=(NODES, 60))
    left_out = network(target=Target(bold=noise, tr=0.5, exclude=[3], band=(0.1, 0.4))).targeting(HIDDEN)
    assert left_out.target.regions.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert left_out.target.band == (0.1, 0.4)
    # one filter in float32 sums, the other in float64
    assert left_out.simulate(HIDDEN).fitness["fc_corr"] == pytest.approx(1, abs=1e-5)


def test_rates_and_ones_own_observables_become_targets() -> None:
    def difference(G: np.ndarray, target_G: np.ndarray) -> float:
        return float(np.abs(G - target_G).mean())

    first = network(
        model="MontbrioPazoRoxin",
        free={"G": Real(0, 1)},
        parameters={"eta": -4.6, "J": 14.5},
        dt=0.1,
        sigma={"V": 0.01},
        target=Target(rates=0.1, data={"G": 0.0}),
        objectives=["rates_rmse", Term("difference", difference)],
        record=(),
        duration="2 s",
        transient="1 s",
    )
    hidden = Individual({"G": 0.25}, seed=1)
    fitness = first.targeting(hidden).simulate(hidden).fitness
    assert fitness["rates_rmse"] == pytest.approx(0, abs=1e-12)  # the same sums twice
    assert fitness["difference"] == 0
    assert first.simulate(hidden).fitness["difference"] == 0.25


def test_what_no_simulation_gives_is_refused() -> None:
    with pytest.raises(ObservableError, match="gives no 'charts'"):
        simulated_target({}, Target(), ["charts"], 0.5, {})


def test_a_target_that_diverges_is_refused() -> None:
    wild = network(
        model="MontbrioPazoRoxin", free={"tau": Real(1e-6, 1)}, parameters={}, sigma={"V": 0.01}, dt=0.02,
        duration="4 s", transient="1 s",
    )  # fmt: skip
    with pytest.raises(SimulationError, match="the target diverged"):
        wild.targeting(Individual({"tau": 1e-6}, seed=1))


def test_initial_values_are_where_simulations_start() -> None:
    low, high = (
        network(initial={"S": start}, transient=0.5, duration="2 s").simulate(HIDDEN).recordings["fc"]
        for start in (0.0, 1.0)
    )
    assert not np.array_equal(low, high)
    assert network(initial={"S": 0.0}).fingerprint() != network().fingerprint()
    with pytest.raises(SimulationError, match="did you mean 'S'"):
        network(initial={"s": 0.0})
