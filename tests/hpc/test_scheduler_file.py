"""A scheduler that is a process of its own, with workers in Slurm's jobs that find it by its file."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from l2l.trajectory import Trajectory

SCRIPT = """
    import os, time
    from l2l import Experiment, Real
    from l2l.runners import DaskRunner

    def bowl(x, y, rng):
        time.sleep(0 if "CALM" in os.environ else 0.1)
        return (x - 1) ** 2 + y ** 2 + rng.normal(0, 0.1)

    experiment = Experiment(
        bowl, {"name": "cma-es", "population": 10}, space={"x": Real(-3, 3), "y": Real(-3, 3)}, generations=8, seed=2,
        runner=DaskRunner(scheduler_file="scheduler.json"),
    )
"""


@pytest.fixture
def cluster(slurm, tmp_path):
    """Starts a scheduler, and two jobs with a worker each."""
    started = []

    def start():
        file = tmp_path / "scheduler.json"
        file.unlink(missing_ok=True)
        command = [sys.executable, "-P", "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
        process = subprocess.Popen(
            [*command, "--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file)],
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
            env=os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"},
        )
        started.append(process)
        worker = (
            f"{sys.executable} -P -m distributed.cli.dask_worker --scheduler-file {file} --nthreads 1 --host 127.0.0.1"
        )
        for _ in range(2):
            slurm.call(
                "sbatch", "--mem=300M", "-o", str(tmp_path / "worker.log"), "--wrap", f"{worker} --death-timeout 10"
            )
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("nobody_left")
def test_a_killed_scheduler_ends_the_run_and_another_goes_on(slurm, cluster, driver, tools, tmp_path):
    (tmp_path / "fit.py").write_text(textwrap.dedent(SCRIPT))
    scheduler = cluster()
    assert tools.wait_until((tmp_path / "scheduler.json").exists, 30)
    first = driver(tmp_path, "run", "fit.py")
    assert tools.wait_until(lambda: count(tmp_path) > 15, 60), first.process.poll()
    scheduler.send_signal(signal.SIGKILL)
    code, said = first.end(timeout=60)
    assert code != 0
    assert "the scheduler is gone" in " ".join(said.split())
    assert "resume" in said
    before = count(tmp_path)
    assert 15 < before < 80
    assert tools.wait_until(lambda: not slurm.jobs(), 30), "workers outlive their scheduler"

    cluster()
    assert tools.wait_until((tmp_path / "scheduler.json").exists, 30)
    code, said = driver(tmp_path, "resume").end()
    assert code == 0, said
    serial = tmp_path / "serial"
    serial.mkdir()
    code, said = driver(serial, "run", str(tmp_path / "fit.py"), "--runner", "serial", CALM="1").end()
    assert code == 0, said
    assert values(tmp_path) == values(serial)
    slurm.call("scancel", *slurm.jobs())


def count(folder):
    try:
        frame = Trajectory.open(folder / "l2l.db").individuals()
    except Exception:
        return 0
    return int((frame["status"] == "ok").sum())


def values(folder):
    frame = Trajectory.open(folder / "l2l.db").individuals().sort_values(["generation", "position"])
    return list(frame[["generation", "position", "status", "x", "y", "loss"]].itertuples(index=False, name=None))
