"""Runs from one database into another, of whatever kind; each in one transaction, and compared afterwards.

A run that is there already is known by its name, seed, fingerprint and moment of creation, and is compared instead: a
copy that was interrupted goes on where it stopped when it is begun again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, LargeBinary, Table, Text, cast, insert, select, type_coerce

from l2l.errors import StoreError
from l2l.store.inserts import insert_rows
from l2l.store.rows import Row
from l2l.store.schema import Json, evaluations, events, generations, individuals, recordings, runs, workers
from l2l.store.store import Store
from l2l.store.views import create_view

_TABLES = (generations, workers, individuals, evaluations, recordings, events)
_AT_ONCE = 2000  # rows
_ARRAYS_AT_ONCE = 20


@dataclass(frozen=True)
class Copied:
    """What became of one run. new: False if the target had it already. rows: by table."""

    source: int
    target: int
    name: str
    new: bool
    rows: dict[str, int]
    sha256: str


def copy_runs(source: Store, target: Store, which: Sequence[int] | None = None) -> Iterator[Copied]:
    """Copies runs (all of them by default), oldest first.

    Raises StoreError if what arrived is not what was sent, or if the target has a run of the same origin that differs.
    """
    if source.url == target.url:
        raise StoreError(f"a database cannot be copied into itself: {source.label}")
    moved: dict[int, int] = {}
    for record in source.runs():
        if which is None or record.id in which:
            copied = copy_run(source, target, record.id, moved)
            moved[record.id] = copied.target
            yield copied


def copy_run(source: Store, target: Store, run_id: int, moved: dict[int, int] | None = None) -> Copied:
    """Copies one run. moved: ids of the runs copied before, for what refers to them."""
    with source.snapshot() as reading:
        values = reading.execute(select(runs).where(runs.c.id == run_id)).mappings().one()
        known = _same_origin(target, values)
        if known is not None:
            sent, arrived = fingerprint(reading, run_id), target.read(lambda connection: fingerprint(connection, known))
            if sent != arrived:
                raise StoreError(
                    f"run {run_id} ({values['name']}) of {source.label} is run {known} of {target.label} already, but "
                    f"they differ (rows {sent[0]} and {arrived[0]}): remove one with `l2l rm`, then copy again"
                )
            return Copied(run_id, known, values["name"], False, *sent)
        _check_room_for_arrays(reading, source, target, run_id)
        new_id = None
        try:
            with target.write() as writing:
                new_id = _insert_run(writing, values, moved or {})
                for table in _TABLES:
                    _copy_table(reading, writing, table, run_id, new_id)
                _copy_arrays(reading, source, target, run_id, new_id)
                sent, arrived = fingerprint(reading, run_id), fingerprint(writing, new_id)
                if sent != arrived:
                    raise StoreError(
                        f"run {run_id} of {source.label} did not arrive as it was sent (rows {sent[0]} and "
                        f"{arrived[0]}, SHA-256 {sent[1]} and {arrived[1]}): nothing was kept"
                    )
        except BaseException:
            if target.arrays is not None and new_id is not None:
                target.arrays.delete_run(new_id)
            raise
    return Copied(run_id, new_id, values["name"], True, *sent)


def fingerprint(connection: Connection, run_id: int) -> tuple[dict[str, int], str]:
    """Numbers of rows, and a SHA-256 of all that a run holds, the same in every database."""
    hashed = hashlib.sha256()
    counts = {}
    for table in _TABLES:
        counts[table.name] = 0
        for rows in _read(connection, table, run_id):
            counts[table.name] += len(rows)
            for row in rows:
                hashed.update(repr(row).encode("utf-8", "backslashreplace"))
    return counts, hashed.hexdigest()


def _same_origin(target: Store, values: Any) -> int | None:
    same = [runs.c[name] == values[name] for name in ("name", "seed", "created", "fingerprint")]
    return target.read(lambda connection: connection.execute(select(runs.c.id).where(*same)).scalar())


def _insert_run(writing: Connection, values: Any, moved: dict[int, int]) -> int:
    changed = {**values, "parent_id": moved.get(values["parent_id"])}
    del changed["id"]
    key = writing.execute(insert(runs).values(changed)).inserted_primary_key
    assert key is not None
    create_view(writing, key[0], values["space"], values["objectives"])
    return int(key[0])


def _columns(table: Table) -> list[str]:
    """All but what is given anew: the run's id, and the id of an event."""
    return [column.name for column in table.c if column.name not in ("run_id", "id")]


