"""What differs between job queues: how each writes down resources, and how it is asked for the state of jobs.

dask-jobqueue knows how to submit to and cancel in each; here is what it leaves open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resources:
    """What one job asks for. cores: of one node. memory: as dask writes it ("4GB"). walltime: seconds.

    spec: the user's own resource string, which replaces the one made here (PBS, Moab, SGE, OAR).
    """

    cores: int
    memory: str
    gpus: int
    walltime: float
    queue: str | None
    account: str | None
    spec: str | None


@dataclass(frozen=True)
class JobState:
    """One job as its queue shows it. state: in the queue's own words. reason: why it waits, "" if it does not say."""

    state: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.state} ({self.reason})" if self.reason else self.state


@dataclass(frozen=True)
class Dialect:
    """One kind of job queue.

    job: the class of dask_jobqueue. arguments: its settings for resources. directives: further lines of the header,
    given the resources and the log file (with `id_pattern` where the job's number is to stand).
    list_jobs: the command that lists the user's jobs. find: how to read its output. test: a command that judges a
    script without submitting it, () if there is none. partitions: a command that prints the names of all queues.
    states: one that prints lines "name|up", a star behind the default queue's name.
    job_variable: the environment variable that holds the job's number inside the job.
    """

    job: str
    arguments: Callable[[Resources], dict[str, Any]]
    directives: Callable[[Resources, str], list[str]]
    id_pattern: str
    list_jobs: tuple[str, ...]
    job_variable: str
    find: Callable[[str, str], JobState | None]
    test: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


def clock(seconds: float) -> str:
    """H:MM:SS, as most queues write a wall time."""
    whole = math.ceil(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _hours_and_minutes(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


# Slurm's words for a job that still has a future; COMPLETING has none.
_SLURM_ALIVE = ("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "REQUEUE", "RESIZING", "SIGNALING")


def _find_in_slurm(listing: str, job: str) -> JobState | None:
    for line in listing.splitlines():
        number, _, rest = line.partition("|")
        state, _, reason = rest.partition("|")
        if number == job:
            return JobState(state, "" if reason == "None" else reason) if state.startswith(_SLURM_ALIVE) else None
    return None


def _find_number(listing: str, job: str) -> JobState | None:
    """The line whose first word is the job's number, perhaps with a server's name; the line itself is the state."""
    for line in listing.splitlines():
        first = (line.split() or [""])[0]
        if re.search(rf"(?:^|\D){re.escape(job)}(?:\D|$)", first):
            return JobState(" ".join(line.split()))
    return None


def _pbs(resources: Resources) -> dict[str, Any]:
    gpus = f":ngpus={resources.gpus}" if resources.gpus else ""
    spec = f"select=1:ncpus={resources.cores}:mem={_megabytes(resources)}MB{gpus}"
    return _with_spec(resources, spec) | {"account": resources.account}


def _moab(resources: Resources) -> dict[str, Any]:
    gpus = f":gpus={resources.gpus}" if resources.gpus else ""
    return _with_spec(resources, f"nodes=1:ppn={resources.cores}{gpus}") | {"account": resources.account}


def _sge(resources: Resources) -> dict[str, Any]:
    # Names of resources are each site's own; `gpu` is the usual one.
    return _with_spec(resources, f"gpu={resources.gpus}" if resources.gpus else None) | {"project": resources.account}


def _oar(resources: Resources) -> dict[str, Any]:
    gpus = f"/gpu={resources.gpus}" if resources.gpus else ""
    spec = f"/nodes=1{gpus}/core={resources.cores}"
    return _with_spec(resources, spec) | {
        "project": resources.account,
        "memory_per_core_property_name": "not_applicable",
    }


def _with_spec(resources: Resources, spec: str | None) -> dict[str, Any]:
    return {
        "queue": resources.queue,
        "walltime": clock(resources.walltime),
        "resource_spec": resources.spec or spec,
    }


def _megabytes(resources: Resources) -> int:
    from dask.utils import parse_bytes

    return math.ceil(int(parse_bytes(resources.memory)) / 2**20)


def _condor_directives(resources: Resources, log: str) -> list[str]:
    # Streamed, since a worker ends by being killed and would leave nothing otherwise.
    lines = [f"Output = {log}", f"Error = {log}.err", "Stream_Output = True", "Stream_Error = True"]
    lines.append(f"allowed_job_duration = {math.ceil(resources.walltime)}")
    if resources.gpus:
        lines.append(f"request_gpus = {resources.gpus}")
    if resources.account:
        lines.append(f"accounting_group = {resources.account}")
    return lines


DIALECTS: Mapping[str, Dialect] = {
    "slurm": Dialect(
        job="SLURMJob",
        arguments=lambda wanted: {
            "queue": wanted.queue,
            "account": wanted.account,
            "walltime": clock(wanted.walltime),
        },
        directives=lambda wanted, log: [f"-o {log}", *([f"--gres=gpu:{wanted.gpus}"] if wanted.gpus else [])],
        id_pattern="%j",
        list_jobs=("squeue", "--me", "--noheader", "--format=%i|%T|%r"),
        job_variable="SLURM_JOB_ID",
        find=_find_in_slurm,
        test=("sbatch", "--test-only"),
        partitions=("sinfo", "--noheader", "--format=%R"),
        states=("sinfo", "--noheader", "--summarize", "--format=%P|%a"),
    ),
    "pbs": Dialect(
        job="PBSJob",
        arguments=_pbs,
        directives=lambda _, log: ["-j oe", f"-o {log.rpartition('/')[0]}/"],  # it takes a folder, and names the file
        id_pattern="",
        list_jobs=("qstat",),
        job_variable="PBS_JOBID",
        find=_find_number,
    ),
    "moab": Dialect(
        job="MoabJob",
        arguments=_moab,
        directives=lambda _, log: ["-j oe", f"-o {log.rpartition('/')[0]}/"],
        id_pattern="",
        list_jobs=("showq",),
        job_variable="PBS_JOBID",
        find=_find_number,
    ),
    "sge": Dialect(
        job="SGEJob",
        arguments=_sge,
        directives=lambda _, log: [f"-o {log}"],  # dask-jobqueue joins errors to it
        id_pattern="$JOB_ID",
        list_jobs=("qstat",),
        job_variable="JOB_ID",
        find=_find_number,
    ),
    "lsf": Dialect(
        job="LSFJob",
        arguments=lambda wanted: {
            "queue": wanted.queue,
            "project": wanted.account,
            "walltime": _hours_and_minutes(wanted.walltime),
        },
        directives=lambda wanted, log: [f"-o {log}", *([f'-gpu "num={wanted.gpus}"'] if wanted.gpus else [])],
        id_pattern="%J",
        list_jobs=("bjobs", "-w"),
        job_variable="LSB_JOBID",
        find=_find_number,
    ),
    "oar": Dialect(
        job="OARJob",
        arguments=_oar,
        directives=lambda _, log: [f"-O {log}", f"-E {log}"],
        id_pattern="%jobid%",
        list_jobs=("oarstat",),
        job_variable="OAR_JOB_ID",
        find=_find_number,
    ),
    "htcondor": Dialect(
        job="HTCondorJob",
        arguments=lambda _: {"disk": "1GB"},
        directives=_condor_directives,
        id_pattern="$(ClusterId).$(ProcId)",
        list_jobs=("condor_q", "-nobatch"),
        job_variable="",  # it says so in the file that _CONDOR_JOB_AD names
        find=_find_number,
    ),
}
