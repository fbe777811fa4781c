"""`l2l rm` and `l2l db ...`, as a user types them."""

import json
import subprocess
import sys

import pytest

from l2l.individual import Individual
from l2l.store import RunSpec, Store
from l2l.store.describe import describe


@pytest.fixture
def path(tmp_path):
    with Store.open(tmp_path / "l2l.db") as store:
        for name in ("first", "second"):
            space = {"x": {"kind": "real", "low": 0, "high": 1}}
            with store.create_run(RunSpec(name=name, seed=1, space=space, objectives=[{"name": "f"}])) as writer:
                writer.record_generation(0, [Individual({"x": 0.5})])
                writer.finish("finished", "")
    return tmp_path / "l2l.db"


def l2l(*arguments, answer=None):
    command = [sys.executable, "-m", "l2l.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, input=answer, timeout=60)


def names(path):
    with Store.open(path, read_only=True) as store:
        return [record.name for record in store.runs()]


def test_rm_asks_first(path):
    for answer in ("n\n", "\n", ""):
        done = l2l("rm", "first", "--store", path, answer=answer)
        assert done.returncode == 1
        assert "delete run 1 (first, finished; 1 generations, 1 individuals" in done.stdout
        assert names(path) == ["first", "second"]
    assert l2l("rm", "first", "--store", path, answer="y\n").returncode == 0
    assert names(path) == ["second"]
    done = l2l("rm", 2, "--yes", "--store", path)
    assert done.returncode == 0
    assert "run 2 (second) is deleted" in done.stdout
    assert names(path) == []


def test_rm_of_what_is_not_there(path, tmp_path):
    done = l2l("rm", "frist", "--yes", "--store", path)
    assert (done.returncode, names(path)) == (1, ["first", "second"])
    assert "did you mean 'first'?" in done.stderr
    assert l2l("rm", "--yes", "--store", path).returncode == 2  # a run must be named
    done = l2l("rm", 1, "--yes", "--store", tmp_path / "absent.db")
    assert "there is no database" in done.stderr
    assert not (tmp_path / "absent.db").exists()


def test_check_and_vacuum(path):
    done = l2l("db", "check", "--store", path)
    assert (done.returncode, "no problem" in done.stdout) == (0, True)
    with Store.open(path) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE generations SET size = 3 WHERE run_id = 2")
    done = l2l("db", "check", "--quick", "--json", "--store", path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"] == ["run 2, generation 0 has 1 individuals, but says 3"]
    assert "MB now" in l2l("db", "vacuum", "--store", path).stdout
    assert l2l("db", "upgrade", "--store", path).returncode == 0


def test_copy(path, tmp_path):
    target = tmp_path / "copy.db"
    done = l2l("db", "copy", path, target, "--run", "second")
    assert done.returncode == 0, done.stderr
    assert names(target) == ["second"]
    done = l2l("db", "copy", path, target, "--json")
    assert [json.loads(line)["new"] for line in done.stdout.splitlines()] == [True, False]
    assert names(target) == ["second", "first"]
    for wrong, says in (
        ((path, path), "into itself"),
        ((path, target, "--run", "third"), "there is no run 'third'"),
        ((tmp_path / "absent.db", target), "there is no database"),
        ((path, "mysql://x/y"), "an SQLite file or a PostgreSQL database"),
    ):
        done = l2l("db", "copy", *wrong)
        assert done.returncode == 1
        assert says in done.stderr


def test_schema():
    assert l2l("db", "schema").stdout == describe()
