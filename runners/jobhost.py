"""The program of a job: it holds the job's workers, and ends when they have ended or when their scheduler has.

It keeps a connection to the scheduler of its own, because a worker that is stuck in C code would notice nothing: when
the driver is gone, SIGKILL included, all workers are killed and the job is over.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from l2l.runners import device, host
from l2l.runners.cluster import DASK_SETTINGS, THREAD_VARIABLES

_BROKEN = 10.0  # seconds in which a connection that broke must be there again


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until there is nothing to serve."""
    given = _parser().parse_args(arguments)
    # Behind what is installed: modules beside the user's script are found, and shadow nothing.
    sys.path += [entry for entry in given.path if entry not in sys.path]
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(max(1, given.nthreads // given.workers))))
    asyncio.run(_serve(given))


def _parser() -> argparse.ArgumentParser:
    # No abbreviations: the options are written by l2l and dask-jobqueue, never by hand.
    parser = argparse.ArgumentParser(prog="python -P -m l2l.runners.jobhost", allow_abbrev=False)
    parser.add_argument("scheduler")
    parser.add_argument("--name")
    parser.add_argument("--nthreads", type=int, default=1)
    parser.add_argument("--memory-limit")  # a job's memory is limited by its queue
    parser.add_argument("--death-timeout", type=float, default=60.0)
    parser.add_argument("--local-directory")
    parser.add_argument("--interface")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--folder", default="")
    parser.add_argument("--job-variable", default="")
    parser.add_argument("--path", action="append", default=[])
    for part in ("ca-file", "cert", "key"):
        parser.add_argument(f"--tls-{part}")
    return parser


async def _serve(given: argparse.Namespace) -> None:
    import dask

    # Nannies tell how their workers end, which the driver reads in the job's log.
    dask.config.set({"logging": {"distributed": "warning", "distributed.nanny": "info"}})
    import distributed  # noqa: F401 - adds its defaults, which must be there before they are changed

    dask.config.set(DASK_SETTINGS)
    tls = _tls(given)
    comm = await _connect(given.scheduler, tls, given.death_timeout)
    if comm is None:
        sys.exit(f"no scheduler answers at {given.scheduler}: its driver has ended, or this node cannot reach it")
    scratch = tempfile.mkdtemp(prefix="l2l-", dir=_existing(given.local_directory))
    watch = asyncio.create_task(_watch(comm, given.scheduler, tls, scratch))
    try:
        nannies = await host.start_workers(
            given.scheduler,
            [f"job-{job_number(given.job_variable)}-{place}" for place in range(given.workers)],
            listen=_listen(given.interface, given.scheduler),
            folder=scratch,
            variables=device.shares(given.workers, given.gpus),
            tls=tls,
            patience=given.death_timeout,
        )
        await asyncio.gather(*(nanny.finished() for nanny in nannies))
    finally:
        watch.cancel()
        host.end(scratch, 0 if sys.exception() is None else _report(sys.exception()))


def _report(error: BaseException | None) -> int:
    print(f"l2l: the job's workers could not be held: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return 1


async def _watch(comm: Any, scheduler: str, tls: Mapping[str, Any], scratch: str) -> None:
    """Wait until the scheduler is gone; then end everything at once."""
    from distributed.comm import CommClosedError

    while comm is not None:
        try:
            await comm.read()
        except (CommClosedError, OSError):
            comm = await _connect(scheduler, tls, _BROKEN)
    print(f"l2l: the scheduler at {scheduler} is gone", file=sys.stderr, flush=True)
    host.end(scratch)


async def _connect(scheduler: str, tls: Mapping[str, Any], timeout: float) -> Any:
    """A connection to the scheduler that says nothing; None if there is none within `timeout` seconds."""
    from distributed.comm import connect
    from distributed.security import Security

    options = Security(**tls).get_connection_args("worker") if tls else {}
    try:
        return await connect(scheduler, timeout=timeout, **options)
    except OSError:
        return None


def _tls(given: argparse.Namespace) -> dict[str, Any]:
    if given.tls_key is None:
        return {}
    return {
        "require_encryption": True,
        "tls_ca_file": given.tls_ca_file,
        "tls_worker_cert": given.tls_cert,
        "tls_worker_key": given.tls_key,
    }


def _listen(interface: str | None, scheduler: str) -> str:
    """The one address to listen on: that of the interface or, without, the one that reaches the scheduler."""
    from distributed.comm import get_address_host
    from distributed.utils import get_ip, get_ip_interface

    address = get_ip_interface(interface) if interface else get_ip(get_address_host(scheduler))
    return str(address)


def _existing(folder: str | None) -> str | None:
    return folder if folder and os.path.isdir(folder) else None


def job_number(variable: str) -> str:
    """The number by which the queue knows this job, as dask-jobqueue reads it when it submits one."""
    written = os.environ.get(variable, "") if variable else ""
    if found := re.search(r"\d+", written):
        return found[0]
    advertisement = os.environ.get("_CONDOR_JOB_AD", "")
    if advertisement:
        text = Path(advertisement).read_text(errors="replace")
        numbers = [re.search(rf"^{name}\s*=\s*(\d+)", text, re.MULTILINE) for name in ("ClusterId", "ProcId")]
        if all(numbers):
            return ".".join(number[1] for number in numbers if number)
    return f"{socket.gethostname()}.{os.getpid()}"


if __name__ == "__main__":
    main()
