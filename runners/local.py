"""Dask workers on this machine: one process each, held by one more process that ends them when the driver is gone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from l2l.errors import RunnerError
from l2l.runners.cluster import DASK_SETTINGS

_LOOPBACK = "127.0.0.1"
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
# A fixed program: the worker host does not import the user's script, so a script needs no `if __name__ == "__main__"`.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from l2l.runners.host import main; main()"
# Killed workers leave semaphores to multiprocessing's tracker, which removes them, and would say so.
_QUIET = "ignore:resource_tracker"


def available_cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalWorkers:
    """A scheduler in this process and worker processes beside it, all on loopback.

    workers: processes, >= 1. threads: that an engine (Numba, BLAS) may use in each.
    """

    shared_folder = True

    def __init__(self, workers: int, threads: int) -> None:
        self.folder = ""
        self.workers = workers
        self.threads = threads
        self._host: subprocess.Popen[str] | None = None
        self._scheduler: Any = None

    def prepare(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="l2l-")
        self._host = self._start_host()

    def start(self) -> dict[str, Any]:
        import logging

        from distributed import Scheduler, SpecCluster

        # What they say of connections that close with the workers may come when `silence_logs` has ended already.
        for name in ("distributed.batched", "distributed.core", "distributed.scheduler"):
            logging.getLogger(name).setLevel(logging.WARNING)
        options = {
            "host": _LOOPBACK,
            "port": 0,
            "protocol": "tcp://",
            "dashboard": False,
            # Dask's default serves HTTP to the whole network even without a dashboard.
            "dashboard_address": f"{_LOOPBACK}:0",
        }
        self._scheduler = SpecCluster(
            workers={}, scheduler={"cls": Scheduler, "options": options}, silence_logs=logging.CRITICAL
        )
        settings = {
            "scheduler": self._scheduler.scheduler_address,
            "workers": self.workers,
            "listen": _LOOPBACK,
            "folder": self.folder,
            "dask": DASK_SETTINGS,
        }
        assert self._host is not None
        assert self._host.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died: tick() will say so
            self._host.stdin.write(json.dumps(settings) + "\n")
            self._host.stdin.flush()
        return {"address": self._scheduler.scheduler_address}

    def _start_host(self) -> subprocess.Popen[str]:
        path = [os.path.abspath(entry) for entry in sys.path]  # "" is the working directory
        # What Dask would say about workers that die is recorded with the evaluations.
        environment = {
            **os.environ,
            **dict.fromkeys(_THREAD_VARIABLES, str(self.threads)),
            "DASK_LOGGING__DISTRIBUTED": "critical",
        }
        return subprocess.Popen(
            [sys.executable, "-P", "-W", _QUIET, "-c", _PROGRAM, json.dumps(path)],
            stdin=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # Ctrl-C in the terminal is the driver's business
        )

    def expected(self) -> int:
        return self.workers

    def tick(self) -> None:
        if self._host is not None and self._host.poll() is not None:
            raise RunnerError(
                f"the process that holds the workers ended with code {self._host.returncode}: see what it printed above"
            )

    def why_no_workers(self) -> str:
        return "the worker processes do not come up: see what they printed above, and whether memory suffices"

    def close(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            assert host.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                host.stdin.close()  # the sign to end
            try:
                host.wait(timeout=5)
            except subprocess.TimeoutExpired:
                host.kill()
                host.wait()
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
