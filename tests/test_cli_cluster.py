"""Where to evaluate, as the command line and profiles say it; tests/hpc tries the same on a real Slurm."""

import contextlib
import os
import subprocess
import sys
import textwrap
import time

import pandas as pd
import pytest

from l2l import runners
from l2l.cli import driver
from l2l.cli.cluster import Chosen, choose
from l2l.errors import RunnerError
from l2l.runners import submission
from l2l.trajectory import Trajectory

SYSTEMS = ["slurm", "pbs", "moab", "sge", "lsf", "oar", "htcondor"]

SCRIPT = """
from l2l import Experiment, Real

def bowl(x):
    if x > 0.5:
        raise ValueError("too far")
    return x ** 2

experiment = Experiment(bowl, "random", space={"x": Real(-1, 1)}, generations=2, runner="serial")
"""


def l2l(*arguments, cwd, expect=0, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "l2l.cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture
def fit(tmp_path):
    path = tmp_path / "fit.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """Writes a profile of a name into an empty configuration folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(name, text):
        path = tmp_path / "config" / "l2l" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_takes_the_options(system):
    options = {
        "runner": system,
        "jobs": "64",
        "gpus_per_job": 1,
        "walltime": "2:00:00",
        "tls": True,
        "deadline": "2 min",
    }
    runner = runners.create(choose(options).settings)
    assert (runner.queue.system, runner.queue.jobs, runner.queue.gpus_per_job) == (system, 64, 1)
    assert (runner.queue.walltime_seconds, runner.queue.tls, runner.deadline) == (7200, True, 120)
    assert runner.queue.job_script()


def test_nothing_said_leaves_it_to_the_script():
    assert choose({"runner": None, "jobs": None, "directives": []}) == Chosen()


def test_jobs_between_bounds():
    assert choose({"runner": "slurm", "jobs": "4..64"}).settings == {
        "runner": "slurm",
        "minimum_jobs": 4,
        "maximum_jobs": 64,
    }
    assert choose({"runner": "slurm", "jobs": "4..64"}) == choose(
        {"runner": "slurm", "minimum_jobs": 4, "maximum_jobs": 64}
    )


def test_the_command_line_goes_over_the_profile(profile):
    path = profile("juwels", 'runner = "slurm"\nminimum_jobs = 2\nmaximum_jobs = 8\nqueue = "batch"\nmemory = "9GB"')
    whole = {"runner": "slurm", "minimum_jobs": 2, "maximum_jobs": 8, "queue": "batch", "memory": "9GB"}
    assert choose({"profile": "juwels"}).settings == whole
    assert choose({"profile": str(path)}).settings == whole
    # A number of jobs takes the place of both bounds, a bound that of itself.
    assert choose({"profile": "juwels", "jobs": "3", "queue": "gpu"}).settings == {
        "runner": "slurm",
        "jobs": 3,
        "queue": "gpu",
        "memory": "9GB",
    }
    assert choose({"profile": "juwels", "maximum_jobs": 5}).settings == whole | {"maximum_jobs": 5}
    assert choose({"profile": "juwels", "runner": "slurm:4"}).settings["jobs"] == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jobs": "4"}, "says how to evaluate, but not where"),
        ({"runner": "slurmm"}, "did you mean 'slurm'"),
        ({"runner": "slurm", "jobs": "0"}, "jobs must be an integer >= 1, but got 0"),
        ({"runner": "slurm", "jobs": "many"}, "as in 4..64"),
        ({"runner": "slurm", "jobs": "9..4"}, "minimum_jobs <= maximum_jobs"),
        ({"runner": "slurm", "jobs": "4..9", "maximum_jobs": 9}, "say the same"),
        ({"runner": "slurm:4", "jobs": "3"}, "both say how many"),
        ({"runner": "slurm", "walltime": "soon"}, "walltime must be like"),
        ({"runner": "slurm", "deadline": "never"}, "--deadline must be"),
        ({"runner": "slurm", "queue": "a; rm -rf b"}, "without spaces"),
        ({"runner": "slurm", "gpus": 2}, "use --gpus-per-job"),
        ({"runner": "dask", "queue": "batch"}, "--queue needs a job queue"),
        ({"runner": "serial", "workers": 2}, "--workers needs --runner dask"),
        ({"profile": "nowhere"}, "unknown profile 'nowhere'"),
        ({"profile": "other", "runner": "pbs"}, "is for the runner 'slurm'"),
        ({"profile": "nameless"}, "names no runner"),
        ({"profile": "zero"}, "the profile 'zero': jobs must be an integer >= 1, but got 0"),
    ],
)
def test_what_is_amiss_is_told_in_one_line(profile, options, said):
    profile("other", 'runner = "slurm"')
    profile("nameless", "jobs = 4")
    profile("zero", 'runner = "slurm"\njobs = 0')
    with pytest.raises(RunnerError) as caught:
        choose(options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_ends_the_command_before_anything_begins(fit, tmp_path):
    done = l2l("run", fit, "--runner", "slurm", "--jobs", 0, cwd=tmp_path, expect=1)
    assert done.stderr == "error: jobs must be an integer >= 1, but got 0\n"
    done = l2l("submit", fit, cwd=tmp_path, expect=1)
    assert "a driver is submitted to a job queue, but the runner is" in done.stderr
    done = l2l("submit", fit, "--runner", "oar", cwd=tmp_path, expect=1)
    assert "not to oar" in done.stderr
    assert os.listdir(tmp_path) == ["fit.py"]


@pytest.mark.parametrize("system", ["slurm", "pbs", "moab", "sge", "lsf"])
def test_the_drivers_script_holds_its_command_as_one_word_each(system):
    queue = runners.JobQueue(system=system, account="brain", walltime="3:00:00", prologue=["module load Python"])
    script = submission.driver_script(queue, ["/opt/my python", "-c", "$(reboot)"], "/jobs")
    assert script.splitlines()[-2:] == ["module load Python", "exec '/opt/my python' -c '$(reboot)'"]
    assert script.startswith("#!")
    assert "brain" in script
    assert "3:00" in script


def test_workers_are_shown_with_what_they_did(fit, tmp_path):
    l2l("run", fit, "--runner", "dask", "--workers", 2, cwd=tmp_path)
    with Trajectory.open(tmp_path / "l2l.db") as trajectory:
        table, evaluations = trajectory.workload(), trajectory.evaluations()
    by_worker = evaluations.groupby("worker")
    table = table.set_index("worker")
    assert table["evaluations"].to_dict() == by_worker.size().to_dict()
    assert table["failures"].sum() == (evaluations["status"] != "ok").sum() > 0
    assert table["attempts"].to_dict() == by_worker["attempt"].sum().to_dict()
    # A float64 sum of some dozens of terms in another order.
    pd.testing.assert_series_equal(table["seconds"].sort_index(), by_worker["seconds"].sum(), rtol=1e-12)
    assert (table["first"] <= table["last"]).all()
    shown = l2l("show", "--workers", cwd=tmp_path).stdout
    assert all(worker in shown for worker in table.index)
    assert " job " not in shown  # nothing ran in one


def plan_of(fit, tmp_path, **changes):
    queue = {"system": "slurm", "folder": str(tmp_path)}
    search = {"script": str(fit), "store": str(tmp_path / "l2l.db")}
    given = {"search": search, "queue": queue, "directory": str(tmp_path), "store": None, "seconds": 60.0}
    path = tmp_path / "plan.json"
    driver.Plan(**{**given, "resubmit": True, "tries": 2, **changes}).write(path)
    return path


def test_a_driver_in_time_hands_nothing_on(fit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = plan_of(fit, tmp_path)
    assert driver.drive(path) == 0
    assert driver.Plan.read(path).run == 1
    with Trajectory.open(tmp_path / "l2l.db") as trajectory:
        assert trajectory.run.status == "finished"
    assert not (tmp_path / "jobs").exists()


def test_jobs_without_an_evaluation_are_not_repeated_for_ever(fit, tmp_path, monkeypatch):
    """No sbatch is found, so that each job ends before a worker came; the last try submits nothing."""
    monkeypatch.chdir(tmp_path)
    submitted = []
    monkeypatch.setattr(driver, "hand_on", lambda plan, _: submitted.append(plan.fruitless) or "17")
    monkeypatch.setenv("PATH", "/nonexistent")
    search = {"script": str(fit), "store": str(tmp_path / "l2l.db"), "runner": {"runner": "slurm", "folder": "jobs"}}
    path = plan_of(fit, tmp_path, search=search)
    assert driver.drive(path) == 0
    assert submitted == [1]
    with pytest.raises(RunnerError, match=r"2 jobs in a row ended without an evaluation.*sbatch is not found"):
        driver.drive(path)
    assert submitted == [1]


def test_the_clock_is_heard_even_if_what_it_raises_is_swallowed():
    clock = driver._Clock(0.05)
    with clock:
        with contextlib.suppress(KeyboardInterrupt):  # as Python does in a destructor
            time.sleep(10)
        assert clock.over
        with pytest.raises(KeyboardInterrupt):
            clock.look()
        clock.heard = True
        clock.look()
