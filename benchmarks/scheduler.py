"""What each worker costs the driver's scheduler: connections, memory, heartbeats, and processor time a task.

    python benchmarks/scheduler.py

The workers of this script are objects of one other process, which evaluate nothing: to the scheduler they are as real
as those of jobs. `docs/scaling.md` extends the figures to 10,000.

Machine: 2 cores (x86-64) shared with other work (load 9 to 14), Linux, Python 3.11, distributed 2026.8. Two runs:

    workers   open files   resident MB   idle, share of a core   ms a task
          0           23            65           0.012   0.014
         50          123            67           0.018   0.020   0.92 1.05
        200          423            80           0.026   0.040   1.33 0.99
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import subprocess
import sys
import time

import dask
import distributed
import psutil

from l2l.runners.cluster import DASK_SETTINGS
from l2l.runners.scheduler import LOOPBACK, OwnScheduler

COUNTS = (0, 50, 200)
TASKS = 2000  # a multiple of twice each count
IDLE = 5.0  # seconds over which heartbeats are watched


async def _hold(address: str, count: int) -> None:
    workers = [
        distributed.Worker(address, nthreads=1, host=LOOPBACK, dashboard=False, memory_limit=0) for _ in range(count)
    ]
    await asyncio.gather(*workers)
    await asyncio.Event().wait()


def nothing(number: int) -> int:
    return number


def measure(count: int) -> tuple[int, float, float, float]:
    """Open files, MB, share of a core while idle, and ms of this process (driver and scheduler) a task."""
    process = psutil.Process()
    scheduler = OwnScheduler(LOOPBACK, tls=False)
    command = [sys.executable, __file__, scheduler.address, str(count)]
    others = subprocess.Popen(command) if count else None
    try:
        with distributed.Client(**scheduler.connection, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=120) if count else None
            time.sleep(2.0)
            files, memory = process.num_fds(), process.memory_info().rss / 1e6
            begun = sum(process.cpu_times()[:2])
            time.sleep(IDLE)
            idle = (sum(process.cpu_times()[:2]) - begun) / IDLE
            if not count:
                return files, memory, idle, 0.0
            begun = sum(process.cpu_times()[:2])
            for start in range(0, TASKS, 2 * count):  # two a worker in flight, as the DaskRunner keeps them
                client.gather(client.map(nothing, range(start, start + 2 * count), pure=False))
            busy = (sum(process.cpu_times()[:2]) - begun) / TASKS * 1e3
            return files, memory, idle, busy
    finally:
        if others is not None:
            others.kill()
            others.wait()
        scheduler.close()


def main() -> None:
    dask.config.set(DASK_SETTINGS)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if len(sys.argv) > 1:
        asyncio.run(_hold(sys.argv[1], int(sys.argv[2])))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores (load {os.getloadavg()[0]:.1f}), ", end="")
    print(f"distributed {distributed.__version__}")
    print("workers   open files   resident MB   idle, share of a core   ms a task")
    for count in COUNTS:
        files, memory, idle, busy = measure(count)
        print(f"{count:7}   {files:10}   {memory:11.0f}   {idle:21.3f}   {busy:9.2f}", flush=True)


if __name__ == "__main__":
    main()
