"""Recovery on problems whose answer is known: what is there is found, and what cannot be known is said to be so."""

from __future__ import annotations

import json

import numpy as np
import pytest

from l2l import CMAES, Experiment, Integer, Objective, Real, Trajectory
from l2l.errors import ExperimentError, L2LError, SimulationError
from l2l.individual import Individual, Outcome
from l2l.optimizees.base import Optimizee
from l2l.recovery import Recovery, Verdict, hidden_parameters, recover
from l2l.space import Space
from l2l.store import Store


class Linear(Optimizee):
    """y = M x + noise; the loss is the distance of y from the target's."""

    def __init__(self, matrix: object, space: dict, noise: float = 0.02, target: object = None) -> None:
        self.matrix = np.asarray(matrix, dtype=float)
        self.space = Space(space)
        self.objectives = (Objective("closeness", maximize=True),)
        self.noise = noise
        self.target = np.zeros(len(self.matrix)) if target is None else np.asarray(target)

    def observe(self, individual: Individual) -> np.ndarray:
        x = np.concatenate([np.ravel(self.space.encode(individual.parameters))])
        return self.matrix @ x + self.noise * individual.rng().normal(size=len(self.matrix))

    def simulate(self, individual: Individual) -> Outcome:
        return Outcome({"closeness": -float(np.sum((self.observe(individual) - self.target) ** 2))})

    def targeting(self, hidden: Individual) -> Linear:
        return Linear(self.matrix, dict(self.space), self.noise, self.observe(hidden))

    def describe(self) -> dict:
        return {"optimizee": "Linear", "matrix": self.matrix.tolist(), "target": self.target.tolist()}


SPACE = {"a": Real(0, 10, unit="mV"), "b": Real(1, 100, log=True), "c": Real(-1, 1)}


def experiment(matrix: object, space: dict = SPACE, **changes: object) -> Experiment:
    settings: dict = {"generations": 25, "runner": "serial", "seed": 4, "name": "linear"}
    return Experiment(Linear(matrix, space), CMAES(population=12), **settings | changes)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Recovery:
    """Two observations of a and b; c is in neither."""
    store = tmp_path_factory.mktemp("recovery") / "l2l.db"
    return recover(experiment([[1, 0, 0], [0, 1, 0]]), at={"a": 4.0, "b": 20.0, "c": 0.3}, store=store)


def test_parameters_that_matter_come_back_and_one_that_does_not_is_reported(known: Recovery) -> None:
    a, b, c = known.parameters
    assert (a.verdict, b.verdict, c.verdict) == (
        Verdict.IDENTIFIABLE,
        Verdict.IDENTIFIABLE,
        Verdict.NOT_IDENTIFIABLE,
    )
    # The target's own noise moves the optimum by 0.02 of the range, the search's by as much: five of them in all.
    assert a.relative < 0.1
    assert b.relative < 0.1
    assert a.hidden == 4.0
    assert a.error == pytest.approx(a.found - a.hidden)
    assert a.error == pytest.approx(10 * (1 if a.found > 4 else -1) * a.relative)
    assert np.log10(b.found / b.hidden) == pytest.approx(2 * b.relative * np.sign(b.error))
    assert c.within == [-1.0, 1.0]
    assert c.width == 1
    assert known.reached
    assert not known.misled


def test_the_interval_and_the_curvature_are_those_of_the_parabola(known: Recovery) -> None:
    a, _, c = known.parameters
    # The loss is (x - x0)^2 + const: curvature 1; the paired noise and x0's offset leave a term linear in x.
    assert a.curvature == pytest.approx(1, rel=0.2)
    assert c.curvature == pytest.approx(0, abs=1e-9)
    # The half-width is the root of twice the noise, moved and stretched by that linear term (0.03 at most).
    assert a.width == pytest.approx(2 * np.sqrt(2 * known.noise), rel=0.5)
    assert a.within[0] < a.found < a.within[1]


def test_everything_is_recorded_with_links(known: Recovery) -> None:
    with Store.open(known.store, read_only=True) as store:
        fit, profile = store.run(known.fit_run), store.run(known.profile_run)
    assert profile.parent == fit.id
    assert "recovery" in fit.tags
    assert f"profile of run {fit.id}" in profile.tags
    assert (fit.status, profile.status) == ("finished", "finished")
    assert profile.summary["recovery"] == json.loads(json.dumps(known.as_json()))
    table = Trajectory.open(known.store, profile.id).individuals()
    assert (table["status"] == "ok").all()
    # 1 hidden + 10 finalists, 1 optimum + 3 rows, 4 corners of 3 pairs, 8 replicates each; then rows along 3 axes
    rows = sum(len(each.values) for each in known.parameters)
    assert table.groupby("generation").size().tolist()[:3] == [8 * 11, 8 * (1 + rows), 8 * 12]
    assert table["generation"].max() == 3


def test_the_same_seed_gives_the_same_recovery_on_any_store(known: Recovery, tmp_path) -> None:
    again = recover(experiment([[1, 0, 0], [0, 1, 0]]), at={"a": 4.0, "b": 20.0, "c": 0.3}, store=tmp_path / "again.db")
    assert again.parameters == known.parameters
    other = recover(experiment([[1, 0, 0], [0, 1, 0]]), at={"a": 4.0}, seed=9, store=tmp_path / "again.db")
    assert other.parameters[2].hidden != known.parameters[2].hidden


