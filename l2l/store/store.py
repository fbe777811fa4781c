"""The store: opens a database, begins and continues runs, and reads them back."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, insert, select

from l2l.errors import QueryError, RunNotFoundError, StoreError, nearest
from l2l.store import migrations, plain, queries
from l2l.store.arrays import ArrayFolder
from l2l.store.durability import LogSync, synced_commits
from l2l.store.engine import Location, connect, locate, translated, understood
from l2l.store.keep import Policy
from l2l.store.records import RecordedGeneration, RunRecord, RunSpec
from l2l.store.schema import runs
from l2l.store.views import create_view
from l2l.store.writer import RunWriter, claim

if TYPE_CHECKING:
    from l2l.store.listing import RunLine
    from l2l.store.query import Format

T = TypeVar("T")

_RETRIES = 5


class Store:
    """A database of runs; open one with `Store.open`.

    url: where it is; opens the same database from any folder. label: the same without a password, for messages.
    """

    def __init__(self, location: Location, *, read_only: bool, busy_timeout: float) -> None:
        self.url = location.url
        self.label = location.label
        self.read_only = read_only
        #: Where large arrays lie; None: in the database, whatever their size.
        self.arrays = ArrayFolder.beside(location.path)
        #: Whether several statements and their commit go to the database at once.
        self.pipelines = location.path is None
        self._log = None if read_only or location.path is None or synced_commits() else LogSync(location.path)
        self._seen: tuple[int, int] | None = None
        self._location = location
        self._writers: weakref.WeakSet[RunWriter] = weakref.WeakSet()
        self._engine = connect(location, read_only=read_only, busy_timeout=busy_timeout)
        self._writing = self._engine.execution_options(writes=True)
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    @classmethod
    def open(
        cls, url_or_path: str | os.PathLike[str] | None = None, *, read_only: bool = False, busy_timeout: float = 120.0
    ) -> Store:
        """Opens a database, and creates it if there is none.

        url_or_path: a file, or an SQLAlchemy URL of SQLite or PostgreSQL; None: $L2L_STORE, or else l2l.db in the
        working directory.
        read_only: never creates or changes anything; works while a driver writes.
        busy_timeout: how long to wait for another process that is writing the same SQLite file, s.
        Raises StoreError if it cannot be opened, is no database of l2l, or one of a newer version.
        """
        return cls(locate(url_or_path), read_only=read_only, busy_timeout=busy_timeout)

    @classmethod
    def upgrade(cls, url_or_path: str | os.PathLike[str] | None = None) -> str:
        """Brings the schema up to date, also on PostgreSQL, where `open` does not; returns its version."""
        location = locate(url_or_path)
        engine = connect(location, read_only=False, busy_timeout=30.0)
        try:
            with translated(location), engine.execution_options(writes=True).begin() as connection:
                _bring_up_to_date(connection, location, explicit=True)
        finally:
            engine.dispose()
        return migrations.REVISIONS[-1]

    def _prepare(self) -> None:
        if self.read_only:
            found = self.read(lambda connection: migrations.revision(connection, self._location))
            if found is None:
                raise StoreError(f"the database {self.label} holds no runs yet: run an experiment first")
            if found != migrations.REVISIONS[-1]:
                raise StoreError(
                    f"the database {self.label} has the older schema {found}: open it once for writing, "
                    "or run `l2l db upgrade`, to bring it up to date"
                )
            return
        # Taking the write lock shows at once whether the database can be written, and makes two processes that
        # create the same one wait for each other.
        with self.write() as connection:
            _bring_up_to_date(connection, self._location, explicit=False)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; committed when the block ends. Raises StoreError."""
        if self.read_only:
            raise StoreError(f"the database {self.label} was opened for reading only")
        with translated(self._location), self._writing.begin() as connection:
            yield connection
        if self._log is not None:
            self._log.soon()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that only reads, and sees nothing of what others write meanwhile. Raises StoreError."""
        before = self._fresh()
        options = {} if self.path is not None else {"isolation_level": "REPEATABLE READ"}
        with translated(self._location), self._engine.connect().execution_options(**options) as connection:
            yield connection
        if before != self._snapshot():
            raise StoreError(f"the database {self.label} changed while it was read: try again")

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A connection outside of any transaction, for what cannot run within one. Raises StoreError."""
        if self.read_only:
            raise StoreError(f"the database {self.label} was opened for reading only")
        with translated(self._location):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT", alone=True)
            with connection:
                yield connection

    def read(self, query: Callable[[Connection], T]) -> T:
        """What `query` finds, within one transaction. Raises StoreError."""
        for _ in range(_RETRIES):
            before = self._fresh()
            try:
                with translated(self._location), self._engine.connect() as connection, self.understood():
                    result = query(connection)
                if before is None:
                    self._fresh()
            except StoreError:
                if before == self._snapshot():
                    raise
                continue
            if before == self._snapshot():
                return result
        raise StoreError(f"the database {self.label} changed while it was read, {_RETRIES} times: try again")

    def understood(self) -> AbstractContextManager[None]:
        """Around what makes sense of rows: a StoreError if they hold what l2l does not write."""
        return understood(self.label)

    def _fresh(self) -> tuple[int, int] | None:
        """As `_snapshot`; the next connection of a reader sees the file as it is now.

        A connection to a file that nobody writes is kept: SQLite reads the definitions of all views with each new one,
        35 ms for 1,000 runs. While somebody writes, none is: a reader that holds the log open keeps it from being
        taken into the database when the writer ends.
        """
        now = self._snapshot()
        if self.read_only and self.path is not None and (now is None or now != self._seen):
            self._engine.dispose()
        self._seen = now
        return now

    def _snapshot(self) -> tuple[int, int] | None:
        """What tells whether a file that is read as immutable was changed meanwhile; see `engine`."""
        path = self._location.path
        if not self.read_only or path is None or os.path.exists(f"{path}-wal"):
            return None
        try:
            state = path.stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size

    def create_run(self, spec: RunSpec, *, recordings: str = "all") -> RunWriter:
        """Begins a run.

        recordings: whose arrays are kept: "all", "none", or "best:K" for the K best of each generation.
        Raises StoreError if the specification breaks a law or the database cannot be written.
        """
        values, policy = _run_values(spec), Policy.parse(recordings)
        with self.write() as connection:
            if spec.parent is not None and not queries.run_exists(connection, spec.parent):
                raise RunNotFoundError(f"the parent run {spec.parent} is not in {self.label}")
            key = connection.execute(insert(runs).values(values)).inserted_primary_key
            assert key is not None
            create_view(connection, key[0], spec.space, spec.objectives)
            token = claim(connection, key[0])
        return self._writer(key[0], token, policy)

    def continue_run(self, run: int | str, *, recordings: str = "all") -> RunWriter:
        """Takes up a recorded run again; `recordings` as of `create_run`.

        Raises StoreError if another live driver holds it.
        """
        policy = Policy.parse(recordings)
        run_id = self.find(run)
        with self.write() as connection:
            token = claim(connection, run_id)
        return self._writer(run_id, token, policy)

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database; None for PostgreSQL."""
        return self._location.path

    def _writer(self, run_id: int, token: str, policy: Policy) -> RunWriter:
        writer = RunWriter(self, run_id, token, policy)
        self._writers.add(writer)
        return writer

    def runs(self) -> list[RunRecord]:
        """Every run, oldest first."""
        return self.read(queries.run_records)

    def run_lines(self) -> list[RunLine]:
        """Every run, oldest first, as a list shows it: many times faster than `runs`."""
        from l2l.store.listing import STATEMENT, lines_of

        return self.read(lambda connection: lines_of(connection.exec_driver_sql(STATEMENT).all()))

    def run(self, run: int | str = "last") -> RunRecord:
        """One run: by id, by name (the latest of that name), or "last". Raises RunNotFoundError."""
        run_id = self.find(run)
        return self.read(lambda connection: queries.run_records(connection, run_id))[0]

    def find(self, run: int | str) -> int:
        """The id of a run given as for `run`. Raises RunNotFoundError."""
        return self.read(lambda connection: self._find(connection, run))

    def _find(self, connection: Connection, run: int | str) -> int:
        rows = connection.execute(select(runs.c.id, runs.c.name).order_by(runs.c.id))
        known = [(int(row.id), str(row.name)) for row in rows]
        if not known:
            raise RunNotFoundError(f"there is no run {run!r} in {self.label}: it holds none yet")
        if run == "last":
            return known[-1][0]
        ids = {run_id for run_id, _ in known}
        text = str(run).strip()
        if text.isdecimal() and int(text) in ids:
            return int(text)
        named = [run_id for run_id, name in known if name == run]
        if named:
            return named[-1]
        raise RunNotFoundError(f"there is no run {run!r} in {self.label}: {_suggest(text, known)}")

    def query(
        self,
        where: str | None = None,
        *,
        runs: str | int | Sequence[str | int] = (),
        columns: str | Sequence[str] | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        to: Format = "pandas",
    ) -> Any:
        """The individuals of all runs, or of some, that hold a condition: a row each, with their last attempt.

        where: a condition such as "fc_corr > 0.5 and G < 2"; see `l2l.store.language`. None: all.
        runs: which runs; every selector given must mean them: a number, a name, "last", tag:T, model:M, optimizer:O,
        status:S, after:DATE or before:DATE, with commas between alternatives.
        columns: names, one by one or separated by commas; run, generation and position are always there. None:
        all parameters, objectives and measurements.
        sort: names, with a "-" in front to sort downwards; otherwise by run, generation, position.
        limit: at most so many rows. to: "pandas", "polars" or "arrow".
        Raises QueryError if something is not understood or not there, RunNotFoundError if a run is not there.
        """
        from l2l.store import query  # a tenth of the time that importing the store takes

        statement, maker = self.read(lambda connection: query.prepare(connection, where, runs, columns, sort, limit))
        rows = self.read(lambda connection: connection.execute(statement).all())
        with self.understood():
            return query.as_format(maker(query.by_column(statement, rows)), to)

    def query_batches(
        self,
        where: str | None = None,
        *,
        runs: str | int | Sequence[str | int] = (),
        columns: str | Sequence[str] | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        to: Format = "pandas",
        size: int = 50_000,
    ) -> Iterator[Any]:
        """As `query`, in tables of `size` rows at most, each read when it is asked for: memory stays small."""
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise QueryError(f"size must be a whole number >= 1, but got {size!r}")
        from l2l.store import query

        statement, maker = self.read(lambda connection: query.prepare(connection, where, runs, columns, sort, limit))
        before = self._fresh()
        with translated(self._location), self._engine.connect() as connection:
            for rows in connection.execution_options(yield_per=size).execute(statement).partitions():
                if before != self._snapshot():
                    raise StoreError(f"the database {self.label} changed while it was read: query it again")
                with self.understood():
                    table = query.as_format(maker(query.by_column(statement, rows)), to)
                yield table

    def generations(self, run: int | str) -> list[RecordedGeneration]:
        """What was asked and what became of it, in order: enough to resume by replay."""
        run_id = self.find(run)
        return self.read(lambda connection: queries.recorded_generations(connection, run_id))

    def close(self) -> None:
        """Ends every connection; runs that are still being written are marked as interrupted."""
        for writer in list(self._writers):
            writer.close()
        if self._log is not None:
            self._log.close()
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.label!r}{', read_only=True' if self.read_only else ''})"


def _bring_up_to_date(connection: Connection, location: Location, *, explicit: bool) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7093118025)")  # any number that is ours
    found = migrations.revision(connection, location)
    if found is None:
        migrations.create(connection)
    elif found != migrations.REVISIONS[-1]:
        if location.path is not None:
            migrations.back_up(location.path, found)
        elif not explicit:
            raise StoreError(
                f"the database {location.label} has the older schema {found}: back it up, then run `l2l db upgrade`"
            )
        migrations.upgrade(connection)


def _run_values(spec: RunSpec) -> dict[str, object]:
    if not isinstance(spec.name, str) or not spec.name.strip():
        raise StoreError(f"a run's name must be a non-empty text, but got {spec.name!r}")
    if isinstance(spec.seed, bool) or not isinstance(spec.seed, int) or spec.seed < 0:
        raise StoreError(f"a run's seed must be an integer >= 0, but got {spec.seed!r}")
    if not spec.objectives:
        raise StoreError("a run needs at least one objective, but got none")
    names = [*spec.space, *(objective["name"] for objective in spec.objectives)]
    for name in names:
        if not isinstance(name, str) or plain.clean(name) != name:
            raise StoreError(f"names must be text without NUL or lone surrogates, but got {name!r}")
    return {
        "name": plain.clean(spec.name),
        "tags": [plain.clean(str(tag)) for tag in spec.tags],
        "status": "running",
        "seed": str(spec.seed),
        "created": time.time(),
        "finished": None,
        "stop_reason": "",
        "space": dict(spec.space),
        "objectives": [dict(objective) for objective in spec.objectives],
        "optimizer": dict(spec.optimizer),
        "optimizee": dict(spec.optimizee),
        "runner": dict(spec.runner),
        "settings": dict(spec.settings),
        "provenance": dict(spec.provenance),
        "fingerprint": plain.clean(spec.fingerprint),
        "parent_id": spec.parent,
        "summary": {},
    }


def _suggest(run: str, known: list[tuple[int, str]]) -> str:
    newest = [f"{run_id} ({name})" for run_id, name in known[-5:][::-1]]
    names = list(dict.fromkeys(name for _, name in reversed(known)))
    guess = nearest(run, names).partition("known:")[0]
    return f"{guess}the newest are {', '.join(newest)}"
