"""What every runner guarantees, tested on each: a new runner joins the fixture."""

import sys
import time

import cloudpickle
import numpy as np
import pytest

from l2l.individual import Individual, Outcome, Status
from l2l.objective import Objective
from l2l.optimizees import FunctionOptimizee, Optimizee
from l2l.runners import DaskRunner, Runner, SerialRunner, create
from l2l.space import Categorical, Integer, Real, Space

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # as the command line does with the user's script

LINE = Space({"x": Real(-10, 10)})


@pytest.fixture(scope="module", params=["serial", "dask"])
def runner(request):
    with {"serial": SerialRunner, "dask": lambda: DaskRunner(workers=2)}[request.param]() as opened:
        yield opened


def individuals(count):
    return [Individual({"x": index / 10}, generation=3, position=index, seed=index + 1000) for index in range(count)]


def by_position(evaluations):
    found = sorted(evaluations, key=lambda evaluation: evaluation.individual.position)
    assert [evaluation.individual.position for evaluation in found] == list(range(len(found)))
    return found


def noisy(x, rng):
    return {"loss": float(np.sum(np.sin(x * np.arange(1, 50)) * rng.standard_normal(49)))}


def misbehave(x, kind):
    answers = {
        "number": 1.5,
        "integer": 2,
        "numpy": np.float32(0.5),
        "mapping": {"loss": 1.0},
        "outcome": Outcome({"loss": 1.0}, {"n": np.int64(3), "ok": True, "list": [1, (2.5, None)]}, {"a": np.eye(3)}),
        "nan": float("nan"),
        "infinite": {"loss": float("inf")},
        "string": {"loss": "1.0"},
        "none": None,
        "truth": True,
        "mistyped": {"los": 1.0},
        "missing": {},
        "extra": {"loss": 1.0, "other": 2.0},
        "set": Outcome({"loss": 1.0}, measurements={"n": {1, 2}}),
        "array measured": Outcome({"loss": 1.0}, measurements={"n": np.ones(3)}),
        "list recorded": Outcome({"loss": 1.0}, recordings={"a": [1.0, 2.0]}),
        "objects recorded": Outcome({"loss": 1.0}, recordings={"a": np.array([None, {}])}),
        "recordings": Outcome({"loss": 1.0}, recordings=np.ones(2)),
    }
    if kind == "raise":
        raise ValueError(f"x was {x}\nsecond line")
    if kind == "exit":
        sys.exit("goodbye")
    if kind == "unprintable":
        raise UnprintableError
    return answers[kind]


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


KINDS = [
    ("number", Status.OK, ""),
    ("integer", Status.OK, ""),
    ("numpy", Status.OK, ""),
    ("mapping", Status.OK, ""),
    ("outcome", Status.OK, ""),
    ("raise", Status.FAILED, "ValueError: x was 0.0 second line"),
    ("exit", Status.FAILED, "SystemExit: goodbye"),
    ("unprintable", Status.FAILED, "UnprintableError"),
    ("nan", Status.INVALID, "finite"),
    ("infinite", Status.INVALID, "finite"),
    ("string", Status.INVALID, "must be a number"),
    ("none", Status.INVALID, "is a `return` missing?"),
    ("truth", Status.INVALID, "must be a number"),
    ("mistyped", Status.INVALID, "did you mean 'loss'?"),
    ("missing", Status.INVALID, "'loss' is missing"),
    ("extra", Status.INVALID, "'other'"),
    ("set", Status.INVALID, "holds a set"),
    ("array measured", Status.INVALID, "recordings"),
    ("list recorded", Status.INVALID, "must be an array"),
    ("objects recorded", Status.INVALID, "must hold numbers"),
    ("recordings", Status.INVALID, "must be a mapping"),
]


@pytest.fixture(scope="module")
def misbehaviour(runner):
    """All kinds of answers, evaluated once: {kind: evaluation}."""
    names = [kind for kind, _, _ in KINDS]
    optimizee = FunctionOptimizee(misbehave, Space({"x": Real(-10, 10), "kind": Categorical(names)}))
    asked = [Individual({"x": 0.0, "kind": kind}, position=index) for index, kind in enumerate(names)]
    return dict(zip(names, by_position(runner.evaluate(optimizee, asked)), strict=True))


@pytest.mark.parametrize(("kind", "status", "said"), KINDS)
def test_every_answer_has_its_status(misbehaviour, kind, status, said):
    evaluation = misbehaviour[kind]
    assert evaluation.status is status
    assert said in evaluation.error
    assert "\n" not in evaluation.error
    assert bool(evaluation.fitness) == (status is Status.OK)
    assert bool(evaluation.error) == (status is not Status.OK)
    assert evaluation.host
    assert evaluation.worker
    assert abs(evaluation.started - time.time()) < 3600


def test_a_failure_keeps_the_users_traceback(misbehaviour):
    text = misbehaviour["raise"].traceback
    assert "in misbehave" in text
    assert "evaluate.py" not in text
    assert text.rstrip().endswith("second line")


def test_plain_values_come_back_plain(misbehaviour):
    assert misbehaviour["number"].fitness == {"loss": 1.5}
    assert type(misbehaviour["numpy"].fitness["loss"]) is float
    outcome = misbehaviour["outcome"]
    assert outcome.measurements == {"n": 3, "ok": True, "list": [1, [2.5, None]]}
    assert type(outcome.measurements["n"]) is int
    np.testing.assert_array_equal(outcome.recordings["a"], np.eye(3))


