"""Killed writers, readers beside a writer, and two writers in one file."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from l2l.store import RunSpec, Store
from l2l.store.listing import quick_lines
from l2l.trajectory import Trajectory

# Acknowledges on stdout what has been committed.
DRIVER = """
import sys
from l2l.individual import Evaluation, Individual, Status
from l2l.store import RunSpec, Store
url, generations = sys.argv[1], int(sys.argv[2])
store = Store.open(url)
writer = store.create_run(RunSpec(name="crash", seed=1, space={"x": {"kind": "real", "low": 0, "high": 1}},
                                  objectives=[{"name": "f", "maximize": False}]))
print("run", writer.id, flush=True)
for number in range(generations):
    asked = [Individual({"x": (number * 20 + place) / 1e6}, number, place, seed=place) for place in range(20)]
    writer.record_generation(number, asked, None)
    print("asked", number, flush=True)
    for individual in asked:
        writer.record_evaluations([Evaluation(individual, Status.OK, {"f": individual["x"] * individual["x"]})])
        print("done", number, individual.position, flush=True)
    writer.record_told(number, {"number": number})
    print("told", number, flush=True)
writer.finish("finished", "budget")
print("finished", flush=True)
"""


def start(url, generations):
    command = [sys.executable, "-c", DRIVER, str(url), str(generations)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def acknowledged(process):
    """What was acknowledged before the process ended; a last line that was cut off does not count."""
    text = process.stdout.read()
    return [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]


def check(url, lines):
    with Store.open(url, read_only=True) as store:
        recorded = {item.number: item for item in store.generations(1)}
        for kind, *numbers in lines:
            if kind in ("asked", "done", "told"):
                generation = recorded[int(numbers[0])]
                assert len(generation.individuals) == 20
            if kind == "done":
                place = int(numbers[1])
                x = (int(numbers[0]) * 20 + place) / 1e6
                assert generation.individuals[place].parameters == {"x": x}
                assert generation.evaluations[place].fitness == {"f": x * x}
            if kind == "told":
                assert generation.told
                assert generation.summary == {"number": int(numbers[0])}


@pytest.mark.parametrize("trial", range(2))  # and 80 times in test_disasters
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path, trial):
    url = tmp_path / "l2l.db"
    process = start(url, 100_000)
    head = process.stdout.readline()
    time.sleep(random.Random(trial).uniform(0, 0.4))
    process.send_signal(signal.SIGKILL)
    lines = acknowledged(process)
    assert process.wait() == -signal.SIGKILL
    assert head == "run 1\n"
    check(url, lines)
    connection = sqlite3.connect(url)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    with Store.open(url) as store:
        assert store.run().killed
        writer = store.continue_run(1)  # its driver is dead: no need to wait
        place = len(store.generations(1))
        writer.record_generation(place, [], None)
        writer.finish("finished", "resumed")


def test_kill_9_on_postgresql(postgresql_url):
    process = start(postgresql_url, 100_000)
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    lines = acknowledged(process)
    process.wait()
    assert lines
    check(postgresql_url, lines)
    with Store.open(postgresql_url) as store:
        store.continue_run(1).finish("finished", "")


def test_readers_work_while_a_driver_writes(url):
    process = start(url, 40)
    process.stdout.readline()
    seen = []
    with Trajectory.open(url) as trajectory:
        while process.poll() is None:
            table = trajectory.individuals()
            assert (table["x"] == (table["generation"] * 20 + table["position"]) / 1e6).all()
            ok = table[table["status"] == "ok"]
            assert (ok["f"] == ok["x"] * ok["x"]).all()
            seen.append(len(ok))
            process.stdout.read(1)  # keeps the pipe from filling
        process.stdout.read()
        assert seen == sorted(seen)
        assert len(trajectory.best(1000)) == 800
        assert trajectory.run.status == "finished"


def test_four_runs_in_one_database_at_once(url):
    # All also create the file: neither may find it half made.
    all_four = [start(url, 15) for _ in range(4)]
    lines = [acknowledged(process) for process in all_four]
    assert [process.wait() for process in all_four] == [0] * 4
    assert {line[0][1] for line in lines} == {"1", "2", "3", "4"}
    with Store.open(url, read_only=True) as store:
        for run in (1, 2, 3, 4):
            assert store.run(run).status == "finished"
            recorded = store.generations(run)
            assert [len(item.evaluations) for item in recorded] == [20] * 15


@pytest.mark.parametrize("beside", ["a reader before", "a reader after", "a list", "a second writer"])
def test_what_else_its_process_opens_does_not_take_a_drivers_locks(tmp_path, beside):
    """Closing any handle of a file drops a process's locks on it; the next process to end would delete the log."""
    path = tmp_path / "l2l.db"
    assert start(path, 1).wait() == 0
    early = Store.open(path, read_only=True)  # without a log it is read as immutable: without locks
    assert len(early.runs()) == 1
    with Store.open(path) as store:
        writer = store.create_run(RunSpec(name="driver", seed=1, space={}, objectives=[{"name": "f"}]))
        if beside == "a reader before":
            assert len(early.runs()) == 2
            early.close()
        elif beside == "a reader after":
            with Store.open(path, read_only=True) as late:
                assert len(late.runs()) == 2
        elif beside == "a list":
            assert [line.name for line in quick_lines(path) or []] == ["crash", "driver"]
        else:
            Store.open(path).close()
        assert start(path, 1).wait() == 0
        assert Path(f"{path}-wal").exists()
        store.create_run(RunSpec(name="later", seed=1, space={}, objectives=[{"name": "f"}])).finish("finished", "")
        writer.finish("finished", "")
    early.close()
    with Store.open(path, read_only=True) as store:
        assert sorted(run.name for run in store.runs()) == ["crash", "crash", "driver", "later"]
        assert {run.status for run in store.runs()} == {"finished"}
    assert [item.name for item in tmp_path.iterdir()] == ["l2l.db"]


def test_reading_leaves_no_file_behind(tmp_path):
    path = tmp_path / "l2l.db"
    assert start(path, 2).wait() == 0
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    assert list(before) == ["l2l.db"]
    with Trajectory.open(path) as trajectory:
        trajectory.individuals()
        trajectory.generations()
        assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before


def test_a_reader_opened_before_a_driver_sees_its_run(tmp_path):
    path = tmp_path / "l2l.db"
    assert start(path, 1).wait() == 0
    with Store.open(path, read_only=True) as reader:
        assert len(reader.runs()) == 1
        with Store.open(path) as store:
            writer = store.create_run(RunSpec(name="new", seed=1, space={}, objectives=[{"name": "f"}]))
            assert reader.run().name == "new"
            writer.finish("finished", "")
        assert reader.run().status == "finished"
