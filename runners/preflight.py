"""What stands in the way of submitting jobs, found before any is submitted."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from l2l.errors import RunnerError, nearest
from l2l.runners import environment
from l2l.runners.jobqueue import NAME

if TYPE_CHECKING:
    from l2l.runners.jobqueue import JobQueue

_ANSWER = 60.0  # seconds in which a command of the queue must answer
_VERSIONS = "import json; from l2l.runners.environment import here; print(json.dumps(here()))"


def problems_of(queue: JobQueue) -> list[str]:
    """One line each; [] if all is well."""
    try:
        job = queue.make_job("tcp://127.0.0.1:8786", "check", str(Path(queue.folder).absolute()))
    except RunnerError as error:
        return [str(error)]
    problems = [*_interface(queue), *_folder(queue), *_python(queue)]
    command = shlex.split(job.submit_command)[0]
    if shutil.which(command) is None:
        return [*problems, f"{command} is not found: this host has no commands of {queue.system}"]
    return [*problems, *_submission(queue, str(job.job_script()))]


def remarks_of(queue: JobQueue) -> list[str]:
    """What need not stop a submission, since it may change, or be otherwise on the nodes: a partition that is down,
    lines of the prologue that load modules and fail here. One line each."""
    return [*_down(queue), *_modules(queue)]


def _down(queue: JobQueue) -> Iterator[str]:
    """sbatch takes jobs for a partition that is down, and they wait."""
    if not queue.dialect.states:
        return
    answer = ask(list(queue.dialect.states))
    wanted = set(queue.queue.split(",")) if queue.queue else None
    for line in answer.stdout.splitlines() if answer is not None else ():
        name, _, state = line.partition("|")
        # The default partition has a star.
        if (name.rstrip("*") in wanted if wanted else name.endswith("*")) and state != "up":
            yield f"the queue {name.rstrip('*')!r} is {state}: jobs wait until it is up"


def _modules(queue: JobQueue) -> Iterator[str]:
    """Loads the modules here, in a login shell, which is where `module` is defined."""
    lines = [line for line in queue.prologue if line.split()[0] in ("module", "ml")]
    if not lines:
        return
    script = "\n".join(f"{line} || exit 1" for line in lines)
    try:
        done = subprocess.run(
            ["bash", "-lc", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield f"the prologue cannot be tried here: {error}"
        return
    # Older Environment Modules complain, and return 0.
    if done.returncode or "unable to locate a modulefile" in done.stderr.lower():
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        yield f"the prologue's modules cannot be loaded on this host: {said}"


def _interface(queue: JobQueue) -> Iterator[str]:
    known = [name for _, name in socket.if_nameindex()]
    if queue.interface is not None and queue.interface not in known:
        yield f"this host has no network interface {queue.interface!r}: {nearest(queue.interface, known)}"


def _folder(queue: JobQueue) -> Iterator[str]:
    folder = Path(queue.folder).absolute()
    if not NAME.fullmatch(str(folder)):
        yield f"the folder for job logs must have a path without spaces, but got {str(folder)!r}: set folder"
        return
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not (place.is_dir() and os.access(place, os.W_OK)):
        yield f"the folder for job logs cannot be written: {folder}"


def _python(queue: JobQueue) -> Iterator[str]:
    if queue.python == sys.executable:
        return
    try:
        done = subprocess.run(
            [queue.python, "-P", "-c", _VERSIONS], capture_output=True, text=True, timeout=_ANSWER, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield f"python={queue.python!r} does not start here: {error}"
        return
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield f"python={queue.python!r} cannot import l2l: {last}; install it there"
        return
    different = environment.differences(json.loads(done.stdout.splitlines()[-1]))
    if different:
        yield f"python={queue.python!r} differs from this process (here): {different}"


def _submission(queue: JobQueue, script: str) -> Iterator[str]:
    if not queue.dialect.test:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        done = ask([*queue.dialect.test, file.name])
    if done is None:
        yield f"{queue.dialect.test[0]} does not answer within {_ANSWER:g} s"
    elif done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        yield f"{queue.system} refuses the job: {said}{_partition(queue)}"


def _partition(queue: JobQueue) -> str:
    """Whether it is the queue's name that is wrong, and what was meant."""
    listing = ask(list(queue.dialect.partitions)) if queue.queue and queue.dialect.partitions else None
    names = sorted(set(listing.stdout.split())) if listing is not None else []
    if not queue.queue or not names or set(queue.queue.split(",")) <= set(names):
        return ""
    return f"; there is no queue {queue.queue!r}: {nearest(queue.queue, names)}"


def ask(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    """What a command of the queue answers; None if it is absent or does not answer."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER, check=False)
    return None
