"""An experiment end to end: recorded, replayed to the same bits, honest about failures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from l2l import optimizers
from l2l.errors import ExperimentError, L2LError, ObjectiveError, ResumeError, SpaceError
from l2l.experiment import Experiment
from l2l.objective import Objective
from l2l.optimizers.base import Candidate
from l2l.runners import SerialRunner
from l2l.space import Categorical, Integer, Real, Space
from l2l.store import Store

SPACE = Space({"x": Real(-3, 3), "y": Real(0.01, 10, log=True)})
CONFIGURATIONS = {
    "cma-es": optimizers.create({"name": "cma-es", "population": 8}),
    "genetic": optimizers.create({"name": "genetic", "population": 8}),
    "cross-entropy": optimizers.create({"name": "cross-entropy", "population": 8}),
    "grid": optimizers.create({"name": "grid", "points": 7, "batch": 8}),
}


def bowl(x: float, y: float) -> float:
    return (x - 1) ** 2 + math.log(y) ** 2


def bits(trajectory) -> list[tuple]:
    """All that must be the same to the last bit."""
    frame = trajectory.individuals()
    return list(frame[["generation", "position", "status", "x", "y", "loss"]].itertuples(index=False, name=None))


class StopAfter(SerialRunner):
    """Evaluates so many individuals, then is interrupted as by Ctrl-C."""

    def __init__(self, evaluations: int) -> None:
        super().__init__()
        self.left = evaluations

    def evaluate(self, optimizee, individuals):
        for evaluation in super().evaluate(optimizee, individuals):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield evaluation


@pytest.mark.parametrize("optimizer", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_run_is_recorded_as_it_happened(optimizer, tmp_path: Path) -> None:
    experiment = Experiment(bowl, optimizer, space=SPACE, generations=5, runner="serial", seed=3)
    trajectory = experiment.run(store=tmp_path / "l2l.db", quiet=True)
    frame = trajectory.individuals()
    assert trajectory.run.status == "finished"
    assert len(frame) == 40
    assert (frame["status"] == "ok").all()
    recomputed = [bowl(x, y) for x, y in zip(frame["x"], frame["y"], strict=True)]
    assert frame["loss"].tolist() == recomputed  # parameters and fitness survive the database bit for bit
    assert trajectory.best(1)["loss"].iloc[0] == min(recomputed)


@pytest.mark.parametrize("stop", [0, 1, 7, 8, 9, 23, 39])
@pytest.mark.parametrize("optimizer", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_resumed_run_equals_an_undisturbed_one_to_the_bit(optimizer, stop: int, tmp_path: Path) -> None:
    def experiment() -> Experiment:
        return Experiment(bowl, optimizer, space=SPACE, generations=5, runner="serial", seed=11)

    whole = experiment().run(store=tmp_path / "whole.db", quiet=True)
    with pytest.raises(KeyboardInterrupt):
        experiment().run(store=tmp_path / "cut.db", runner=StopAfter(stop), quiet=True)
    with Store.open(tmp_path / "cut.db", read_only=True) as store:
        assert store.run("last").status == "interrupted"
    resumed = experiment().resume(store=tmp_path / "cut.db")
    assert resumed.run.status == "finished"
    assert bits(resumed) == bits(whole)
    assert resumed.events()["kind"].tolist() == ["continued"]


def test_what_was_evaluated_is_not_evaluated_again(tmp_path: Path) -> None:
    def experiment() -> Experiment:
        return Experiment(bowl, {"name": "cma-es", "population": 6}, space=SPACE, generations=4, runner="serial")

    with pytest.raises(KeyboardInterrupt):
        experiment().run(store=tmp_path / "l2l.db", runner=StopAfter(10), quiet=True)
    enough = StopAfter(24 - 10)  # one evaluation more, and it is interrupted again
    assert experiment().resume(store=tmp_path / "l2l.db", runner=enough).run.status == "finished"
    assert enough.left == 0


def test_failures_are_recorded_and_the_run_goes_on(tmp_path: Path) -> None:
    def fragile(x: float, y: float) -> object:
        if x > 1.5:
            raise RuntimeError("the model broke")
        if x > 0.5:
            return math.nan
        if x > 0:
            return "a string"
        if x > -0.5:
            return {"los": 1.0}
        return bowl(x, y)

    experiment = Experiment(fragile, "random", space=SPACE, generations=6, runner="serial", seed=2)
    trajectory = experiment.run(store=tmp_path / "l2l.db", quiet=True)
    frame = trajectory.individuals()
    expected = np.where(frame["x"] > 1.5, "failed", np.where(frame["x"] > -0.5, "invalid", "ok"))
    assert frame["status"].tolist() == expected.tolist()
    assert set(expected) == {"ok", "failed", "invalid"}
    failures = trajectory.failures()
    assert "the model broke" in failures.loc[failures["status"] == "failed", "traceback"].iloc[0]
    assert any("nan" in error for error in failures["error"])
    assert any("'los'" in error and "did you mean 'loss'" in error for error in failures["error"])
    assert (trajectory.best(100)["status"] == "ok").all()


def test_fail_fast_ends_the_run_at_the_first_failure(tmp_path: Path) -> None:
    def broken(x: float, y: float) -> float:
        raise RuntimeError(f"no value at {x}, {y}")

    experiment = Experiment(broken, "random", space=SPACE, generations=3, runner="serial", fail_fast=True)
    with pytest.raises(ExperimentError, match="fail_fast is set"):
        experiment.run(store=tmp_path / "l2l.db", quiet=True)
    with Store.open(tmp_path / "l2l.db", read_only=True) as store:
        assert store.run("last").status == "failed"


def test_a_maximised_objective_ranks_the_largest_best(tmp_path: Path) -> None:
    experiment = Experiment(
        lambda x, y: {"height": -bowl(x, y)},
        space=SPACE,
        objectives=Objective("height", maximize=True),
        generations=15,
        runner="serial",
    )
    best = experiment.run(store=tmp_path / "l2l.db", quiet=True).best(1)
    assert best["height"].iloc[0] == experiment.run(store=tmp_path / "l2l.db", quiet=True).individuals()["height"].max()
    assert best["height"].iloc[0] > -0.1


def test_the_best_are_validated_with_fresh_noise_and_once_only(tmp_path: Path) -> None:
    def noisy(x: float, y: float, rng: np.random.Generator) -> float:
        return bowl(x, y) + rng.normal(0, 0.01)

    def experiment() -> Experiment:
        return Experiment(
            noisy, {"name": "random", "population": 10}, space=SPACE, generations=3, runner="serial", validate=4
        )

    trajectory = experiment().run(store=tmp_path / "l2l.db", quiet=True)
    best = trajectory.best(4)
    assert best["validated_loss"].notna().all()
    assert (best["validated_loss"] != best["loss"]).all()
    with pytest.raises(KeyboardInterrupt):  # inside the validation: 30 evaluations, then 2 of 4
        experiment().run(store=tmp_path / "cut.db", runner=StopAfter(32), quiet=True)
    resumed = experiment().resume(store=tmp_path / "cut.db")
    assert resumed.best(4)["validated_loss"].tolist() == best["validated_loss"].tolist()
    assert len(resumed.evaluations()) == 34


def test_another_experiment_may_not_resume_a_run(tmp_path: Path) -> None:
    store = tmp_path / "l2l.db"
    with pytest.raises(KeyboardInterrupt):
        Experiment(bowl, space=SPACE, generations=5, runner="serial").run(store=store, runner=StopAfter(3), quiet=True)
    with pytest.raises(ResumeError, match="these differ: seed"):
        Experiment(bowl, space=SPACE, generations=5, runner="serial", seed=1).resume(store=store)
    with pytest.raises(ResumeError, match="these differ: optimizee"):
        Experiment(lambda x, y: x + y, space=SPACE, generations=5, runner="serial").resume(store=store)
    with pytest.raises(ResumeError, match="optimizer"):
        Experiment(bowl, "genetic", space=SPACE, generations=5, runner="serial").resume(store=store)


@pytest.mark.parametrize(("nudge", "outcome"), [(1e-9, "told as recorded"), (1e-3, "refused")])
def test_a_replay_that_differs_is_told_as_recorded_or_refused(
    nudge: float, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = CONFIGURATIONS["cma-es"]

    def experiment() -> Experiment:
        return Experiment(bowl, configuration, space=SPACE, generations=5, runner="serial")

    with pytest.raises(KeyboardInterrupt):
        experiment().run(store=tmp_path / "l2l.db", runner=StopAfter(20), quiet=True)
    kind = type(configuration.build(SPACE, np.random.SeedSequence(0)))
    honest = kind._propose

    def on_another_processor(self):
        return [Candidate(np.clip(item.point + nudge, 0, 1), item.parents) for item in honest(self)]

    monkeypatch.setattr(kind, "_propose", on_another_processor)
    if outcome == "refused":
        with pytest.raises(ResumeError, match="a library or the optimizer has changed"):
            experiment().resume(store=tmp_path / "l2l.db")
    else:
        events = experiment().resume(store=tmp_path / "l2l.db").events()
        assert set(events["kind"]) == {"continued", "replay differs in the last bits"}


def test_spaces_of_every_kind_go_through(tmp_path: Path) -> None:
    space = Space({"n": Integer(1, 4), "rule": Categorical(["a", "b"]), "w": Real(0, 1, shape=(3,))})

    def mixed(n: int, rule: str, w: np.ndarray) -> float:
        assert isinstance(n, int)
        assert w.shape == (3,)
        return n + (rule == "b") + float(w.sum())

    frame = (
        Experiment(mixed, "genetic", space=space, generations=2, runner="serial")
        .run(store=tmp_path / "l2l.db", quiet=True)
        .individuals()
    )
    assert (frame["status"] == "ok").all()
    assert {"n", "rule", "w[0]", "w[2]"} <= set(frame.columns)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Experiment(lambda G: G, space={"g": Real(0, 1)}), L2LError, "did you mean"),
        (lambda: Experiment(bowl), ExperimentError, "a function needs a space"),
        (lambda: Experiment(3, space=SPACE), ExperimentError, "must be an Optimizee or a function"),  # type: ignore[arg-type]
        (lambda: Experiment(bowl, "cmaes", space=SPACE), L2LError, "did you mean 'cma-es'"),
        (lambda: Experiment(bowl, space=SPACE, generations=0), ExperimentError, "generations must be an integer >= 1"),
        (lambda: Experiment(bowl, space=SPACE, seed=-1), ExperimentError, "a seed must be an integer >= 0"),
        (lambda: Experiment(bowl, space=SPACE, runner="desk"), L2LError, "did you mean 'dask'"),
        (lambda: Experiment(bowl, space=SPACE, recordings="some"), ExperimentError, "recordings must be"),
        (lambda: Experiment(bowl, "random", space=SPACE), ExperimentError, "never stops by itself"),
        (lambda: Experiment(bowl, space={"x": Real(1, 0)}), SpaceError, "low < high must hold"),
        (lambda: Experiment(bowl, space=SPACE, objectives=[]), ObjectiveError, "at least one objective"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(build, error: type[L2LError], message: str) -> None:
    with pytest.raises(error, match=message):
        build()
