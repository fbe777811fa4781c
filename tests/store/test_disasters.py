"""Killed drivers, cuts of the power, full disks and disks that turn read-only, at random moments: 200 trials.

After each: the database is whole, every evaluation that was acknowledged is there, and the run goes on. L2L_DISASTERS
multiplies the trials.
"""

import inspect
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event

from l2l.errors import StoreError
from l2l.individual import Evaluation, Individual, Status
from l2l.store import RunSpec, Store

TRIALS = int(os.environ.get("L2L_DISASTERS", "1"))
SIZE = 8
FRAME = 24 + 4096  # bytes of a page in the log, header included

SPEC = RunSpec(
    name="disaster",
    seed=1,
    space={"x": {"kind": "real", "low": 0, "high": 1}},
    objectives=[{"name": "f", "maximize": False}],
)

# Acknowledges on a pipe what has been committed; runs in a process forked from one that has imported all it needs.
DRIVER = """
import os
with Store.open(url) as store:
    writer = store.create_run(SPEC)
    for number in range(10_000):
        asked = generation(number)
        writer.record_generation(number, asked)
        for individual in asked:
            writer.record_evaluations([evaluation(individual)])
            os.write(pipe.fileno(), b"%d %d\\n" % (number, individual.position))
        writer.record_told(number, {})
"""


def generation(number):
    return [Individual({"x": (number * SIZE + place) / 1e6}, number, place, seed=place) for place in range(SIZE)]


def evaluation(individual, array=None):
    recordings = {} if array is None else {"a": array}
    return Evaluation(
        individual, Status.OK, {"f": individual["x"] * individual["x"]}, {}, recordings, worker="w", host="h"
    )


