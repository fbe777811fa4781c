"""`l2l submit` on a real Slurm: the check, a driver that goes on in job after job, and one that is cancelled."""

import json
import os
import subprocess
import sys

import pytest

from l2l.errors import StoreError
from l2l.trajectory import Trajectory

PROFILE = """
runner = "slurm"
jobs = 2
memory = "300MB"
walltime = "0:10:00"
interface = "lo"

[driver]
memory = "400MB"
walltime = "0:20:00"
"""

SCRIPT = """
import os, time
from l2l import CMAES, Experiment, Real

def bowl(x, y, rng):
    time.sleep(0 if "CALM" in os.environ else 0.3)
    return x ** 2 + y ** 2 + rng.normal(0, 0.01)

experiment = Experiment(
    bowl, CMAES(population=10), space={"x": Real(-1, 1), "y": Real(-1, 1)}, generations=5, runner="serial", seed=3
)
"""

pytestmark = pytest.mark.usefixtures("nobody_left")


@pytest.fixture
def l2l(slurm, tmp_path):
    """Runs the command in a folder with a script and a profile, named by its path."""
    assert slurm is not None
    (tmp_path / "slurm.toml").write_text(PROFILE)
    (tmp_path / "fit.py").write_text(SCRIPT)

    def call(*arguments, expect=0, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "l2l.cli", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            env={name: value for name, value in os.environ.items() if name != "L2L_STORE"} | environment,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return call


def logs(folder):
    """What the driver's jobs printed, in the order of their numbers."""
    files = sorted(folder.glob("l2l-jobs/driver-*/*.log"), key=lambda path: int(path.stem))
    return [file.read_text() for file in files]


def drivers(folder):
    """The numbers of the driver's jobs."""
    (file,) = folder.glob("l2l-jobs/driver-*/jobs")
    return file.read_text().split()


def status(folder):
    try:
        with Trajectory.open(folder / "l2l.db") as trajectory:
            return trajectory.run.status, len(trajectory.evaluations())
    except StoreError:
        return "", 0


def test_a_dry_run_prints_both_scripts_and_submits_nothing(slurm, l2l, tmp_path):
    said = l2l("submit", "fit.py", "--profile", "./slurm.toml", "--gpus-per-job", "1", "--dry-run").stdout
    assert "#SBATCH -J l2l-driver" in said
    assert "l2l.cli drive" in said
    assert "#SBATCH --gres=gpu:1" in said
    assert "driver: the job can be submitted\nworkers: the job can be submitted\n" in said
    assert slurm.jobs() == []
    assert sorted(os.listdir(tmp_path)) == ["fit.py", "slurm.toml"]


def test_a_dry_run_tells_all_that_is_amiss(slurm, l2l):
    amiss = ["--queue", "closed", "--prologue", "module load Nowhere/99", "--gpus-per-job", "3"]
    said = l2l("submit", "fit.py", "--profile", "./slurm.toml", "--dry-run", *amiss, expect=1).stderr
    assert "driver: the queue 'closed' is down" in said
    assert "workers: the prologue's modules cannot be loaded on this host" in said
    assert "workers: slurm refuses the job" in said
    assert "driver: slurm refuses the job" not in said  # it asks for no GPU
    assert slurm.jobs() == []


def test_nothing_is_submitted_that_cannot_run(slurm, l2l, tmp_path):
    assert "did you mean 'batch'" in l2l("submit", "fit.py", "--runner", "slurm", "--queue", "bacth", expect=1).stderr
    (tmp_path / "fit.py").write_text("import nowhere_to_be_found")
    assert "nowhere_to_be_found" in l2l("submit", "fit.py", "--runner", "slurm", expect=1).stderr
    assert slurm.jobs() == []


def test_a_driver_outlives_its_wall_time_in_job_after_job(slurm, l2l, tools, tmp_path):
    """To the same bits as undisturbed. Its clock rings by SIGUSR1, which is sent here as soon as there is progress."""
    l2l("submit", "fit.py", "--profile", "./slurm.toml", "--resubmit")
    assert tools.wait_until(lambda: status(tmp_path)[1] > 3, 90), logs(tmp_path)
    slurm.call("scancel", "--signal=USR1", "--batch", *drivers(tmp_path))
    assert tools.wait_until(lambda: len(drivers(tmp_path)) == 2, 60), logs(tmp_path)
    assert tools.wait_until(lambda: "finished after" in logs(tmp_path)[-1], 90), logs(tmp_path)
    printed = logs(tmp_path)
    assert len(printed) == 2
    assert f"its wall time is near; it goes on in job {drivers(tmp_path)[1]}" in printed[0]
    l2l("run", "fit.py", "--store", "undisturbed.db", CALM="1")
    tables = [Trajectory.open(tmp_path / name).individuals() for name in ("l2l.db", "undisturbed.db")]
    columns = ["generation", "position", "status", "x", "y", "loss"]
    assert tables[0][columns].equals(tables[1][columns])
    # Each of the driver's jobs had workers in others.
    shown = json.loads(l2l("show", "--workers", "--json", "--store", "l2l.db").stdout)
    assert len({row["job"] for row in shown}) >= 3
    assert sum(row["evaluations"] for row in shown) == 50


def test_a_cancelled_driver_is_not_resubmitted(slurm, l2l, tools, tmp_path):
    said = l2l("submit", "fit.py", "--profile", "./slurm.toml", "--resubmit").stdout
    assert tools.wait_until(lambda: status(tmp_path)[1] > 2, 60), logs(tmp_path)
    slurm.call("scancel", said.split("as job ")[1].split(";")[0])
    assert tools.wait_until(lambda: not slurm.jobs() and not tools.job_programs(), 15), slurm.jobs()
    assert "the driver's job is cancelled; go on with" in logs(tmp_path)[-1]
    assert status(tmp_path)[0] == "interrupted"
    assert len(logs(tmp_path)) == 1
