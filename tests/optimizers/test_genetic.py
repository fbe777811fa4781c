from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import OptimizerError
from l2l.optimizers import Genetic, Told


def quadratic(point):
    return float(np.sum((point - 0.3) ** 2))


def test_without_variation_children_are_their_parents(search):
    run = search(Genetic(10, crossover_probability=0, mutation_probability=0), quadratic, 3, generations=1)
    for candidate in run.step(quadratic):
        ((generation, position),) = candidate.parents
        assert candidate.point.tobytes() == run.asked[generation][position].tobytes()


def test_the_more_compete_the_better_the_parents(search):
    """With tournaments of the size k, the expected rank of a parent among n is about n / (k + 1)."""
    for size in (1, 2, 5):
        config = Genetic(400, crossover_probability=0, mutation_probability=0, tournament=size)
        run = search(config, lambda point: float(point[0]), 1, generations=1)
        rank = np.argsort(np.argsort(run.asked[0][:, 0]))
        chosen = [rank[candidate.parents[0][1]] for candidate in run.step(lambda point: float(point[0]))]
        # Ranks have a standard deviation below n / 3.4; 400 draws give n / 68, of which 4 are allowed.
        assert np.mean(chosen) == pytest.approx(400 / (size + 1), abs=4 * 400 / 68)


@pytest.mark.parametrize("crossover", ["sbx", "blend"])
def test_crossover_keeps_the_mean_of_the_parents(crossover, search):
    """Deb, Agrawal (1995): the children lie symmetrically about their parents (blend: by construction)."""
    config = Genetic(20, crossover=crossover, crossover_probability=1, alpha=0.1, mutation_probability=0)
    run = search(config, lambda point: float(np.max(np.abs(point - 0.5))), 2, generations=15)
    children = run.step(quadratic)
    checked = 0
    for one, other in zip(children[::2], children[1::2], strict=True):
        parents = [run.asked[generation][position] for generation, position in one.parents]
        assert one.parents == other.parents
        if len(parents) == 2:  # far from the faces, where sbx without bounds is symmetric to 1e-6
            assert one.point + other.point == pytest.approx(parents[0] + parents[1], abs=1e-3)
            checked += 1
    assert checked > 3


def test_sbx_spreads_as_its_density_says(search):
    """The spread factor b <= 1 in half of the cases, and b**(eta + 1) is then uniform (Deb, Agrawal 1995)."""
    eta = 2.0
    config = Genetic(2000, crossover_probability=1, eta_crossover=eta, mutation_probability=0, tournament=1)
    run = search(config, quadratic, 1, generations=1)
    run.optimizer._parents = [p for p in run.optimizer._parents if 0.45 < p[0] < 0.55]  # far from the faces
    spreads = []
    children = run.optimizer.ask()
    for one, other in zip(children[::2], children[1::2], strict=True):
        parents = [run.asked[g][p][0] for g, p in one.parents]
        if len(parents) == 2 and abs(parents[0] - parents[1]) > 1e-3:
            spread = abs(one.point[0] - other.point[0]) / abs(parents[0] - parents[1])
            if spread != pytest.approx(1, abs=1e-9):  # DEAP leaves each element as it is with probability one half
                spreads.append(spread)
    contracting = np.array([spread for spread in spreads if spread <= 1])
    assert len(spreads) > 300
    assert len(contracting) / len(spreads) == pytest.approx(0.5, abs=0.12)  # 4 standard errors of 300 coins
    assert np.mean(contracting ** (eta + 1)) == pytest.approx(0.5, abs=0.1)  # a uniform's mean: 0.29 / sqrt(150) each


def test_elites_are_never_lost(search):
    run = search(Genetic(10, elites=2), quadratic, 3, generations=1)
    best = run.best
    for _ in range(20):
        run.step(quadratic)
        kept = min(quadratic(np.array(member)) for member in run.optimizer._parents)
        assert kept == run.best
        assert kept <= best
        best = kept


def test_mutation_moves_one_element_a_child_by_default(search):
    run = search(Genetic(500, crossover_probability=0), quadratic, 10, generations=1)
    moved = [np.sum(candidate.point != run.asked[0][candidate.parents[0][1]]) for candidate in run.step(quadratic)]
    assert np.mean(moved) == pytest.approx(1, abs=0.2)  # binomial: 0.95 / sqrt(500), of which 4 are allowed


def schaffer(point):
    x = 20 * point[0] - 10
    return (x**2, (x - 2) ** 2)


def test_several_objectives_are_spread_over_the_pareto_front(search):
    """Schaffer's problem SCH, whose Pareto-optimal set is 0 <= x <= 2 (Deb et al. 2002)."""
    run = search(Genetic(40), schaffer, 1, objectives=2, generations=40)
    x = np.sort([20 * member[0] - 10 for member in run.optimizer._parents])
    assert len(x) == 40
    assert np.all((x > -0.01) & (x < 2.01))
    assert x[0] < 0.1
    assert x[-1] > 1.9
    assert np.diff(x).max() < 0.3  # 40 points, evenly spread, would be 0.05 apart


def test_failures_never_reach_the_pareto_front(search):
    run = search(Genetic(20), lambda point: None if point[0] < 0.55 else schaffer(point), 1, objectives=2,
                 generations=30)  # fmt: skip
    # x >= 1 remains: its Pareto-optimal set is 1 <= x <= 2.
    assert np.all(np.array([member[0] for member in run.optimizer._parents]) >= 0.55)


def test_a_generation_that_failed_leaves_the_parents(cube):
    optimizer = Genetic(6).build(cube(2), np.random.SeedSequence(1))
    optimizer.tell([Told(candidate, (quadratic(candidate.point),)) for candidate in optimizer.ask()])
    parents = [list(member) for member in optimizer._parents]
    optimizer.tell([Told(candidate, None) for candidate in optimizer.ask()])
    assert [list(member) for member in optimizer._parents] == parents
    assert {origin for candidate in optimizer.ask() for origin in candidate.parents} <= {(0, p) for p in range(6)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, "population must be an integer >= 2, but got 1"),
        ({"crossover": "sbxx"}, "crossover 'sbxx' is unknown: did you mean 'sbx'"),
        ({"mutation": "polynomal"}, "did you mean 'polynomial'"),
        ({"crossover_probability": 1.5}, r"crossover_probability must be a number in \[0, 1\], but got 1.5"),
        ({"eta_crossover": -1}, r"eta_crossover must be a number in \[0, inf\), but got -1"),
        ({"elites": 32}, r"elites must be an integer in 0..31, but got 32"),
        ({"tournament": 0}, "tournament must be an integer >= 1"),
        ({"sigma": 0}, "sigma"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(OptimizerError, match=message):
        Genetic(**settings)
