"""Where a database is, how to connect to it, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from l2l.errors import L2LError, StoreError, nearest
from l2l.store import plain, reading
from l2l.store.durability import synced_commits
from l2l.store.filesystem import network_file_system

SCHEMES = ("sqlite", "postgresql")

_IDLE = 2.0  # s; a connection unused for longer is asked whether it lives
_HEADER = b"SQLite format 3\x00"


@dataclass(frozen=True)
class Location:
    """Where a database is.

    url: what SQLAlchemy connects to, password included. label: the same for people, without it.
    path: the file of an SQLite database, absolute; None for PostgreSQL.
    """

    url: str
    label: str
    path: Path | None


def locate(url_or_path: str | os.PathLike[str] | None) -> Location:
    """The database at a path or SQLAlchemy URL; None: $L2L_STORE, or else l2l.db in the working directory.

    Raises StoreError for a scheme that is neither SQLite nor PostgreSQL.
    """
    given = os.environ.get("L2L_STORE") or "l2l.db" if url_or_path is None else os.fspath(url_or_path)
    if not given:
        raise StoreError("a store needs a path or URL, but got an empty text")
    if "://" not in given:
        return _file(given)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError) as error:
        raise StoreError(
            f"a store's URL must read like sqlite:///l2l.db or postgresql://user@host/database: {error}"
        ) from error
    scheme, _, driver = url.drivername.partition("+")
    if scheme == "sqlite" and driver in ("", "pysqlite"):
        if not url.database or url.database == ":memory:":
            raise StoreError(
                "a store must outlive its process, but an SQLite URL without a file is kept in memory: "
                "name a file, as in sqlite:///l2l.db"
            )
        if url.query:
            raise StoreError(f"an SQLite URL takes no options here, but got {dict(url.query)}")
        return _file(url.database)
    if scheme in ("postgresql", "postgres") and driver in ("", "psycopg"):
        url = url.set(drivername="postgresql+psycopg")
        return Location(url.render_as_string(hide_password=False), url.render_as_string(hide_password=True), None)
    raise StoreError(
        f"a store is an SQLite file or a PostgreSQL database, not {url.drivername!r}: {nearest(scheme, SCHEMES)}"
    )


def _file(name: str) -> Location:
    path = Path(os.path.abspath(os.path.expanduser(name)))
    url = URL.create("sqlite", database=str(path)).render_as_string()
    return Location(url, url, path)


def connect(location: Location, *, read_only: bool, busy_timeout: float) -> Engine:
    """An engine for the database. Raises StoreError if there cannot be one."""
    if location.path is not None:
        return _connect_sqlite(location.path, location.url, read_only, busy_timeout)
    options: dict[str, Any] = {"postgresql_readonly": True} if read_only else {}
    try:
        engine = create_engine(
            location.url, json_serializer=plain.dumps, json_deserializer=plain.loads, execution_options=options
        )
    except ModuleNotFoundError as error:
        raise StoreError("PostgreSQL needs psycopg, which is not installed: pip install 'l2l[postgres]'") from error
    except ImportError as error:
        raise StoreError(f"psycopg cannot be loaded ({error}): pip install 'l2l[postgres]'") from error
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _ping_if_idle)
    return engine


def _note_use(_: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ping_if_idle(connection: Any, record: Any, _: Any) -> None:
    """Makes the pool connect anew if the server or a firewall has cut a connection that nobody used for long.

    SQLAlchemy's own `pool_pre_ping` asks every time, which costs a round trip each commit.
    """
    if time.monotonic() - record.info.get("used", time.monotonic()) > _IDLE:
        import psycopg

        try:
            connection.execute("")
            connection.rollback()
        except psycopg.Error as error:
            raise DisconnectionError from error


def _connect_sqlite(path: Path, url: str, read_only: bool, busy_timeout: float) -> Engine:
    _check_file(path, read_only)
    network = network_file_system(path)

    def create() -> sqlite3.Connection:
        # isolation_level=None: the driver must not begin transactions by itself.
        connect = reading.connect_to_read if read_only else reading.connect_to_write
        return connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)

    def configure(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        if _json_is_innocuous():
            # A stranger's views and triggers may call nothing that does more than compute.
            connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
            return
        connection.execute(f"PRAGMA synchronous = {'FULL' if network or synced_commits() else 'NORMAL'}")
        if network:
            connection.execute("PRAGMA journal_mode = TRUNCATE")
        else:
            connection.execute("PRAGMA journal_size_limit = 67108864")

    def begin(connection: Connection) -> None:
        # A transaction that begins by reading and goes on to write fails at once when another writes in between:
        # the busy timeout only helps those who ask for the lock first.
        options = connection.get_execution_options()
        if options.get("alone", False):
            return
        writes = options.get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    engine = create_engine(url, creator=create, json_serializer=plain.dumps, json_deserializer=plain.loads)
    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    if not read_only:
        _choose_journal(path, network, busy_timeout)
        _note_writing(engine, path)
    return engine


def _note_writing(engine: Engine, path: Path) -> None:
    """Notes, until the engine is disposed of, that this process writes the file."""
    if not path.exists():  # SQLite creates it with its first page
        path.touch()
    inode = reading.inode_of(path)
    reading.begin_writing(inode)
    event.listen(engine, "engine_disposed", lambda _: reading.end_writing(inode), once=True)


@lru_cache(maxsize=1)
def _json_is_innocuous() -> bool:
    """Whether this SQLite lets a schema that is not trusted read JSON, as the views of runs do; 3.40 does not."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIEW probe AS SELECT json_extract('[1]', '$[0]'), value FROM json_each('[1]')")
        connection.execute("PRAGMA trusted_schema = OFF")
        try:
            connection.execute("SELECT * FROM probe").fetchall()
        except sqlite3.OperationalError:
            return False
    return True