def test_nothing_to_evaluate(runner):
    assert list(runner.evaluate(FunctionOptimizee(noisy, LINE), [])) == []


def test_results_are_the_serial_ones_bit_for_bit(runner):
    optimizee = FunctionOptimizee(noisy, LINE)
    asked = individuals(50)
    expected = [optimizee.simulate(individual).fitness for individual in asked]
    for _ in range(2):  # the second time with other chunks, since it is known how long one takes
        found = by_position(runner.evaluate(optimizee, asked))
        assert [evaluation.fitness for evaluation in found] == expected
        assert all(evaluation.individual is individual for evaluation, individual in zip(found, asked, strict=True))


def test_two_thousand_trivial_evaluations(runner):
    optimizee = FunctionOptimizee(lambda x: x * x, LINE)
    asked = [Individual({"x": index / 200 - 5}, position=index) for index in range(2000)]
    found = by_position(runner.evaluate(optimizee, asked))
    assert [evaluation.fitness["loss"] for evaluation in found] == [each["x"] ** 2 for each in asked]


def test_user_code_cannot_change_what_was_asked(runner):
    def greedy(parameters):
        parameters["v"][:] = -1.0
        return float(parameters.pop("v").sum())

    optimizee = FunctionOptimizee(greedy, {"v": Real(0, 1, shape=(3,))})
    asked = [Individual({"v": np.full(3, 0.5)}, position=0)]
    (evaluation,) = runner.evaluate(optimizee, asked)
    assert evaluation.fitness == {"loss": -3.0}
    np.testing.assert_array_equal(evaluation.individual["v"], [0.5, 0.5, 0.5])


def test_a_buffer_that_is_used_again_is_recorded_as_it_was(runner):
    class Reuser(Optimizee):
        def __init__(self):
            self.space, self.objectives = LINE, (Objective("loss"),)
            self.buffer = np.zeros(4)

        def simulate(self, individual):
            self.buffer[:] = individual["x"]
            return Outcome({"loss": 0.0}, recordings={"trace": self.buffer})

    for evaluation in runner.evaluate(Reuser(), individuals(40)):
        assert np.all(evaluation.recordings["trace"] == evaluation.individual["x"])


def test_several_objectives(runner):
    optimizee = FunctionOptimizee(lambda x: (x, -x), LINE, [Objective("a", maximize=True), "b"])
    evaluations = by_position(runner.evaluate(optimizee, individuals(4)))
    assert evaluations[2].fitness == {"a": 0.2, "b": -0.2}


def test_a_closed_generator_leaves_the_runner_usable(runner):
    optimizee = FunctionOptimizee(lambda x: x, LINE)
    stream = runner.evaluate(optimizee, individuals(20))
    next(stream)
    stream.close()
    assert len(list(runner.evaluate(optimizee, individuals(20)))) == 20


def test_its_description_creates_its_like(runner):
    assert create(runner.describe()).describe() == runner.describe()


# --- batches --------------------------------------------------------------------------------------------------


class Batches(Optimizee):
    """Squares x; measures the size of its batch; does what `kind` says to individuals whose x is in `guilty`."""

    def __init__(self, batch_size=16, kind="", guilty=()):
        self.space, self.objectives = Space({"x": Real(-10, 10), "n": Integer(0, 9)}), (Objective("loss"),)
        self.batch_size, self.kind, self.guilty = batch_size, kind, guilty
        self.device = "lanes:0"

    def simulate(self, individual):  # noqa: ARG002
        raise AssertionError("an engine with batches is always asked for batches")

    def simulate_batch(self, individuals):
        outcomes = []
        for individual in individuals:
            if individual["x"] in self.guilty:
                if self.kind == "raise":
                    raise FloatingPointError("overflow")
                outcomes.append(ArithmeticError("alone") if self.kind == "exception" else Outcome({"loss": np.nan}))
            else:
                outcomes.append(Outcome({"loss": individual["x"] ** 2}, {"batch": len(individuals)}))
        return outcomes[:-1] if self.kind == "short" else outcomes


def test_a_batch_is_evaluated_together(runner):
    evaluations = by_position(runner.evaluate(Batches(), individuals(32)))
    assert {evaluation.measurements["batch"] for evaluation in evaluations} == {16}
    assert {evaluation.device for evaluation in evaluations} == {"lanes:0"}
    assert all(evaluation.fitness["loss"] == evaluation.individual["x"] ** 2 for evaluation in evaluations)


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("raise", Status.FAILED, "FloatingPointError: overflow"),
        ("exception", Status.FAILED, "ArithmeticError: alone"),
        ("nan", Status.INVALID, "finite"),
    ],
)
def test_only_the_guilty_of_a_batch_fail(runner, kind, status, said):
    evaluations = by_position(runner.evaluate(Batches(16, kind, guilty=(0.3, 1.7)), individuals(32)))
    for evaluation in evaluations:
        assert evaluation.status is (status if evaluation.individual["x"] in (0.3, 1.7) else Status.OK)
        assert evaluation.ok or said in evaluation.error


def test_a_batch_of_the_wrong_length_is_invalid(runner):
    for evaluation in runner.evaluate(Batches(16, "short"), individuals(16)):
        assert evaluation.status is Status.INVALID
        assert "one outcome an individual" in evaluation.error


def test_a_runner_is_a_runner(runner):
    assert isinstance(runner, Runner)
    assert create(runner) is runner
