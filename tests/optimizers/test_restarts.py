from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from l2l.errors import OptimizerError
from l2l.optimizers import CMAES, Candidate, CrossEntropy, Genetic, Grid, Optimizer, OptimizerConfig, Restarts


def rastrigin(point):
    x = 10.24 * (point - 0.3)
    return float(10 * len(x) + np.sum(x**2 - 10 * np.cos(2 * np.pi * x)))


@dataclass(frozen=True)
class Short(OptimizerConfig):
    """Stops after `length` generations: what is restarted, and how, is then exact."""

    name: ClassVar[str] = "short"

    population: int = 4
    sigma: float = 1.0
    length: int = 3

    def build(self, space, seed, objectives=1):
        return ShortOptimizer(self, space, seed, objectives)


class ShortOptimizer(Optimizer):
    def __init__(self, config, space, seed, objectives):
        super().__init__(space, seed, objectives)
        self.config = config

    def _propose(self):
        parents = ((self.generation - 1, 0),) if self.generation else ()
        return [Candidate(point, parents) for point in self.rng.random((self.config.population, self.dimension))]

    def _learn(self, points, losses, failed):
        pass

    def _stop(self):
        return "short" if self.generation >= self.config.length else None


def test_ipop_doubles_the_population(search):
    run = search(Restarts(Short(), maximum=3), lambda point: float(point[0]), 2)
    assert [len(asked) for asked in run.asked] == [4] * 3 + [8] * 3 + [16] * 3 + [32] * 3
    assert run.optimizer.stop() == "all 3 restarts are spent; the last ended because: short"


def test_each_run_has_a_seed_of_its_own(search):
    run = search(Restarts(Short(), factor=1.01, maximum=3), lambda _: 0.0, 2)
    assert len({asked[0].tobytes() for asked in run.asked}) == len(run.asked)


def test_parents_are_counted_from_the_first_run(search):
    run = search(Restarts(Short(), maximum=1), lambda _: 0.0, 2, generations=0)
    parents = [run.step(lambda _: 0.0)[0].parents for _ in range(6)]
    assert parents == [(), ((0, 0),), ((1, 0),), (), ((3, 0),), ((4, 0),)]


def test_stagnation_restarts_what_never_stops(search):
    run = search(Restarts(Genetic(6), patience=5, maximum=1), lambda _: 1.0, 2)
    assert [len(asked) for asked in run.asked] == [6] * 6 + [12] * 6  # the first generation sets the best loss
    assert "has not improved for 5 generations" in run.optimizer.stop()


def test_generations_that_fail_as_a_whole_are_no_stagnation(search):
    run = search(Restarts(Genetic(6), patience=5), lambda _: None, 2, generations=20)
    assert run.optimizer.summary()["restarts"] == 0


def test_bipop_alternates_and_balances_two_budgets(search):
    """Hansen (2009): the regime that has spent less is next, and small runs are small in three ways."""
    run = search(Restarts(Short(length=10), kind="bipop", maximum=4), lambda _: 0.0, 2, generations=0)
    runs: list[dict[str, object]] = []
    while run.optimizer.stop() is None:
        number = run.optimizer.summary()["restarts"]
        if number == len(runs):
            inner = run.optimizer._inner.config
            runs.append({"regime": run.optimizer.summary()["regime"], "population": inner.population,
                         "sigma": inner.sigma, "spent": 0})  # fmt: skip
        runs[number]["spent"] += len(run.step(lambda _: 0.0))
    large = [item for item in runs[1:] if item["regime"] == "large"]
    small = [item for item in runs[1:] if item["regime"] == "small"]
    assert [item["population"] for item in large] == [8, 16, 32, 64]
    assert {item["sigma"] for item in large} == {1.0}
    assert len(small) > 4
    assert all(0.01 <= item["sigma"] <= 1 for item in small)
    spent = {"large": 0, "small": 0}
    last, population = 0, 4
    for item in runs[1:]:
        if item["regime"] == "small":
            assert spent["small"] < spent["large"]
            assert 4 <= item["population"] <= population / 2
            assert item["spent"] <= last / 2 + item["population"]  # a generation is never cut
        else:
            assert spent["small"] >= spent["large"]
            last, population = item["spent"], item["population"]
        spent[item["regime"]] += item["spent"]


@pytest.mark.parametrize("kind", ["ipop", "bipop"])
def test_restarts_solve_rastrigin_where_one_run_fails(kind, search):
    """In two dimensions, 3000 evaluations: at least 7 of 10 seeds, and at least 4 more than a single CMA-ES.

    A single CMA-ES with a population of 6 is caught by one of the 121 local minima (Hansen, Kern 2004).
    """
    single, restarted = (
        [search(config, rastrigin, 2, seed=seed, evaluations=3000, target=1e-3).best < 1e-3 for seed in range(10)]
        for config in (CMAES(tolfun=1e-6), Restarts(CMAES(tolfun=1e-6), kind=kind))
    )
    assert sum(restarted) >= 7
    assert sum(restarted) >= sum(single) + 4


def test_a_start_at_the_centre_is_random_after_a_restart(search):
    run = search(Restarts(CMAES(population=40, sigma=0.01), patience=2, maximum=1), lambda _: 1.0, 2)
    first, last = run.asked[0].mean(axis=0), run.asked[-1].mean(axis=0)
    assert first == pytest.approx(0.5, abs=0.01)
    assert np.abs(last - 0.5).max() > 0.05


@pytest.mark.parametrize("inner", [CMAES(population=4), Genetic(4), CrossEntropy(4)])
def test_every_optimizer_with_a_population_can_be_restarted(inner, search):
    run = search(Restarts(inner, patience=3, maximum=1), lambda _: 1.0, 2)
    assert {len(asked) for asked in run.asked} == {4, 8}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": Grid()}, "restarts change the population, but 'grid' has none"),
        ({"optimizer": Restarts()}, "restarts cannot be restarted"),
        ({"optimizer": 3}, "optimizer must be an optimizer's configuration, but is 3"),
        ({"optimizer": "cma"}, "unknown optimizer 'cma': did you mean 'cma-es'"),
        ({"kind": "ipopp"}, "kind 'ipopp' is unknown: did you mean 'ipop'"),
        ({"factor": 1}, r"factor must be a number in \(1, inf\), but got 1"),
        ({"maximum": -1}, "maximum must be an integer >= 0"),
        ({"patience": 0}, "patience must be an integer >= 1"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(OptimizerError, match=message):
        Restarts(**settings)
