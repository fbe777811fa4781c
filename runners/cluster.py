"""Where Dask workers come from: what a cluster guarantees to the DaskRunner, and the one that is there already."""

from __future__ import annotations

from typing import Any, Protocol

DASK_SETTINGS: dict[str, Any] = {
    # The driver counts attempts: one lost worker ends a task's, and the driver decides about the next.
    "distributed.scheduler.allowed-failures": 0,
    # One task on a worker, the others wait at the scheduler: so few are lost with it, and there is nothing to steal.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.work-stealing": False,
    # A shorter one takes away workers whose nanny is just restarting them.
    "distributed.deploy.lost-worker-timeout": "120s",
    # Asking a dead worker for a result stalls for (retries + 1) times this.
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.retry.count": 0,
    "distributed.worker.daemon": False,  # evaluations may start processes of their own
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.limit": "60s",  # C code that holds the interpreter lock is nothing to warn about
    "distributed.admin.large-graph-warning-threshold": "10 GiB",  # an optimizee travels inside a task, on purpose
    # Dask's default makes malloc give memory back at every turn, which NumPy pays for with page faults.
    "distributed.nanny.pre-spawn-environ": {},
}


# How many threads an engine may use, to those that do not ask the operating system.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


class Cluster(Protocol):
    """A scheduler and its workers, as the DaskRunner needs them.

    folder: where workers write their last words; "" for the temporary folder of each.
    shared_folder: whether the driver is sure to read them there, so that finding none means something.
    own_environment: whether workers run with the driver's installation, so that versions need no comparison.
    """

    folder: str
    shared_folder: bool
    own_environment: bool

    def prepare(self) -> None:
        """Begin what takes its time and needs no Dask in this process: importing that takes its time, too."""

    def start(self) -> dict[str, Any]:
        """Begin; returns what `distributed.Client` connects with. Workers may still be on their way."""

    def expected(self) -> int:
        """How many workers are worth waiting for before the first evaluation."""

    def tick(self, wanted: int) -> None:
        """Called about every second: replace lost workers. `wanted`: how many would have something to do.

        Raises RunnerError if none can come any more.
        """

    def why_no_workers(self) -> str:
        """What is known about why there is no worker, and what to do about it."""

    def log_of(self, worker: str) -> str:
        """The last lines that the worker of this name printed, where they can be read; else ""."""

    def close(self) -> None:
        """End what `start` began; safe to call twice."""


class ExistingScheduler:
    """A scheduler that somebody else started: its address, or the file it wrote it to."""

    folder = ""
    shared_folder = False
    own_environment = False

    def __init__(self, address: str | None = None, scheduler_file: str | None = None) -> None:
        self.address = address
        self.scheduler_file = scheduler_file

    def prepare(self) -> None:
        return None

    def start(self) -> dict[str, Any]:
        if self.scheduler_file is not None:
            return {"scheduler_file": self.scheduler_file}
        return {"address": self.address}

    def expected(self) -> int:
        return 1

    def tick(self, wanted: int) -> None:  # noqa: ARG002 - its workers are somebody else's
        return None

    def why_no_workers(self) -> str:
        where = self.address or self.scheduler_file
        return f"the scheduler at {where} has none: start some with `dask worker {where} --nthreads 1`"

    def log_of(self, worker: str) -> str:  # noqa: ARG002 - where they print is not known
        return ""

    def close(self) -> None:
        return None
