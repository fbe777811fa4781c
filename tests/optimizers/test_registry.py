from __future__ import annotations

import json

import numpy as np
import pytest

from l2l.errors import OptimizerError
from l2l.optimizers import CMAES, OPTIMIZERS, CrossEntropy, Genetic, Grid, RandomSearch, Restarts, as_json, create


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_creates_its_defaults(name):
    assert create(name) == OPTIMIZERS[name]()
    assert create(name).name == name


@pytest.mark.parametrize(
    "config",
    [
        CMAES(population=8, start={"G": 1.0, "rule": "a", "w": [0.0, 1.0]}),
        Genetic(crossover="blend", mutation_probability=0.2),
        CrossEntropy(elite_fraction=0.1),
        Grid({"G": 11, "tau": [1.0, 2.0]}),
        RandomSearch(5),
        Restarts(Genetic(8), kind="bipop", maximum=3),
    ],
)
def test_settings_survive_json(config):
    assert create(json.loads(json.dumps(as_json(config)))) == config


def test_arrays_become_lists():
    config = CMAES(start={"w": np.array([0.25, 0.5]), "n": np.int64(3)}, population=np.int64(4))
    assert as_json(config)["start"] == {"w": [0.25, 0.5], "n": 3}
    assert json.loads(json.dumps(as_json(config)))["population"] == 4
    assert json.loads(json.dumps(as_json(Grid({"n": range(3)}))))["points"] == {"n": [0, 1, 2]}


def test_settings_are_taken_as_they_are():
    config = Genetic()
    assert create(config) is config


def test_nested_settings_may_be_named():
    assert create({"name": "restarts", "optimizer": "genetic"}) == Restarts(Genetic())
    assert Restarts({"name": "cma-es", "population": 12}) == Restarts(CMAES(population=12))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cmaes", "unknown optimizer 'cmaes': did you mean 'cma-es'"),
        ("genetics", "did you mean 'genetic'"),
        ({"name": "genetic", "populaton": 8}, "'genetic' has no setting 'populaton': did you mean 'population'"),
        ({"population": 8}, r"must hold its 'name', but holds \['population'\]"),
        ({"name": "genetic", "population": 0}, "population must be an integer >= 2, but got 0"),
        (7, "must be given by name, mapping or configuration, but got 7"),
    ],
)
def test_a_bad_description_is_refused(spec, message):
    with pytest.raises(OptimizerError, match=message):
        create(spec)
