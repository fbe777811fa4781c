"""A run in other formats: the same bits, names and meaning, and a reason where it cannot be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from l2l.errors import StoreError
from l2l.individual import Evaluation, Individual, Status
from l2l.space import Categorical, Integer, Real, Space
from l2l.store import RunSpec, Store
from l2l.trajectory import Trajectory
from l2l.trajectory.files import write_frame

SPACE = Space(
    {
        "G": Real(0, 5),
        "tau": Real(0.01, 100, log=True),
        "n": Integer(1, 8),
        "rule": Categorical(["a", "b"]),
        "w": Real(0, 2, shape=(2,)),
    }
)
OBJECTIVES = [{"name": "fc_corr", "maximize": True}, {"name": "rmse", "maximize": False}]


@pytest.fixture
def trajectory(tmp_path: Path):
    """Five individuals: three evaluated, one failed, one pending; measurements of mixed types."""
    with Store.open(tmp_path / "l2l.db") as store:
        writer = store.create_run(RunSpec(name="fit 'é'", seed=1, space=SPACE.as_json(), objectives=OBJECTIVES))
        points = SPACE.decode_many(np.random.default_rng(0).random((5, SPACE.dimension)))
        asked = [Individual(point, 0, place, seed=place) for place, point in enumerate(points)]
        writer.record_generation(0, asked)
        measured = [{"fcd": 0.1, "note": "x\n,\"'"}, {"fcd": float("nan"), "note": [1, 2]}, {"fcd": float("inf")}]
        writer.record_evaluations(
            [
                Evaluation(
                    individual,
                    Status.OK,
                    {"fc_corr": 0.1 + 0.2 * place, "rmse": 1 / (3 + place)},
                    measured[place],
                    started=1.75e9 + place,
                    seconds=2.5,
                )
                for place, individual in enumerate(asked[:3])
            ]
        )
        writer.record_evaluations([Evaluation(asked[3], Status.FAILED, error="ValueError: no", started=1.75e9)])
        writer.finish("finished", "")
    with Trajectory.open(tmp_path / "l2l.db") as opened:
        yield opened


FLOATS = ["G", "tau", "w[0]", "w[1]", "fc_corr", "rmse", "seconds"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_tables_keep_every_bit(trajectory: Trajectory, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    assert trajectory.export(path) == f"5 individuals written to {path}"
    if ending == "csv":
        found = pd.read_csv(path, dtype=dict.fromkeys(FLOATS, str))  # its own reader of floats may round
    elif ending == "parquet":
        found = pd.read_parquet(path)
    else:
        found = pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
    expected = trajectory.individuals()
    assert list(found.columns) == list(expected.columns)
    for name in FLOATS:
        np.testing.assert_array_equal(found[name].to_numpy(dtype=float), expected[name].to_numpy(dtype=float))
    for name in ("generation", "position", "status", "n", "rule"):
        assert found[name].tolist() == expected[name].tolist()


def test_json_lines_are_json(trajectory: Trajectory, tmp_path: Path) -> None:
    trajectory.export(tmp_path / "t.jsonl")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    rows = [json.loads(line, parse_constant=refuse) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [row["fcd"] for row in rows] == [0.1, None, "Infinity", None, None]
    assert [row["note"] for row in rows] == ["x\n,\"'", [1, 2], None, None, None]
    assert rows[0]["started"].startswith("2025-06-15T")
    assert (rows[4]["status"], rows[4]["started"], rows[4]["fc_corr"]) == ("pending", None, None)


def test_an_archive_is_imported_elsewhere(trajectory: Trajectory, tmp_path: Path) -> None:
    from l2l.store.archive import restore

    assert trajectory.export(tmp_path / "run.l2l.zip").startswith("5 individuals and 0 arrays written")
    with Store.open(tmp_path / "other.db") as store:
        restore(store, tmp_path / "run.l2l.zip")
        assert Trajectory.open(store).individuals().equals(trajectory.individuals())


def test_a_study_says_the_same(trajectory: Trajectory, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    said = trajectory.export(tmp_path / "s.optuna.db")
    assert said.startswith("4 trials written to the study \"fit 'é' (1)\"")
    study = optuna.load_study(study_name="fit 'é' (1)", storage=f"sqlite:///{tmp_path / 's.optuna.db'}")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["fc_corr", "rmse"]
    table = trajectory.individuals()
    trials = study.trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3 + ["FAIL"]
    for trial, (_, row) in zip(trials, table.iterrows(), strict=False):
        assert trial.params == {name: row[name] for name in ("G", "tau", "n", "rule", "w[0]", "w[1]")}
        assert trial.user_attrs["position"] == row["position"]
    assert [trial.values for trial in trials[:3]] == table[["fc_corr", "rmse"]][:3].values.tolist()
    assert trials[0].user_attrs["fcd"] == 0.1
    assert trials[3].user_attrs["error"] == "ValueError: no"
    assert (trials[0].datetime_complete - trials[0].datetime_start).total_seconds() == 2.5
    assert trials[0].datetime_start.timestamp() == 1.75e9
    distributions = trials[0].distributions
    assert distributions["tau"] == optuna.distributions.FloatDistribution(0.01, 100, log=True)
    assert distributions["n"] == optuna.distributions.IntDistribution(1, 8)
    assert distributions["rule"] == optuna.distributions.CategoricalDistribution(["a", "b"])
    # Optuna itself agrees on what is best.
    front = trajectory.pareto()[["generation", "position"]].values.tolist()
    best = sorted([trial.user_attrs["generation"], trial.user_attrs["position"]] for trial in study.best_trials)
    assert best == sorted(front)
    with pytest.raises(StoreError, match=r"has a study .* already"):
        trajectory.export(f"optuna:sqlite:///{tmp_path / 's.optuna.db'}")


def test_what_cannot_be_written_is_told(trajectory: Trajectory, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(StoreError, match=r"\.csv, \.parquet, \.jsonl, \.l2l\.zip or \.optuna\.db"):
        trajectory.export(tmp_path / "t.xlsx")
    for name in ("t.csv", "t.jsonl", "t.parquet", "t.l2l.zip", "t.optuna.db"):
        with pytest.raises(StoreError, match="cannot be written"):
            trajectory.export(tmp_path / "absent" / name)
    with pytest.raises(StoreError, match="cannot be written"):
        trajectory.export("optuna:nonsense://x")
    with pytest.raises(StoreError, match="written as"):
        write_frame(pd.DataFrame(), tmp_path / "x.txt")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(StoreError, match=r"pip install 'l2l\[optuna\]'"):
        trajectory.export(tmp_path / "t.optuna.db")
