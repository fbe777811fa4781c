"""One individual for many tasks: aggregated by the stated rule, each task recorded, tried on tasks held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from l2l.errors import ExperimentError, OptimizeeError, ResumeError
from l2l.experiment import Experiment
from l2l.individual import Individual, Outcome
from l2l.objective import Objective
from l2l.optimizees import TaskFamily
from l2l.optimizees.base import Optimizee
from l2l.runners import SerialRunner
from l2l.space import Real, Space
from l2l.trajectory import Trajectory

TRAIN, HELD_OUT = {"ann": 0.5, "bob": -1.0, "cat": 2.0}, {"dan": 0.0, "eve": 1.0}


class Hill(Optimizee):
    """A noisy parabola that is largest at a centre, and one that is smallest there: two objectives."""

    def __init__(self, centre: float, poison: float = np.inf) -> None:
        self.centre, self.poison, self.batch_size = centre, poison, 4
        self.space = Space({"x": Real(-3.0, 3.0)})
        self.objectives = (Objective("height", maximize=True), Objective("depth"))

    def simulate(self, individual: Individual) -> Outcome:
        if individual["x"] > self.poison:
            raise ValueError("poisoned")
        away = (individual["x"] - self.centre) ** 2
        noise = 1e-3 * float(individual.rng().normal())
        return Outcome({"height": noise - away, "depth": away}, {"noise": noise})

    def describe(self) -> dict:
        return {"optimizee": "Hill", "centre": self.centre}


def family(**changes) -> TaskFamily:
    settings = {"train": hills(TRAIN), "validate": hills(HELD_OUT), **changes}
    return TaskFamily(settings.pop("train"), settings.pop("validate"), **settings)


def hills(centres: dict[str, float]) -> dict[str, Hill]:
    return {name: Hill(centre) for name, centre in centres.items()}


def experiment(optimizee: TaskFamily, **changes) -> Experiment:
    settings = {"generations": 4, "validate": 2, "runner": "serial", "seed": 5, **changes}
    return Experiment(optimizee, {"name": "genetic", "population": 8}, **settings)


def bits(trajectory: Trajectory) -> list[tuple]:
    columns = ["generation", "position", "replicate", "task", "status", "height", "depth", "noise", "seed"]
    frame = trajectory.evaluations()[columns].fillna(-9.0)
    return list(frame.itertuples(index=False, name=None))


class StopAfter(SerialRunner):
    """Evaluates so many, then is interrupted as by Ctrl-C."""

    def __init__(self, evaluations: int) -> None:
        super().__init__()
        self.left = evaluations

    def evaluate(self, optimizee, individuals):
        for evaluation in super().evaluate(optimizee, individuals):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield evaluation


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    return experiment(family()).run(store=tmp_path_factory.mktemp("family") / "l2l.db", quiet=True)


@pytest.mark.parametrize(("aggregate", "rule"), [("mean", "mean"), ("median", "median"), ("worst", "worst")])
def test_fitness_is_the_tasks_by_the_stated_rule(aggregate: str, rule: str, tmp_path: Path) -> None:
    trajectory = experiment(family(aggregate=aggregate), generations=2).run(store=tmp_path / "l2l.db", quiet=True)
    frame = trajectory.evaluations()
    by_task = frame[frame["task"] != ""].groupby(["generation", "position", "replicate"])
    expected = (
        pd.DataFrame({"height": by_task["height"].min(), "depth": by_task["depth"].max()})
        if rule == "worst"
        else by_task[["height", "depth"]].agg(rule)
    )
    got = frame[frame["task"] == ""].set_index(["generation", "position", "replicate"])[["height", "depth"]]
    # Sums of three in another order: a few units in the last place of numbers below 20.
    pd.testing.assert_frame_equal(got, expected, rtol=0, atol=1e-13)


def test_each_task_is_recorded_and_the_best_are_tried_on_tasks_held_out(whole: Trajectory) -> None:
    frame = whole.evaluations()
    tasks = frame[frame["task"] != ""]
    assert set(tasks[tasks["replicate"] == 0]["task"]) == set(TRAIN)
    assert tasks.groupby("task").size().loc[list(TRAIN)].tolist() == [32, 32, 32]
    validated = tasks[tasks["replicate"] == 1]
    assert sorted(validated["task"]) == ["dan", "dan", "eve", "eve"]
    # Each has noise of its own: by task, and by individual.
    assert tasks["seed"].nunique() == len(tasks)
    for row in tasks.itertuples():
        x = whole.individuals().query(f"generation == {row.generation} and position == {row.position}")["x"].iloc[0]
        assert row.depth == (x - {**TRAIN, **HELD_OUT}[row.task]) ** 2
    best = whole.best(1).iloc[0]
    own = validated[(validated["generation"] == best["generation"]) & (validated["position"] == best["position"])]
    assert best["validated_height"] == pytest.approx(own["height"].mean(), abs=1e-13)


def test_the_table_has_a_row_a_task(whole: Trajectory) -> None:
    table = whole.subjects().set_index("subject")
    assert table["role"].to_dict() == {**dict.fromkeys(TRAIN, "train"), **dict.fromkeys(HELD_OUT, "held out")}
    best = whole.best(1).iloc[0]
    for name, centre in {**TRAIN, **HELD_OUT}.items():
        column = "depth" if name in TRAIN else "validated_depth"
        assert table.loc[name, column] == (best["x"] - centre) ** 2
    assert table.loc[list(HELD_OUT), "depth"].isna().all()


@pytest.mark.parametrize("stop", [0, 1, 9, 23, 24, 60, 96, 98])
def test_a_resumed_family_equals_an_undisturbed_one_and_computes_nothing_twice(
    stop: int, whole: Trajectory, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        experiment(family()).run(store=tmp_path / "l2l.db", runner=StopAfter(stop), quiet=True)
    rest = StopAfter(4 * 8 * 3 + 2 * 2 - stop)
    assert bits(experiment(family()).resume(store=tmp_path / "l2l.db", runner=rest)) == bits(whole)
    assert rest.left == 0


def test_a_family_is_the_same_on_dask_workers(whole: Trajectory, tmp_path: Path) -> None:
    assert bits(experiment(family()).run(store=tmp_path / "l2l.db", runner="dask:2", quiet=True)) == bits(whole)


def test_who_fails_on_a_task_fails_and_says_on_which(tmp_path: Path) -> None:
    members = {**hills(TRAIN), "bob": Hill(TRAIN["bob"], poison=1.0)}
    trajectory = experiment(family(train=members)).run(store=tmp_path / "l2l.db", quiet=True)
    frame = trajectory.individuals()
    assert (frame["x"] > 1.0).any()
    assert (frame["status"] == "failed").equals(frame["x"] > 1.0)
    assert set(frame.loc[frame["status"] == "failed", "error"]) == {"task bob: ValueError: poisoned"}
    failed = trajectory.failures()
    assert set(failed["task"]) == {"", "bob"}
    assert trajectory.subjects().set_index("subject")["failures"].to_dict()["bob"] == (frame["x"] > 1.0).sum()


def test_a_task_that_cannot_be_built_is_left_out_and_in_the_table(tmp_path: Path) -> None:
    def build(name: str) -> Hill:
        if name in ("bob", "eve"):
            raise FileNotFoundError(f"{name}.tsv")
        return Hill({**TRAIN, **HELD_OUT}[name])

    left = TaskFamily(TRAIN.keys(), HELD_OUT.keys(), build=build)
    trajectory = experiment(left).run(store=tmp_path / "l2l.db", quiet=True)
    table = trajectory.subjects().set_index("subject")
    assert table.loc[["bob", "eve"], "status"].tolist() == ["failed", "failed"]
    assert table.loc["bob", "stop_reason"] == "FileNotFoundError: bob.tsv"
    assert table.loc[["ann", "cat", "dan"], "status"].tolist() == ["finished"] * 3
    with pytest.raises(ResumeError, match="optimizee"):  # a mean over other tasks is another fitness
        experiment(family()).resume(store=tmp_path / "l2l.db")


def test_without_tasks_held_out_the_training_tasks_are_repeated(tmp_path: Path) -> None:
    trajectory = experiment(family(validate={}), generations=1).run(store=tmp_path / "l2l.db", quiet=True)
    again = trajectory.evaluations().query("replicate == 1 and task != ''")
    assert sorted(set(again["task"])) == list(TRAIN)
    assert set(again["seed"]).isdisjoint(trajectory.evaluations().query("replicate == 0")["seed"])


def test_bad_families_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptimizeeError, match="did you mean 'median'"):
        family(aggregate="meddian")
    with pytest.raises(OptimizeeError, match=r"\['ann'\] are in both"):
        family(validate=hills({"ann": 0.0}))
    with pytest.raises(OptimizeeError, match="with build="):
        TaskFamily(["ann"])
    with pytest.raises(OptimizeeError, match="holds none"):
        family(train={}, validate={})
    with pytest.raises(OptimizeeError, match="a task to train on"):
        family(train={})
    with pytest.raises(ExperimentError, match="cannot be reused"):
        experiment(family(), reuse=True).run(store=tmp_path / "l2l.db", quiet=True)


def test_fail_fast_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="task bob: ValueError: poisoned"):
        experiment(family(train={**hills(TRAIN), "bob": Hill(0.0, poison=-9.0)}), fail_fast=True).run(
            store=tmp_path / "l2l.db", quiet=True
        )
