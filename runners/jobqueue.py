"""What is asked of a job queue (Slurm, PBS, SGE, LSF, HTCondor, OAR, Moab): settings, the job script, and a check."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
import shlex
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l2l.errors import RunnerError, SimulationError, nearest
from l2l.runners import environment
from l2l.runners.dialect import DIALECTS, Dialect, Resources

NAME = re.compile(r"[\w.@+:=,/][\w.@+:=,/-]*")  # what no shell and no queue reads as anything but itself
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]?\d):([0-5]?\d)")
_PLACEHOLDER = "tcp://<address of the scheduler>"


@dataclass(frozen=True, kw_only=True)
class JobQueue:
    """How many jobs of which size, on which system. Wrong settings raise RunnerError at once.

    system: "slurm", "pbs", "sge", "lsf", "htcondor", "oar" or "moab".
    jobs: so many, all the time; by default 1. Or, instead:
    minimum_jobs, maximum_jobs: as many as there is work for, between these bounds.
    workers_per_job: evaluations a job runs at once; by default one for each of its GPUs, or one.
    threads_per_worker: threads that an engine (Numba, BLAS) may use in each.
    gpus_per_job: GPUs that each job asks for; of the workers of a job, each of the first so many gets one as its only
        one, the others get none.
    memory: of each job, such as "4GB". walltime: of each job: "2:00:00", "1-12:00:00", "90 min", or seconds.
    queue, account: the partition to submit to and the project to charge; None is dask-jobqueue's configuration.
    directives: further lines of the job script's header, without their "#SBATCH". resource_spec: the resource string
        of PBS, Moab, SGE or OAR, where the one made from the settings above does not suit.
    prologue: shell lines before the worker starts, such as "module load CUDA".
    python: the interpreter on the nodes; by default this one.
    interface: the network interface ("ib0") on which scheduler and workers listen; by default, on each machine, the
        one address by which it reaches the others. They never listen on all.
    tls: encrypt and authenticate everything between driver, scheduler and workers, with keys made for this session.
    folder: on a file system that driver and nodes share: job logs, last words of workers, keys.
    scratch: a fast local folder on the nodes for temporary files; by default the system's.
    drain: seconds before its wall time at which a job gets no more work; by default a tenth of it, at most 300.
    grace: seconds that a worker looks for its scheduler before its job ends, and in which the jobs of a dead driver
        have ended.
    """

    system: str = "slurm"
    jobs: int | None = None
    minimum_jobs: int | None = None
    maximum_jobs: int | None = None
    workers_per_job: int | None = None
    threads_per_worker: int = 1
    gpus_per_job: int = 0
    memory: str = "4GB"
    walltime: str | float = "1:00:00"
    queue: str | None = None
    account: str | None = None
    name: str = "l2l"
    directives: tuple[str, ...] = ()
    resource_spec: str | None = None
    prologue: tuple[str, ...] = ()
    python: str = sys.executable
    interface: str | None = None
    tls: bool = False
    folder: str = "l2l-jobs"
    scratch: str | None = None
    drain: float | None = None
    grace: float = 30.0

    def __post_init__(self) -> None:
        if self.system not in DIALECTS:
            raise RunnerError(f"unknown job queue {self.system!r}: {nearest(self.system, DIALECTS)}")
        if self.jobs is not None and (self.minimum_jobs is not None or self.maximum_jobs is not None):
            raise RunnerError("a queue gets a fixed number of jobs, or minimum_jobs and maximum_jobs, but not both")
        if (self.minimum_jobs is None) != (self.maximum_jobs is None):
            raise RunnerError("minimum_jobs and maximum_jobs are given together, but only one of them was")
        least = {"jobs": 1, "minimum_jobs": 0, "maximum_jobs": 1, "workers_per_job": 1, "threads_per_worker": 1}
        for name, bound in (least | {"gpus_per_job": 0}).items():
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < bound):
                raise RunnerError(f"{name} must be an integer >= {bound}, but got {value!r}")
        if self.minimum_jobs is not None and self.maximum_jobs is not None and self.minimum_jobs > self.maximum_jobs:
            raise RunnerError(f"minimum_jobs <= maximum_jobs must hold, but got {self.minimum_jobs, self.maximum_jobs}")
        for name in ("drain", "grace"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
                raise RunnerError(f"{name} must be a number of seconds > 0, but got {value!r}")
        self._check_texts()
        if not self.drain_seconds < self.walltime_seconds:
            raise RunnerError(f"drain < walltime must hold, but got drain={self.drain} and walltime={self.walltime!r}")

    def _check_texts(self) -> None:
        for name in ("name", "queue", "account", "interface", "memory", "folder", "scratch"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not NAME.fullmatch(value)):
                raise RunnerError(
                    f"{name} stands in the job script and must be made of letters, digits and ./_@+:=,- without "
                    f"spaces, but got {value!r}"
                )
        for name in ("directives", "prologue"):
            lines = getattr(self, name)
            if isinstance(lines, str) or not all(isinstance(line, str) for line in lines):
                raise RunnerError(f"{name} must be a list of lines, but got {lines!r}")
            for line in lines:
                if "\n" in line or "\r" in line or not line.strip():
                    raise RunnerError(f"{name} must hold one line each, but got {line!r}")
            object.__setattr__(self, name, tuple(lines))
        if self.resource_spec is not None and not str(self.resource_spec).isprintable():
            raise RunnerError(f"resource_spec must be one line, but got {self.resource_spec!r}")
        if not isinstance(self.python, str) or not self.python.strip() or not self.python.isprintable():
            raise RunnerError(f"python must be the path of an interpreter, but got {self.python!r}")
        if self.system == "htcondor" and self.queue is not None:
            raise RunnerError(f"HTCondor has no queues, but queue={self.queue!r} was given: use directives")
        _ = self.walltime_seconds

    # --- what follows from the settings ---------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        """Workers of one job."""
        return self.workers_per_job or max(1, self.gpus_per_job)

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the largest number of jobs."""
        if self.minimum_jobs is not None and self.maximum_jobs is not None:
            return self.minimum_jobs, self.maximum_jobs
        return self.jobs or 1, self.jobs or 1

    @property
    def walltime_seconds(self) -> float:
        from l2l import duration

        if isinstance(self.walltime, str) and (match := _CLOCK.fullmatch(self.walltime.strip())):
            days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
            value = float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
        else:
            try:
                value = duration.seconds(self.walltime, "walltime")
            except SimulationError:
                value = 0.0
        if value <= 0:
            raise RunnerError(
                'walltime must be like "2:00:00" (hours, minutes, seconds), "1-12:00:00", "90 min" or a number of '
                f"seconds > 0, but got {self.walltime!r}"
            )
        return value

    @property
    def drain_seconds(self) -> float:
        return self.drain if self.drain is not None else min(300.0, self.walltime_seconds / 10)

    @property
    def dialect(self) -> Dialect:
        return DIALECTS[self.system]

    def as_json(self) -> dict[str, Any]:
        """The settings that differ from the defaults, and the system; `JobQueue.from_json` makes the same of them."""
        settings: dict[str, Any] = {"system": self.system}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                settings[field.name] = list(value) if isinstance(value, tuple) else value
        return settings

    @classmethod
    def settings(cls) -> list[str]:
        """The names of all settings."""
        return [field.name for field in dataclasses.fields(cls)]

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> JobQueue:
        known = cls.settings()
        for name in settings:
            if name not in known:
                raise RunnerError(f"a job queue has no setting {name!r}: {nearest(str(name), known)}")
        return cls(**settings)

    # --- the job script -------------------------------------------------------------------------------------------

    def job_script(self) -> str:
        """The script that would be submitted, with placeholders for what is known only then."""
        return str(self.make_job(_PLACEHOLDER, "<name>", str(Path(self.folder).absolute() / "<session>")).job_script())

    def make_job(self, scheduler: str, name: str, folder: str, tls: Mapping[str, str] | None = None) -> Any:
        """A job of dask_jobqueue, not submitted yet.

        scheduler: its address. name: of the worker. folder: of this session. tls: files by option of the worker's
        program ("tls-ca-file", ...). Raises RunnerError if dask-jobqueue is not installed.
        """
        job_class = _job_class(self.dialect.job)
        cores = self.workers * self.threads_per_worker
        wanted = Resources(
            cores, self.memory, self.gpus_per_job, self.walltime_seconds, self.queue, self.account, self.resource_spec
        )
        directives: Any = [
            *self.dialect.directives(wanted, f"{folder}/{self.dialect.id_pattern}.log"),
            *self.directives,
        ]
        if self.system == "htcondor":
            directives = dict(_setting(line) for line in directives)
        options = ["--workers", str(self.workers), "--gpus", str(self.gpus_per_job), "--folder", folder]
        for option, value in {"job-variable": self.dialect.job_variable, **(tls or {})}.items():
            options += [f"--{option}", value]
        for entry in environment.additions_to_path():
            options += ["--path", entry]
        settings: dict[str, Any] = {
            "cores": cores,
            "processes": 1,
            "memory": self.memory,
            "job_name": self.name,
            "job_extra_directives": directives,
            "worker_command": "l2l.runners.jobhost",
            # -P: a folder of the same name where the job starts must not be taken for a package. -W: killed workers
            # leave semaphores to multiprocessing's tracker, which removes them, and would say so.
            "python": f"{shlex.quote(self.python)} -P -W ignore:resource_tracker",
            "death_timeout": self.grace,
            "worker_extra_args": [shlex.quote(option) for option in options],
            **self.dialect.arguments(wanted),
        }
        # What dask-jobqueue reads from its configuration where it is given None must not undo what is said above.
        settings |= {"job_script_prologue": list(self.prologue)} if self.prologue else {}
        settings |= {"local_directory": shlex.quote(self.scratch)} if self.scratch else {}
        settings |= {"interface": self.interface} if self.interface else {}
        known = inspect.signature(job_class.__init__).parameters
        given = {key: value for key, value in settings.items() if value is not None or key in known}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return job_class(shlex.quote(scheduler), name=shlex.quote(name), **given)

    def check(self) -> list[str]:
        """What stands in the way of a submission, one line each; nothing is submitted. [] if all is well.

        Whether the queue's commands are here, whether it takes the script (Slurm), whether the folder can be written,
        whether the interface exists, and whether `python` starts with the versions of this process.
        """
        from l2l.runners.preflight import problems_of

        return problems_of(self)


def _job_class(name: str) -> Any:
    if importlib.util.find_spec("dask_jobqueue") is None:
        raise RunnerError("job queues need dask-jobqueue, which is not installed: pip install 'l2l[hpc]'")
    module = importlib.import_module(f"dask_jobqueue.{name.removesuffix('Job').lower()}")
    return getattr(module, name)


def _setting(line: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals:
        raise RunnerError(f"directives of HTCondor are like 'name = value', but got {line!r}")
    return name.strip(), value.strip()
