"""What goes wrong with a database is said plainly, with the remedy, and costs nothing that was recorded."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, text

from l2l.errors import StoreError
from l2l.store import Store, engine
from l2l.trajectory import Trajectory


@contextmanager
def without_root():
    """Permissions do not stop root: become somebody else meanwhile."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared():
    """A folder that others may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("content", [b"generation,fitness\n0,1\n" * 100, b"x"])
def test_a_file_that_is_no_database(tmp_path, content, read_only):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"table.csv is not an SQLite database: name another"):
        Store.open(path, read_only=read_only)
    assert path.read_bytes() == content


def test_a_damaged_database(tmp_path):
    path = tmp_path / "l2l.db"
    Store.open(path).close()
    raw = bytearray(path.read_bytes())
    raw[100:] = np.random.default_rng(0).bytes(len(raw) - 100)
    path.write_bytes(raw)
    with pytest.raises(StoreError, match="malformed: the file is damaged: restore a copy"):
        Store.open(path)


def test_a_database_of_another_program(tmp_path):
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE trials (id INTEGER)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"belongs to another program: it has the tables trials"):
        Store.open(path)


def test_tables_of_another_program_in_postgresql(postgresql_url):
    import psycopg

    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE trials (id INTEGER)")
    Store.open(postgresql_url).close()  # one database may serve several programs
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as connection:
        connection.execute("DROP TABLE l2l_version")
    with pytest.raises(StoreError, match="belongs to another program: it has the tables drivers, evaluations"):
        Store.open(postgresql_url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://host/db", r"not 'mysql': .*known: sqlite, postgresql"),
        ("postgress://host/db", r"did you mean 'postgresql'\?"),
        ("sqlite+aiosqlite:///l2l.db", "not 'sqlite\\+aiosqlite'"),
        ("postgresql+psycopg2://host/db", "not 'postgresql\\+psycopg2'"),
        ("sqlite://", "kept in memory"),
        ("sqlite:///:memory:", "kept in memory"),
        ("sqlite:///l2l.db?mode=ro", "takes no options"),
        ("://", "must read like"),
        ("", "empty"),
    ],
)
def test_a_url_that_is_no_store(url, says):
    with pytest.raises(StoreError, match=says):
        Store.open(url)


def test_the_default_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("L2L_STORE", raising=False)
    with Store.open() as store:
        assert store.url == f"sqlite:///{tmp_path}/l2l.db"
    monkeypatch.setenv("L2L_STORE", "sqlite:///other.db")
    with Store.open() as store:
        assert (tmp_path / "other.db").exists()
        monkeypatch.chdir("/")
        Store.open(store.url, read_only=True).close()


def test_psycopg_is_missing(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "psycopg"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'l2l\[postgres\]'"):
        Store.open("postgresql://user@host/db")


def test_a_server_that_is_not_there():
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match="check the URL") as caught:
        Store.open("postgresql://user:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


def test_a_missing_file_is_not_created_by_a_reader(tmp_path):
    with pytest.raises(StoreError, match=r"there is no database at .*: run an experiment first"):
        Trajectory.open(tmp_path / "absent.db")
    with pytest.raises(StoreError, match="is a folder"):
        Store.open(tmp_path)
    with pytest.raises(StoreError, match=r"the folder .* does not exist"):
        Store.open(tmp_path / "absent" / "l2l.db")
    assert list(tmp_path.iterdir()) == []


def test_a_locked_database(tmp_path, spec):
    path = tmp_path / "l2l.db"
    with Store.open(path) as store:
        store.create_run(spec())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"locked: another process has been writing .* use PostgreSQL"):
        Store.open(path, busy_timeout=0.1)
    with Store.open(path, read_only=True) as reader:
        assert reader.run().name == "fit"
    other.execute("ROLLBACK")
    other.close()
    Store.open(path, busy_timeout=0.1).close()


def test_a_read_only_file(shared, spec):
    path = shared / "l2l.db"
    with Store.open(path) as store:
        store.create_run(spec())
    path.chmod(0o444)
    with without_root():
        with pytest.raises(StoreError, match=r"cannot be written: Permission denied: check"):
            Store.open(path)
        with Trajectory.open(path) as trajectory:
            assert trajectory.run.name == "fit"


def test_a_read_only_folder(shared, spec):
    path = shared / "l2l.db"
    with Store.open(path) as store:
        store.create_run(spec())
    path.chmod(0o666)
    shared.chmod(0o555)
    with without_root():
        with pytest.raises(StoreError, match=r"the folder .* cannot be written"):
            Store.open(path)
        with pytest.raises(StoreError, match=r"the folder .* cannot be written"):
            Store.open(shared / "new.db")
        with Trajectory.open(path) as trajectory:
            assert trajectory.run.name == "fit"
    assert [item.name for item in shared.iterdir()] == ["l2l.db"]


def test_an_unreadable_file(shared):
    path = shared / "l2l.db"
    Store.open(path).close()
    path.chmod(0)
    with without_root(), pytest.raises(StoreError, match="cannot be read: Permission denied"):
        Store.open(path, read_only=True)


def fill(writer, asked, done, most=2000):
    """Records until it fails; returns how many generations were acknowledged."""
    for number in range(most):
        generation = asked(number, 50)
        writer.record_generation(number, generation, None)
        writer.record_evaluations([done(individual, measurements={"note": "x" * 200}) for individual in generation])
    raise AssertionError("the disk never filled")


def check_full(store, spec, asked, done):
    with pytest.raises(StoreError, match="free some space, then resume") as caught, store.create_run(spec()) as writer:
        fill(writer, asked, done)
    return caught


def whole_generations(store):
    return [len(item.evaluations) for item in store.generations(1)]


def test_a_full_disk_by_page_count(tmp_path, spec, asked, done):
    path = tmp_path / "l2l.db"
    store = Store.open(path)
    event.listen(store._engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 120"))
    store._engine.dispose()
    caught = check_full(store, spec, asked, done)
    before = whole_generations(store)
    assert len(before) > 2
    assert set(before[:-1]) == {50}
    assert before[-1] in (0, 50)
    del caught
    store._engine.dispose()
    with Store.open(path) as again:
        assert whole_generations(again) == before
        again.continue_run(1).finish("finished", "there is room again")


def test_a_full_disk(tmp_path, spec, asked, done):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True)
    if mount.returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        store = Store.open(disk / "l2l.db")
        check_full(store, spec, asked, done)
        before = whole_generations(store)
        assert set(before[:-1]) == {50}
        store.close()
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        with Store.open(disk / "l2l.db") as again:
            assert whole_generations(again) == before
            writer = again.continue_run(1)
            writer.record_event("there is room again", {})
            writer.finish("finished", "")
        assert sqlite3.connect(disk / "l2l.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def pragmas(store, *names):
    return store.read(lambda connection: [connection.execute(text(f"PRAGMA {name}")).scalar() for name in names])


def test_a_network_file_system_gets_a_rollback_journal_and_a_warning(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(engine, "network_file_system", lambda _: "nfs4")
    path = tmp_path / "l2l.db"
    with pytest.warns(UserWarning, match=r"network file system \(nfs4\).*PostgreSQL"):
        store = Store.open(path)
    with store:
        store.create_run(spec())
        assert pragmas(store, "journal_mode", "synchronous", "foreign_keys") == ["truncate", 2, 1]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert Trajectory.open(path).run.name == "fit"
    assert not Path(f"{path}-wal").exists()


def test_a_local_file_system_gets_wal(tmp_path, monkeypatch):
    with Store.open(tmp_path / "l2l.db") as store:
        assert pragmas(store, "journal_mode", "synchronous", "foreign_keys") == ["wal", 1, 1]
    monkeypatch.setenv("L2L_SYNC", "full")
    with Store.open(tmp_path / "l2l.db") as store:
        assert pragmas(store, "journal_mode", "synchronous") == ["wal", 2]


def test_the_log_is_synced_soon_after_a_commit(tmp_path, spec, monkeypatch):
    synced, before = [], threading.enumerate()
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda handle: (real(handle), synced.append(os.fstat(handle).st_size)))
    store = Store.open(tmp_path / "l2l.db")
    writer = store.create_run(spec())
    for _ in range(3):
        writer.record_event("note")
        written = (tmp_path / "l2l.db-wal").stat().st_size
        end = time.monotonic() + 10
        while (not synced or synced[-1] < written) and time.monotonic() < end:
            time.sleep(0.005)
        assert synced[-1] >= written
    store.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "l2l log sync" and thread not in before]


def test_odd_file_names(tmp_path, spec):
    for name in ("a b%20?#&'\"é.db", "100%.db"):
        with Store.open(tmp_path / name) as store:
            store.create_run(spec())
        assert (tmp_path / name).exists()
        assert Trajectory.open(tmp_path / name).run.name == "fit"
        with Store.open(store.url, read_only=True) as again:
            assert len(again.runs()) == 1