def test_two_parameters_that_make_up_for_each_other_are_not_called_identifiable(tmp_path) -> None:
    # Only the sum is observed: each is fixed while the other stays, and free together.
    both = {"a": Real(0, 1), "b": Real(0, 1)}
    recovery = recover(experiment([[1, 1]], both), at={"a": 0.2, "b": 0.7}, store=tmp_path / "l2l.db")
    assert recovery.reached
    for each in recovery.parameters:
        assert each.width < 0.5
        # 0.2 + 0.7 = 0.9: either may lie between 0 and 0.9, less what noise turns the axis by.
        assert each.free_width > 0.6
        assert each.verdict is Verdict.COMPENSATED


def test_a_value_at_the_edge_is_known_from_one_side(tmp_path) -> None:
    recovery = recover(experiment([[1.0]], {"a": Real(0, 1)}), at={"a": 0.0}, store=tmp_path / "l2l.db")
    assert recovery.parameters[0].verdict is Verdict.ONE_SIDED


def test_whole_numbers_and_elements_of_an_array_have_rows_of_their_own(tmp_path) -> None:
    space = {"n": Integer(1, 4), "w": Real(0, 1, shape=(2,))}
    recovery = recover(
        experiment([[2, 0, 0], [0, 1, 0], [0, 0, 0]], space), at={"n": 3, "w": 0.4}, store=tmp_path / "l2l.db"
    )
    n, first, second = recovery.parameters
    assert [each.name for each in recovery.parameters] == ["n", "w[0]", "w[1]"]
    assert n.values == [1, 2, 3, 4]
    assert (n.found, n.within, n.width, n.verdict) == (3, [3, 3], 0.0, Verdict.IDENTIFIABLE)
    assert first.hidden == 0.4
    assert (first.verdict, second.verdict) == (Verdict.IDENTIFIABLE, Verdict.NOT_IDENTIFIABLE)


def test_a_search_that_is_too_short_says_so(tmp_path) -> None:
    wide = {name: Real(0, 1) for name in "abcdefgh"}
    short = experiment(10 * np.eye(8), wide, generations=1)
    recovery = recover(short, store=tmp_path / "l2l.db")
    assert not recovery.reached
    assert recovery.fitness_found < recovery.fitness_hidden


def test_without_noise_the_exact_values_are_found(tmp_path) -> None:
    exact = Experiment(
        Linear(np.eye(2), {"a": Real(0, 1), "b": Real(0, 1)}, noise=0.0), CMAES(population=12),
        generations=120, runner="serial", seed=1,
    )  # fmt: skip
    recovery = recover(exact, at={"a": 0.3, "b": 0.6}, store=tmp_path / "l2l.db", replicates=2)
    assert [each.verdict for each in recovery.parameters] == [Verdict.IDENTIFIABLE] * 2
    # CMA-ES shrinks its steps by about a third in ten generations of two dimensions: 1e-4 is far above its end.
    assert all(each.relative < 1e-4 for each in recovery.parameters)


def test_a_plain_function_is_refused_with_the_remedy(tmp_path) -> None:
    plain = Experiment(lambda x: x**2, space={"x": Real(0, 1)}, generations=2, runner="serial")
    with pytest.raises(ExperimentError, match=r"FunctionOptimizee cannot.*targeting"):
        recover(plain, store=tmp_path / "l2l.db")
    assert not (tmp_path / "l2l.db").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"at": {"A": 1.0}}, "no parameter 'A' to hide: did you mean 'a'"),
        ({"at": {"a": 11.0}}, r"must lie in \[0.0, 10.0\]"),
        ({"at": {"a": "much"}}, "must be a number"),
        ({"replicates": 1}, "replicates must be an integer >= 2"),
        ({"points": 0}, "points must be an integer >= 1"),
        ({"finalists": 0}, "finalists must be an integer >= 1"),
        ({"seed": -1}, "seed must be an integer >= 0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_evaluated(settings: dict, message: str, tmp_path) -> None:
    with pytest.raises(L2LError, match=message):
        recover(experiment(np.eye(3)), store=tmp_path / "l2l.db", **settings)
    assert not (tmp_path / "l2l.db").exists()


def test_hidden_parameters_that_make_no_target_are_named(tmp_path) -> None:
    class Wild(Linear):
        def targeting(self, hidden: Individual) -> Linear:  # noqa: ARG002
            raise SimulationError("the simulation of the target diverged at step 3")

    wild = Experiment(Wild(np.eye(1), {"a": Real(0, 1)}), generations=1, runner="serial")
    with pytest.raises(ExperimentError, match=r"\(a=0.5\) make no target: .*diverged at step 3.*--at NAME=VALUE"):
        recover(wild, at={"a": 0.5}, store=tmp_path / "l2l.db")


def test_hidden_parameters_are_drawn_from_the_whole_space() -> None:
    space = Space({"a": Real(2, 4), "b": Real(0.1, 10, log=True), "n": Integer(0, 9)})
    drawn = [space.encode(hidden_parameters(space, {}, seed)) for seed in range(400)]
    # Uniform in the cube: the mean of 400 has a standard deviation of 0.0144, of which five are allowed.
    assert np.allclose(np.mean(drawn, axis=0), 0.5, atol=0.072)
    assert np.min(drawn) < 0.05
    assert np.max(drawn) > 0.95
