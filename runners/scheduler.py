"""Dask's scheduler, inside the driver's process: bound to one address, with keys of its own if it shall be secret."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l2l.errors import RunnerError

LOOPBACK = "127.0.0.1"
_FILES = 131_072  # three a job of one worker, for 40,000 of them


class OwnScheduler:
    """Runs from construction until `close`.

    host: the one address it listens on. tls: whether it takes only encrypted connections, with keys made now.
    """

    def __init__(self, host: str, tls: bool) -> None:
        import logging

        from distributed import Scheduler, SpecCluster

        _allow_many_connections()
        # What they say of connections that close with the workers may come when `silence_logs` has ended already.
        for name in ("distributed.batched", "distributed.core", "distributed.scheduler"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.security = _temporary_keys() if tls else None
        options = {
            "host": host,
            "port": 0,
            "protocol": "tls://" if tls else "tcp://",
            "security": self.security,
            "dashboard": False,
            # Dask's default serves HTTP to the whole network even without a dashboard.
            "dashboard_address": f"{host}:0",
        }
        self._cluster: Any = SpecCluster(
            workers={},
            scheduler={"cls": Scheduler, "options": options},
            silence_logs=logging.CRITICAL,
            security=self.security,
        )
        self.address: str = self._cluster.scheduler_address

    @property
    def connection(self) -> dict[str, Any]:
        """What `distributed.Client` connects with."""
        return {"address": self.address} | ({"security": self.security} if self.security else {})

    def workers(self) -> list[Worker]:
        """Those that are connected now."""
        # One step of the interpreter, so that it may be done outside the scheduler's thread.
        states = list(self._cluster.scheduler.workers.values())
        return [Worker(str(state.name), state.address, len(state.processing)) for state in states]

    def retire(self, addresses: list[str]) -> None:
        """Give these workers no more tasks; what they are at goes on."""
        self._cluster.sync(self._cluster.scheduler.retire_workers, workers=addresses, close_workers=False, remove=False)

    def sync(self, function: Any, *arguments: Any) -> Any:
        """The result of a coroutine function that runs in the scheduler's event loop."""
        return self._cluster.sync(function, *arguments)

    def close(self) -> None:
        self._cluster.close()


@dataclass(frozen=True)
class Worker:
    """A connected worker: its name, its address, and the number of tasks that it is at."""

    name: str
    address: str
    busy: int


def _allow_many_connections() -> None:
    """As many open files as this user may have, within reason: the usual 1,024 are enough for 300 jobs."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _temporary_keys() -> Any:
    if importlib.util.find_spec("cryptography") is None:
        raise RunnerError("tls needs the package cryptography, which is not installed: pip install 'l2l[hpc]'")
    from distributed.security import Security

    return Security.temporary()


def worker_keys(security: Any, folder: str) -> Mapping[str, str]:
    """Files with a worker's keys, readable by this user alone, by option: "tls-ca-file", "tls-cert", "tls-key"."""
    if security is None:
        return {}
    files = {}
    for option, text in security.get_tls_config_for_role("worker").items():
        name = f"tls-{option.replace('_', '-')}"
        if name not in ("tls-ca-file", "tls-cert", "tls-key") or not text:
            continue
        path = Path(folder) / f"{name}.pem"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        files[name] = str(path)
    return files
