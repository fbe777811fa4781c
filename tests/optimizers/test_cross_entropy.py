from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import OptimizerError
from l2l.optimizers import CrossEntropy, Told
from l2l.optimizers.cross_entropy import reflect
from l2l.space import Integer, Space


def test_one_step_is_the_formula(cube):
    """De Boer et al. (2005): smoothed mean and covariance of the elite; failures never belong to it."""
    config = CrossEntropy(population=8, elite_fraction=0.5, smoothing=0.7, sigma=0.2)
    optimizer = config.build(cube(2), np.random.SeedSequence(3))
    candidates = optimizer.ask()
    losses = [4.0, None, 1.0, 7.0, 2.0, np.nan, 6.0, 3.0]
    optimizer.tell([Told(c, None if loss is None else (loss,)) for c, loss in zip(candidates, losses, strict=True)])
    elite = np.array([candidates[index].point for index in (2, 4, 7, 0)])
    assert optimizer.mean == pytest.approx(0.7 * elite.mean(axis=0) + 0.3 * 0.5, rel=1e-14)
    assert optimizer.covariance == pytest.approx(0.7 * np.cov(elite.T) + 0.3 * 0.04 * np.eye(2), rel=1e-12)


def test_fewer_successes_than_elites_are_all_elite(cube):
    optimizer = CrossEntropy(population=4, elite_fraction=1.0, smoothing=1.0).build(cube(1), np.random.SeedSequence(3))
    candidates = optimizer.ask()
    optimizer.tell([Told(c, (1.0,) if index == 2 else None) for index, c in enumerate(candidates)])
    assert optimizer.mean == pytest.approx(candidates[2].point, rel=1e-15)
    assert np.sqrt(optimizer.covariance) == pytest.approx(1e-6)  # its floor


def test_a_quadratic_is_solved_to_the_floor(search):
    """The mean ends at the minimum, and the search when the distribution has reached its floor of 1e-6."""
    optimum = np.array([0.2, 0.5, 0.9])
    scales = np.array([1.0, 10.0, 100.0])
    config = CrossEntropy(population=100)
    run = search(config, lambda point: float(np.sum(scales * (point - optimum) ** 2)), 3, generations=300)
    assert run.optimizer.stop() == "every standard deviation has reached its floor (1e-06 of the range)"
    assert run.optimizer.mean == pytest.approx(optimum, abs=1e-5)


def test_correlations_are_learned(search):
    """Along a narrow oblique valley the correlation coefficient of the distribution nears that of the valley, 0.98."""
    run = search(
        CrossEntropy(population=200),
        lambda point: float((point[0] - point[1]) ** 2 * 100 + (point[0] + point[1] - 1) ** 2),
        2,
        generations=8,
    )
    covariance = run.optimizer.covariance
    assert covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) > 0.9


def test_samples_before_reflection_have_the_covariance(cube):
    optimizer = CrossEntropy(population=20_000).build(cube(2), np.random.SeedSequence(1))
    optimizer.covariance = np.array([[0.004, 0.002], [0.002, 0.003]])  # so narrow that nothing is reflected
    points = np.array([candidate.point for candidate in optimizer.ask()])
    # The standard error of a variance is sqrt(2 / n) = 1 %.
    assert np.cov(points.T) == pytest.approx(optimizer.covariance, rel=0.05)


def test_reflection_folds_at_the_faces():
    given = np.array([-2.25, -1.0, -0.25, 0.0, 0.25, 1.0, 1.25, 2.0, 3.5])
    assert reflect(given).tolist() == [0.25, 1.0, 0.25, 0.0, 0.25, 1.0, 0.75, 0.0, 0.5]
    extreme = reflect(np.array([-5e-324, 5e-324, 1 + 2.3e-16, -1e300, 1e-17]))
    assert np.all((extreme >= 0) & (extreme <= 1))


def test_an_integer_is_never_given_up(search):
    space = Space({"n": Integer(0, 99)})
    run = search(CrossEntropy(), lambda point: abs(space.decode(point)["n"] - 77), space, generations=200)
    assert run.best == 0
    assert run.optimizer.stop() is not None
    assert run.optimizer.summary()["largest_std"] == pytest.approx(0.2 / 100)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, "population must be an integer >= 2, but got 1"),
        ({"elite_fraction": 0}, r"elite_fraction must be a number in \(0, 1\], but got 0"),
        ({"elite_fraction": 1.1}, "elite_fraction"),
        ({"smoothing": 0.0}, r"smoothing must be a number in \(0, 1\], but got 0.0"),
        ({"sigma": float("nan")}, r"sigma must be a number in \(0, 1\], but got nan"),
        ({"floor": 0.5}, r"floor must be a number in \(0, 0.3\], but got 0.5"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(OptimizerError, match=message):
        CrossEntropy(**settings)
