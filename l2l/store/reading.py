"""How SQLite opens a file. Apart from `engine`, so that a list of runs need not wait for SQLAlchemy to load."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

#: The kind of something that has a table's name, but is none that only holds rows.
NO_TABLE = (
    "SELECT type, name FROM sqlite_master WHERE lower(name) = ? AND (type <> 'table' OR sql LIKE 'CREATE VIRTUAL%')"
)

_WAL_VERSION = b"\x02\x02"  # bytes 18 and 19 of the header of a file in WAL mode


def uri_of(path: Path, read_only: bool) -> str:
    """What SQLite opens. A reader of a database that nobody writes must not leave files beside it.

    In WAL mode even mode=ro creates -wal and -shm files, owned by the reader and left behind. Without a -wal file
    nobody writes, and the file alone is the whole database: it is read as immutable. A driver that starts meanwhile
    writes to its new -wal file first, and readers connect anew for every query.
    """
    name = "file:" + quote(str(path))
    if not read_only:
        return name + "?mode=rwc"
    with path.open("rb") as file:
        file.seek(18)
        is_wal = file.read(2) == _WAL_VERSION
    if is_wal and not Path(f"{path}-wal").exists():
        return name + "?mode=ro&immutable=1"
    return name + "?mode=ro"
