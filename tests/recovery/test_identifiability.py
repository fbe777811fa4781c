"""Intervals, curvature and principal axes of parabolas whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from l2l.recovery.identifiability import (
    Profile,
    Verdict,
    crosses,
    directions,
    judge,
    places_through,
    steps_along,
)
from l2l.space import Categorical, Integer, Real


def parabola(centre: float, curvature: float, points: int = 6) -> Profile:
    places = places_through(Real(0, 1), centre, points)
    return Profile(places, curvature * (places - centre) ** 2, centre)


@pytest.mark.parametrize("centre", [0.5, 0.31, 0.83])
@pytest.mark.parametrize("half", [0.004, 0.02, 0.12])
def test_the_interval_of_a_parabola_is_exact(centre: float, half: float) -> None:
    # excess = tolerance at a distance of `half`: half = sqrt(tolerance / curvature)
    low, high = parabola(centre, 2.0).interval(2.0 * half**2)
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert parabola(centre, 2.0).curvature() == pytest.approx(2.0)


def test_a_flat_profile_is_the_whole_range_and_failures_bound_it() -> None:
    places = places_through(Real(0, 1), 0.5, 3)
    flat = Profile(places, np.zeros(len(places)), 0.5)
    assert flat.interval(1e-9) == (0, 1)
    assert flat.ends(1e-9) == (True, True)
    failing = Profile(places, np.where(places > 0.7, np.inf, 0.0), 0.5)
    assert failing.interval(1e-9) == (0, 0.625)  # the last place that could be evaluated
    assert failing.ends(1e-9) == (True, False)


def test_a_second_valley_does_not_count() -> None:
    places = np.linspace(0, 1, 11)
    excess = np.minimum(np.abs(places - 0.2), np.abs(places - 0.8))
    low, high = Profile(places, excess, 0.2).interval(0.1)
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.3)


def test_places_are_in_the_range_once_each() -> None:
    assert places_through(Real(0, 1), 0.5, 2).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert places_through(Real(0, 1), 0.0, 2).tolist() == [0, 0.25, 0.5, 1]
    whole = Integer(1, 3)
    assert whole.decode(places_through(whole, 0.5, 6)).tolist() == [1, 2, 3]
    choices = Categorical(["a", "b"])
    assert choices.decode(places_through(choices, 0.25, 6)).tolist() == ["a", "b"]


def test_principal_axes_of_a_parabola_are_found() -> None:
    optimum, half = np.array([0.5, 0.4, 0.6]), np.array([0.1, 0.1, 0.0])
    corners = crosses(optimum, half)
    assert corners.shape == (4, 3)
    assert (corners[:, 2] == 0.6).all()
    rows = np.repeat(optimum[None], 8, axis=0)
    rows[:4, 0] += [-0.2, -0.1, 0.1, 0.2]
    rows[4:, 1] += [-0.2, -0.1, 0.1, 0.2]
    points = np.vstack([rows, corners])
    x, y = (points - optimum)[:, :2].T
    axes = directions(points, 5 * (x + y) ** 2 + 0.01 * (x - y) ** 2 + 0.3 * x, optimum, half)
    # Ascending: the valley first, then across; the sign of an axis means nothing.
    np.testing.assert_allclose(np.abs(axes @ [1, -1, 0]) / np.sqrt(2), [1, 0], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=1), 1)


def test_corners_stay_in_the_cube() -> None:
    assert crosses(np.array([0.05, 0.95]), np.array([0.1, 0.1])).min() == 0
    assert crosses(np.array([0.05, 0.95]), np.array([0.1, 0.1])).max() == 1


def test_steps_reach_the_walls() -> None:
    direction = np.array([3.0, -4.0]) / 5
    steps = steps_along(direction, np.array([0.3, 0.6]), 4)
    ends = np.array([0.3, 0.6]) + steps[[0, -1], None] * direction
    np.testing.assert_allclose(ends, [[0.0, 1.0], [0.75, 0.0]], atol=1e-12)
    assert 0 in steps
    assert (np.diff(steps) > 0).all()


@pytest.mark.parametrize(
    ("profile", "noise", "free", "hidden", "verdict"),
    [
        (parabola(0.5, 1.0), 0.005, 0.2, 0.45, Verdict.IDENTIFIABLE),
        (parabola(0.5, 1.0), 0.05, 0.7, 0.5, Verdict.NOT_IDENTIFIABLE),  # sqrt(0.1) on either side
        (parabola(0.5, 1.0), 0.005, 0.6, 0.5, Verdict.COMPENSATED),
        (parabola(0.5, 1.0), 0.005, float("nan"), 0.5, Verdict.IDENTIFIABLE),
        (parabola(0.5, 1.0), 0.005, 0.2, 0.9, Verdict.COMPENSATED),  # as good, though far outside
        (parabola(0.02, 1.0), 0.005, 0.2, 0.05, Verdict.ONE_SIDED),
    ],
)
def test_verdicts(profile: Profile, noise: float, free: float, hidden: float, verdict: Verdict) -> None:
    assert judge(profile, noise, free, hidden, gap=0.0) is verdict


def test_a_true_value_outside_is_no_compensation_where_it_fits_worse() -> None:
    assert judge(parabola(0.5, 1.0), 0.005, 0.2, 0.9, gap=0.1) is Verdict.IDENTIFIABLE


def test_a_better_fit_far_from_the_true_value_misleads() -> None:
    assert judge(parabola(0.5, 1.0), 0.005, 0.2, 0.9, gap=-0.1) is Verdict.MISLED
    assert judge(parabola(0.5, 1.0), 0.005, 0.2, 0.52, gap=-0.1) is Verdict.IDENTIFIABLE


def test_categories_are_judged_by_how_many_fit() -> None:
    places = places_through(Categorical(["a", "b", "c"]), 1 / 6, 1)
    told = Profile(places, np.array([0.0, 1.0, 1.0]), 1 / 6, ordered=False)
    untold = Profile(places, np.array([0.0, 1.0, 0.0]), 1 / 6, ordered=False)
    assert judge(told, 0.1, float("nan"), 1 / 6, 0.0) is Verdict.IDENTIFIABLE
    assert judge(untold, 0.1, float("nan"), 1 / 6, 0.0) is Verdict.NOT_IDENTIFIABLE
    assert untold.within(0.2).tolist() == [True, False, True]
