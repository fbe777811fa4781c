from __future__ import annotations

import itertools

import numpy as np
import pytest

from l2l.errors import OptimizerError
from l2l.optimizers import Grid
from l2l.space import Categorical, Integer, Real, Space

SPACE = Space(
    {
        "G": Real(0, 5),
        "tau": Real(1, 100, log=True),
        "n": Integer(1, 3),
        "rule": Categorical(["a", "b"]),
    }
)


def values(run, space):
    return [space.decode(point) for asked in run.asked for point in asked]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one[2:] == other[2:]
        assert one[:2] == pytest.approx(other[:2], rel=1e-14)  # decode rounds


def test_all_combinations_in_order_the_last_varying_fastest(search):
    run = search(Grid({"G": 3, "tau": 3}, batch=7), lambda _: 0.0, SPACE)
    expected = itertools.product([0.0, 2.5, 5.0], [1.0, 10.0, 100.0], [1, 2, 3], ["a", "b"])
    found = [tuple(value.values()) for value in values(run, SPACE)]
    assert_same(found, expected)
    assert [len(asked) for asked in run.asked] == [7] * 7 + [5]
    assert run.optimizer.stop() == "all 54 points of the grid have been asked"


def test_values_may_be_given(search):
    given = {"G": [0.1, 0.3], "tau": [2, 50, 7], "n": [3, 1], "rule": ["b"]}
    run = search(Grid(given), lambda _: 0.0, SPACE)
    found = [tuple(value.values()) for value in values(run, SPACE)]
    assert_same(found, itertools.product(*given.values()))


def test_a_shape_takes_the_values_in_every_element(search):
    space = Space({"w": Real(0, 1, shape=(2, 2)), "G": Real(0, 1)})
    run = search(Grid({"w": [0.0, 1.0], "G": 1}), lambda _: 0.0, space)
    found = {(*value["w"].ravel(), value["G"]) for value in values(run, space)}
    assert found == {(*corner, 0.5) for corner in itertools.product([0.0, 1.0], repeat=4)}


def test_fewer_integers_than_there_are_spread_evenly(search):
    space = Space({"n": Integer(0, 100)})
    assert [v["n"] for v in values(search(Grid({"n": 5}), lambda _: 0.0, space), space)] == [0, 25, 50, 75, 100]
    assert [v["n"] for v in values(search(Grid({"n": 1}), lambda _: 0.0, space), space)] == [50]


def test_the_nearest_point_is_found(search):
    """Its own law of quality: the best of the grid is at most half a spacing away in every direction."""
    optimum = np.random.default_rng(0).random(3)
    run = search(Grid(points=9), lambda point: float(np.max(np.abs(point - optimum))), 3)
    assert run.evaluations == 729
    assert run.best <= 1 / 8 / 2


def test_a_billion_points_are_never_held(search):
    space = Space({f"x{index}": Real(0, 1) for index in range(9)})
    run = search(Grid(points=10, batch=1000), lambda _: 0.0, space, generations=2)
    assert run.optimizer.summary() == {"points": 10**9, "asked": 2000}
    assert np.concatenate(run.asked)[1234] == pytest.approx(np.array([0, 0, 0, 0, 0, 1, 2, 3, 4]) / 9)


@pytest.mark.parametrize(
    ("points", "space", "message"),
    [
        (5, Space({"w": Real(0, 1, shape=(68,))}), r"at most 1,000,000,000 points, but this one has about 10\*\*47"),
        (1001, Space({"x": Real(0, 1, shape=(3,))}), "has 1,003,003,001 in 3 dimensions: give fewer points"),
        (3, Space({"n": Integer(0, 10**10)}), "has 10,000,000,001"),
        ({"Gg": 3}, SPACE, "unknown parameter 'Gg': did you mean 'G'"),
        ({"n": 4}, SPACE, "'n' has only 3 values, but the grid asks for 4"),
        ({"n": [4]}, SPACE, r"must belong to the space, but parameter 'n' must lie in \[1, 3\], but got 4"),
        ({"rule": ["c"]}, SPACE, "must belong to the space, but parameter 'rule'"),
        ({"G": [0.1, 6]}, SPACE, r"must belong to the space, but parameter 'G' must lie in \[0.0, 5.0\]"),
        ({"G": [1, 1.0]}, SPACE, "values must differ"),
    ],
)
def test_a_grid_that_does_not_fit_the_space_is_refused(points, space, message):
    with pytest.raises(OptimizerError, match=message):
        Grid(points).build(space, np.random.SeedSequence(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": 0}, "points must be an integer >= 1, but got 0"),
        ({"points": 2.5}, "points must be an integer >= 1, but got 2.5"),
        ({"points": {"G": "many"}}, "points of 'G' must be an integer >= 1, but got 'many'"),
        ({"points": {"G": []}}, "points of 'G' must hold at least one value"),
        ({"batch": 0}, "batch must be an integer >= 1"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(OptimizerError, match=message):
        Grid(**settings)
