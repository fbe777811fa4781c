"""What is asked of seven kinds of queues, without any of them; a real Slurm judges in tests/hpc."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from l2l.errors import RunnerError
from l2l.runners import DaskRunner, JobQueue, create
from l2l.runners.dialect import DIALECTS

SYSTEMS = sorted(DIALECTS)


def command_of(script):
    """The last line of a script, as the shell reads it."""
    return shlex.split(script.strip().splitlines()[-1])


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_has_a_script_that_asks_for_what_was_set(system):
    queue = JobQueue(
        system=system,
        workers_per_job=2,
        threads_per_worker=3,
        gpus_per_job=2,
        memory="6GiB",
        walltime="1-02:03:04",
        queue=None if system == "htcondor" else "gpu-long",
        account="brain",
        directives=("request_retries = 2",) if system == "htcondor" else ("--extra=yes",),
        prologue=("module load Python/3.12",),
    )
    script = queue.job_script()
    header = script.split("module load")[0] if system != "htcondor" else script
    wanted = {
        "slurm": ["-p gpu-long", "-A brain", "--cpus-per-task=6", "--mem=6G", "-t 26:03:04", "--gres=gpu:2"],
        "pbs": ["-q gpu-long", "-A brain", "select=1:ncpus=6:mem=6144MB:ngpus=2", "walltime=26:03:04"],
        "moab": ["-q gpu-long", "-A brain", "nodes=1:ppn=6:gpus=2", "walltime=26:03:04"],
        "sge": ["-q gpu-long", "-P brain", "-l gpu=2", "h_rt=26:03:04"],
        "lsf": ["-q gpu-long", '-P "brain"', "-n 6", "-W 26:04", '-gpu "num=2"'],
        "oar": ["-q gpu-long", "--project brain", "/nodes=1/gpu=2/core=6", "walltime=26:03:04"],
        "htcondor": ["accounting_group = brain", "request_gpus = 2", "allowed_job_duration = 93784", "RequestCpus"],
    }[system]
    for words in wanted:
        assert words in header, script
    assert ("request_retries = 2" if system == "htcondor" else "--extra=yes") in header
    assert "module load Python/3.12" in script
    assert "<session>" in script
    if system != "htcondor":  # its script is not the shell's
        assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
        words = command_of(script)
        assert words[1:6] == ["-P", "-W", "ignore:resource_tracker", "-m", "l2l.runners.jobhost"]
        assert words[words.index("--workers") + 1] == "2"
        assert words[words.index("--gpus") + 1] == "2"


def test_what_stands_in_a_command_is_quoted(tmp_path):
    python = str(tmp_path / "my $(touch here) env" / "bin" / "python")
    words = command_of(JobQueue(python=python).job_script())
    assert words[0] == python


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"system": "slrum"}, "did you mean 'slurm'"),
        ({"jobs": 0}, "jobs must be an integer >= 1"),
        ({"jobs": True}, "jobs must be an integer >= 1"),
        ({"jobs": 2, "minimum_jobs": 1, "maximum_jobs": 3}, "not both"),
        ({"minimum_jobs": 1}, "given together"),
        ({"minimum_jobs": 3, "maximum_jobs": 2}, "minimum_jobs <= maximum_jobs must hold"),
        ({"gpus_per_job": -1}, "gpus_per_job must be an integer >= 0"),
        ({"threads_per_worker": 1.5}, "threads_per_worker must be an integer >= 1"),
        ({"queue": "batch\n#SBATCH --uid=0"}, "queue stands in the job script"),
        ({"queue": "a; rm -rf /"}, "queue stands in the job script"),
        ({"account": "-A"}, "account stands in the job script"),
        ({"name": "$(reboot)"}, "name stands in the job script"),
        ({"folder": "my logs"}, "folder stands in the job script"),
        ({"prologue": ["module load\nrm"]}, "prologue must hold one line each"),
        ({"prologue": "module load"}, "prologue must be a list of lines"),
        ({"directives": [""]}, "directives must hold one line each"),
        ({"python": ""}, "python must be the path"),
        ({"walltime": "10:00"}, "hours, minutes, seconds"),
        ({"walltime": "tomorrow"}, "hours, minutes, seconds"),
        ({"walltime": "0:00:00"}, "hours, minutes, seconds"),
        ({"walltime": -3}, "hours, minutes, seconds"),
        ({"walltime": 60, "drain": 60}, "drain < walltime must hold"),
        ({"resource_spec": "a\nb"}, "resource_spec must be one line"),
        ({"grace": 0}, "grace must be a number of seconds > 0"),
        ({"system": "htcondor", "queue": "long"}, "HTCondor has no queues"),
    ],
)
def test_wrong_settings_name_the_law(settings, said):
    with pytest.raises(RunnerError, match=said):
        JobQueue(**settings)


@pytest.mark.parametrize(
    ("walltime", "seconds"), [("2:00:00", 7200), ("1-12:00:00", 129600), ("90 min", 5400), (30, 30), ("0:01:05", 65)]
)
def test_wall_times_as_people_write_them(walltime, seconds):
    assert JobQueue(walltime=walltime).walltime_seconds == seconds


def test_settings_survive_a_record():
    queue = JobQueue(jobs=3, prologue=["module load A"], walltime="3:00:00", tls=True)
    runner = DaskRunner(queue=queue, deadline=5.0)
    again = create(runner.describe())
    assert again.queue == queue
    assert again.describe() == runner.describe()
    assert DaskRunner.slurm(jobs=3, prologue=["module load A"], walltime="3:00:00", tls=True).queue == queue


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"runner": "dask", "queue": {"system": "slurm", "job": 3}}, "did you mean 'jobs'"),
        ({"runner": "dask", "queue": {"system": "slurm"}, "workers": 3}, "its own settings say"),
        ({"runner": "dask", "queue": {"system": "slurm"}, "address": "tcp://a:1"}, "both were given"),
        ({"runner": "dask", "address": "tls://a:1", "tls": True}, "has its own keys"),
        ({"runner": "dask", "gpus": -1}, "gpus must be an integer >= 0"),
    ],
)
def test_queues_inside_runners(spec, said):
    with pytest.raises(RunnerError, match=said):
        create(spec)


def test_a_host_without_the_queues_commands(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert JobQueue(system="lsf").check() == ["bsub is not found: this host has no commands of lsf"]
    runner = DaskRunner(queue=JobQueue(system="lsf"))
    with pytest.raises(RunnerError, match="no job can be submitted to lsf: bsub is not found"), runner:
        pass


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    (problem, *_) = JobQueue(folder=str(tmp_path / "file" / "jobs")).check()
    assert "cannot be written" in problem


def test_a_python_without_l2l(tmp_path):
    """The interpreter itself, outside of its virtual environment, or one that is told to look nowhere."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S "$@"\n')
    python.chmod(0o755)
    problems = JobQueue(python=str(python), folder=str(tmp_path)).check()
    assert any("cannot import l2l: ModuleNotFoundError" in problem for problem in problems)


