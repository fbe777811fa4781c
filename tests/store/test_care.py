"""Deleting runs, looking for damage, giving room back."""

import os
import re
import sqlite3
import time

import numpy as np
import pytest
from sqlalchemy import text

from l2l.errors import RunNotFoundError, StoreError
from l2l.individual import Individual
from l2l.store import RunSpec, Store, arrays
from l2l.store.care import check, vacuum
from l2l.store.remove import holdings, remove_run
from l2l.store.schema import metadata
from l2l.trajectory import Trajectory


@pytest.fixture
def small_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(arrays, "INLINE_BYTES", 1000)
    monkeypatch.setenv(arrays.VARIABLE, str(tmp_path / "beside"))


@pytest.fixture
def filled(small_limit, store, spec, asked, done):  # noqa: ARG001 - before the store opens
    """A store with two runs, each with an array inside and one beside."""
    for name in ("first", "second"):
        with store.create_run(spec(name)) as writer:
            individuals = asked()
            writer.record_generation(0, individuals, None)
            writer.record_evaluations(
                [
                    done(individuals[0], recordings={"fc": np.eye(5), "states": np.arange(1000.0)}),
                    *(done(individual) for individual in individuals[1:]),
                ]
            )
            writer.record_told(0, {})
            writer.finish("finished", "")
    return store


def change(store, statement, **values):
    with store.write() as connection:
        connection.execute(text(statement), values)


def test_a_removed_run_leaves_nothing_and_others_whole(filled):
    assert str(holdings(filled, 1)) == "1 generations, 4 individuals, 4 evaluations, 2 arrays"
    remove_run(filled, 1)
    for table in metadata.sorted_tables:
        column = "id" if table.name == "runs" else "run_id"
        query = text(f"SELECT count(*) FROM {table.name} WHERE {column} = 1")
        assert filled.read(lambda connection: connection.execute(query).scalar()) == 0, table.name  # noqa: B023
    assert [uri.partition("/")[0] for uri in filled.arrays.found()] == ["run_2"]
    assert list(check(filled)) == []
    assert len(Trajectory.open(filled, 2).individuals()) == 4
    with pytest.raises(RunNotFoundError):
        Trajectory.open(filled, 1)
    remove_run(filled, 2)
    assert not filled.arrays.root.exists()


def test_a_run_that_is_being_written_is_not_removed(store, spec):
    writer = store.create_run(spec())
    with pytest.raises(StoreError, match=r"is being written by process \d+"):
        remove_run(store, writer.id)
    assert len(store.runs()) == 1


def test_a_whole_database_has_no_problem(filled):
    assert list(check(filled)) == []


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE recordings SET sha256 = 'x' WHERE name = 'fc' AND run_id = 1", "run 1, .* 'fc': its SHA-256"),
        ("UPDATE recordings SET sha256 = 'x' WHERE name = 'states'", "run 2, .* 'states': its SHA-256"),
        ("UPDATE recordings SET codec = 'zlib' WHERE name = 'fc'", "damaged|cannot hold"),
        ("UPDATE generations SET size = 9 WHERE run_id = 2", "run 2, generation 0 has 4 individuals, but says 9"),
        ("UPDATE generations SET best = -9 WHERE run_id = 2", "its best loss is -0.5, but it says -9"),
        ("DROP VIEW run_1", "run 1 lacks its view"),
        ("UPDATE recordings SET uri = 'run_1/gone.zarr' WHERE uri IS NOT NULL AND run_id = 1", "is missing"),
    ],
)
def test_what_is_wrong_is_found(filled, statement, says):
    change(filled, statement)
    problems = list(check(filled))
    assert any(re.search(says, problem) for problem in problems), problems


def test_an_array_that_is_gone_or_belongs_to_nobody_is_found(filled):
    uris = list(filled.arrays.found())
    filled.arrays.delete(uris[0])
    (filled.arrays.root / "run_9").mkdir()
    (filled.arrays.root / "run_9" / "left.zarr.partial").mkdir()
    for quickly in (True, False):
        problems = list(check(filled, arrays=not quickly))
        assert len(problems) == 2
        assert "is missing" in problems[0]
        assert "run_9/left.zarr.partial belongs to no evaluation" in problems[1]


def test_a_row_without_its_parent_and_a_broken_page_are_found(tmp_path, spec, asked, done):
    path = tmp_path / "l2l.db"
    with Store.open(path) as store, store.create_run(spec()) as writer:
        writer.record_generation(0, asked(0, 50), None)
        writer.record_evaluations([done(individual) for individual in asked(0, 50)])
    connection = sqlite3.connect(path)  # which does not check foreign keys unless told
    connection.execute("DELETE FROM individuals WHERE position = 3")
    connection.execute("UPDATE individuals SET parameters = '{' WHERE position = 4")
    connection.commit()
    connection.close()
    with Store.open(path, read_only=True) as store:
        problems = " ".join(check(store))
    assert "a row of evaluations belongs to no row of individuals" in problems
    assert "1 rows of individuals hold parameters that are no JSON" in problems
    with Store.open(path, read_only=True) as store:
        query = text("SELECT rootpage FROM sqlite_master WHERE name = 'evaluations'")
        page = store.read(lambda connection: connection.execute(query).scalar())
    raw = bytearray(path.read_bytes())
    raw[(page - 1) * 4096 + 8 : page * 4096 - 8] = bytes(4096 - 16)
    path.write_bytes(raw)
    with Store.open(path, read_only=True) as store:
        try:
            assert any("damaged" in problem for problem in check(store))
        except StoreError as error:
            assert "malformed" in str(error)  # noqa: PT017 - either is an answer


def test_vacuum_gives_room_back_and_removes_orphans(filled):
    spec = RunSpec(name="big", seed=1, space={"x": {"kind": "real"}}, objectives=[{"name": "f", "maximize": False}])
    with filled.create_run(spec) as writer:
        asked = [Individual({"x": 0.5, "pad": "x" * 1000}, 0, place) for place in range(2000)]
        writer.record_generation(0, asked, None)
        writer.finish("finished", "")
    remove_run(filled, 3)
    old, young = (filled.arrays.root / "run_1" / f"{name}.zarr" for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (time.time() - 7200,) * 2)
    before, after = vacuum(filled)
    if filled.path:
        assert before - after > 1_500_000
    assert not old.exists()
    assert young.exists()  # an evaluation may be about to be committed
    young.rmdir()
    assert list(check(filled)) == []