def check(path, acknowledged):
    """The database is whole, has all that was acknowledged, and its run goes on."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    with Store.open(path) as store:
        with store.write() as writing:  # as if its driver had been silent for long: some of them are this very process
            writing.exec_driver_sql("UPDATE drivers SET heartbeat = 0")
        recorded = {item.number: item for item in store.generations(1)}
        for number, position in acknowledged:
            x = (number * SIZE + position) / 1e6
            assert recorded[number].individuals[position].parameters == {"x": x}
            assert recorded[number].evaluations[position].fitness == {"f": x * x}
        with store.continue_run(1) as writer:
            last = recorded[max(recorded)] if recorded else None
            if last is not None and not last.told:
                missing = [item for item in last.individuals if item.position not in last.evaluations]
                writer.record_evaluations([evaluation(individual) for individual in missing])
                writer.record_told(last.number, {})
            number = len(recorded)
            writer.record_generation(number, generation(number))
            writer.finish("finished", "resumed")


@pytest.fixture(scope="module")
def forks():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["l2l.store.store"])
    return context


def test_killed_80_times(tmp_path, forks):
    imports = "from l2l.individual import *\nfrom l2l.individual import Evaluation, Individual, Status\n"
    imports += "from l2l.store import RunSpec, Store\n"
    rng = random.Random(0)
    most = 0
    for trial in range(80 * TRIALS):
        path = tmp_path / f"{trial}.db"
        ours, theirs = forks.Pipe(duplex=False)
        scope = {"url": str(path), "pipe": theirs, "SPEC": SPEC, "SIZE": SIZE}
        source = imports + inspect.getsource(generation) + inspect.getsource(evaluation) + DRIVER
        process = forks.Process(target=exec, args=(source, scope))
        process.start()
        theirs.close()
        first = os.read(ours.fileno(), 1000)  # it has begun
        time.sleep(rng.uniform(0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        said = first
        while piece := os.read(ours.fileno(), 65536):
            said += piece
        process.join()
        assert process.exitcode == -signal.SIGKILL
        ours.close()
        # A last line that was cut off does not count.
        lines = said[: said.rfind(b"\n") + 1].split(b"\n")[:-1]
        acknowledged = [tuple(map(int, line.split())) for line in lines]
        most = max(most, len(acknowledged))
        check(path, acknowledged)
        for file in tmp_path.iterdir():
            file.unlink()
    assert most > SIZE  # some got beyond their first generation


def log_end(path):
    """Where the log ends that counts, and its salt, from its index (https://sqlite.org/walformat.html)."""
    with open(f"{path}-shm", "rb") as file:
        header = file.read(48)
    (frames,) = struct.unpack("=I", header[16:20])
    return 32 + frames * FRAME, header[32:40]


def test_the_power_is_cut_80_times(tmp_path):
    """The disk has the log up to some byte: all that was committed before that byte is there.

    What the store guarantees of this byte is in `l2l.store.durability`: a tenth of a second ago at most.
    """
    rng = random.Random(1)
    noise = np.random.default_rng(1).integers(0, 256, 60_000).astype(np.uint8)  # 15 pages: the log begins anew at times
    path = tmp_path / "l2l.db"
    copy = tmp_path / "copy.db"
    survived, resets = 0, set()
    with Store.open(path) as store:
        writer = store.create_run(SPEC)
        committed = []
        number = place = 0
        for _ in range(80 * TRIALS):
            for _ in range(rng.randrange(1, 2 * SIZE)):
                if place == 0:
                    asked = generation(number)
                    writer.record_generation(number, asked)
                writer.record_evaluations([evaluation(asked[place], noise if rng.random() < 0.5 else None)])
                committed.append(((number, place), *log_end(path)))
                place += 1
                if place == SIZE:
                    writer.record_told(number, {})
                    number, place = number + 1, 0
            shutil.copyfile(path, copy)
            log = Path(f"{path}-wal").read_bytes()
            end, salt = log_end(path)
            resets.add(salt)
            # Anywhere, but often near the end; what was written before the log began anew is in the database.
            cut = rng.choice([rng.randint(0, end), rng.randint(max(0, end - 3 * FRAME), end), end])
            Path(f"{copy}-wal").write_bytes(log[:cut])
            acknowledged = [key for key, until, under in committed if under != salt or until <= cut]
            survived += len(acknowledged)
            if acknowledged or cut == end:
                check(copy, acknowledged)
            for file in tmp_path.glob("copy.db*"):
                file.unlink()
        writer.finish("finished", "")
    assert survived
    assert len(resets) > 1


def fill(writer, rng):
    """Records until it fails; returns what was acknowledged."""
    acknowledged = []
    try:
        for number in range(100_000):
            asked = generation(number)
            writer.record_generation(number, asked)
            pending = list(asked)
            while pending:
                some = [pending.pop(0) for _ in range(min(len(pending), rng.randint(1, 4)))]
                writer.record_evaluations([evaluation(individual) for individual in some])
                acknowledged += [(number, individual.position) for individual in some]
            writer.record_told(number, {})
    except StoreError as error:
        return acknowledged, str(error)
    raise AssertionError("the disk never filled")


def test_the_disk_is_full_20_times(tmp_path):
    rng = random.Random(2)
    for trial in range(20 * TRIALS):
        path = tmp_path / f"{trial}.db"
        pages = rng.randint(40, 80)
        store = Store.open(path)
        event.listen(
            store._engine,
            "connect",
            lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages}"),  # noqa: B023
        )
        store._engine.dispose()
        writer = store.create_run(SPEC)
        acknowledged, said = fill(writer, rng)
        assert "free some space, then resume the run" in said
        assert acknowledged
        store._writers.clear()
        store._log.close()
        store._engine.dispose()
        check(path, acknowledged)


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("a disk of its own needs the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_the_disk_turns_read_only_20_times(disk):
    rng = random.Random(3)
    for trial in range(20 * TRIALS):
        path = disk / "l2l.db"
        store = Store.open(path)
        writer = store.create_run(SPEC)
        acknowledged = []
        for number in range(rng.randint(1, 5)):
            asked = generation(number)
            writer.record_generation(number, asked)
            for individual in asked[: rng.randint(1, SIZE)]:
                writer.record_evaluations([evaluation(individual)])
                acknowledged.append((number, individual.position))
            if number < 4:
                writer.record_told(number, {})
        # The system refuses while a file is open for writing: as after the pool has let its connections go.
        store._log.close()
        store._engine.dispose()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StoreError, match=r"cannot be written|readonly|unable to open|Read-only"):
            writer.record_event(f"trial {trial}")
        store._writers.clear()
        store._engine.dispose()
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        check(path, acknowledged)
        for file in disk.iterdir():
            file.unlink()
