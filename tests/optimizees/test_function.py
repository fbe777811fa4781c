"""Functions as optimizees: how they are called, what they may return, and what is refused before anything runs."""

import functools

import cloudpickle
import numpy as np
import pytest

from l2l.errors import ObjectiveError, OptimizeeError
from l2l.individual import Individual, Outcome
from l2l.objective import Objective
from l2l.optimizees import FunctionOptimizee
from l2l.optimizees import test_function as landscape
from l2l.optimizees.test_functions import LANDSCAPES
from l2l.space import Categorical, Integer, Real, Space

PLANE = Space({"x": Real(-5, 5), "y": Real(-5, 5)})
POINT = Individual({"x": 1.0, "y": 2.0}, seed=11)


def loss_of(function, **settings):
    return dict(FunctionOptimizee(function, PLANE, **settings).simulate(POINT).fitness)


class Callable:
    def __call__(self, x, y):
        return 10 * x + y

    def method(self, y, x):
        return 10 * x + y


def with_mapping(everything: dict):
    return 10 * everything["x"] + everything["y"]


def with_individual(one: Individual):
    return 10 * one["x"] + one.parameters["y"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: 10 * x + y,
        lambda y, x: 10 * x + y,
        lambda x, **rest: 10 * x + rest["y"],
        lambda **values: 10 * values["x"] + values["y"],
        lambda x, y, /: 10 * x + y,
        lambda x, y=None, z=0: 10 * x + y + z,
        lambda p: 10 * p["x"] + p["y"],
        lambda parameters: 10 * parameters["x"] + parameters["y"],
        lambda individual: 10 * individual["x"] + individual["y"],
        with_mapping,
        with_individual,
        Callable(),
        Callable().method,
        functools.partial(lambda x, y, z: z * x + y, z=10),
    ],
)
def test_ways_of_being_called(function):
    assert loss_of(function) == {"loss": 12.0}


def test_noise_is_the_individuals():
    expected = np.random.default_rng(11).normal()
    assert loss_of(lambda x, y, rng: rng.normal()) == {"loss": expected}  # noqa: ARG005
    assert loss_of(lambda p, rng: rng.normal() + 0 * p["x"]) == {"loss": expected}
    assert loss_of(lambda x, y, seed: seed) == {"loss": 11}  # noqa: ARG005


def test_a_parameter_may_be_called_seed():
    optimizee = FunctionOptimizee(lambda seed: seed, {"seed": Integer(1, 9)})
    assert optimizee.simulate(Individual({"seed": 4}, seed=99)).fitness == {"loss": 4}


def test_ways_of_answering():
    two = ["a", Objective("b", maximize=True)]
    assert loss_of(lambda x, y: (x, y), objectives=two) == {"a": 1.0, "b": 2.0}
    assert loss_of(lambda x, y: np.array([x, y]), objectives=two) == {"a": 1.0, "b": 2.0}
    assert loss_of(lambda x, y: {"b": y, "a": x}, objectives=two) == {"a": 1.0, "b": 2.0}
    assert loss_of(lambda x, y: Outcome({"a": x, "b": y}), objectives=two) == {"a": 1.0, "b": 2.0}
    for answer in (1.0, (1.0,), None, "1.0", object()):
        with pytest.raises(OptimizeeError):
            loss_of(lambda p, answer=answer: answer, objectives=two)  # noqa: ARG005


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x, yy: 0, "needs 'yy'.*did you mean 'y'"),  # noqa: ARG005
        (lambda x: x, "takes no argument 'y'"),
        (lambda x, y, z: 0, "needs 'z'"),  # noqa: ARG005
        (lambda q: 0, "needs 'q'.*call its one argument `parameters`"),  # noqa: ARG005
        (lambda: 0, "takes no argument 'x'"),
        (7, "a function is needed"),
    ],
)
def test_a_function_that_does_not_fit_its_space_is_refused(function, said):
    with pytest.raises(OptimizeeError, match=said):
        FunctionOptimizee(function, PLANE)


def test_bad_settings():
    with pytest.raises(ObjectiveError):
        FunctionOptimizee(lambda x, y: 0, PLANE, [])  # noqa: ARG005
    with pytest.raises(OptimizeeError, match="batch_size"):
        FunctionOptimizee(lambda x, y: 0, PLANE, batch=True, batch_size=0)  # noqa: ARG005


# --- vectorised -----------------------------------------------------------------------------------------------

