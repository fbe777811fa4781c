"""What a worker leaves behind when it dies: which individuals it was evaluating, and its stack.

A file a chunk, in a folder that the driver (or another worker of that host) can read. It outlives the process, because
the kernel keeps what was written; it is gone if the chunk ended well.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from l2l.runners import device

_HEAD = 64  # bytes: who is being evaluated
_PLACE = 192  # bytes behind them: host and device; behind those, faulthandler writes
_LONGEST = 50_000  # characters of stack worth keeping


@dataclass(frozen=True)
class LastWords:
    """start, count: the individuals of the chunk that were being evaluated; count 0 between two evaluations.

    timeout: their deadline had passed. stack: what faulthandler wrote, "" if the process was killed from outside.
    started: when their evaluation began, seconds since the epoch. host, device: where.
    """

    start: int
    count: int
    timeout: bool = False
    stack: str = ""
    started: float = 0.0
    host: str = ""
    device: str = ""

    @property
    def cause(self) -> str:
        """One line about how the process ended."""
        fatal = [line for line in self.stack.splitlines() if line.startswith("Fatal Python error: ")]
        if fatal:
            return fatal[0].removeprefix("Fatal Python error: ")
        return "it ended without a word: os._exit, a kill from outside, or out of memory"


class Pen:
    """Writes the last words of one chunk while it is evaluated. A context manager, on the worker.

    folder: "" for the system's temporary one. chunk: a name for the file that no other has.
    deadline: seconds for each call of user code, or None.
    """

    def __init__(self, folder: str, chunk: str, deadline: float | None) -> None:
        self.path = _path(folder, chunk)
        self.deadline = deadline
        self._descriptor = -1
        self._crashes_were_caught = False

    def __enter__(self) -> Pen:
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        self._write(0, 0)
        place = f"{socket.gethostname()[:80]}\n{device.seen()[:100]}\n".encode()
        os.pwrite(self._descriptor, place.ljust(_PLACE)[:_PLACE], _HEAD)
        os.lseek(self._descriptor, _HEAD + _PLACE, os.SEEK_SET)
        self._crashes_were_caught = faulthandler.is_enabled()
        faulthandler.enable(file=self._descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        faulthandler.disable()
        if self._crashes_were_caught:
            with contextlib.suppress(OSError, ValueError, RuntimeError):  # no usable stderr
                faulthandler.enable()
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def around(self, start: int, count: int) -> Iterator[None]:
        """Around each call of user code: notes who is evaluated, and starts the clock."""
        self._write(start, count)
        if self.deadline is not None:
            _alarms.set(self._descriptor, self.deadline)
        try:
            yield
        finally:
            if self.deadline is not None:
                _alarms.clear(self._descriptor)
            self._write(start + count, 0)

    def _write(self, start: int, count: int) -> None:
        os.pwrite(self._descriptor, f"{start} {count} {time.time():.3f}".ljust(_HEAD - 1).encode() + b"\n", 0)


class _Alarms:
    """The deadlines of all threads, on the one timer of faulthandler: it ends the process even while C code holds
    the interpreter lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[int, float] = {}

    def set(self, descriptor: int, seconds: float) -> None:
        with self._lock:
            self._ends[descriptor] = time.monotonic() + seconds
            self._arm()

    def clear(self, descriptor: int) -> None:
        with self._lock:
            self._ends.pop(descriptor, None)
            self._arm()

    def _arm(self) -> None:
        if not self._ends:
            faulthandler.cancel_dump_traceback_later()
            return
        descriptor = min(self._ends, key=self._ends.__getitem__)
        left = max(0.001, self._ends[descriptor] - time.monotonic())
        faulthandler.dump_traceback_later(left, exit=True, file=descriptor)


_alarms = _Alarms()


def read(folder: str, chunk: str) -> LastWords | None:
    """The last words about a chunk, or None where there are none; they can be read once."""
    path = _path(folder, chunk)
    try:
        words = path.read_bytes()
        path.unlink(missing_ok=True)
        start, count, started = words[:_HEAD].split()
        host, seen, *_ = words[_HEAD : _HEAD + _PLACE].decode(errors="replace").split("\n")
        stack = words[_HEAD + _PLACE :].decode(errors="replace").strip()
        return LastWords(
            int(start), int(count), stack.startswith("Timeout ("), stack[:_LONGEST], float(started), host, seen
        )
    except (OSError, ValueError):
        return None


def _path(folder: str, chunk: str) -> Path:
    # A worker on a host that does not have the driver's folder still needs a place for them.
    return Path(folder if folder and os.path.isdir(folder) else tempfile.gettempdir()) / chunk
