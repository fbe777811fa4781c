"""A brain network as an optimizee: the same individual gives the same outcome anywhere; bad input is refused early."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from l2l.errors import L2LError, ModelError, ObjectiveError, ObservableError, OptimizeeError, SimulationError
from l2l.individual import Individual, Outcome
from l2l.observables.fc import fc, fc_corr
from l2l.observables.target import Target
from l2l.optimizees import BrainNetwork
from l2l.simulator import Connectome, monitors, noise, simulate
from l2l.space import Categorical, Real

NODES = 10


def connectome(nodes: int = NODES) -> Connectome:
    rng = np.random.default_rng(1)
    weights = rng.lognormal(size=(nodes, nodes))
    lengths = rng.uniform(20, 150, size=(nodes, nodes))
    for matrix in (weights, lengths):
        matrix += matrix.T
        np.fill_diagonal(matrix, 0)
    return Connectome(weights, lengths).normalised("spectral")


def target(nodes: int = NODES) -> np.ndarray:
    rng = np.random.default_rng(2)
    common = rng.normal(size=(200, 1))
    return np.corrcoef((common + rng.normal(size=(200, nodes))).T)


def network(**changes: object) -> BrainNetwork:
    settings: dict = {
        "model": "ReducedWongWang",
        "connectome": connectome(),
        "target": target(),
        "free": {"G": Real(0, 1), "w": Real(0.2, 0.9)},
        "parameters": {"I_o": 0.32},
        "duration": "20 s",
        "transient": "4 s",
        "tr": "500 ms",
        "sigma": 0.005,
    }
    return BrainNetwork(**settings | changes)


def individuals(count: int) -> list[Individual]:
    rng = np.random.default_rng(3)
    return [
        Individual({"G": rng.uniform(0, 1), "w": rng.uniform(0.2, 0.9)}, position=i, seed=int(rng.integers(2**63)))
        for i in range(count)
    ]


def same(one: Outcome, other: Outcome) -> bool:
    return one.fitness == other.fitness and np.array_equal(one.recordings["fc"], other.recordings["fc"])


def test_the_fitness_is_the_correlation_of_simulated_and_measured_connectivity() -> None:
    (one,) = individuals(1)
    outcome = network().simulate(one)
    by_hand = simulate(
        "ReducedWongWang",
        connectome(),
        parameters={"G": one["G"], "w": one["w"], "I_o": 0.32},
        noise=noise.Additive(sigma=0.005),
        duration=24_000,
        dt=1.0,
        integrator="euler",
        monitors=[monitors.Bold(tr=500)],
        seed=[one.seed],
    ).array("bold")[0, 8:]  # 4 s of transient are 8 volumes
    assert by_hand.shape == (40, NODES)
    # float32 sums in another order, over 40 volumes
    assert outcome.fitness["fc_corr"] == pytest.approx(fc_corr(fc(by_hand), target()), abs=1e-5)
    np.testing.assert_allclose(outcome.recordings["fc"], fc(by_hand), atol=1e-5)


def test_an_outcome_depends_on_its_individual_alone() -> None:
    many = individuals(37)
    optimizee = network()
    together = optimizee.simulate_batch(many)
    for position in (0, 17, 36):
        alone = optimizee.simulate_batch([many[position]])[0]
        assert same(alone, together[position])  # type: ignore[arg-type]
    backwards = optimizee.simulate_batch(many[::-1])[::-1]
    assert all(same(one, other) for one, other in zip(together, backwards, strict=True))  # type: ignore[arg-type]


def test_another_seed_is_other_noise() -> None:
    (one,) = individuals(1)
    optimizee = network()
    assert not same(optimizee.simulate(one), optimizee.simulate(Individual(one.parameters, seed=one.seed + 1)))


def test_it_travels_to_workers_and_keeps_its_fingerprint() -> None:
    optimizee = network()
    copy = pickle.loads(pickle.dumps(optimizee))
    (one,) = individuals(1)
    assert copy.fingerprint() == optimizee.fingerprint()
    assert same(copy.simulate(one), optimizee.simulate(one))


@pytest.mark.parametrize(
    "changes",
    [
        {"duration": "21 s"},
        {"tr": 1.0},
        {"sigma": 0.004},
        {"parameters": {"I_o": 0.33}},
        {"connectome": connectome().sqrt()},
        {"target": np.eye(NODES)},
        {"model": "MontbrioPazoRoxin", "free": {"G": Real(0, 1)}, "parameters": {}},
    ],
)
def test_whatever_changes_an_outcome_changes_the_fingerprint(changes: dict) -> None:
    assert network(**changes).fingerprint() != network().fingerprint()


def test_regional_parameters_noise_and_delays_may_be_free() -> None:
    optimizee = network(
        free={"G": Real(0, 1), "w": Real(0.2, 0.9, shape=(NODES,)), "sigma": Real(1e-4, 1e-2, log=True)}, speed=4.0
    )
    uniform = Individual({"G": 0.4, "w": np.full(NODES, 0.5), "sigma": 0.005}, seed=5)
    regional = Individual({"G": 0.4, "w": np.linspace(0.2, 0.9, NODES), "sigma": 0.005}, seed=5)
    plain = network(speed=4.0).simulate(Individual({"G": 0.4, "w": 0.5}, seed=5))
    assert optimizee.simulate(uniform).fitness["fc_corr"] == pytest.approx(plain.fitness["fc_corr"], abs=1e-6)
    assert not same(optimizee.simulate(regional), plain)


def test_a_diverging_simulation_fails_alone() -> None:
    optimizee = network(
        model="MontbrioPazoRoxin",
        free={"tau": Real(1e-6, 1)},
        parameters={},
        sigma={"V": 0.01},
        dt=0.02,
        duration="4 s",
        transient="1 s",
    )
    wild, tame = optimizee.simulate_batch([Individual({"tau": 1e-6}, seed=1), Individual({"tau": 1.0}, seed=2)])
    assert isinstance(wild, SimulationError)
    assert "diverged at step" in str(wild)
    assert isinstance(tame, Outcome)


def test_validation_is_longer_and_baselines_are_stated() -> None:
    optimizee = network(validation_duration="40 s")
    assert optimizee.validation().duration == 40
    assert optimizee.duration == 20
    assert all(-1 <= value <= 1 for value in optimizee.baselines().values())
    assert any("linear" in name for name in optimizee.baselines())


def test_rmse_is_minimised() -> None:
    optimizee = network(objectives=["fc_corr", "fc_rmse"])
    assert [each.maximize for each in optimizee.objectives] == [True, False]
    (one,) = individuals(1)
    outcome = optimizee.simulate(one)
    lower = np.tril_indices(NODES, -1)
    expected = np.sqrt(np.mean((outcome.recordings["fc"][lower] - target()[lower]) ** 2))
    assert outcome.fitness["fc_rmse"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: network(model="ReducedWongWan"), ModelError, "did you mean 'ReducedWongWang'"),
        (lambda: network(free={"g": Real(0, 1)}), L2LError, "did you mean 'G'"),
        (lambda: network(parameters={"I_0": 0.3}), L2LError, "did you mean 'I_o'"),
        (lambda: network(objectives="fc_cor"), ObjectiveError, "did you mean 'fc_corr'"),
        (lambda: network(target=target(8)), ObservableError, "have 8 and 10"),
        (lambda: network(duration="0.4 s"), OptimizeeError, "must hold two volumes or more"),
        (lambda: network(speed=0.0), SimulationError, "speed"),
        (lambda: network(speed=-2.0), SimulationError, "speed"),
        (lambda: network(dt=0.7), SimulationError, "dt must divide the duration"),
        (lambda: network(sigma=-0.1), SimulationError, "noise"),
        (lambda: network(free={"w": Real(0, 1, shape=(7,))}), OptimizeeError, "one for each region"),
        (lambda: network(free={"w": Categorical([0.1, 0.2])}), OptimizeeError, "must be Real or Integer"),
        (lambda: network(free={"tau_s": Real(-1, 1)}), SimulationError, "tau_s"),
        (lambda: network(parameters={"w": float("nan")}, free={"G": Real(0, 1)}), SimulationError, "finite"),
        (lambda: network(target=Target(target()).fc[:, :9]), L2LError, r"must be \(node, node\)"),
    ],
)
def test_bad_input_is_refused_before_anything_is_simulated(
    build: Callable[[], BrainNetwork], error: type[L2LError], message: str
) -> None:
    with pytest.raises(error, match=message):
        build()
