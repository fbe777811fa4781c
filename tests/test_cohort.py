"""A cohort: each subject as if it were alone, to the bit; interrupted, resumed, and with subjects that fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from l2l.errors import ExperimentError, OptimizeeError, OptimizerError, ResumeError
from l2l.experiment import Experiment
from l2l.individual import Evaluation, Individual, Outcome
from l2l.optimizees import Cohort
from l2l.optimizees.base import Optimizee
from l2l.optimizees.subjects import seed_of
from l2l.optimizers.cma_es import CMAES
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


def test_each_subject_is_fitted_as_if_it_were_alone(tmp_path: Path) -> None:
    whole = experiment().run(store=tmp_path / "whole.db", quiet=True)
    assert (whole.run.status, whole.run.stop_reason) == ("finished", "3 subjects")
    together = runs(tmp_path / "whole.db")
    assert list(together) == list(CENTRES)
    for name, bowl in bowls().items():
        alone = experiment(bowl, seed=seed_of(5, name)).run(store=tmp_path / f"{name}.db", quiet=True)
        assert bits(together[name]) == bits(alone)
        assert together[name].run.fingerprint == alone.run.fingerprint
    # The individuals of two subjects differ although the optimizers are alike: seeds are the subjects' own.
    assert bits(together["ann"]) != bits(together["bob"])


@pytest.mark.parametrize("stop", [0, 1, 6, 17, 18, 19, 60, 73])
def test_a_resumed_cohort_equals_an_undisturbed_one_to_the_bit(stop: int, tmp_path: Path) -> None:
    experiment().run(store=tmp_path / "whole.db", quiet=True)
    with pytest.raises(KeyboardInterrupt):
        experiment().run(store=tmp_path / "cut.db", runner=StopAfter(stop), quiet=True)
    with Store.open(tmp_path / "cut.db", read_only=True) as store:
        assert {record.status for record in store.runs()} == {"interrupted"}
    resumed = experiment().resume(store=tmp_path / "cut.db")  # "last" is a subject's run: the cohort is meant
    assert resumed.run.status == "finished"
    whole, cut = runs(tmp_path / "whole.db"), runs(tmp_path / "cut.db")
    assert {name: bits(run) for name, run in cut.items()} == {name: bits(run) for name, run in whole.items()}
