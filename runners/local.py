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
from l2l.runners import device
from l2l.runners.cluster import DASK_SETTINGS, THREAD_VARIABLES
from l2l.runners.scheduler import LOOPBACK, OwnScheduler

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
    gpus: how many of the workers get a GPU each, the others none; 0 leaves to all what this process may use.
    tls: whether what they say to each other is encrypted.
    """

    shared_folder = True
    own_environment = True

    def __init__(self, workers: int, threads: int, gpus: int = 0, tls: bool = False) -> None:
        self.folder = ""
        self.tls = tls
        self._variables = device.shares(workers, gpus)
        self.workers = workers
        self.threads = threads
        self._host: subprocess.Popen[str] | None = None
        self._scheduler: OwnScheduler | None = None

    def prepare(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="l2l-")
        self._host = self._start_host()

    def start(self) -> dict[str, Any]:
        self._scheduler = OwnScheduler(LOOPBACK, self.tls)
        security = self._scheduler.security
        settings = {
            "scheduler": self._scheduler.address,
            "variables": self._variables,
            "listen": LOOPBACK,
            "folder": self.folder,
            "dask": DASK_SETTINGS,
            "tls": {} if security is None else _as_arguments(security.get_tls_config_for_role("worker")),
        }
        assert self._host is not None
        assert self._host.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died: tick() will say so
            self._host.stdin.write(json.dumps(settings) + "\n")
            self._host.stdin.flush()
        return self._scheduler.connection

    def _start_host(self) -> subprocess.Popen[str]:
        path = [os.path.abspath(entry) for entry in sys.path]  # "" is the working directory
        # What Dask would say about workers that die is recorded with the evaluations.
        environment = {
            **os.environ,
            **dict.fromkeys(THREAD_VARIABLES, str(self.threads)),
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

    def tick(self, wanted: int) -> None:  # noqa: ARG002 - as many as were asked for, whatever there is to do
        if self._host is not None and self._host.poll() is not None:
            raise RunnerError(
                f"the process that holds the workers ended with code {self._host.returncode}: see what it printed above"
            )

    def why_no_workers(self) -> str:
        return "the worker processes do not come up: see what they printed above, and whether memory suffices"

    def log_of(self, worker: str) -> str:  # noqa: ARG002 - they print where the driver prints
        return ""

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


def _as_arguments(keys: dict[str, Any]) -> dict[str, Any]:
    """A worker's keys as distributed.Security takes them; they travel through a pipe and touch no disk."""
    return {
        "require_encryption": True,
        "tls_ca_file": keys["ca_file"],
        "tls_worker_cert": keys["cert"],
        "tls_worker_key": keys["key"],
    }
