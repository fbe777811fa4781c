"""The read side: tables, best, generations, recordings, failures."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from l2l.errors import RunNotFoundError, StoreError
from l2l.individual import Evaluation, Individual, Status
from l2l.objective import Objective
from l2l.space import Categorical, Integer, Real, Space
from l2l.store import RunSpec, Store
from l2l.trajectory import Trajectory

SPACE = Space({"G": Real(0, 5), "n": Integer(1, 8), "rule": Categorical(["a", "b"]), "w": Real(0, 2, shape=(2,))})
OBJECTIVES = [{"name": "fc_corr", "maximize": True}, {"name": "rmse", "maximize": False}]


def generation(number, size=5):
    units = np.random.default_rng(number).random((size, SPACE.dimension))
    return [Individual(point, number, place, seed=place) for place, point in enumerate(SPACE.decode_many(units))]


def ok(individual, fc_corr, rmse=1.0, **changes):
    return Evaluation(individual, Status.OK, {"fc_corr": fc_corr, "rmse": rmse}, **{"seconds": 0.5, **changes})


@pytest.fixture
def path(tmp_path):
    """A run of three generations: complete with failures, complete with a validation, half done."""
    path = tmp_path / "l2l.db"
    with Store.open(path) as store:
        store.create_run(RunSpec(name="older", seed=1, space=SPACE.as_json(), objectives=OBJECTIVES)).close()
        writer = store.create_run(
            RunSpec(name="fit", seed=1, space=SPACE.as_json(), objectives=OBJECTIVES, provenance={"script": "x = 1"})
        )
        first, second, third = (generation(number) for number in range(3))
        writer.record_generation(0, first, None)
        writer.record_evaluations(
            [
                ok(first[0], 0.1, 9.0, measurements={"fcd": 0.3}, recordings={"fc": np.eye(3), "bold": np.arange(4.0)}),
                ok(first[1], 0.3, 7.0, measurements={"fcd": float("nan"), "note": "x"}, started=1.75e9, worker="w1"),
                ok(first[2], 0.2, 8.0),
                Evaluation(
                    first[3],
                    Status.FAILED,
                    error="ZeroDivisionError: division by zero",
                    traceback="Traceback ...",
                    host="node7",
                    seconds=2.0,
                ),
                Evaluation(first[4], Status.TIMEOUT, error="past 5 s", seconds=5.0),
            ]
        )
        writer.record_told(0, {"sigma": 0.3})
        writer.record_generation(1, second, [((0, 1),)] * 5)
        writer.record_evaluations([ok(individual, 0.4 + place / 10) for place, individual in enumerate(second)])
        writer.record_told(1, {"sigma": 0.2})
        for replicate, fitness in ((1, 0.6), (2, 0.7)):
            writer.record_evaluations([ok(replace(second[4], replicate=replicate, seed=replicate), fitness)])
        writer.record_evaluations([Evaluation(replace(second[3], replicate=1, seed=9), Status.FAILED, error="again")])
        writer.record_generation(2, third, None)
        writer.record_evaluations([ok(third[2], 0.55)])
        writer.record_event("note", {"x": 1})
        writer.record_summary(baselines={"linear": 0.51})
        writer.finish("interrupted", "ctrl-c")
    return path


@pytest.fixture
def trajectory(path):
    with Trajectory.open(path) as opened:
        yield opened


def test_the_run_is_chosen(path, trajectory):
    assert (trajectory.run.id, trajectory.run.name, trajectory.run.status) == (2, "fit", "interrupted")
    assert trajectory.provenance == {"script": "x = 1"}
    assert trajectory.run.summary == {"baselines": {"linear": 0.51}}
    assert trajectory.objectives == (Objective("fc_corr", maximize=True), Objective("rmse"))
    assert Trajectory.open(path, "older").run.id == 1
    assert Trajectory.open(trajectory.store_url, 1).run.id == 1
    with Store.open(path) as store, Trajectory.open(store, "fit") as borrowed:
        borrowed.close()
        assert len(store.runs()) == 2
    with pytest.raises(RunNotFoundError, match="did you mean 'fit'"):
        Trajectory.open(path, "fitt")


def test_individuals(trajectory):
    table = trajectory.individuals()
    assert list(table.columns) == [
        "generation",
        "position",
        "status",
        "G",
        "n",
        "rule",
        "w[0]",
        "w[1]",
        "fc_corr",
        "rmse",
        "fcd",
        "note",
        "attempt",
        "started",
        "seconds",
        "worker",
        "host",
        "device",
        "job",
        "error",
    ]
    assert len(table) == 15
    assert table["generation"].tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert table["position"].tolist() == [0, 1, 2, 3, 4] * 3
    assert table["status"].tolist()[:5] == ["ok", "ok", "ok", "failed", "timeout"]
    assert table["status"].tolist()[10:] == ["pending", "pending", "ok", "pending", "pending"]
    for number in range(3):
        for individual in generation(number):
            row = table.iloc[number * 5 + individual.position]
            assert row["G"] == individual["G"]
            assert (row["n"], row["rule"]) == (individual["n"], individual["rule"])
            assert [row["w[0]"], row["w[1]"]] == individual["w"].tolist()
    assert table["G"].dtype == table["fc_corr"].dtype == table["seconds"].dtype == np.float64
    assert table["n"].dtype == np.int64
    assert table["fc_corr"][:3].tolist() == [0.1, 0.3, 0.2]
    assert table["fc_corr"][3:5].isna().all()
    assert table["fcd"][0] == 0.3
    assert table["fcd"][1:].isna().all()
    assert table["started"][1] == pd.Timestamp(1.75e9, unit="s", tz="UTC")


def test_best(trajectory):
    best = trajectory.best(4)
    assert best["fc_corr"].tolist() == [0.8, pytest.approx(0.7), pytest.approx(0.6), 0.55]
    assert best[["generation", "position"]].values.tolist() == [[1, 4], [1, 3], [1, 2], [2, 2]]
    assert best["validated_fc_corr"][0] == pytest.approx(0.65)
    assert best["validated_rmse"][0] == 1.0
    assert best["validated_fc_corr"][1:].isna().all()
    assert len(trajectory.best(100)) == 9
    assert len(trajectory.best(0)) == 0
    with pytest.raises(StoreError, match="must be >= 0"):
        trajectory.best(-1)


def test_a_minimised_objective_is_best_when_smallest(tmp_path):
    with Store.open(tmp_path / "l2l.db") as store:
        writer = store.create_run(RunSpec(name="min", seed=1, space=SPACE.as_json(), objectives=OBJECTIVES[::-1]))
        writer.record_generation(0, generation(0), None)
        writer.record_evaluations([ok(individual, 0.5, -place) for place, individual in enumerate(generation(0))])
        best = Trajectory.open(store).best(2)
        assert best["rmse"].tolist() == [-4.0, -3.0]
        assert "validated_rmse" not in best


def test_best_individuals_can_be_evaluated_again(trajectory):
    best = trajectory.best_individuals(2)
    assert [(item.generation, item.position, item.replicate) for item in best] == [(1, 4, 0), (1, 3, 0)]
    assert best[0].parameters.keys() == SPACE.keys()
    np.testing.assert_array_equal(best[0]["w"], generation(1)[4]["w"])
    assert [item.key for item in trajectory.validated()] == [(1, 3, 1, ""), (1, 4, 1, ""), (1, 4, 2, "")]


def test_generations(trajectory):
    table = trajectory.generations()
    assert table["number"].tolist() == [0, 1, 2]
    assert table["size"].tolist() == [5, 5, 5]
    assert table["evaluated"].tolist() == [5, 5, 1]
    assert table["failures"].tolist() == [2, 0, 0]
    assert table["fc_corr_min"].tolist() == [0.1, 0.4, 0.55]
    assert table["fc_corr_median"].tolist() == [0.2, pytest.approx(0.6), 0.55]
    assert table["fc_corr_max"].tolist() == [0.3, 0.8, 0.55]
    assert table["rmse_min"].tolist() == [7.0, 1.0, 1.0]
    assert table["seconds"].tolist() == [8.5, 2.5, 0.5]
    assert table["told_at"].isna().tolist() == [False, False, True]


def test_failures(trajectory):
    table = trajectory.failures()
    assert table["status"].tolist() == ["failed", "timeout", "failed"]
    assert table[["generation", "position", "replicate"]].values.tolist() == [[0, 3, 0], [0, 4, 0], [1, 3, 1]]
    assert table["error"][0] == "ZeroDivisionError: division by zero"
    assert table["traceback"][0] == "Traceback ..."
    assert (table["host"][0], table["seconds"][0]) == ("node7", 2.0)


def test_evaluations_and_events(trajectory):
    table = trajectory.evaluations()
    assert len(table) == 14
    assert table[table["replicate"] == 2]["fc_corr"].tolist() == [0.7]
    assert table["seed"].dtype == np.uint64
    events = trajectory.events()
    assert events["kind"].tolist() == ["note"]
    assert events["details"][0] == {"x": 1}
    assert events["at"].dt.tz is not None


def test_recordings(trajectory):
    assert trajectory.recordings((0, 0)) == ["bold", "fc"]
    table = trajectory.individuals()
    for which in ((0, 0), "0/0", np.array([0, 0]).tolist(), table.iloc[0], generation(0)[0]):
        np.testing.assert_array_equal(trajectory.recording(which, "fc"), np.eye(3))
    with pytest.raises(StoreError, match=r"no recording 'fcc' .* did you mean 'fc'\? known: bold, fc"):
        trajectory.recording((0, 0), "fcc")
    with pytest.raises(StoreError, match="known: none"):
        trajectory.recording((0, 1), "fc")
    with pytest.raises(StoreError, match="no individual at generation 9, position 0"):
        trajectory.recording((9, 0), "fc")
    for wrong in ("first", "1/2/3", 999, None, (0,)):
        with pytest.raises(StoreError, match="an individual must be"):
            trajectory.recording(wrong, "fc")


@pytest.mark.parametrize(
    "change",
    [
        "shape = '[1073741824]'",
        "shape = '[500000,500000]'",
        "dtype = '|O'",
        "codec = 'pickle'",
        "data = x'00'",
        "shape = '\"x\"'",
    ],
)
def test_a_hostile_recording_is_refused(path, change):
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE recordings SET {change}")
    connection.close()
    with Trajectory.open(path) as trajectory, pytest.raises(StoreError, match="recording"):
        trajectory.recording((0, 0), "fc")


def test_names_that_meet_get_a_prefix(tmp_path):
    space = {name: {"kind": "real", "low": 0, "high": 1} for name in ("status", "x", "validated_x")}
    with Store.open(tmp_path / "l2l.db") as store:
        writer = store.create_run(RunSpec(name="x", seed=1, space=space, objectives=[{"name": "x", "maximize": False}]))
        individual = Individual(dict.fromkeys(space, 0.5))
        writer.record_generation(0, [individual], None)
        writer.record_evaluations([Evaluation(individual, Status.OK, {"x": 2.0}, {"x": 3, "seconds": 4})])
        trajectory = Trajectory.open(store)
        row = trajectory.best().iloc[0]
        assert (row["status"], row["parameters.status"], row["x"], row["fitness.x"]) == ("ok", 0.5, 0.5, 2.0)
        assert (row["parameters.validated_x"], row["measurements.x"], row["measurements.seconds"]) == (0.5, 3, 4)
        assert trajectory.generations()["x_max"].tolist() == [2.0]
        assert "fitness.x" not in trajectory.evaluations()


def test_an_empty_run(tmp_path):
    with Store.open(tmp_path / "l2l.db") as store:
        store.create_run(RunSpec(name="x", seed=1, space=SPACE.as_json(), objectives=OBJECTIVES)).close()
    with Trajectory.open(tmp_path / "l2l.db") as trajectory:
        for table in (
            trajectory.individuals(),
            trajectory.best(),
            trajectory.generations(),
            trajectory.evaluations(),
            trajectory.failures(),
            trajectory.events(),
        ):
            assert len(table) == 0
            assert len(table.columns) > 1
        assert trajectory.best_individuals() == trajectory.validated() == []


def test_best_of_a_large_run_is_quick(tmp_path):
    rng = np.random.default_rng(0)
    with Store.open(tmp_path / "l2l.db") as store:
        writer = store.create_run(RunSpec(name="x", seed=1, space={"x": {"kind": "real"}}, objectives=OBJECTIVES))
        for number in range(5):
            asked = [Individual({"x": float(x)}, number, place) for place, x in enumerate(rng.random(4000))]
            writer.record_generation(number, asked, None)
            writer.record_evaluations([ok(individual, individual["x"]) for individual in asked])
        trajectory = Trajectory.open(store)
        trajectory.best(20)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            best = trajectory.best(20)
            times.append(time.perf_counter() - start)
    assert best["fc_corr"].is_monotonic_decreasing
    assert min(times) < 0.05


def test_pandas_is_imported_when_needed():
    code = (
        "import sys, l2l.trajectory, l2l.store; assert 'pandas' not in sys.modules; assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, l2l.store; assert 'sqlalchemy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
