"""Evaluations of the past: taken only where they are the same ones, and never in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from l2l.errors import ExperimentError
from l2l.experiment import Experiment
from l2l.individual import Individual, Outcome
from l2l.objective import Objective
from l2l.optimizees import Optimizee
from l2l.runners import SerialRunner
from l2l.space import Real, Space
from l2l.store import Store
from l2l.trajectory import Trajectory


class Noisy(Optimizee):
    """A valley under noise that hangs on the evaluation's seed alone; it can also fail and record."""

    def __init__(self, version: int = 1) -> None:
        self.space = Space({"x": Real(-3, 3), "y": Real(-3, 3)})
        self.objectives = (Objective("loss"),)
        self.version = version

    def describe(self) -> dict[str, object]:
        return {"optimizee": "Noisy", "version": self.version}

    def simulate(self, individual: Individual) -> Outcome:
        x, y = individual["x"], individual["y"]
        if x > 2.5:
            raise ValueError("too far")
        noise = individual.rng().normal(0, 0.1, 3)
        walk = xr.DataArray(noise.cumsum(), {"time": [0.0, 0.5, 1.5]}, ["time"], attrs={"units": "mV"})
        return Outcome({"loss": (x - 1) ** 2 + y * y + noise[0]}, {"norm": x * x}, {"walk": walk, "eye": np.eye(2)})


class Counting(SerialRunner):
    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.count = 0
        self.most = most

    def evaluate(self, optimizee, individuals):
        for evaluation in super().evaluate(optimizee, individuals):
            if self.count == self.most:
                raise KeyboardInterrupt
            self.count += 1
            yield evaluation


def experiment(**changes) -> Experiment:
    settings = {"generations": 4, "runner": "serial", "seed": 3, "reuse": True, **changes}
    optimizee = settings.pop("optimizee", None) or Noisy()
    return Experiment(optimizee, {"name": "cma-es", "population": 6}, **settings)


def bits(trajectory: Trajectory) -> list[tuple]:
    frame = trajectory.individuals().fillna({"norm": -1.0})
    return list(frame[["generation", "position", "status", "x", "y", "norm"]].itertuples(index=False, name=None))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one finished run, of 24 individuals some of which failed."""
    trajectory = experiment().run(store=tmp_path / "l2l.db", quiet=True)
    assert set(trajectory.individuals()["status"]) == {"ok", "failed"}
    return tmp_path / "l2l.db"


def test_the_same_search_computes_only_what_failed_and_goes_on(path: Path) -> None:
    before = Trajectory.open(path, 1).individuals()
    failed = int((before["status"] == "failed").sum())
    runner = Counting()
    longer = experiment(generations=6).run(store=path, runner=runner, quiet=True)
    assert runner.count == failed + 2 * 6
    fresh = experiment(generations=6, reuse=False).run(store=path.with_name("fresh.db"), quiet=True)
    assert longer.individuals()[["x", "y", "loss", "norm"]].equals(fresh.individuals()[["x", "y", "loss", "norm"]])


def test_what_was_reused_says_so_with_its_origin(path: Path) -> None:
    again = experiment().run(store=path, quiet=True)
    table = again.individuals()
    ok = table["status"] == "ok"
    assert (table.loc[ok, "worker"] == "reused from run 1").all()
    assert not table.loc[~ok, "worker"].str.startswith("reused").any()
    origin = Trajectory.open(path, 1).individuals()
    # The time and the place are those of the computation.
    assert table.loc[ok, ["started", "seconds", "host", "device"]].equals(
        origin.loc[ok, ["started", "seconds", "host", "device"]]
    )
    events = again.events()
    assert set(events["kind"]) == {"evaluations reused"}
    assert [details["generation"] for details in events["details"]] == [0, 1, 2, 3]
    assert sum(details["from"]["1"] for details in events["details"]) == int(ok.sum())
    assert sum(details["arrays"] for details in events["details"]) == 2 * int(ok.sum())
    found = again.query("worker == 'reused from run 1'")
    assert len(found) == int(ok.sum())
    # A third run names the first as the origin, also where it read the second.
    with Store.open(path) as store:
        from l2l.store.remove import remove_run

        remove_run(store, 1)
    third = experiment().run(store=path, quiet=True).individuals()
    assert (third.loc[ok, "worker"] == "reused from run 1").all()


def test_arrays_come_along_with_their_labels(path: Path) -> None:
    again, origin = experiment().run(store=path, quiet=True), Trajectory.open(path, 1)
    place = tuple(int(value) for value in again.best(1).iloc[0][["generation", "position"]])
    assert again.recordings(place) == ["eye", "walk"]
    for name in ("eye", "walk"):
        assert again.recording(place, name).tobytes() == origin.recording(place, name).tobytes()
    assert again.labelled_recording(place, "walk").identical(origin.labelled_recording(place, "walk"))
    none = experiment(recordings="none").run(store=path, quiet=True)
    assert none.recordings(place) == []


def test_fewer_arrays_in_the_origin_are_told(tmp_path: Path) -> None:
    experiment(recordings="best:1").run(store=tmp_path / "l2l.db", quiet=True)
    again = experiment().run(store=tmp_path / "l2l.db", quiet=True)
    assert all(details["kept there"] == {"1": "best:1"} for details in again.events()["details"])


def test_a_damaged_array_is_computed_again_and_told(path: Path) -> None:
    place = tuple(int(value) for value in Trajectory.open(path, 1).best(1).iloc[0][["generation", "position"]])
    with Store.open(path) as store, store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE recordings SET data = x'00' WHERE name = 'walk' AND generation = ? AND position = ?", place
        )
    runner = Counting()
    again = experiment().run(store=path, runner=runner, quiet=True)
    table = again.individuals().set_index(["generation", "position"])
    assert table.loc[place, "worker"] == "serial"
    assert again.recording(place, "walk").shape == (3,)
    (told,) = [
        details["damaged, computed again"]
        for details in again.events()["details"]
        if "damaged, computed again" in details
    ]
    assert f"{place[0]}/{place[1]}" in told[0]


@pytest.mark.parametrize(
    "changes",
    [{"reuse": False}, {"seed": 4}, {"optimizee": Noisy(version=2)}],
    ids=["not asked for", "another seed", "another optimizee"],
)
def test_nothing_else_is_reused(path: Path, changes: dict) -> None:
    runner = Counting()
    run = experiment(**changes).run(store=path, runner=runner, quiet=True)
    assert runner.count == 24
    assert run.events().empty


def test_other_parameters_at_the_same_place_are_not_reused(path: Path) -> None:
    runner = Counting()
    other = Experiment(
        Noisy(), {"name": "cma-es", "population": 6, "sigma": 0.2}, generations=4, runner="serial", seed=3, reuse=True
    )
    run = other.run(store=path, runner=runner, quiet=True)
    assert runner.count == 24
    assert (run.individuals()["worker"] == "serial").all()


@pytest.mark.parametrize("stop", [0, 3, 13])
def test_an_interrupted_run_that_reuses_is_resumed_to_the_same_bits(path: Path, stop: int) -> None:
    def longer() -> Experiment:
        return experiment(generations=7)

    with pytest.raises(KeyboardInterrupt):
        longer().run(store=path, runner=Counting(stop), quiet=True)
    resumed = longer().resume(store=path)
    whole = experiment(generations=7, reuse=False).run(store=path.with_name("whole.db"), quiet=True)
    assert resumed.run.id == 2
    assert bits(resumed) == bits(whole)


def test_only_true_or_false_are_taken() -> None:
    with pytest.raises(ExperimentError, match="reuse must be True or False"):
        experiment(reuse="yes")
