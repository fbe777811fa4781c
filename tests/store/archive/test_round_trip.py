"""A run into a file and out of it, on either database: nothing lost, nothing changed."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from l2l.errors import StoreError
from l2l.individual import Evaluation, Status
from l2l.store import Store
from l2l.store.archive import restore, write
from l2l.trajectory import Trajectory

NASTY = """Robert'); DROP TABLE runs;-- "x" \\ % :y {z} 'é"""


@pytest.fixture
def filled(store: Store, spec, asked, done, monkeypatch):
    """A run with all that a run can have; names and texts try to break out of SQL and of JSON."""
    monkeypatch.setattr("l2l.store.arrays.INLINE_BYTES", 4000)
    objectives = [{"name": "fc_corr", "maximize": True}, {"name": NASTY, "maximize": False}]
    writer = store.create_run(
        spec(
            NASTY,
            seed=10**40,
            tags=(NASTY, "hcp"),
            objectives=objectives,
            optimizer={"name": "cma-es", "sigma": float("nan"), "text": "~NaN"},
            provenance={"script": {"text": "print('é')\n", "path": "/x/y.py"}},
            fingerprint="f" * 64,
        )
    )
    first = asked(0)
    writer.record_generation(0, first)
    walk = xr.DataArray(np.arange(6.0).reshape(2, 3), {"time": [0.0, 0.1]}, ["time", "region"], attrs={"units": "mV"})
    fitness = {"fc_corr": 0.1, NASTY: -0.0}
    writer.record_evaluations(
        [
            done(first[0], fitness=fitness, recordings={"fc": np.eye(3, dtype=np.float32), NASTY: walk}),
            done(first[1], fitness=fitness, measurements={"x": float("inf"), NASTY: [1, {"é": None}]}),
            Evaluation(first[2], Status.FAILED, error=NASTY, traceback="T\n\t\x85" + NASTY, host="h", job="j7"),
            done(first[3], fitness=fitness, recordings={"long": np.random.default_rng(0).random((40, 30))}),
        ]
    )
    writer.record_evaluations([done(first[2], attempt=2, fitness=fitness, worker=NASTY)])
    writer.record_told(0, {"sigma": float("inf")})
    writer.record_generation(1, asked(1), [((0, 1), (0, 3))] * 4)
    writer.record_evaluations([done(replace(first[0], replicate=1, seed=2**64 - 1), fitness=fitness)])
    writer.record_event(NASTY, {"x": NASTY})
    writer.record_summary(baselines={"linear": 0.5})
    return writer


def everything(store: Store, run: int) -> dict[str, object]:
    """What a reader sees, but for the run's number and what notes the import."""
    trajectory = Trajectory.open(store, run)
    record = trajectory.run
    hidden = ("id", "driver", "status", "stop_reason", "finished")
    places = trajectory.individuals()[["generation", "position"]].values.tolist()
    arrays = {}
    for place in places:
        for name in trajectory.recordings(place):
            array = trajectory.labelled_recording(place, name)
            arrays[(*place, name)] = (
                array.dtype.str,
                array.values.tobytes(),
                str(array.coords),
                array.dims,
                array.attrs,
            )
    events = trajectory.events()
    return {
        "run": repr({name: value for name, value in vars(record).items() if name not in hidden}),
        "evaluations": trajectory.evaluations().to_csv(),
        "individuals": trajectory.individuals().to_csv(),
        "generations": trajectory.generations().to_csv(),
        "events": events[events["kind"] != "imported"].to_csv(),
        "replay": repr(store.generations(run)),
        "lineage": trajectory.lineage((1, 0)).to_csv() if [1, 0] in places else "",
        "arrays": arrays,
    }


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request: pytest.FixtureRequest, tmp_path: Path, url: str):
    if request.param == "sqlite":
        path = f"sqlite:///{tmp_path / 'other.db'}"
    elif url.startswith("sqlite"):
        path = request.getfixturevalue("postgresql_url")
    else:
        pytest.skip("one PostgreSQL database a test")
    with Store.open(path) as opened:
        yield opened


def test_all_that_a_run_has_arrives(filled, store: Store, other: Store, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("L2L_ARRAYS", str(tmp_path / "arrays"))
    filled.finish("finished", "enough")
    rows = write(store, 1, tmp_path / "run.l2l.zip")
    assert rows == {"generations": 2, "workers": 3, "individuals": 8, "evaluations": 6, "recordings": 3, "events": 1}
    restored = restore(other, tmp_path / "run.l2l.zip")
    assert (restored.new, restored.name, restored.rows) == (True, NASTY, rows)
    assert everything(other, restored.run) == everything(store, 1)
    assert other.run(restored.run).stop_reason == "enough"
    (imported,) = Trajectory.open(other, restored.run).events().query("kind == 'imported'")["details"]
    assert imported["archive"] == "run.l2l.zip"


def test_a_second_import_finds_the_first(filled, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "run.l2l.zip"
    write(store, 1, path)
    assert restore(store, path) == restore(store, path)
    with Store.open(tmp_path / "other.db") as other:
        first, second = restore(other, path), restore(other, path)
        assert (first.new, second.new, second.run) == (True, False, first.run)
        assert len(other.runs()) == 1
        filled.record_generation(2, [])
        write(store, 1, path)
        with pytest.raises(StoreError, match="exported at another moment"):
            restore(other, path)


def test_a_running_run_arrives_interrupted_and_can_be_continued(filled, store: Store, tmp_path: Path) -> None:
    assert store.run(1).status == "running"
    write(store, 1, tmp_path / "run.l2l.zip")
    with Store.open(tmp_path / "other.db") as other:
        run = restore(other, tmp_path / "run.l2l.zip").run
        assert other.run(run).status == "interrupted"
        writer = other.continue_run(run)
        writer.record_evaluations([])
        writer.finish("finished", "")
    filled.finish("finished", "")


def test_the_same_run_gives_the_same_bytes_without_pickle(filled, store: Store, tmp_path: Path) -> None:
    filled.finish("finished", "")
    for name in ("a.l2l.zip", "b.l2l.zip"):
        write(store, 1, tmp_path / name)
    assert (tmp_path / "a.l2l.zip").read_bytes() == (tmp_path / "b.l2l.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == ["a.l2l.zip", "b.l2l.zip"]
    with zipfile.ZipFile(tmp_path / "a.l2l.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert json.loads(archive.read("run.json"))["name"] == NASTY
        for name in names:
            if name.endswith(".npy"):
                with archive.open(name) as member:
                    np.lib.format.read_array(member, allow_pickle=False)
    assert len([name for name in names if name.endswith(".npy")]) == 3


def test_where_nothing_can_be_written_nothing_is_left(filled, store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write(store, 1, tmp_path / "absent" / "run.l2l.zip")
    (tmp_path / "folder.l2l.zip").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        write(store, 1, tmp_path / "folder.l2l.zip")
    assert not list(tmp_path.glob(".*partial"))
    assert filled.id == 1
