"""Networks under one roof: each individual goes to its subject, beside the others, and comes back the same."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from l2l.errors import OptimizeeError
from l2l.individual import Individual, Outcome
from l2l.observables.target import Target
from l2l.optimizees import BrainNetwork, Cohort, TaskFamily
from l2l.optimizees.subjects import seed_of
from l2l.simulator import Connectome
from l2l.space import Real

NODES = 8
TR = 0.5


def network(subject: str) -> BrainNetwork:
    """A subject with a connectome and a target of its own, both drawn from its name; "flat" has a dead region."""
    rng = np.random.default_rng(seed_of(0, subject))
    weights = rng.lognormal(size=(NODES, NODES))
    weights += weights.T
    np.fill_diagonal(weights, 0)
    bold = rng.normal(size=(NODES, 60)) + rng.normal(size=60)
    if subject == "flat":
        bold[3] = 7.0
    return BrainNetwork(
        "ReducedWongWang",
        Connectome(weights).normalised("spectral"),
        Target(bold=bold, tr=TR, name=subject),
        {"G": Real(0, 1), "w": Real(0.2, 0.9)},
        objectives="+fc_corr-fcd_ks",
        analysis={"fcd_window": 5.0, "fcd_step": 1.0},
        parameters={"I_o": 0.32},
        duration="20 s",
        transient="4 s",
        tr=TR,
        backend="cpu",
    )


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return Cohort(["ann", "bob", "eve"], network)


def individuals(names: list[str]) -> list[Individual]:
    rng = np.random.default_rng(3)
    return [
        Individual({"G": rng.uniform(0, 1), "w": rng.uniform(0.2, 0.9)}, position=place, task=name, seed=place)
        for place, name in enumerate(names)
    ]


def same(one: Outcome | Exception, other: Outcome | Exception) -> bool:
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    return (
        one.fitness == other.fitness
        and one.measurements == other.measurements
        and all(np.array_equal(one.recordings[name], other.recordings[name]) for name in other.recordings)
    )


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_subject_gives_the_same_bits_alone_and_among_others(
    threads: str, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    asked = individuals(["ann", "bob", "bob", "eve", "ann", "eve", "eve"])
    outcomes = cohort.simulate_batch(asked)
    for individual, outcome in zip(asked, outcomes, strict=True):
        assert same(outcome, network(individual.task).simulate(individual))
    # The subjects are not each other: the same individual is another answer elsewhere.
    elsewhere = cohort.members["bob"].simulate(asked[0])
    assert elsewhere.fitness != outcomes[0].fitness
    assert cohort.device == "cpu"


def test_a_cohort_travels_to_workers(cohort: Cohort) -> None:
    asked = individuals(["eve", "ann"])
    travelled = pickle.loads(pickle.dumps(cohort))
    assert all(map(same, travelled.simulate_batch(asked), cohort.simulate_batch(asked)))


def test_a_region_without_signal_fails_its_subject_by_name() -> None:
    both = Cohort(["ann", "flat"], network)
    assert list(both.members) == ["ann"]
    assert "constant" in both.failures["flat"]
    assert "3" in both.failures["flat"]  # the region
    assert both.describe()["failed"] == both.failures


def test_a_subject_with_other_objectives_is_refused() -> None:
    other = BrainNetwork(
        "ReducedWongWang", network("ann").connectome, np.eye(NODES), {"G": Real(0, 1), "w": Real(0.2, 0.9)}, duration=60
    )
    with pytest.raises(OptimizeeError, match="same objectives, but 'bob'"):
        Cohort({"ann": network("ann"), "bob": other})


def test_validation_is_longer_for_every_member(cohort: Cohort) -> None:
    for name, member in cohort.members.items():
        member.validation_duration = 30.0
        assert cohort.validation().members[name].duration == 30.0
        assert member.duration == 20.0


def test_a_family_simulates_each_individual_on_each_task() -> None:
    family = TaskFamily(["ann", "bob"], ["eve"], build=network)
    individual = individuals([""])[0]
    on_tasks = family.on_tasks([individual])
    assert [each.task for each in on_tasks] == ["ann", "bob"]
    outcomes = family.simulate_batch(on_tasks)
    for each, outcome in zip(on_tasks, outcomes, strict=True):
        assert same(outcome, network(each.task).simulate(each))
    assert [each.task for each in family.validation().on_tasks([individual])] == ["eve"]


def test_seeds_depend_on_the_name_alone() -> None:
    assert seed_of(5, "ann") == seed_of(5, "ann")
    assert len({seed_of(seed, name) for seed in (0, 5, 2**70) for name in ("ann", "anna", "")}) == 9
    assert all(0 <= seed_of(seed, "ann") < 2**64 for seed in range(50))
