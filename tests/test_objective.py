from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2l.errors import ObjectiveError
from l2l.objective import Objective, as_objectives, check_fitness

settings.register_profile("patient", deadline=None)  # a shared machine is slow at times
settings.load_profile("patient")

FC = Objective("fc_corr", maximize=True)
COST = Objective("cost")


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_the_smaller_loss_is_the_better_fitness(one, other):
    assert (FC.loss(one) < FC.loss(other)) == (one > other)
    assert (COST.loss(one) < COST.loss(other)) == (one < other)
    assert FC.fitness(FC.loss(one)) == one
    assert COST.fitness(COST.loss(one)) == one


def test_names_are_minimised_and_objectives_stay():
    assert as_objectives("cost") == (COST,)
    assert as_objectives(FC) == (FC,)
    assert as_objectives(["cost", FC]) == (COST, FC)
    assert Objective(**FC.as_json()) == FC


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "at least one objective is needed, but got none"),
        (["a", "b", "a"], "objective names must be unique, but 'a' is repeated"),
        ("", "an objective's name must be a non-empty string, but got ''"),
        ([3], "an objective's name must be a non-empty string, but got 3"),
        (None, "objectives must be given by name or as Objective, but got None"),
        (3, "objectives must be given by name or as Objective, but got 3"),
    ],
)
def test_bad_objectives_are_refused(given, message):
    with pytest.raises(ObjectiveError, match=message):
        as_objectives(given)


def test_a_direction_must_be_clear():
    with pytest.raises(ObjectiveError, match="maximize must be True or False, but got 'yes'"):
        Objective("fc", maximize="yes")


def test_fitness_becomes_plain_floats_in_the_order_of_the_objectives():
    fitness = check_fitness({"cost": np.float32(0.5), "fc_corr": np.array(1)}, (FC, COST))
    assert list(fitness.items()) == [("fc_corr", 1.0), ("cost", 0.5)]
    assert all(type(value) is float for value in fitness.values())


@pytest.mark.parametrize(
    ("fitness", "message"),
    [
        (0.5, "fitness must map objective names to numbers, but is float"),
        ({"fc_cor": 0.5}, "fitness reports 'fc_cor', which is no objective: did you mean 'fc_corr'"),
        ({}, "fitness must report every objective, but 'fc_corr' is missing"),
        ({"fc_corr": float("nan")}, "fitness 'fc_corr' must be finite, but is nan"),
        ({"fc_corr": -np.inf}, "fitness 'fc_corr' must be finite, but is -inf"),
        ({"fc_corr": 10**400}, "fitness 'fc_corr' must be finite, but is beyond the largest float"),
        ({"fc_corr": "0.5"}, r"fitness 'fc_corr' must be a number, but is '0.5' \(str\)"),
        ({"fc_corr": True}, r"must be a number, but is True \(bool\)"),
        ({"fc_corr": np.bool_(True)}, "must be a number, but is .*True"),
        ({"fc_corr": None}, "must be a number, but is NoneType"),
        ({"fc_corr": 1j}, "must be a number, but is complex"),
        ({"fc_corr": np.zeros(3)}, "must be a number, but is ndarray"),
    ],
)
def test_bad_fitness_is_refused(fitness, message):
    with pytest.raises(ObjectiveError, match=message):
        check_fitness(fitness, (FC,))
