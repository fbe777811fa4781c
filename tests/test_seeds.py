from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2l.errors import ExperimentError
from l2l.seeds import Purpose, branch, check_seed, evaluation_seed

settings.register_profile("patient", deadline=None)  # a shared machine is slow at times
settings.load_profile("patient")


@given(st.integers(0, 2**200), st.sampled_from(Purpose), st.integers(0, 2**31), st.integers(0, 2**31))
def test_the_same_place_has_the_same_seed(run, purpose, generation, position):
    one, other = (evaluation_seed(run, purpose, generation, position, 0) for _ in range(2))
    assert one == other
    assert 0 <= one < 2**64


def test_no_two_places_share_a_seed():
    """64 bits: of 24,000 seeds, two are equal by chance once in 6e10 times."""
    places = itertools.product(range(2), (Purpose.EVALUATION, Purpose.VALIDATION), range(30), range(100), range(2))
    seeds = [evaluation_seed(*place) for place in places]
    assert len(set(seeds)) == len(seeds) == 24_000


def test_neighbours_draw_unrelated_numbers():
    draws = np.array([np.random.default_rng(evaluation_seed(1, Purpose.EVALUATION, 0, position, 0))
                      .standard_normal(1000) for position in range(20)])  # fmt: skip
    correlations = np.corrcoef(draws)[np.triu_indices(20, 1)]
    # The standard error of each is 1 / sqrt(1000); the largest of 190 exceeds 4.5 of them in one case of 800.
    assert np.abs(correlations).max() < 4.5 / np.sqrt(1000)


def test_a_branch_depends_on_its_place_alone():
    assert branch(7, Purpose.OPTIMIZER).generate_state(4).tolist() == branch(7, Purpose(0)).generate_state(4).tolist()
    assert branch(7, Purpose.OPTIMIZER).spawn_key == (0,)
    states = {tuple(branch(7, purpose, *place).generate_state(2)) for purpose in Purpose
              for place in [(), (0,), (1,), (0, 0), (0, 1)]}  # fmt: skip
    assert len(states) == 5 * len(Purpose)


def test_purposes_keep_their_numbers():
    """They are part of what a database means: a changed number would change the noise of a resumed run."""
    numbers = {"OPTIMIZER": 0, "EVALUATION": 1, "VALIDATION": 2, "RECOVERY": 3}
    assert {purpose.name: int(purpose) for purpose in Purpose} == numbers


@pytest.mark.parametrize("seed", [-1, 1.0, True, "1", None])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ExperimentError, match=r"a seed must be an integer >= 0, but got"):
        check_seed(seed)


def test_a_seed_becomes_a_plain_int():
    assert type(check_seed(np.int64(3))) is int
