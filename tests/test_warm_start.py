"""A search that goes on from another: from its best, recorded, and resumed to the same bits."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from l2l.errors import ExperimentError, OptimizerError, ResumeError, RunNotFoundError
from l2l.experiment import Experiment
from l2l.objective import Objective
from l2l.runners import SerialRunner
from l2l.space import Real
from l2l.store import Store
from l2l.trajectory import Trajectory
from l2l.warm_start import MOST

SPACE = {"x": Real(-3, 3), "y": Real(0.01, 10, log=True)}
OPTIMIZERS = {name: {"name": name, "population": 8} for name in ("cma-es", "genetic", "cross-entropy")}


def bowl(x: float, y: float) -> float:
    return (x - 1) ** 2 + math.log(y) ** 2


def experiment(optimizer: object = "cma-es", **changes) -> Experiment:
    settings = {"space": SPACE, "generations": 4, "runner": "serial", "seed": 8, "warm_start": "first", **changes}
    return Experiment(settings.pop("function", bowl), optimizer, **settings)


class StopAfter(SerialRunner):
    def __init__(self, evaluations: int) -> None:
        super().__init__()
        self.left = evaluations

    def evaluate(self, optimizee, individuals):
        for evaluation in super().evaluate(optimizee, individuals):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield evaluation


@pytest.fixture
def path(tmp_path: Path) -> Path:
    first = Experiment(bowl, "random", space=SPACE, generations=10, runner="serial", seed=1, name="first")
    first.run(store=tmp_path / "l2l.db", quiet=True)
    return tmp_path / "l2l.db"


def bits(trajectory: Trajectory) -> list[tuple]:
    frame = trajectory.individuals()
    return list(frame[["generation", "position", "x", "y", "loss"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_it_begins_near_the_best_and_names_its_parent(path: Path, optimizer: dict) -> None:
    warm = experiment(optimizer).run(store=path, quiet=True)
    assert warm.run.parent == 1
    (details,) = warm.events()["details"]
    best = Trajectory.open(path, 1).best(32)  # a tenth of 320
    assert details["run"] == 1
    assert details["individuals"] == best[["generation", "position"]].values.tolist()
    cold = experiment(optimizer, warm_start=None).run(store=path, quiet=True)
    assert cold.run.parent is None
    first, other = (run.individuals().query("generation == 0")["loss"].median() for run in (warm, cold))
    assert first < other


@pytest.mark.parametrize("stop", [5, 20])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_it_is_resumed_to_the_same_bits_whatever_became_of_its_parent(path: Path, optimizer: dict, stop: int) -> None:
    from l2l.store.remove import remove_run

    whole = bits(experiment(optimizer).run(store=path, quiet=True))
    with pytest.raises(KeyboardInterrupt):
        experiment(optimizer).run(store=path, runner=StopAfter(stop), quiet=True)
    with Store.open(path) as store:
        remove_run(store, 1)
    resumed = experiment(optimizer).resume(3, store=path)
    assert resumed.run.status == "finished"
    assert bits(resumed) == whole


def test_a_run_killed_before_it_began_is_resumed_from_its_parent(path: Path) -> None:
    whole = experiment().run(store=path, quiet=True)
    with pytest.raises(KeyboardInterrupt):
        experiment().run(store=path, runner=StopAfter(0), quiet=True)
    with Store.open(path) as store, store.write() as connection:  # as if the kill had come between two commits
        connection.exec_driver_sql("DELETE FROM events WHERE run_id = 3")
        connection.exec_driver_sql("DELETE FROM generations WHERE run_id = 3")
    resumed = experiment().resume(3, store=path)
    assert bits(resumed) == bits(whole)
    assert "warm start" in set(resumed.events()["kind"])


def test_another_warm_start_is_another_search(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        experiment().run(store=path, runner=StopAfter(3), quiet=True)
    with pytest.raises(ResumeError, match="warm_start"):
        experiment(warm_start=None).resume(2, store=path)


def test_other_ranges_and_more_parameters_will_do(path: Path) -> None:
    narrow = experiment(space={"x": Real(0.5, 1.5)}, function=lambda x: (x - 1) ** 2).run(store=path, quiet=True)
    (details,) = narrow.events()["details"]
    best = Trajectory.open(path, 1).best(32)
    inside = best[best["x"].between(0.5, 1.5)]
    assert 0 < len(inside) < 32
    assert details["individuals"] == inside[["generation", "position"]].values.tolist()
    np.testing.assert_array_equal(np.ravel(details["points"]), inside["x"].to_numpy() - 0.5)


def test_several_objectives_begin_from_the_front(tmp_path: Path) -> None:
    def two(x: float, y: float) -> dict[str, float]:
        return {"near": (x - 1) ** 2, "small": -(x * x + y)}

    def search(name: str, **changes) -> Experiment:
        objectives = ["near", Objective("small", maximize=True)]
        return experiment(
            {"name": "genetic", "population": 16}, function=two, objectives=objectives, name=name, **changes
        )

    first = search("first", warm_start=None).run(store=tmp_path / "l2l.db", quiet=True)
    second = search("second").run(store=tmp_path / "l2l.db", quiet=True)
    front = first.pareto()[["generation", "position"]].values.tolist()
    assert len(front) > 1
    assert second.events()["details"][0]["individuals"] == front[:MOST]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"warm_start": "frist"}, RunNotFoundError, "did you mean 'first'"),
        ({"warm_start": 9}, RunNotFoundError, "no run 9"),
        ({"warm_start": True}, ExperimentError, "number"),
        ({"warm_start": ["first"]}, ExperimentError, "number"),
        ({"objectives": Objective("loss", maximize=True)}, ExperimentError, "as an objective"),
        ({"objectives": "other"}, ExperimentError, "as an objective"),
        ({"space": {"x": Real(50, 60), "y": Real(1, 2)}}, ExperimentError, "none lies in this space"),
        ({"space": {"x": Real(0, 1), "z": Real(1, 2)}, "function": lambda x, z: x + z}, ExperimentError, "lacks"),
        ({"optimizer": "random"}, OptimizerError, "cannot be warm-started"),
    ],
)
def test_what_cannot_be_is_refused_before_a_run_is_recorded(path: Path, changes: dict, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        experiment(**changes).run(store=path, quiet=True)
    with Store.open(path, read_only=True) as store:
        assert len(store.runs()) == 1


def test_a_run_without_a_good_evaluation_is_no_start(path: Path) -> None:
    def broken(x: float, y: float) -> float:
        raise ValueError(f"no value at {x}, {y}")

    experiment("random", function=broken, warm_start=None, name="broken").run(store=path, quiet=True)
    with pytest.raises(ExperimentError, match="no evaluation of it ended well"):
        experiment(warm_start="broken").run(store=path, quiet=True)