def _check_file(path: Path, read_only: bool) -> None:
    if path.is_dir():
        raise StoreError(f"a store is a file, but {path} is a folder: name a file in it, as in {path / 'l2l.db'}")
    if not read_only:
        if not path.parent.is_dir():
            raise StoreError(f"the folder {path.parent} does not exist: create it first")
        effective = os.access in os.supports_effective_ids
        if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=effective):
            raise StoreError(
                f"the folder {path.parent} cannot be written, which a database needs for the files beside "
                "it: name another place with --store"
            )
    if reading.written_here(path):
        return  # it was looked at before, and must not be opened past SQLite now
    try:
        # Opening it for writing tells more than SQLite does, which finds out with the first row.
        with path.open("rb" if read_only else "r+b") as file:
            header = file.read(len(_HEADER))
    except FileNotFoundError:
        if read_only:
            raise StoreError(
                f"there is no database at {path}: run an experiment first, or name another with --store or L2L_STORE"
            ) from None
        return
    except OSError as error:
        raise StoreError(
            f"the database {path} cannot be {'read' if read_only else 'written'}: {error.strerror}: check "
            "its permissions, or name another with --store"
        ) from error
    if header != _HEADER and (header or read_only):
        raise StoreError(f"{path} is not an SQLite database: name another file, or move this one away")


def _choose_journal(path: Path, network: str, busy_timeout: float) -> None:
    if network:
        warnings.warn(
            f"{path} is on a network file system ({network}): a rollback journal is used, which is slower, and only "
            "one process may write. For several, use PostgreSQL (--store postgresql://...)",
            stacklevel=2,
        )
        return
    with _translated_as(str(path)):
        connection = reading.connect_to_write(path, timeout=busy_timeout, isolation_level=None)
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                return
            # Taking the write lock first makes two processes that create one file wait for each other: the change
            # of mode alone does not heed the busy timeout.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
            mode = _enter_wal(connection, busy_timeout)
        finally:
            connection.close()
    if mode != "wal":
        warnings.warn(
            f"the file system of {path} does not allow SQLite's WAL mode: readers and the writer wait for each other",
            stacklevel=2,
        )


def _enter_wal(connection: sqlite3.Connection, busy_timeout: float) -> str:
    end = time.monotonic() + busy_timeout
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)


@contextmanager
def translated(location: Location) -> Iterator[None]:
    """Turns a database's errors into StoreErrors that say what to do."""
    with _translated_as(location.label):
        yield


@contextmanager
def understood(label: str) -> Iterator[None]:
    """Turns what the values of a database cannot be understood as into a StoreError: a stranger may have written it."""
    try:
        yield
    except L2LError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise StoreError(
            f"the database {label} holds what l2l does not write ({type(error).__name__}: {said:.200}): restore a "
            "copy, or see what `l2l db check` finds"
        ) from error


@contextmanager
def _translated_as(label: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StoreError(_explain(label, error.orig or error)) from error
    except sqlite3.Error as error:
        raise StoreError(_explain(label, error)) from error
    except PoolTimeoutError as error:
        raise StoreError(f"{label}: all connections are in use: {error}") from error


#: What an error text contains, and what is said then.
_REMEDIES = (
    (
        "database is locked",
        "another process has been writing for longer than the busy timeout: wait for it or end it; "
        "for several drivers at once use PostgreSQL",
    ),
    ("database schema is locked", "another process is changing the schema: try again"),
    (
        "readonly database",
        "it cannot be written: check the permissions of the file and its folder, or name another with --store",
    ),
    ("read-only transaction", "it was opened for reading only"),
    ("query_only", "it was opened for reading only"),
    ("disk is full", "free some space, then resume the run: everything recorded before is kept"),
    ("No space left", "free some space, then resume the run: everything recorded before is kept"),
    ("not a database", "the file is not an SQLite database: name another with --store"),
    ("malformed", "the file is damaged: restore a copy, or save what is left with `sqlite3 FILE .recover`"),
    ("unable to open database file", "check that its folder exists and may be written"),
    ("disk I/O error", "the disk or file system failed: check it, then resume the run"),
    ("terminating connection", "the server went away: when it is back, resume the run"),
    ("server closed the connection", "the server went away: when it is back, resume the run"),
    ("connection failed", "check the URL, and that the server runs and lets you in"),
    ("connection is bad", "check the URL, and that the server runs and lets you in"),
)


def _explain(label: str, error: BaseException) -> str:
    said = " ".join(str(error).split())
    for sign, remedy in _REMEDIES:
        if sign in said:
            return f"the database {label}: {said}: {remedy}"
    return f"the database {label}: {said}"
