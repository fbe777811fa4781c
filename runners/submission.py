"""The driver itself as a job: its script, and how it is handed to the queue."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from l2l.errors import RunnerError
from l2l.runners.jobqueue import JobQueue

_TAKING = 120.0  # seconds in which a queue must take a job
# Those that take a script as a file, and read its header.
_TAKES_FILES = ("slurm", "pbs", "moab", "sge", "lsf")


def require_files(queue: JobQueue) -> None:
    """Raises RunnerError where a driver cannot be submitted: HTCondor and OAR take no scripts with a header."""
    if queue.system not in _TAKES_FILES:
        raise RunnerError(
            f"a driver can be submitted to {', '.join(_TAKES_FILES)}, but not to {queue.system}: start it with "
            "`l2l run` on a login node, in tmux or with nohup"
        )


def driver_script(queue: JobQueue, command: Sequence[str], folder: str) -> str:
    """A job script that runs one command, with the resources and the prologue of `queue`; its output is in `folder`."""
    job = queue.make_job("tcp://none", queue.name, folder)
    shebang = str(getattr(job, "shebang", "") or "#!/usr/bin/env bash")
    # exec: the queue's signals reach the driver, not a shell that waits for it.
    return "\n".join([shebang, "", str(job.job_header), "", *queue.prologue, f"exec {shlex.join(command)}", ""])


def submit(queue: JobQueue, script: Path) -> str:
    """Hand a script to the queue; returns the job's number. Raises RunnerError with what the queue says."""
    require_files(queue)
    job = queue.make_job("tcp://none", queue.name, str(script.parent))
    command = shlex.split(job.submit_command)
    try:
        with script.open("rb") as file:
            done = subprocess.run(
                command if queue.system == "lsf" else [*command, str(script)],
                stdin=file if queue.system == "lsf" else subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TAKING,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunnerError(f"{command[0]} cannot submit the driver: {error}") from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RunnerError(f"{queue.system} refuses the driver: {said}")
    number = re.search(r"\d+", done.stdout)
    return number[0] if number else done.stdout.strip()
