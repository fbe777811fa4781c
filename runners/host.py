"""The program that holds the local workers: it starts them, restarts those that die, and ends all with its driver.

Its standard input is a pipe from the driver: one line of settings, then nothing until the driver closes it or dies,
SIGKILL included. Then every worker is killed, also one that is stuck in C code and would notice nothing by itself.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any


def main() -> None:
    """Serve until standard input ends."""
    line = sys.stdin.readline()
    if line:
        asyncio.run(_hold_workers(json.loads(line)))


def end(folder: str, code: int = 0) -> None:
    """Kill all workers and exit; inside the event loop, so that no nanny has time to start another one."""
    for worker in multiprocessing.active_children():
        worker.kill()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(code)


async def start_workers(
    scheduler: str,
    names: Sequence[Any],
    *,
    listen: str,
    folder: str,
    variables: Sequence[Mapping[str, str]],
    tls: Mapping[str, Any],
    patience: float | None = None,
) -> list[Any]:
    """One nanny with its worker for each name; returns when all are connected.

    listen: the address they listen on. folder: for their temporary files. variables: to set for each of them.
    tls: arguments of distributed.Security, {} for none. patience: seconds to look for the scheduler.
    """
    from distributed import Nanny
    from distributed.security import Security

    nannies = [
        Nanny(
            scheduler,
            name=name,
            nthreads=1,  # one evaluation at a time; engines bring their own threads
            host=listen,
            dashboard=False,
            dashboard_address=f"{listen}:0",
            memory_limit=0,  # a paused worker never goes on where memory is held; the system's limit is the limit
            local_directory=folder,
            env=dict(own),
            security=Security(**tls) if tls else None,
            death_timeout=patience,
        )
        for name, own in zip(names, variables, strict=True)
    ]
    await asyncio.gather(*nannies)
    return nannies


def _call_when_input_ends(loop: asyncio.AbstractEventLoop, folder: str) -> None:
    sys.stdin.read()
    loop.call_soon_threadsafe(end, folder)


async def _hold_workers(settings: dict[str, Any]) -> None:
    import dask
    import distributed  # noqa: F401 - adds its defaults, which must be there before they are changed

    folder = settings["folder"]
    waiting = (asyncio.get_running_loop(), folder)
    threading.Thread(target=_call_when_input_ends, args=waiting, daemon=True).start()
    dask.config.set(settings["dask"])
    await start_workers(
        settings["scheduler"],
        range(len(settings["variables"])),
        listen=settings["listen"],
        folder=folder,
        variables=settings["variables"],
        tls=settings["tls"],
    )
    await asyncio.Event().wait()
