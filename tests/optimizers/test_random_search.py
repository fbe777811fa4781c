from __future__ import annotations

import numpy as np
import pytest

from l2l.errors import OptimizerError
from l2l.optimizers import RandomSearch


def test_points_are_uniform_and_independent_of_what_is_told(search):
    run = search(RandomSearch(population=1000), lambda _: 0.0, 2, generations=10)
    points = np.concatenate(run.asked)
    counts = np.histogram2d(*points.T, bins=5, range=[[0, 1], [0, 1]])[0]
    # Chi-square with 24 degrees of freedom: 51 is exceeded by one seed in a thousand.
    assert np.sum((counts - 400) ** 2 / 400) < 51
    assert run.bits == search(RandomSearch(population=1000), lambda point: -point[0], 2, generations=10).bits


@pytest.mark.parametrize("population", [0, -1, 2.0, True, "8"])
def test_a_bad_population_is_refused(population):
    with pytest.raises(OptimizerError, match=r"population must be an integer >= 1, but got"):
        RandomSearch(population=population)
