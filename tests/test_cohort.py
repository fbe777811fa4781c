"""A cohort: each subject as if it were alone, to the bit; interrupted, resumed, and with subjects that fail."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from l2l.errors import ExperimentError, L2LError, OptimizeeError, ResumeError
from l2l.experiment import Experiment
from l2l.individual import Individual, Outcome
from l2l.optimizees import Cohort
from l2l.optimizees.base import Optimizee
from l2l.optimizees.subjects import seed_of
from l2l.optimizers.cma_es import CMAES, CMAESOptimizer
from l2l.runners import SerialRunner
from l2l.space import Real, Space
from l2l.store import Store
from l2l.trajectory import Trajectory, subjects

CENTRES = {"ann": 0.3, "bob": -1.2, "eve": 2.0}


class Bowl(Optimizee):
    """A parabola around a centre, with noise of the individual's own seed, in batches."""

    def __init__(self, centre: float, batch_size: int = 8, low: float = -3.0, poison: float = np.inf) -> None:
        from l2l.objective import Objective

        self.centre, self.batch_size, self.poison = centre, batch_size, poison
        self.space = Space({"x": Real(low, 3.0), "y": Real(0.01, 10, log=True)})
        self.objectives = (Objective("loss"),)

    def simulate(self, individual: Individual) -> Outcome:
        if individual["x"] > self.poison:
            raise ValueError("poisoned")
        noise = 1e-3 * float(individual.rng().normal())
        loss = (individual["x"] - self.centre) ** 2 + np.log(individual["y"]) ** 2 + noise
        return Outcome({"loss": float(loss)}, {"noise": noise}, {"point": np.array([individual["x"]])})

    def describe(self) -> dict:
        return {"optimizee": "Bowl", "centre": self.centre}


def bowls(**changes) -> dict[str, Bowl]:
    return {name: Bowl(centre, **changes) for name, centre in CENTRES.items()}


def experiment(optimizee: Optimizee | None = None, **changes) -> Experiment:
    settings = {"generations": 4, "validate": 2, "runner": "serial", "seed": 5, "name": "family", **changes}
    return Experiment(optimizee or Cohort(bowls()), settings.pop("optimizer", CMAES(population=6)), **settings)


def bits(trajectory: Trajectory) -> list[tuple]:
    """All that must be the same to the last bit: individuals, and their validations."""
    columns = ["generation", "position", "replicate", "status", "loss", "noise", "seed"]
    found = trajectory.evaluations()[columns]
    points = trajectory.individuals()[["generation", "position", "x", "y"]]
    return [*found.itertuples(index=False, name=None), *points.itertuples(index=False, name=None)]


def runs(store: Path) -> dict[str, Trajectory]:
    """The trajectory of each subject."""
    with Store.open(store, read_only=True) as opened:
        (whole,) = [record for record in opened.runs() if record.optimizee.get("optimizee") == "Cohort"]
        found = subjects.runs_of(opened, whole.id)
    return {name: Trajectory.open(store, record.id) for name, record in found.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple]]:
    """What an undisturbed run of `experiment()` finds, by subject."""
    store = tmp_path_factory.mktemp("whole") / "l2l.db"
    experiment().run(store=store, quiet=True)
    return {name: bits(run) for name, run in runs(store).items()}


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


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": CMAES(population=6, tolx=0.1), "generations": None}, {"optimizer": "genetic"}],
    ids=["in step", "each until it has converged", "genetic"],
)
def test_each_subject_is_fitted_as_if_it_were_alone(changes: dict, tmp_path: Path) -> None:
    trajectory = experiment(**changes).run(store=tmp_path / "whole.db", quiet=True)
    assert (trajectory.run.status, trajectory.run.stop_reason) == ("finished", "3 subjects")
    together = runs(tmp_path / "whole.db")
    assert list(together) == list(CENTRES)
    for name, bowl in bowls().items():
        alone = experiment(bowl, seed=seed_of(5, name), **changes).run(store=tmp_path / f"{name}.db", quiet=True)
        assert bits(together[name]) == bits(alone)
        assert together[name].run.fingerprint == alone.run.fingerprint
    if changes.get("generations", 4) is None:
        assert len({run.run.generations for run in together.values()}) > 1
    # The individuals of two subjects differ although the optimizers are alike: seeds are the subjects' own.
    assert bits(together["ann"]) != bits(together["bob"])