MIXED = Space({"x": Real(-5, 5), "w": Real(0, 1, shape=(3,)), "kind": Categorical(["a", "b"])})
MANY = [
    Individual({"x": float(index), "w": np.full(3, index / 10), "kind": "ab"[index % 2]}, seed=index)
    for index in range(5)
]


def vectorised(x, w, kind, seed):
    assert x.shape == (5,)
    assert w.shape == (5, 3)
    assert seed.dtype == np.uint64
    return x + w.sum(axis=1) + np.where(kind == "a", 100.0, 0.0)


def test_a_vectorised_function():
    optimizee = FunctionOptimizee(vectorised, MIXED, batch=True)
    assert optimizee.batch_size == 256
    outcomes = optimizee.simulate_batch(MANY)
    expected = [index + 0.3 * index + (100.0 if index % 2 == 0 else 0.0) for index in range(5)]
    np.testing.assert_allclose([outcome.fitness["loss"] for outcome in outcomes], expected, rtol=1e-14)  # sums of three


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w, kind: {"a": x, "b": -x},  # noqa: ARG005
        lambda x, w, kind: (x, -x),  # noqa: ARG005
        lambda x, w, kind: [Outcome({"a": each, "b": -each}) for each in x],  # noqa: ARG005
        lambda individual: [{"a": each["x"], "b": -each["x"]} for each in individual],
    ],
)
def test_vectorised_answers(function):
    optimizee = FunctionOptimizee(function, MIXED, ["a", "b"], batch=True)
    assert [dict(outcome.fitness) for outcome in optimizee.simulate_batch(MANY)] == [
        {"a": float(index), "b": -float(index)} for index in range(5)
    ]
    assert optimizee.simulate(MANY[2]).fitness["a"] == 2.0


def test_a_vectorised_answer_of_the_wrong_shape():
    with pytest.raises(OptimizeeError, match="one number an individual"):
        FunctionOptimizee(lambda x, w, kind: 1.0, MIXED, batch=True).simulate_batch(MANY)  # noqa: ARG005


# --- identity -------------------------------------------------------------------------------------------------


def made(offset, array=None):
    return FunctionOptimizee(lambda x, y: x + y + offset + (0 if array is None else array.sum()), PLANE)


def test_the_fingerprint_follows_source_and_bound_values():
    assert made(1.0).fingerprint() == made(1.0).fingerprint()
    assert made(1.0).fingerprint() != made(2.0).fingerprint()
    assert made(1.0, np.ones(3)).fingerprint() != made(1.0, np.zeros(3)).fingerprint()
    one, other = FunctionOptimizee(lambda x, y: x + y, PLANE), FunctionOptimizee(lambda x, y: x * y, PLANE)
    assert one.fingerprint() != other.fingerprint()
    wider = FunctionOptimizee(lambda x, y: x + y, {"x": Real(-5, 5), "y": Real(-5, 6)})
    assert one.fingerprint() != wider.fingerprint()


def test_the_fingerprint_survives_the_journey():
    namespace = {}
    exec("def typed(x, y):\n    return x + y\n", namespace)  # no source file: its bytecode counts
    for optimizee in (made(1.0, np.ones(3)), FunctionOptimizee(namespace["typed"], PLANE)):
        copy = cloudpickle.loads(cloudpickle.dumps(optimizee))
        assert copy.simulate(POINT).fitness == optimizee.simulate(POINT).fitness
        assert copy.name == optimizee.name


# --- test functions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LANDSCAPES)
@pytest.mark.parametrize("dimension", [2, 7])
def test_every_test_function_is_minimal_at_its_optimum(name, dimension):
    optimizee = landscape(name, dimension)
    best = LANDSCAPES[name].optimum(dimension)
    at_best = optimizee.simulate(Individual({"x": best})).fitness["loss"]
    assert at_best == pytest.approx(0.0, abs=1e-4 * dimension)  # Schwefel's constant has a finite number of digits
    box = optimizee.space["x"]
    for point in np.random.default_rng(1).uniform(box.low, box.high, size=(500, dimension)):
        assert optimizee.simulate(Individual({"x": point})).fitness["loss"] > at_best


def test_unknown_test_functions():
    with pytest.raises(OptimizeeError, match="did you mean 'rastrigin'"):
        landscape("rastrigrin")
    with pytest.raises(OptimizeeError, match="dimension >= 2"):
        landscape("rosenbrock", 1)
