"""The command line as a user meets it: real processes, real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from l2l.store import Store
from l2l.trajectory import Trajectory

SCRIPT = """
import time
from l2l import CMAES, Experiment, Real

SECONDS = {seconds}

def valley(x, y):
    time.sleep(SECONDS)
    if x > 2.9:
        raise ValueError("too far")
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2

experiment = Experiment(
    valley, CMAES(population=8), space={{"x": Real(-3, 3), "y": Real(-3, 3)}},
    generations={generations}, runner="{runner}", seed=5, name="valley",
)

if __name__ == "__main__":
    experiment.run()
"""


def l2l(*arguments: object, cwd: Path, expect: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "l2l.cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def write(folder: Path, *, seconds: float = 0.0, generations: int = 6, runner: str = "serial") -> Path:
    path = folder / "fit.py"
    path.write_text(SCRIPT.format(seconds=seconds, generations=generations, runner=runner))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run over a real Dask cluster."""
    folder = tmp_path_factory.mktemp("finished")
    done = l2l("run", write(folder, runner="dask:2"), cwd=folder)
    assert "run 1 (valley) started" in done.stdout
    assert "generation 6/6" in done.stdout
    assert "more: l2l best 1" in done.stdout
    return folder


def test_runs_are_listed(finished: Path) -> None:
    assert "valley" in l2l("runs", cwd=finished).stdout
    (row,) = json.loads(l2l("runs", "--json", cwd=finished).stdout)
    assert (row["id"], row["status"], row["stop_reason"]) == (1, "finished", "6 generations")


def test_the_best_are_shown(finished: Path) -> None:
    assert "x" in l2l("best", "1", "-n", "3", cwd=finished).stdout
    rows = json.loads(l2l("best", "valley", "-n", "3", "--json", cwd=finished).stdout)["best"]
    assert len(rows) == 3
    assert rows[0]["loss"] <= rows[1]["loss"] <= rows[2]["loss"]
    assert rows[0]["loss"] == pytest.approx((1 - rows[0]["x"]) ** 2 + 100 * (rows[0]["y"] - rows[0]["x"] ** 2) ** 2)


def test_a_run_is_shown(finished: Path) -> None:
    assert "cma-es" in l2l("show", cwd=finished).stdout
    shown = json.loads(l2l("show", "last", "--json", cwd=finished).stdout)
    assert len(shown["generations"]) == 6
    provenance = json.loads(l2l("show", "--provenance", "--json", cwd=finished).stdout)
    assert "def valley" in provenance["script"]["text"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_run_is_exported(finished: Path, suffix: str, tmp_path: Path) -> None:
    target = tmp_path / f"run.{suffix}"
    l2l("export", 1, "--to", target, cwd=finished)
    frame = pd.read_csv(target) if suffix == "csv" else pd.read_parquet(target)
    expected = Trajectory.open(finished / "l2l.db").individuals()
    assert frame["x"].tolist() == expected["x"].tolist()


def test_python_script_works_the_same(tmp_path: Path) -> None:
    script = write(tmp_path)
    l2l("run", script, "--store", "a.db", cwd=tmp_path)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "more: l2l best 1" in done.stdout
    ours, theirs = (Trajectory.open(tmp_path / name).individuals() for name in ("a.db", "l2l.db"))
    assert ours[["x", "y", "loss"]].equals(theirs[["x", "y", "loss"]])


@pytest.mark.parametrize("runner", ["serial", "dask:2"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_cleanly_and_the_run_goes_on(runner: str, how: signal.Signals, tmp_path: Path) -> None:
    script = write(tmp_path, seconds=0.02, generations=30, runner=runner)
    process = subprocess.Popen(
        [sys.executable, "-m", "l2l.cli", "run", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    wait_for_evaluations(tmp_path / "l2l.db", 10)
    process.send_signal(how)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "l2l resume 1" in output
    with Store.open(tmp_path / "l2l.db", read_only=True) as store:
        assert store.run(1).status == "interrupted"
    script.write_text(script.read_text().replace("SECONDS = 0.02", "SECONDS = 0.02  # a remark changes nothing"))
    assert "resumed" in l2l("resume", cwd=tmp_path).stdout
    assert len(Trajectory.open(tmp_path / "l2l.db").individuals()) == 240
    assert "nothing to resume" in l2l("resume", cwd=tmp_path).stdout


def wait_for_evaluations(store: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if store.exists():
            try:
                if len(Trajectory.open(store).evaluations()) >= count:
                    return
            except Exception:
                pass  # the run has not written its first row yet
        time.sleep(0.05)
    raise AssertionError(f"no {count} evaluations within a minute")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.py"], "there is no missing.py"),
        (["best", "vallei"], "did you mean 'valley'"),
        (["best", "7"], "no run 7"),
        (["runs", "--store", "nowhere.db"], "nowhere.db"),
        (["export", "1", "--to", "run.xls"], "ends in .csv, .parquet"),
        (["datasets", "fetch", "dk-averag"], "did you mean 'dk-average'"),
    ],
)
def test_a_mistake_gets_one_clear_line(finished: Path, arguments: list[str], message: str) -> None:
    done = l2l(*arguments, cwd=finished, expect=1)
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_usage_errors_exit_with_2(finished: Path) -> None:
    assert "--to" in l2l("export", "1", cwd=finished, expect=2).stderr


def test_reading_commands_create_no_database(tmp_path: Path) -> None:
    l2l("runs", cwd=tmp_path, expect=1)
    assert list(tmp_path.iterdir()) == []


def test_importing_l2l_is_quick() -> None:
    heavy = "numba dask distributed pandas sqlalchemy scipy cma deap xarray matplotlib"
    code = f"import l2l, sys; print([name for name in {heavy.split()!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_query(tmp_path: Path) -> None:
    write(tmp_path)
    l2l("run", "fit.py", "--store", "l2l.db", cwd=tmp_path)
    everything = json.loads(l2l("query", "--json", cwd=tmp_path).stdout)
    asked = ("query", "x < 1 and y > 0", "--columns", "x,loss", "--sort", "-x", "--limit", 3, "--runs", "valley")
    found = json.loads(l2l(*asked, "--json", cwd=tmp_path).stdout)
    expected = sorted((row["x"] for row in everything if row["x"] < 1 and row["y"] > 0), reverse=True)[:3]
    assert [row["x"] for row in found] == pytest.approx(expected, rel=1e-14)  # JSON is printed with 15 digits
    assert "generation" in l2l(*asked, cwd=tmp_path).stdout
    l2l("query", "x < 1", "--to", "found.csv", cwd=tmp_path)
    assert len(pd.read_csv(tmp_path / "found.csv")) == sum(row["x"] < 1 for row in everything)
    assert "did you mean 'x'" in l2l("query", "xx < 1", cwd=tmp_path, expect=1).stderr