# Listings as the manuals of these programs show them: their columns, two jobs, of which 17 waits.
LISTINGS = {
    "slurm": "17|PENDING|Resources\n18|COMPLETING|None\n",
    "pbs": "Job id   Name  User  Time Use S Queue\n------\n17.node0  l2l  ann  0  Q  batch\n",
    "moab": "JOBID  USERNAME  STATE  PROCS  REMAINING\n\n17  ann  Idle  4  1:00:00\n",
    "sge": "job-ID prior name user state queue slots\n-----\n     17 0.55 l2l ann qw 11/21/2025  1\n",
    "lsf": "JOBID USER STAT QUEUE FROM_HOST EXEC_HOST JOB_NAME\n17 ann PEND normal hostA - l2l\n",
    "oar": "Job id  Name  User  S Queue\n------ ---- ----\n17  l2l  ann W default\n",
    "htcondor": " ID  OWNER  SUBMITTED  RUN_TIME ST PRI SIZE CMD\n  17.0  ann  11/21 04:00  0+00:00:00 I  0  0.0 sh\n",
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_job_is_found_in_its_queues_listing(system):
    find, dot = DIALECTS[system].find, ".0" if system == "htcondor" else ""
    assert find(LISTINGS[system], f"17{dot}") is not None
    for absent in ("1", "7", "18", "117"):
        assert find(LISTINGS[system], f"{absent}{dot}") is None


def test_slurm_says_why_a_job_waits():
    assert str(DIALECTS["slurm"].find(LISTINGS["slurm"], "17")) == "PENDING (Resources)"


def test_a_dry_run_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    queue = JobQueue()
    queue.job_script()
    if shutil.which("sbatch") is None:
        assert queue.check() == ["sbatch is not found: this host has no commands of slurm"]
    assert os.listdir(tmp_path) == []