@pytest.mark.parametrize("stop", [0, 17, 19, 73])
def test_a_resumed_cohort_equals_an_undisturbed_one_to_the_bit(stop: int, whole: dict, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        experiment().run(store=tmp_path / "cut.db", runner=StopAfter(stop), quiet=True)
    with Store.open(tmp_path / "cut.db", read_only=True) as store:
        assert {record.status for record in store.runs()} == {"interrupted"}
    resumed = experiment().resume(store=tmp_path / "cut.db")  # "last" is a subject's run: the cohort is meant
    assert resumed.run.status == "finished"
    assert {name: bits(run) for name, run in runs(tmp_path / "cut.db").items()} == whole


def test_a_cohort_is_the_same_on_dask_workers(tmp_path: Path) -> None:
    """Chunks hold individuals of several subjects there."""
    experiment(validate=0, generations=2).run(store=tmp_path / "here.db", quiet=True)
    experiment(validate=0, generations=2).run(store=tmp_path / "there.db", runner="dask:2", quiet=True)
    here, there = runs(tmp_path / "here.db"), runs(tmp_path / "there.db")
    assert {name: bits(run) for name, run in there.items()} == {name: bits(run) for name, run in here.items()}


def test_what_fails_while_it_is_evaluated_fails_alone(whole: dict, tmp_path: Path) -> None:
    members = bowls()
    members["bob"] = Bowl(CENTRES["bob"], poison=0.5)
    trajectory = experiment(Cohort(members)).run(store=tmp_path / "cut.db", quiet=True)
    cut = runs(tmp_path / "cut.db")
    assert (bits(cut["ann"]), bits(cut["eve"])) == (whole["ann"], whole["eve"])
    failures = cut["bob"].failures()
    assert len(failures) > 0
    assert (failures["error"] == "ValueError: poisoned").all()
    assert failures["traceback"].str.contains("in simulate").all()
    assert (cut["bob"].individuals()["x"] > 0.5).sum() == len(failures)
    assert dict(zip(*trajectory.subjects()[["subject", "failures"]].T.to_numpy(), strict=True)) == {
        "ann": 0, "bob": len(failures), "eve": 0,
    }  # fmt: skip


def build(broken: dict[str, str]):
    def bowl(subject: str) -> Bowl:
        if subject in broken:
            raise FileNotFoundError(broken[subject])
        return Bowl(CENTRES[subject])

    return bowl


def test_a_subject_that_cannot_be_read_is_in_the_table_and_joins_later(whole: dict, tmp_path: Path) -> None:
    store = tmp_path / "l2l.db"
    first = experiment(Cohort(CENTRES.keys(), build({"bob": "bob.tsv"}))).run(store=store, quiet=True)
    assert (first.run.status, first.run.stop_reason) == ("finished", "2 of 3 subjects; failed: bob")
    table = first.subjects().set_index("subject")
    assert table["status"].to_dict() == {"ann": "finished", "bob": "failed", "eve": "finished"}
    assert table.loc["bob", "stop_reason"] == "FileNotFoundError: bob.tsv"
    assert np.isnan(table.loc["bob", "loss"])
    # The file is there now: only that subject is fitted, as it would have been.
    again = experiment(Cohort(CENTRES.keys(), build({}))).resume(first.run.id, store=store)
    assert again.run.stop_reason == "3 subjects"
    assert again.subjects()["status"].tolist() == ["finished"] * 3
    assert {name: bits(run) for name, run in runs(store).items()} == whole


def test_a_subject_whose_file_is_gone_when_the_cohort_is_resumed_keeps_what_it_has(tmp_path: Path) -> None:
    store = tmp_path / "l2l.db"
    with pytest.raises(KeyboardInterrupt):
        experiment(Cohort(CENTRES.keys(), build({}))).run(store=store, runner=StopAfter(30), quiet=True)
    resumed = experiment(Cohort(CENTRES.keys(), build({"eve": "eve.tsv"}))).resume(store=store)
    table = resumed.subjects().set_index("subject")
    assert table["status"].to_dict() == {"ann": "finished", "bob": "finished", "eve": "interrupted"}
    assert resumed.events()["details"].iloc[-1] == {"subject": "eve", "reason": "FileNotFoundError: eve.tsv"}


def test_a_search_that_breaks_down_ends_alone(whole: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An optimizer that raises, as one does whose matrix cannot be decomposed any more."""
    learn, calls = CMAESOptimizer._learn, []

    def breaks(self, *told) -> None:
        calls.append(told)
        if len(calls) == 5:  # of three subjects the second, in its second generation
            raise np.linalg.LinAlgError("eigenvalues did not converge")
        learn(self, *told)

    monkeypatch.setattr(CMAESOptimizer, "_learn", breaks)
    trajectory = experiment().run(store=tmp_path / "l2l.db", quiet=True)
    table = trajectory.subjects().set_index("subject")
    assert table["status"].to_dict() == {"ann": "finished", "bob": "failed", "eve": "finished"}
    assert table.loc["bob", "stop_reason"] == "LinAlgError: eigenvalues did not converge"
    assert table["evaluations"].to_dict() == {"ann": 24, "bob": 12, "eve": 24}
    cut = runs(tmp_path / "l2l.db")
    assert (bits(cut["ann"]), bits(cut["eve"])) == (whole["ann"], whole["eve"])


def test_a_row_of_the_table_is_the_best_of_its_subject(tmp_path: Path) -> None:
    trajectory = experiment().run(store=tmp_path / "l2l.db", quiet=True)
    table = trajectory.subjects()
    assert table["subject"].tolist() == list(CENTRES)
    assert table["evaluations"].tolist() == [24, 24, 24]
    for row in table.itertuples():
        own = trajectory.subject(row.subject)
        assert own.run.id == row.run
        assert row.loss == own.individuals()["loss"].min()
        assert row.x == own.best(1)["x"].iloc[0]
        assert row.validated_loss == own.best(1)["validated_loss"].iloc[0]
    assert trajectory.subject("ann").subjects().equals(table)  # a subject knows its cohort


def test_a_cohort_may_begin_from_another_subject_by_subject(tmp_path: Path) -> None:
    store = tmp_path / "l2l.db"
    first = experiment().run(store=store, quiet=True)
    second = experiment(warm_start=first.run.id, seed=6).run(store=store, quiet=True)
    for name in CENTRES:
        (event,) = second.subject(name).events().query("kind == 'warm start'")["details"]
        assert event["run"] == first.subject(name).run.id


def test_reuse_takes_each_subjects_own_evaluations(tmp_path: Path) -> None:
    store = tmp_path / "l2l.db"
    experiment(validate=0).run(store=store, quiet=True)
    again = experiment(validate=0, reuse=True).run(store=store, runner=StopAfter(0), quiet=True)  # nothing is computed
    assert again.subjects()["evaluations"].tolist() == [24, 24, 24]


def test_resume_refuses_another_cohort_or_another_subject(tmp_path: Path) -> None:
    store = tmp_path / "l2l.db"
    with pytest.raises(KeyboardInterrupt):
        experiment().run(store=store, runner=StopAfter(10), quiet=True)
    fewer = bowls()
    del fewer["eve"]
    with pytest.raises(ResumeError, match="optimizee"):
        experiment(Cohort(fewer)).resume(store=store)
    with pytest.raises(ResumeError, match="optimizee"):
        experiment(Cohort({**bowls(), "bob": Bowl(0.0)})).resume(store=store)


def test_bad_cohorts_are_refused() -> None:
    with pytest.raises(OptimizeeError, match="holds none"):
        Cohort({})
    with pytest.raises(OptimizeeError, match=r"holds none; a: FileNotFoundError: a\.tsv"):
        Cohort(["a"], build({"a": "a.tsv"}))
    with pytest.raises(OptimizeeError, match="names of their own"):
        Cohort(["ann", "ann"], build({}))
    with pytest.raises(OptimizeeError, match="with build="):
        Cohort(["ann"])
    with pytest.raises(OptimizeeError, match="same space, but 'odd'"):
        Cohort({"even": Bowl(0.0), "odd": Bowl(0.0, low=-4.0)})
    with pytest.raises(OptimizeeError, match="must be an optimizee"):
        Cohort({"ann": 3})
    with pytest.raises(OptimizeeError, match="did you mean 'ann'"):
        Cohort(bowls()).simulate(Individual({"x": 0.0, "y": 1.0}, task="anna"))


def test_fail_fast_ends_the_cohort(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="of bob failed: ValueError: poisoned"):
        experiment(Cohort({**bowls(), "bob": Bowl(0.0, poison=-9.0)}), fail_fast=True).run(
            store=tmp_path / "l2l.db", quiet=True
        )
    with Store.open(tmp_path / "l2l.db", read_only=True) as store:
        assert {record.status for record in store.runs()} == {"failed"}


SCRIPT = """
import time
from l2l import CMAES, Cohort, Experiment, FunctionOptimizee, Real, Space

def build(subject):
    if subject == "eve":
        raise FileNotFoundError("eve.tsv")
    def bowl(x, rng):
        time.sleep(0.003)
        return (x - len(subject)) ** 2 + rng.normal(0, 0.01)
    return FunctionOptimizee(bowl, Space({"x": Real(-5, 9)}), "loss")

experiment = Experiment(
    Cohort(["ann", "bert", "eve"], build), CMAES(population=8), generations=8, runner="serial", seed=4, name="family"
)
"""


def l2l(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "l2l.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_killed_cohort_goes_on_to_the_same_bits_from_the_shell(tmp_path: Path) -> None:
    (tmp_path / "search.py").write_text(SCRIPT)
    (tmp_path / "alone.py").write_text(SCRIPT)
    assert "2 of 3 subjects; failed: eve; 128 individuals, 0 not ok" in l2l(
        tmp_path, "run", "alone.py", "--store", "whole.db"
    )
    killed = subprocess.Popen(
        [sys.executable, "-m", "l2l.cli", "run", "search.py"], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    while not recorded(tmp_path / "l2l.db") and killed.poll() is None:
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    assert 0 < recorded(tmp_path / "l2l.db") < 2 * 8 * 8, "killed too early or too late to show anything"
    l2l(tmp_path, "resume")  # "last": the run of a subject
    columns = ["generation", "position", "status", "x", "loss"]
    cut, whole = (
        {name: run.individuals()[columns].to_dict("list") for name, run in runs(tmp_path / database).items()}
        for database in ("l2l.db", "whole.db")
    )
    assert cut == whole
    table = {row["subject"]: row for row in json.loads(l2l(tmp_path, "subjects", "family", "--json"))}
    assert [table[name]["status"] for name in ("ann", "bert", "eve")] == ["finished", "finished", "failed"]
    assert table["eve"]["stop_reason"] == "FileNotFoundError: eve.tsv"
    assert table["bert"]["x"] == pytest.approx(
        4, abs=0.5
    )  # noise of 0.01 hides the bottom within 0.1; 8 generations are few
    assert "FileNotFoundError: eve.tsv" in l2l(tmp_path, "best", "family")


def recorded(store: Path) -> int:
    """Evaluations of all subjects so far."""
    try:
        return sum(len(run.evaluations()) for run in runs(store).values())
    except (ValueError, L2LError):  # there is no cohort yet, or no database
        return 0
