"""How SQLite opens a file. Apart from `engine`, so that a list of runs need not wait for SQLAlchemy to load.

A process loses all its POSIX locks on a file when it closes any handle of that file. SQLite takes care of its own
handles, but others must not be closed while this process writes the database: another process that closes it would find
no lock, think itself the last, and delete the log that this one goes on writing to. So it is noted which databases this
process writes; those are not opened past SQLite, and connections that take no locks are closed once the writing ends.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

#: The kind of something that has a table's name, but is none that only holds rows.
NO_TABLE = (
    "SELECT type, name FROM sqlite_master WHERE lower(name) = ? AND (type <> 'table' OR sql LIKE 'CREATE VIRTUAL%')"
)

_WAL_VERSION = b"\x02\x02"  # bytes 18 and 19 of the header of a file in WAL mode


Inode = tuple[int, int]

_lock = threading.Lock()
_writers: dict[Inode, int] = {}
_parked: dict[Inode, list[sqlite3.Connection]] = {}


def inode_of(path: Path) -> Inode:
    """What names a file, whatever its path."""
    state = os.stat(path)
    return state.st_dev, state.st_ino


def begin_writing(inode: Inode) -> None:
    """This process has a connection that writes the database."""
    with _lock:
        _writers[inode] = _writers.get(inode, 0) + 1


def end_writing(inode: Inode) -> None:
    """That connection is closed."""
    with _lock:
        _writers[inode] = _writers.get(inode, 0) - 1
        if _writers[inode] > 0:
            return
        del _writers[inode]
        parked = _parked.pop(inode, [])
    for connection in parked:
        connection.close()


def written_here(path: Path) -> bool:
    """Whether this process writes the database."""
    try:
        return inode_of(path) in _writers
    except OSError:
        return False


class _Unlocked(sqlite3.Connection):
    """A connection that takes no locks, and so must not be closed while another of this process holds some."""

    inode: Inode = (0, 0)

    def close(self) -> None:
        with _lock:
            if self.inode in _writers:
                _parked.setdefault(self.inode, []).append(self)
                return
        super().close()


def connect_to_read(path: Path, **options: Any) -> sqlite3.Connection:
    """A connection that only reads. A reader of a database that nobody writes must not leave files beside it.

    In WAL mode even mode=ro creates -wal and -shm files, owned by the reader and left behind. Without a -wal file
    nobody writes, and the file alone is the whole database: it is read as immutable. A driver that starts meanwhile
    writes to its new -wal file first, and readers connect anew for every query.
    """
    uri = f"file:{quote(str(path))}?mode=ro"
    if not written_here(path):
        with path.open("rb") as file:
            file.seek(18)
            is_wal = file.read(2) == _WAL_VERSION
        if is_wal and not Path(f"{path}-wal").exists():
            options["check_same_thread"] = False  # whoever ends the writing closes it
            unlocked: _Unlocked = sqlite3.connect(uri + "&immutable=1", uri=True, factory=_Unlocked, **options)
            unlocked.inode = inode_of(path)
            return unlocked
    locked: sqlite3.Connection = sqlite3.connect(uri, uri=True, **options)
    return locked


def connect_to_write(path: Path, **options: Any) -> sqlite3.Connection:
    """A connection that writes, and creates the file if there is none."""
    connection: sqlite3.Connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rwc", uri=True, **options)
    return connection
