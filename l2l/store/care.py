"""Looks after a database: is it whole, and how much room can it give back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, Table, Text, cast, func, select

from l2l.errors import StoreError
from l2l.store import queries
from l2l.store.arrays import ArrayFolder
from l2l.store.recordings import digest, portable
from l2l.store.schema import evaluations, generations, individuals, metadata, recordings, runs
from l2l.store.store import Store

_MOST_SHOWN = 100  # problems of one kind
_YOUNG = 3600.0  # s; what is younger may belong to a transaction that is not committed yet


def check(store: Store, *, arrays: bool = True) -> Iterator[str]:
    """Every problem of a database, as a sentence: damage, orphans, wrong sums, arrays that are missing or altered.

    arrays: whether each one is read and compared with its SHA-256, which takes the longest.
    """
    yield from store.read(lambda connection: list(_structure(connection)))
    yield from store.read(lambda connection: list(_sums(connection)))
    yield from store.read(lambda connection: list(_views(connection)))
    keys = store.read(
        lambda connection: connection.execute(select(*(c for c in recordings.c if c.name != "data"))).all()
    )
    for row in keys:
        place = f"run {row.run_id}, individual {row.generation}/{row.position}, recording {row.name!r}"
        try:
            if arrays:
                values = store.read(lambda connection: queries.read_array(connection, row, store.arrays))  # noqa: B023
                if digest(portable(values)) != row.sha256:
                    yield f"{place}: its SHA-256 is not the one that was recorded"
            elif row.uri is not None and (store.arrays is None or not store.arrays.path(row.uri).is_dir()):
                yield f"{place}: the array {row.uri} is missing"
        except StoreError as error:
            yield f"{place}: {error}"
    if store.arrays is not None:
        known = {row.uri for row in keys}
        for uri in store.arrays.found():
            if uri not in known:
                yield f"the array {store.arrays.root / uri} belongs to no evaluation: `l2l db vacuum` removes it"


def _structure(connection: Connection) -> Iterator[str]:
    if connection.dialect.name != "sqlite":
        query = "SELECT conname FROM pg_constraint WHERE NOT convalidated"
        for (name,) in connection.exec_driver_sql(query):
            yield f"the constraint {name} was never checked"
        return
    for (said,) in connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST_SHOWN})"):
        if said != "ok":
            yield f"damaged: {said}: restore a copy, or save what is left with `sqlite3 FILE .recover`"
    for table, _, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(_MOST_SHOWN):
        yield f"a row of {table} belongs to no row of {parent}"
    for table in (individuals, evaluations):
        for column in (column for column in table.c if column.name in ("parameters", "fitness", "measurements")):
            text = cast(column, Text)
            bad = select(func.count()).where(text.is_not(None), func.json_valid(text) == 0)
            count = connection.execute(bad).scalar_one()
            if count:
                yield f"{count} rows of {table.name} hold {column.name} that are no JSON"


def _sums(connection: Connection) -> Iterator[str]:
    """What one table says of another."""
    places = ("run_id", "generation")
    counted = select(*(individuals.c[name] for name in places), func.count().label("count"))
    counts = {(row.run_id, row.generation): row.count for row in connection.execute(_grouped(counted, individuals))}
    smallest = select(*(evaluations.c[name] for name in places), func.min(evaluations.c.loss).label("best"))
    bests = {(row.run_id, row.generation): row.best for row in connection.execute(_grouped(smallest, evaluations))}
    for row in connection.execute(select(generations)):
        key = (row.run_id, row.number)
        if row.size != counts.get(key, 0):
            yield f"run {key[0]}, generation {key[1]} has {counts.get(key, 0)} individuals, but says {row.size}"
        if row.told_at is not None and row.best != bests.get(key):
            yield f"run {key[0]}, generation {key[1]}: its best loss is {bests.get(key)}, but it says {row.best}"


def _grouped(query: Select[Any], table: Table) -> Select[Any]:
    return query.group_by(table.c.run_id, table.c.generation)


def _views(connection: Connection) -> Iterator[str]:
    from sqlalchemy import inspect

    there = set(inspect(connection).get_view_names())
    for run_id in connection.execute(select(runs.c.id)).scalars():
        if f"run_{run_id}" not in there:
            yield f"run {run_id} lacks its view run_{run_id}"


def vacuum(store: Store) -> tuple[int, int]:
    """Gives room back to the disk, and removes arrays that belong to no evaluation; returns bytes before and after.

    Raises StoreError while another process writes.
    """
    before = _size(store)
    _remove_orphans(store)
    with store.alone() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            for table in metadata.sorted_tables:
                connection.exec_driver_sql(f"VACUUM (ANALYZE) {table.name}")
    return before, _size(store)


def _remove_orphans(store: Store) -> None:
    if store.arrays is None:
        return
    # What lies there now and is not known afterwards: an array is written before its row.
    found = [uri for uri in store.arrays.found() if _age(store.arrays, uri) > _YOUNG]
    query = select(recordings.c.uri).where(recordings.c.uri.is_not(None))
    known = set(store.read(lambda connection: connection.execute(query).scalars().all()))
    for uri in found:
        if uri not in known:
            store.arrays.delete(uri)


def _age(folder: ArrayFolder, uri: str) -> float:
    try:
        return time.time() - (folder.root / uri).stat().st_mtime
    except OSError:
        return 0.0


def _size(store: Store) -> int:
    beside = _below(store.arrays.root) if store.arrays is not None else 0
    if store.path is not None:
        files = (Path(f"{store.path}{end}") for end in ("", "-wal"))
        return beside + sum(file.stat().st_size for file in files if file.exists())
    tables = ", ".join(f"pg_total_relation_size('{table.name}')" for table in metadata.sorted_tables)
    sizes = store.read(lambda connection: connection.exec_driver_sql(f"SELECT {tables}").one())
    return beside + sum(sizes)


def _below(folder: Path) -> int:
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)
