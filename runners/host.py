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
from typing import Any


def main() -> None:
    """Serve until standard input ends."""
    line = sys.stdin.readline()
    if line:
        asyncio.run(_hold_workers(json.loads(line)))


def _call_when_input_ends(loop: asyncio.AbstractEventLoop, folder: str) -> None:
    sys.stdin.read()
    loop.call_soon_threadsafe(_end, folder)


def _end(folder: str) -> None:
    """Kill all workers and exit; inside the event loop, so that no nanny has time to start another one."""
    for worker in multiprocessing.active_children():
        worker.kill()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


async def _hold_workers(settings: dict[str, Any]) -> None:
    import dask
    from distributed import Nanny

    folder = settings["folder"]
    waiting = (asyncio.get_running_loop(), folder)
    threading.Thread(target=_call_when_input_ends, args=waiting, daemon=True).start()
    dask.config.set(settings["dask"])
    await asyncio.gather(
        *(
            Nanny(
                settings["scheduler"],
                name=number,
                nthreads=1,  # one evaluation at a time; engines bring their own threads
                host=settings["listen"],
                dashboard=False,
                dashboard_address=f"{settings['listen']}:0",
                memory_limit=0,  # a paused worker never goes on where memory is held; the system's limit is the limit
                local_directory=folder,
            )
            for number in range(settings["workers"])
        )
    )
    await asyncio.Event().wait()
