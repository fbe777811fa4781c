"""A warm start: nearer to what did best elsewhere, the same for the same points, refused where it cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import OptimizerError
from l2l.optimizers import OPTIMIZERS, Told, create
from l2l.optimizers.promising import ALPHA, promising_region
from l2l.space import Integer, Real, Space

SPACE = Space({"a": Real(0, 1), "b": Real(1, 100, log=True), "n": Integer(0, 9), "w": Real(-1, 1, shape=(2,))})
DOES_NOT_LEARN = {"random", "grid"}
LEARNS = sorted(set(OPTIMIZERS) - DOES_NOT_LEARN)
NEAR = np.clip(np.array([0.8, 0.2, 0.55, 0.9, 0.02]) + np.random.default_rng(0).normal(0, 0.02, (12, 5)), 0, 1)


def build(name: str, space: Space = SPACE):
    settings = {"name": name}
    if name == "genetic":
        settings["population"] = 24
    return create(settings).build(space, np.random.SeedSequence(5))


def asked(optimizer, generations: int = 3) -> np.ndarray:
    points = []
    for _ in range(generations):
        candidates = optimizer.ask()
        points += [candidate.point for candidate in candidates]
        optimizer.tell([Told(candidate, (float(np.sum((candidate.point - 0.5) ** 2)),)) for candidate in candidates])
    return np.array(points)


@pytest.mark.parametrize("name", LEARNS)
def test_the_first_generation_is_nearer_and_holds_the_best(name: str) -> None:
    warm = build(name)
    warm.warm_start(NEAR)
    first, cold = (np.array([candidate.point for candidate in optimizer.ask()]) for optimizer in (warm, build(name)))
    assert first.shape == cold.shape
    # Medians: part of a genetic algorithm's first generation stays random.
    near, far = (np.median(np.linalg.norm(points - NEAR.mean(axis=0), axis=1)) for points in (first, cold))
    assert near < 0.7 * far
    if name != "cross-entropy":  # which samples its Gaussian alone
        assert (first == NEAR[0]).all(axis=1).any()


@pytest.mark.parametrize("name", LEARNS)
def test_the_same_points_lead_to_the_same_search_to_the_bit(name: str) -> None:
    first, again, other = build(name), build(name), build(name)
    given = NEAR.copy()
    first.warm_start(given)
    again.warm_start(NEAR.tolist())
    given[:] = 0.0  # the caller's own again
    other.warm_start(1 - NEAR)
    expected = asked(first)
    assert np.array_equal(asked(again), expected)
    assert not np.array_equal(asked(other), expected)


@pytest.mark.parametrize("name", LEARNS)
def test_a_single_point_and_a_single_dimension_will_do(name: str) -> None:
    optimizer = build(name, Space({"x": Real(0, 1)}))
    optimizer.warm_start([[1.0]])
    points = asked(optimizer)
    assert ((points >= 0) & (points <= 1)).all()


@pytest.mark.parametrize("name", sorted(DOES_NOT_LEARN))
def test_what_learns_nothing_refuses(name: str) -> None:
    with pytest.raises(OptimizerError, match="cannot be warm-started"):
        build(name).warm_start(NEAR)


def test_bad_points_and_late_starts_are_refused() -> None:
    for points in (NEAR[:, :3], NEAR[0], NEAR[:0], NEAR + 1, NEAR * np.nan):
        with pytest.raises(OptimizerError, match="warm start"):
            build("cma-es").warm_start(points)
    optimizer = build("cma-es")
    optimizer.ask()
    with pytest.raises(OptimizerError, match="before its first generation"):
        optimizer.warm_start(NEAR)


def test_the_region_is_the_mixture_s_mean_and_covariance() -> None:
    points = np.array([[0.2, 0.5], [0.4, 0.5]])
    mean, covariance = promising_region(points)
    # By hand: the mean of two points, and their variance (0.1 each way) beside that of each one's own distribution.
    np.testing.assert_allclose(mean, [0.3, 0.5], rtol=1e-15)
    np.testing.assert_allclose(covariance, [[0.01 + ALPHA**2, 0], [0, ALPHA**2]], rtol=1e-14)
