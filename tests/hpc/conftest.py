"""A real Slurm for all tests of this folder, and drivers that are processes of their own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

_HERE = Path(__file__).parent
_SPEC = importlib.util.spec_from_file_location("l2l_tests_slurm", _HERE / "slurm.py")
slurm_here = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(slurm_here)


@pytest.fixture(scope="session")
def slurm():
    why = slurm_here.missing()
    if why and os.environ.get("CI") and os.geteuid() == 0:
        pytest.fail(f"these tests must run here, but {why}")
    if why:
        pytest.skip(why)
    patch = pytest.MonkeyPatch()
    with slurm_here.Slurm() as started:
        patch.setenv("SLURM_CONF", str(started.conf))
        patch.setenv("PATH", slurm_here._path())
        yield started
        patch.undo()


@pytest.fixture
def nobody_left(slurm):
    """Asserts, when the test is over, that within 15 s no job and none of our processes is left."""
    yield
    assert wait_until(lambda: not slurm.jobs() and not job_programs(), 15), (slurm.jobs(), job_programs())


def wait_until(condition, seconds):
    """The condition's value once it is true; else what it is after so many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


def job_programs():
    """Processes of jobs: their hosts, and the workers below those; not those that have ended but are not buried."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if "l2l.runners.jobhost" in words or ("SLURM_JOB_ID" in process.environ() and "spawn_main" in str(words)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def workers_of_jobs():
    return [process for process in job_programs() if "spawn_main" in str(process.cmdline())]


class Driver:
    """`python -m l2l.cli ...` in a folder, as a user starts it."""

    def __init__(self, folder, *arguments, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "l2l.cli", *arguments],
            cwd=folder,
            env=os.environ | {"L2L_STORE": str(folder / "l2l.db")} | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kill(self):
        """As the kernel does when memory is short."""
        self.process.kill()
        self.process.communicate()

    def end(self, timeout=120):
        """Its exit code and what it said."""
        try:
            _, said = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return self.process.returncode, said


@pytest.fixture
def driver(slurm):
    """Starts drivers; those that are left are killed in the end."""
    assert slurm is not None
    started = []

    def start(folder, *arguments, **environment):
        started.append(Driver(folder, *arguments, **environment))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.kill()


@pytest.fixture(scope="session")
def tools():
    """What tests of this folder share and cannot import: pytest's import mode knows no neighbours."""

    class Tools:
        wait_until = staticmethod(wait_until)
        job_programs = staticmethod(job_programs)
        workers_of_jobs = staticmethod(workers_of_jobs)

    return Tools
