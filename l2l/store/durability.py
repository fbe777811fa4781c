"""When what was committed to an SQLite file in WAL mode reaches the disk itself.

A commit writes to the log, where it outlives the end of this process, however it comes; a cut of the power only once
the log is synced. Many disks sync a few hundred times a second, so that a sync with every commit would make each short
evaluation wait for it. Instead the log is synced beside the commits: at once after the first, and again as long as
commits come, so that a cut of the power costs the evaluations of the last tenth of a second, and never the database.
Resuming evaluates those again, to the same bits. L2L_SYNC=full syncs with every commit.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

VARIABLE = "L2L_SYNC"
PAUSE = 0.05  # s between two syncs


def synced_commits() -> bool:
    """Whether every commit waits for the disk."""
    return os.environ.get(VARIABLE, "").lower() == "full"


class LogSync:
    """Syncs the log of an SQLite file soon after each commit, in a thread of its own that ends with `close`."""

    def __init__(self, database: Path) -> None:
        self._log = Path(f"{database}-wal")
        self._committed = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def soon(self) -> None:
        """Something was committed."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="l2l log sync", daemon=True)
            self._thread.start()
        self._committed.set()

    def close(self) -> None:
        """Syncs what is left."""
        self._closed = True
        self._committed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def _run(self) -> None:
        ending = threading.Event()
        while True:
            self._committed.wait()
            self._committed.clear()
            # Cleared before: what is committed from here on is for the next round. A log that is gone was taken into
            # the database, which syncs it first; any other failure shows when SQLite itself syncs.
            with suppress(OSError):
                handle = os.open(self._log, os.O_RDWR)
                try:
                    os.fdatasync(handle) if hasattr(os, "fdatasync") else os.fsync(handle)
                finally:
                    os.close(handle)
            if self._closed:
                return
            ending.wait(PAUSE)
