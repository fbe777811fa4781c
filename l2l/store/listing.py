"""The runs of a database, a line each: without scripts, spaces and the rest, which take long to read.

`quick_lines` needs neither SQLAlchemy nor NumPy, which take longer to load than a thousand runs to list.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from l2l.store.reading import NO_TABLE, connect_to_read
from l2l.store.versions import REVISIONS, VERSION_TABLE

#: The same on SQLite and PostgreSQL.
STATEMENT = (
    "SELECT id, name, status, CAST(optimizer AS TEXT), created, finished, stop_reason, CAST(tags AS TEXT) "
    "FROM runs ORDER BY id"
)
_VERSION = f"SELECT version_num FROM {VERSION_TABLE}"


@dataclass(frozen=True)
class RunLine:
    """A run in a list; fields as of `RunRecord`, and the optimizer's name."""

    id: int
    name: str
    status: str
    optimizer: str
    created: datetime
    finished: datetime | None
    stop_reason: str
    tags: tuple[str, ...]


def lines_of(rows: Sequence[Any]) -> list[RunLine]:
    """The rows that STATEMENT finds."""
    # One call of the parser for all is many times faster.
    optimizers, tags = (_parsed("[" + ",".join(row[place] for row in rows) + "]") for place in (3, 7))
    return [
        RunLine(
            number,
            name,
            status,
            str(optimizer.get("name", "")),
            moment(created),
            None if finished is None else moment(finished),
            reason,
            tuple(map(str, tag)),
        )
        for (number, name, status, _, created, finished, reason, _), optimizer, tag in zip(
            rows, optimizers, tags, strict=True
        )
    ]


def quick_lines(url_or_path: str | os.PathLike[str] | None = None) -> list[RunLine] | None:
    """Every run of a database, oldest first; arguments as of `Store.open`.

    None if anything is unusual: `Store.open` knows what to do then, or says what is amiss.
    """
    given = os.environ.get("L2L_STORE") or "l2l.db" if url_or_path is None else os.fspath(url_or_path)
    try:
        if given.startswith("postgresql"):
            return lines_of(_from_postgresql(given))
        name = given.removeprefix("sqlite:///")
        if "://" in name or (name != given and "?" in name):
            return None
        return lines_of(_from_sqlite(Path(os.path.abspath(os.path.expanduser(name)))))
    except (sqlite3.Error, OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None


def _from_sqlite(path: Path) -> list[Any]:
    before = path.stat()
    with closing(connect_to_read(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        for name in (VERSION_TABLE, "runs"):
            if connection.execute(NO_TABLE, (name,)).fetchone() is not None:
                raise ValueError("it reads as a table, but may compute for ever")
        _check_version(connection.execute(_VERSION).fetchall())
        rows = connection.execute(STATEMENT).fetchall()
    after = path.stat()
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise ValueError("it may have been read as immutable, and changed")
    return rows


def _from_postgresql(url: str) -> list[Any]:
    scheme, _, rest = url.partition("://")
    if scheme not in ("postgresql", "postgresql+psycopg"):
        raise ValueError(f"another driver: {scheme}")
    try:
        import psycopg
    except ImportError as error:
        raise ValueError("no driver") from error
    try:
        with psycopg.connect(f"postgresql://{rest}") as connection:
            _check_version(connection.execute(_VERSION).fetchall())
            return connection.execute(STATEMENT).fetchall()
    except psycopg.Error as error:
        raise ValueError("no answer") from error


def _check_version(rows: Sequence[Any]) -> None:
    if [tuple(row) for row in rows] != [(REVISIONS[-1],)]:
        raise ValueError("another version of the schema")


def _parsed(text: str) -> Any:
    if 'NaN"' in text or 'Infinity"' in text:  # which stand for something, or are escaped
        from l2l.store import plain

        return plain.loads(text)
    return json.loads(text)


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
