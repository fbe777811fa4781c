"""Copies between databases: the same rows, the same bits, whole runs or none."""

import sqlite3

import numpy as np
import pytest
from sqlalchemy import text

from l2l.errors import StoreError
from l2l.individual import Status
from l2l.store import Store, arrays, copy
from l2l.store.care import check
from l2l.store.copy import copy_runs, fingerprint
from l2l.trajectory import Trajectory


@pytest.fixture(autouse=True)
def small_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(arrays, "INLINE_BYTES", 1000)
    monkeypatch.setenv(arrays.VARIABLE, str(tmp_path / "beside"))


@pytest.fixture
def source(tmp_path, spec, asked, done):
    with Store.open(tmp_path / "source.db") as store:
        for name, parent in (("one", None), ("gone", None), ("two", 1)):
            with store.create_run(spec(name, parent=parent, tags=("ünï",))) as writer:
                for number in range(2):
                    individuals = asked(number)
                    writer.record_generation(number, individuals, [((0, 1),)] * 4 if number else None)
                    writer.record_evaluations(
                        [
                            done(individuals[0], 0.1 + 0.2, -0.0, recordings={"fc": np.eye(5)}, job="7"),
                            done(individuals[1], 0.0, measurements={"x": float("inf"), "y": "NaN"}),
                            done(
                                individuals[2], status=Status.FAILED, fitness={}, error="x\x00", traceback="a\nb\t\\N"
                            ),
                            done(individuals[3], recordings={"states": np.arange(1000.0)}, started=1.75e9 + 1 / 3),
                        ]
                    )
                    writer.record_told(number, {"sigma": 0.1})
                writer.record_event("note", {"a": [1, None]})
                writer.finish("finished", "budget")
        from l2l.store.remove import remove_run

        remove_run(store, 2)
        yield store


def tables(store, run):
    with Trajectory.open(store, run) as trajectory:
        return [
            table.to_json(double_precision=15, orient="split")
            for table in (trajectory.individuals(), trajectory.evaluations(), trajectory.generations())
        ]


def check_same(source, target, run, copied):
    assert tables(source, run) == tables(target, copied)
    for recorded, arrived in zip(source.generations(run), target.generations(copied), strict=True):
        for one, other in zip(recorded.individuals, arrived.individuals, strict=True):
            assert (one.key, one.seed) == (other.key, other.seed)
            assert {name: np.asarray(value).tobytes() for name, value in one.parameters.items()} == {
                name: np.asarray(value).tobytes() for name, value in other.parameters.items()
            }
        assert repr(recorded.evaluations) == repr(arrived.evaluations)
    there, here = Trajectory.open(target, copied), Trajectory.open(source, run)
    for place, name in (((0, 0), "fc"), ((1, 3), "states")):
        assert there.recording(place, name).tobytes() == here.recording(place, name).tobytes()


def test_there_and_back_again(source, url, tmp_path):
    with Store.open(url) as target, Store.open(tmp_path / "back.db") as back:
        there = list(copy_runs(source, target))
        assert [(item.source, item.target, item.new) for item in there] == [(1, 1, True), (3, 2, True)]
        assert target.run(2).parent == 1
        assert there[0].rows["evaluations"] == 8
        check_same(source, target, 3, 2)
        assert [item.sha256 for item in copy_runs(target, back)] == [item.sha256 for item in there]
        check_same(source, back, 1, 1)
        for store in (target, back):
            assert list(check(store)) == []
            assert store.read(lambda connection: connection.execute(text("SELECT count(*) FROM run_2")).scalar()) == 8


def test_what_is_there_already_is_compared(source, url):
    with Store.open(url) as target:
        list(copy_runs(source, target, [3]))
        again = list(copy_runs(source, target))
        assert [(item.source, item.target, item.new) for item in again] == [(1, 2, True), (3, 1, False)]
        with target.write() as connection:
            connection.execute(text("UPDATE evaluations SET seconds = 9 WHERE run_id = 1 AND position = 1"))
        with pytest.raises(StoreError, match=r"run 3 \(two\) .* is run 1 of .* already, but they differ"):
            list(copy_runs(source, target))


def test_an_interrupted_copy_goes_on(source, url, monkeypatch):
    real = copy._copy_table

    def interrupted(reading, writing, table, run_id, new_id):
        if run_id == 3 and table.name == "recordings":
            raise KeyboardInterrupt
        real(reading, writing, table, run_id, new_id)

    with Store.open(url) as target:
        monkeypatch.setattr(copy, "_copy_table", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(copy_runs(source, target))
        assert [record.name for record in target.runs()] == ["one"]
        assert list(check(target)) == []
        monkeypatch.undo()
        monkeypatch.setattr(arrays, "INLINE_BYTES", 1000)
        assert [item.new for item in copy_runs(source, target)] == [False, True]


def test_what_arrives_otherwise_is_not_kept(source, url, monkeypatch):
    real = copy.insert_rows

    def altering(connection, table, columns, rows):
        if table.name == "evaluations":
            place = columns.index("seconds")
            rows = [(*row[:place], row[place] + 1e-9, *row[place + 1 :]) for row in rows]
        real(connection, table, columns, rows)

    monkeypatch.setattr(copy, "insert_rows", altering)
    with Store.open(url) as target:
        with pytest.raises(StoreError, match=r"did not arrive as it was sent .*: nothing was kept"):
            list(copy_runs(source, target))
        assert target.runs() == []
        assert list(target.arrays.found()) == []


def test_arrays_beside_need_a_place(source, postgresql_url, monkeypatch):
    monkeypatch.delenv(arrays.VARIABLE)
    with Store.open(postgresql_url) as target:
        with pytest.raises(StoreError, match="by L2L_ARRAYS=FOLDER"):
            list(copy_runs(source, target))
        assert target.runs() == []


def test_a_database_is_not_copied_into_itself(source):
    with Store.open(source.url) as same, pytest.raises(StoreError, match="into itself"):
        list(copy_runs(source, same))


def test_every_value_counts_in_the_fingerprint(source):
    before = source.read(lambda connection: fingerprint(connection, 1))
    for statement in (
        "UPDATE individuals SET seed = seed + 1 WHERE position = 2",
        "UPDATE evaluations SET fitness = replace(fitness, '0.3', '0.4') WHERE position = 0",
        "UPDATE recordings SET data = x'00' WHERE name = 'fc' AND generation = 1",
        "UPDATE workers SET host = 'other'",
        "UPDATE events SET details = '{}'",
        "DELETE FROM recordings WHERE name = 'states'",
    ):
        connection = sqlite3.connect(source.path, isolation_level=None)
        connection.execute("BEGIN")
        connection.execute(statement)
        connection.execute("COMMIT")
        connection.close()
        after = source.read(lambda connection: fingerprint(connection, 1))
        assert after != before, statement
        before = after
