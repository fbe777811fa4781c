"""A brain network as an optimizee: the same individual gives the same outcome anywhere; bad input is refused early."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable

import cloudpickle
import numpy as np
import pytest
import scipy.stats

from l2l.errors import L2LError, ModelError, ObjectiveError, ObservableError, OptimizeeError, SimulationError
from l2l.individual import Individual, Outcome
from l2l.observables.fc import fc, fc_corr
from l2l.observables.fcd import fcd
from l2l.observables.pairs import triangle
from l2l.observables.target import Target
from l2l.observables.terms import TERMS, Combined
from l2l.optimizees import BrainNetwork, InhibitionControl, MapScaled, Perturbation, Regional
from l2l.optimizees.fit import Fit
from l2l.simulator import Connectome, inhibition, monitors, noise, simulate, stimulus
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
    expected = np.sqrt(np.mean((np.asarray(outcome.recordings["fc"])[lower] - target()[lower]) ** 2))
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
        (lambda: network(model=3), OptimizeeError, "must be a Model"),
        (lambda: network(connectome=connectome().weights), OptimizeeError, r"give Connectome\(weights\)"),
        (lambda: network(target="bold.tsv"), OptimizeeError, "Target.from_bold"),
        (lambda: network(free=["G"]), OptimizeeError, "must be ranges by name"),
        (lambda: network(maps=[np.ones(NODES)]), OptimizeeError, r"must be \(node,\) arrays by name"),
        (lambda: network(tr=720), OptimizeeError, 'write "720 ms"'),
        (lambda: network(batch_size=0), OptimizeeError, "batch_size must be an integer >= 1"),
        (lambda: network(backend="gpu"), OptimizeeError, "unknown backend 'gpu'"),
        (lambda: network(objectives="fc_corr-2(fcd_ks)"), ObjectiveError, "a combination reads"),
        (lambda: network(objectives="+1.2.3*fc_corr"), ObjectiveError, "unknown objective"),
    ],
)
def test_bad_input_is_refused_before_anything_is_simulated(
    build: Callable[[], BrainNetwork], error: type[L2LError], message: str
) -> None:
    with pytest.raises(error, match=message):
        build()


# Terms, recordings, regional parameters, inhibition control, perturbation


def bold(nodes: int = NODES, volumes: int = 300) -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.normal(size=(nodes, volumes)) + rng.normal(size=(1, volumes))


MAPS = {"myelin": np.linspace(-1, 1, NODES) ** 3, "fc_gradient": np.sin(np.arange(NODES))}
YEO = np.array(["Vis", "Som", "Def", "Lim", "Con"] * 2)


def controlled(**changes: object) -> BrainNetwork:
    """The example of the documentation, shortened."""
    settings: dict = {
        "model": "ReducedWongWangExcInh",
        "connectome": connectome(),
        "duration": "40 s",
        "transient": "4 s",
        "tr": 0.5,
        "free": {
            "G": Real(0, 4),
            "w_p": MapScaled(Real(0, 2), maps=["myelin", "fc_gradient"]),
            "J_N": Regional(Real(0, 0.5), groups=YEO),
        },
        "maps": MAPS,
        "target": Target(bold=bold()),
        "objectives": ["fc_corr", "fcd_ks"],
        "inhibition_control": "analytical",
        "analysis": {"fcd_window": 10.0},
    }
    return BrainNetwork(**settings | changes)


def points(optimizee: BrainNetwork, count: int) -> list[Individual]:
    rng = np.random.default_rng(5)
    units = rng.uniform(0.1, 0.9, size=(count, optimizee.space.dimension))
    return [Individual(point, seed=i) for i, point in enumerate(optimizee.space.decode_many(units))]


def test_the_example_of_the_documentation_runs() -> None:
    optimizee = controlled(record=("fc", "fcd", "bold", "spectrum", "w_p", "J_i"))
    assert [(each.name, each.maximize) for each in optimizee.objectives] == [("fc_corr", True), ("fcd_ks", False)]
    one = points(optimizee, 1)[0]
    outcome = optimizee.simulate(one)
    z = {name: (values - values.mean()) / values.std() for name, values in MAPS.items()}
    w_p = one["w_p"] * (1 + one["w_p.myelin"] * z["myelin"] + one["w_p.fc_gradient"] * z["fc_gradient"])
    parameters = {"G": one["G"], "w_p": w_p, "J_N": [one[f"J_N.{group}"] for group in YEO]}
    tuned = inhibition.analytical("ReducedWongWangExcInh", connectome().weights, parameters)
    by_hand = simulate(
        "ReducedWongWangExcInh",
        connectome(),
        parameters={name: np.reshape(value, (1, -1)) for name, value in (parameters | tuned.parameters).items()},
        noise=noise.Additive(sigma=0.01),
        duration=44_000,
        dt=1.0,
        integrator="euler",
        monitors=[monitors.Bold(tr=500, skip=4_000)],
        seed=[one.seed],
    ).array("bold")[0]
    np.testing.assert_array_equal(outcome.recordings["bold"], by_hand)
    np.testing.assert_allclose(outcome.recordings["w_p"], w_p, rtol=1e-6)  # kept as float32
    values = [triangle(fcd(each, 0.5, 10.0)) for each in (by_hand, bold().T)]
    # The same functions of the same numbers; of float32 signals the values of FCD are float32, too.
    assert outcome.fitness["fcd_ks"] == pytest.approx(scipy.stats.ks_2samp(*values).statistic, abs=1e-6)
    assert outcome.fitness["fc_corr"] == pytest.approx(fc_corr(fc(by_hand), np.corrcoef(bold())), abs=1e-5)
    assert outcome.recordings["spectrum"].shape == (len(outcome.recordings["frequencies"]), NODES)
    assert outcome.measurements["fic_converged"] is True


def test_all_scores_are_those_of_an_individual_alone() -> None:
    optimizee = controlled(
        objectives=["fc_corr", "fcd_ks", "spectra_distance", "phase_fc_corr", "partial_fc_corr"], measure="fc_rmse"
    )
    many = points(optimizee, 11)
    together = optimizee.simulate_batch(many)
    alone = optimizee.simulate_batch([many[7]])[0]
    assert isinstance(alone, Outcome)
    assert isinstance(together[7], Outcome)
    assert (alone.fitness, alone.measurements) == (together[7].fitness, together[7].measurements)
    assert "fc_rmse" in alone.measurements


def test_a_copy_on_a_worker_has_the_same_fingerprint_and_functions() -> None:
    def furthest(fc, target_fc):  # type: ignore[no-untyped-def]
        return np.abs(fc - target_fc).max()

    optimizee = controlled(objectives=["fc_corr", furthest], perturbation=None)
    copy = cloudpickle.loads(cloudpickle.dumps(optimizee))
    assert copy.fingerprint() == optimizee.fingerprint()
    (one,) = points(optimizee, 1)
    assert copy.simulate(one).fitness == optimizee.simulate(one).fitness


@pytest.mark.parametrize(
    "changes",
    [
        {"objectives": ["fc_corr"]},
        {"objectives": ["fc_corr", "+fcd_ks"]},
        {"measure": "fc_rmse"},
        {"analysis": {"fcd_window": 11.0}},
        {"maps": MAPS | {"myelin": MAPS["myelin"] ** 2}},
        {"inhibition_control": InhibitionControl(penalty=2.0)},
        {"inhibition_control": None},
        {"bold": "heinzle2016-3T"},
        {"bold": monitors.ConvolvedBold(response="Gamma")},
        {"target": Target(bold=bold(), band=(0.1, 0.4))},
    ],
)
def test_what_changes_a_score_changes_the_fingerprint(changes: dict) -> None:
    assert controlled(**changes).fingerprint() != controlled().fingerprint()


def test_a_function_that_fails_for_one_leaves_the_others() -> None:
    def picky(w):  # type: ignore[no-untyped-def]
        if w > 0.5:
            raise ValueError("too strong")
        return 0.0

    optimizee = network(objectives=["fc_corr", picky])
    weak, strong = Individual({"G": 0.3, "w": 0.4}, seed=1), Individual({"G": 0.3, "w": 0.6}, seed=1)
    outcomes = optimizee.simulate_batch([strong, weak])
    assert isinstance(outcomes[0], ValueError)
    assert isinstance(outcomes[1], Outcome)


def test_recordings_do_not_change_the_fingerprint() -> None:
    assert controlled(record=()).fingerprint() == controlled().fingerprint()
    (one,) = points(controlled(), 1)
    assert controlled(record=()).simulate(one).recordings == {}


def test_a_failed_control_is_recorded_and_costs_what_is_said() -> None:
    # With so little input the current stays below its target without any inhibition, and there is none below 0.
    free = {"w_p": Real(0, 2)}
    fixed = {"G": 0.0, "J_N": 0.001, "I_o": 0.35}
    bare = controlled(free=free, parameters=fixed, inhibition_control=InhibitionControl(penalty=0.0))
    dear = controlled(free=free, parameters=fixed, inhibition_control=InhibitionControl(penalty=0.5))
    one = Individual({"w_p": 0.01}, seed=1)
    without, with_penalty = bare.simulate(one), dear.simulate(one)
    assert without.measurements["fic_converged"] is False
    assert with_penalty.measurements["fic_penalty"] == 0.5
    assert with_penalty.fitness["fc_corr"] == without.fitness["fc_corr"] - 0.5
    assert with_penalty.fitness["fcd_ks"] == without.fitness["fcd_ks"] + 0.5


def test_inhibition_is_corrected_by_trials() -> None:
    optimizee = controlled(inhibition_control=InhibitionControl("numerical", trials=2), record=("J_i",))
    outcomes = optimizee.simulate_batch(points(optimizee, 3))
    for outcome in outcomes:
        assert isinstance(outcome, Outcome)
        measured = outcome.measurements
        assert 0 <= measured["fic_trials"] <= 2
        assert measured["fic_converged"] == (measured["fic_deviation"] <= 0.005)


def test_individuals_that_leave_the_positive_side_fail_alone() -> None:
    optimizee = network(free={"w": MapScaled(Real(0.2, 0.9), maps=["myelin"], scale=Real(-5, 5))}, maps=MAPS)
    good, bad = Individual({"w": 0.5, "w.myelin": 0.1}), Individual({"w": 0.5, "w.myelin": 5.0})
    outcomes = optimizee.simulate_batch([bad, good])
    assert isinstance(outcomes[0], OptimizeeError)
    assert isinstance(outcomes[1], Outcome)


def test_regions_left_out_are_simulated_but_not_compared() -> None:
    measured = bold()
    measured[3] = 0.0
    optimizee = network(target=Target(bold=measured, exclude=[3]))
    (one,) = individuals(1)
    kept = [i for i in range(NODES) if i != 3]
    whole = np.asarray(network(target=Target(bold=bold())).simulate(one).recordings["fc"])
    np.testing.assert_array_equal(optimizee.simulate(one).recordings["fc"], whole[np.ix_(kept, kept)])
    assert set(optimizee.baselines())
    smaller = network(target=Target(bold=measured, exclude=[3]), connectome=connectome().subset(kept))
    assert smaller.goal.nodes is None


def test_monitors_and_rates_are_observables() -> None:
    def swing(eeg):  # type: ignore[no-untyped-def]
        return np.ptp(eeg)

    optimizee = network(
        target=Target(rates=0.4),
        objectives=["rates_rmse", swing],
        rate="S",
        record=("eeg", "rates"),
        monitors=[monitors.EEG(variables="S", period=10.0, gain=np.ones((3, NODES)))],
    )
    outcome = optimizee.simulate(individuals(1)[0])
    assert outcome.recordings["eeg"].shape == (2000, 1, 3)  # 20 s each 10 ms, without the transient
    assert "bold" not in optimizee.fit.needs
    error = np.sqrt(np.mean((np.asarray(outcome.recordings["rates"]) - 0.4) ** 2))
    assert outcome.fitness["rates_rmse"] == pytest.approx(error, rel=1e-5)  # recorded as float32
    assert outcome.fitness["swing"] > 0


def test_a_perturbation_gives_the_complexity_of_its_trials() -> None:
    pulse = stimulus.Step(state="S", amplitude=0.02, onset=600.0, end=700.0, nodes=[0, 1])
    optimizee = network(
        target=Target(pci=0.3),
        objectives="pci_error",
        record="pci",
        perturbation=Perturbation(pulse, onset=600.0, trials=4, surrogates=200),
    )
    (one,) = individuals(1)
    outcome = optimizee.simulate(one)
    assert outcome.fitness["pci_error"] == pytest.approx(abs(outcome.measurements["pci"] - 0.3), abs=1e-12)
    assert outcome.measurements["pci"] > 0
    silent = dataclasses.replace(pulse, amplitude=0.0)
    quiet = network(
        target=Target(pci=0.3),
        objectives="pci_error",
        record="pci",
        perturbation=Perturbation(silent, onset=600.0, trials=4, surrogates=200),
    )
    assert quiet.simulate(one).measurements["pci"] != outcome.measurements["pci"]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: network(inhibition_control="analytical"), SimulationError, "no feedback inhibition to control"),
        (lambda: controlled(inhibition_control="analytic"), OptimizeeError, "did you mean 'analytical'"),
        (lambda: controlled(parameters={"J_i": 1.0}), OptimizeeError, "sets 'J_i'"),
        (lambda: controlled(analysis={}, duration="30 s"), ObservableError, "a window of|at least 3 windows"),
        (lambda: controlled(target=Target(bold=bold(volumes=30))), ObservableError, "window"),
        (lambda: controlled(target=Target(fc=target())), ObservableError, "has no fcd_values"),
        (lambda: network(objectives="partial_fc_corr", duration="4 s"), ObservableError, "has no partial_fc"),
        (
            lambda: network(objectives="partial_fc_corr", duration="4 s", target=Target(bold=bold())),
            ObservableError,
            "more volumes than nodes",
        ),
        (
            lambda: controlled(objectives="spectra_distance", analysis={"spectrum_band": (0.1, 0.11)}),
            ObservableError,
            "3 frequencies or more",
        ),
        (lambda: network(analysis={"pairs": [0, 1]}), ObservableError, "one for each of 10 nodes"),
        (lambda: network(tr="30 s"), OptimizeeError, "must hold two volumes or more"),
        (lambda: network(record="fcc"), OptimizeeError, "did you mean 'fc'"),
        (lambda: network(objectives="rates_rmse", target=Target(rates=1.0)), OptimizeeError, "rate= must say which"),
        (lambda: network(objectives="pci_error", target=Target(pci=0.3)), OptimizeeError, "give perturbation="),
        (lambda: network(monitors=[monitors.Raw(name="fc")]), OptimizeeError, "needs a name of its own"),
        (lambda: network(analysis={"fcd_windw": 3}), ObservableError, "did you mean 'fcd_window'"),
        (lambda: network(bold="friston"), SimulationError, "friston2003"),
        (lambda: controlled(maps={"myelin": MAPS["myelin"]}), OptimizeeError, "unknown map 'fc_gradient'"),
    ],
)
def test_bad_input_of_a_fit_is_refused_before_anything_is_simulated(
    build: Callable[[], BrainNetwork], error: type[L2LError], message: str
) -> None:
    with pytest.raises(error, match=message):
        build()


def test_a_function_weighs_a_parameter_as_a_number_and_its_mistakes_are_found_at_once() -> None:
    def prior(G: float) -> float:
        return (G - 0.25) ** 2

    optimizee = network(objectives=["fc_corr", prior], record=("fc", "G"))
    one = Individual({"G": 0.75, "w": 0.5}, seed=1)
    outcome = optimizee.simulate(one)
    assert outcome.fitness["prior"] == 0.25
    assert "G" not in outcome.measurements  # which would stand beside the parameter of that name

    def misspelt(fc: np.ndarray) -> float:
        return float(fc.maen())  # type: ignore[attr-defined]

    def many(fc: np.ndarray) -> np.ndarray:
        return fc.mean(axis=0)

    with pytest.raises(ObjectiveError, match=r"(?s)'misspelt' must .*AttributeError.*maen"):
        network(objectives=misspelt)
    with pytest.raises(ObjectiveError, match="'many' must return a number"):
        network(objectives=["fc_corr", many])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inhibition_control": True}, "must be an InhibitionControl, or 'analytical'"),
        ({"inhibition_control": "numerical", "dt": 0.3, "tr": 0.6}, "numerical inhibition control must be a multiple"),
        ({"free": {"w_p": MapScaled(Real(0, 2), "gradient")}}, "unknown map 'gradient': did you mean 'fc_gradient'"),
        ({"free": {"w_p": MapScaled(Real(0, 2), ["a"])}, "maps": {"a": ["x"] * NODES}}, "must be a number for each"),
        ({"free": {"w_p": MapScaled(Real(0, 2), ["myelin"], scale=Real(5, 9))}}, "w_p must stay positive"),
        (
            {"analysis": {"fcd_window": "20 TR"}, "target": Target(bold=bold(), tr=1.0)},
            "fcd_window = '20 TR' is in TRs, which are 0.5 s and 1 s long",
        ),
    ],
)
def test_bad_parts_are_refused_before_anything_is_simulated(changes: dict, message: str) -> None:
    with pytest.raises(L2LError, match=message):
        controlled(**changes)


def test_laws_of_options_are_told() -> None:
    with pytest.raises(OptimizeeError, match="tolerance > 0 nA"):
        InhibitionControl("numerical", tolerance=-1.0)
    with pytest.raises(OptimizeeError, match="current must be finite"):
        InhibitionControl("numerical", current=float("nan"))
    with pytest.raises(OptimizeeError, match="must be names of maps"):
        MapScaled(Real(0, 1), np.ones(3))


def test_nothing_may_be_left_out_at_the_start_and_nothing_recorded() -> None:
    optimizee = network(transient=0, duration="20 s", record=None)
    outcome = optimizee.simulate(individuals(1)[0])
    assert outcome.recordings == {}
    bold_of_all = network(transient=0, duration="20 s", record="bold").simulate(individuals(1)[0]).recordings["bold"]
    assert bold_of_all.shape == (40, NODES)


def test_sums_are_read_as_people_write_them() -> None:
    names = ["fc_corr - 0.5 * fcd_ks", "+fc_corr-0.5*fcd_ks", "fc_corr-.5*fcd_ks", "fc_corr - 5e-1*fcd_ks"]
    for name in names:
        (term,) = Fit(name).terms
        assert isinstance(term, Combined)
        assert [part.name for part in term.parts] == ["fc_corr", "fcd_ks"]
        assert list(term.weights.values()) == [1.0, -0.5]
    assert Fit("fc_corr").terms[0] is TERMS["fc_corr"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"onset": 800.0}, "begins at 1000 ms and onset = 800 ms"),
        ({"response": -1.0}, "0 < period <= response"),
        ({"period": 0.0}, "0 < period <= response"),
        ({"alpha": 2.0}, "0 < alpha < 1"),
        ({"surrogates": 50}, "surrogates >= 1 / alpha"),
    ],
)
def test_a_perturbation_that_cannot_be_judged_is_refused(settings: dict, message: str) -> None:
    pulse = stimulus.Step(state="S", amplitude=0.01, onset=1000.0, end=1100.0, nodes=[0])
    with pytest.raises(OptimizeeError, match=message):
        Perturbation(pulse, **settings)


def test_other_kinds_of_perturbations_and_of_their_targets_are_refused() -> None:
    with pytest.raises(OptimizeeError, match="must be a Perturbation"):
        network(target=Target(pci=0.4), objectives="pci_error", perturbation="step")
    with pytest.raises(ObservableError, match="target pci must be one number"):
        Target(pci=[0.1, 0.2])  # type: ignore[arg-type]


def test_recordings_of_monitors_carry_times_variables_and_units() -> None:
    optimizee = network(
        model="MontbrioPazoRoxin",
        free={"G": Real(0, 1)},
        parameters={},
        dt=0.1,
        duration="2 s",
        transient="1 s",
        record=("fc", "means", "both"),
        monitors=[
            monitors.TemporalAverage(variables=("V",), period=100.0, name="means"),
            monitors.SubSample(variables=("r", "V"), period=250.0, name="both"),
        ],
    )
    recorded = optimizee.simulate(Individual({"G": 0.5}, seed=1)).recordings
    unit = {state.name: state.unit for state in optimizee.model.states}
    assert unit["V"]
    assert recorded["means"].attrs["units"] == unit["V"]
    # averages over 100 ms, told at their middle, of the 2 s after the transient
    np.testing.assert_allclose(recorded["means"].time, np.arange(20) * 0.1 + 0.05, atol=1e-4)
    assert recorded["both"].coords["variable"].values.tolist() == ["r", "V"]
    np.testing.assert_allclose(recorded["both"].time, np.arange(1, 9) * 0.25, atol=1e-4)
    if unit["r"] != unit["V"]:
        assert "units" not in recorded["both"].attrs
