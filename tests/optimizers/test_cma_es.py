from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import OptimizerError
from l2l.optimizers import CMAES, Candidate, Told
from l2l.space import Categorical, Integer, Real, Space


def quadratic(point):
    return float(np.sum((point - 0.3) ** 2))


def corner(point):
    """Its minimum lies at an edge, where the transformation of the bounds is at work."""
    return float(point[0] + np.sum((point[1:] - 0.7) ** 2))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("loss", [quadratic, corner])
def test_the_samples_are_those_of_pycma_with_bounds(loss, search):
    """An independent path through pycma: its own handling of bounds, its own archive of what it asked."""
    cma = pytest.importorskip("cma")
    run = search(CMAES(population=9), loss, 4, generations=40)
    rng = np.random.default_rng(np.random.SeedSequence(1))
    strategy = cma.CMAEvolutionStrategy(
        [0.5] * 4,
        0.3,
        {
            "popsize": 9,
            "bounds": [0, 1],
            "randn": lambda *shape: rng.standard_normal(shape) @ strategy.sm.B,
            "seed": np.nan,
            "verbose": -10,
            "verb_log": 0,
            "signals_filename": None,
        },
    )
    for asked in run.asked:
        points = strategy.ask()
        # Both add the same numbers; the bound is 1e-9 rather than 0 because BLAS may sum in another order.
        assert np.array(points) == pytest.approx(asked, abs=1e-9)
        strategy.tell(points, [loss(point) for point in points])


def test_the_ellipsoid_is_solved(search):
    """Condition 1e6, rotated, to 1e-8: only a search that learns the covariance gets there in 1100 N evaluations."""
    rotation = np.linalg.qr(np.random.default_rng(4).standard_normal((5, 5)))[0]
    scales = 10 ** np.linspace(0, 6, 5)
    run = search(
        CMAES(tolfun=0, tolx=0),
        lambda point: float(np.sum(scales * (rotation @ (point - 0.4)) ** 2)),
        5,
        evaluations=5500,
        target=1e-8,
    )
    assert run.best < 1e-8


def test_one_dimension_is_solved(search):
    run = search(CMAES(), lambda point: float((point[0] - 0.123) ** 2), 1, generations=1000)
    assert run.best < 1e-10
    assert run.optimizer.stop() is not None


def test_the_search_starts_where_it_is_told():
    space = Space({"G": Real(0, 10), "tau": Real(1, 100, log=True), "n": Integer(1, 4), "c": Categorical(["a", "b"])})
    start = {"G": 2.0, "tau": 10.0, "n": 3, "c": "b"}
    optimizer = CMAES(population=2000, sigma=0.02, start=start).build(space, np.random.SeedSequence(1))
    mean = np.mean([candidate.point for candidate in optimizer.ask()], axis=0)
    # n and c sample no narrower than a fifth of a step, 0.05 and 0.1; 2000 samples, 4 standard errors of the widest.
    assert mean == pytest.approx(space.encode(start), abs=0.01)


def test_a_random_start_is_another_for_each_seed(search):
    means = [search(CMAES(population=50, sigma=1e-3, start="random"), quadratic, 3, seed=seed, generations=1)
             .asked[0].mean(axis=0) for seed in range(5)]  # fmt: skip
    assert min(np.abs(one - other).max() for i, one in enumerate(means) for other in means[:i]) > 0.05


def test_other_eigenvectors_of_the_same_covariance_ask_the_same_points(search, monkeypatch):
    """Another LAPACK may return each eigenvector with the other sign: the distribution is the same, and so is the ask.

    Ranks make a search chaotic in its losses, not in its points as long as the recorded losses are told.
    """
    recorded = search(CMAES(population=9), quadratic, 4, generations=60)
    original = np.linalg.eigh

    def other(matrix):
        values, vectors = original(matrix)
        return values * (1 + 1e-15), vectors * (-1.0) ** np.arange(len(values))

    monkeypatch.setattr(np.linalg, "eigh", other)
    fresh = CMAES(population=9).build(recorded.optimizer.space, np.random.SeedSequence(1))
    for asked, told in zip(recorded.asked, recorded.told, strict=True):
        # 1e-6 is where a resumed run is refused.
        assert np.array([candidate.point for candidate in fresh.ask()]) == pytest.approx(asked, abs=1e-6)
        fresh.tell(told)


def test_points_of_others_draw_the_search_to_them(search):
    run = search(CMAES(population=10, sigma=0.1), lambda point: float(point[0]), 2, generations=1)
    before = run.optimizer._strategy.mean.copy()
    asked = run.optimizer.ask()
    good = [Told(Candidate(np.array([0.9, 0.9])), (-1.0,))] * 5
    run.optimizer.tell(good + [Told(candidate, (1.0,)) for candidate in asked[5:]])
    after = run.optimizer._strategy.mean
    assert np.all(after > before)
    assert np.linalg.norm(after - before) < 0.5  # drawn near, not thrown there


@pytest.mark.parametrize("dimension", [1, 3])
def test_a_flat_loss_ends_in_words(search, dimension):
    run = search(CMAES(), lambda _: 1.0, dimension, generations=500)
    assert "have been equal" in run.optimizer.stop() or "differ by less" in run.optimizer.stop()


def test_an_integer_is_never_given_up(search):
    """While Reals converge to 1e-5 of their range, an Integer goes on trying its neighbours."""
    space = Space({"n": Integer(0, 99), "x": Real(0, 1, shape=(3,))})
    config = CMAES(population=10, tolfun=0)
    run = search(config, lambda point: float(np.sum((point[1:] - 0.3) ** 2)), space, generations=80)
    deviations = np.concatenate(run.asked[-4:]).std(axis=0)
    assert np.all(deviations[1:] < 1e-5)
    # A fifth of a step of 1 / 100; the deviation of 40 samples errs by 11 %. Unbounded, it would be a quarter of that.
    assert deviations[0] > 0.6 * 0.2 / 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, "population must be an integer >= 2, but got 1"),
        ({"population": 8.0}, "population must be an integer >= 2, but got 8.0"),
        ({"sigma": 0}, r"sigma must be a number in \(0, 1\], but got 0"),
        ({"sigma": "big"}, "sigma must be a number"),
        ({"start": "center"}, "start 'center' is unknown: did you mean 'centre'"),
        ({"tolx": -1}, r"tolx must be a number in \[0, inf\), but got -1"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(OptimizerError, match=message):
        CMAES(**settings)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"Gg": 1.0}, "start must be a point of the space, but unknown parameter 'Gg': did you mean 'G'"),
        ({}, "start must be a point of the space, but every parameter needs a value"),
        ({"G": 11}, r"'G' must lie in \[0.0, 10.0\], but got 11"),
    ],
)
def test_a_start_outside_the_space_is_refused(start, message):
    with pytest.raises(OptimizerError, match=message):
        CMAES(start=start).build(Space({"G": Real(0, 10)}), np.random.SeedSequence(0))