def _read(connection: Connection, table: Table, run_id: int) -> Iterator[list[Row]]:
    """The rows of a run as both databases give them alike: JSON as its text, seeds as signed integers, no -0.0."""
    chosen: list[Any] = []
    for name in _columns(table):
        column = table.c[name]
        if isinstance(column.type, type(Json)):
            chosen.append(cast(column, Text))
        else:
            chosen.append(type_coerce(column, BigInteger) if name == "seed" else column)
    order = [table.c.id] if table is events else list(table.primary_key.columns)
    at_once = _ARRAYS_AT_ONCE if table is recordings else _AT_ONCE
    query = select(*chosen).where(table.c.run_id == run_id).order_by(*order)
    result = connection.execution_options(yield_per=at_once).execute(query)
    binary = [place for place, name in enumerate(_columns(table)) if isinstance(table.c[name].type, LargeBinary)]
    # The path of an array holds the number of its run.
    uri = _columns(table).index("uri") if table is recordings else None
    for part in result.partitions():
        # SQLite keeps no sign of a zero.
        rows = [tuple(0.0 if isinstance(value, float) and value == 0 else value for value in row) for row in part]
        yield [_portable(row, binary, uri) for row in rows] if table is recordings else rows


def _portable(row: Row, binary: list[int], uri: int | None) -> Row:
    values = list(row)
    for place in binary:
        values[place] = None if values[place] is None else bytes(values[place])
    if uri is not None and values[uri] is not None:
        values[uri] = values[uri].partition("/")[2]
    return tuple(values)


def _copy_table(reading: Connection, writing: Connection, table: Table, run_id: int, new_id: int) -> None:
    columns = ("run_id", *_columns(table))
    uri = columns.index("uri") if table is recordings else None
    for rows in _read(reading, table, run_id):
        given = [(new_id, *row) for row in rows]
        if uri is not None:
            given = [
                (*row[:uri], None if row[uri] is None else f"run_{new_id}/{row[uri]}", *row[uri + 1 :]) for row in given
            ]
        insert_rows(writing, table, columns, given)


def _uris(reading: Connection, run_id: int) -> list[str]:
    query = select(recordings.c.uri).where(recordings.c.run_id == run_id, recordings.c.uri.is_not(None))
    return list(reading.execute(query).scalars())


def _check_room_for_arrays(reading: Connection, source: Store, target: Store, run_id: int) -> None:
    if not _uris(reading, run_id):
        return
    for store in (source, target):
        if store.arrays is None:
            raise StoreError(
                f"run {run_id} has arrays beside its database: say where those of {store.label} lie by "
                "L2L_ARRAYS=FOLDER"
            )


def _copy_arrays(reading: Connection, source: Store, target: Store, run_id: int, new_id: int) -> None:
    for uri in _uris(reading, run_id):
        assert source.arrays is not None
        assert target.arrays is not None
        start, end = source.arrays.path(uri), target.arrays.path(f"run_{new_id}/{uri.partition('/')[2]}")
        try:
            # As it is: links are not followed.
            shutil.copytree(start, end, symlinks=True)
        except OSError as error:
            raise StoreError(f"the array {start} cannot be copied to {end}: {error}") from error
        for file in (path.relative_to(start) for path in start.rglob("*") if path.is_file()):
            if _hash(start / file) != _hash(end / file):
                raise StoreError(f"the array {start} did not arrive at {end} as it was sent: nothing was kept")


def _hash(path: Any) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
