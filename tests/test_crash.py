"""A run that is killed without warning goes on to the same bits, and loses nothing it had recorded."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from l2l.trajectory import Trajectory

COLUMNS = ["generation", "position", "status", "x", "y", "loss"]

SCRIPT = """
import math, time
from l2l import Experiment, Real

def noisy(x, y, rng):
    time.sleep(0.002)
    if x > 2.5:
        raise ValueError("out of reach")
    return (x - 1) ** 2 + math.log(y) ** 2 + rng.normal(0, 0.01)

experiment = Experiment(
    noisy, {"name": "%s", "population": 16}, space={"x": Real(-3, 3), "y": Real(0.01, 10, log=True)},
    generations=12, validate=3, runner="%s", seed=4,
)
"""


def l2l(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "l2l.cli", *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def recorded(folder: Path) -> set[tuple]:
    """Every evaluation in the database, if there is one to read yet."""
    try:
        frame = Trajectory.open(folder / "l2l.db").individuals()
    except Exception:
        return set()
    return set(frame.loc[frame["status"] == "ok", COLUMNS].itertuples(index=False, name=None))


def began_writing(folder: Path) -> bool:
    return bool(recorded(folder))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("optimizer", "runner", "moments"),
    [("cma-es", "serial", 8), ("genetic", "serial", 5), ("cross-entropy", "serial", 3), ("cma-es", "dask:2", 4)],
)
def test_a_killed_run_resumes_to_the_same_bits(optimizer: str, runner: str, moments: int, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "fit.py").write_text(SCRIPT % (optimizer, runner))
    finish(l2l(whole, "run", "fit.py"))
    expected = Trajectory.open(whole / "l2l.db")
    chance = random.Random(f"{optimizer} {runner}")
    killed_in_the_middle = 0
    for moment in range(moments):
        folder = tmp_path / str(moment)
        folder.mkdir()
        (folder / "fit.py").write_text(SCRIPT % (optimizer, runner))
        process = l2l(folder, "run", "fit.py")
        while not began_writing(folder) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.45))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        before = recorded(folder)
        killed_in_the_middle += 0 < len(before) < len(expected.individuals())
        finish(l2l(folder, "resume", "last"))
        resumed = Trajectory.open(folder / "l2l.db")
        assert before <= recorded(folder)
        assert resumed.individuals()[COLUMNS].equals(expected.individuals()[COLUMNS])
        assert resumed.best(3)["validated_loss"].tolist() == expected.best(3)["validated_loss"].tolist()
        assert resumed.run.status == "finished"
    assert killed_in_the_middle >= moments // 2  # else the moments were badly chosen, and nothing was tried
