"""Puts the run of an archive into a store, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, func, insert, select

from l2l.errors import StoreError
from l2l.store import arrays, plain, recordings, schema
from l2l.store.archive.layout import FIELDS, TABLES
from l2l.store.archive.read import MOST_BYTES, Archive
from l2l.store.inserts import insert_rows
from l2l.store.labels import Labels
from l2l.store.rows import EVALUATION, INDIVIDUAL, JSON, KEY, RECORDING, Row
from l2l.store.schema import runs
from l2l.store.store import Store
from l2l.store.views import create_view

#: The kind of the event that says where a run comes from.
IMPORTED = "imported"

_AT_ONCE = 2000  # rows
_ARRAYS_AT_ONCE = 20
_COLUMNS = {
    "generations": ("run_id", *FIELDS["generations"]),
    "workers": ("run_id", *FIELDS["workers"]),
    "individuals": INDIVIDUAL,
    "evaluations": EVALUATION,
    "events": ("run_id", *FIELDS["events"]),
}


@dataclass(frozen=True)
class Restored:
    """What became of an archive. new: False if the store had its run already. rows: by table."""

    run: int
    name: str
    new: bool
    rows: dict[str, int]


def restore(store: Store, path: str | os.PathLike[str], *, most_bytes: int = MOST_BYTES) -> Restored:
    """Puts the run of an archive into a store, under a new number.

    A run that is there already (the same name, seed, fingerprint and moment of creation) is not put in again. A run
    that was exported while it was going on is interrupted here, and can be resumed.
    Raises StoreError if the archive is refused, or if the run is there with other contents; nothing is kept then.
    """
    with Archive(path, most_bytes=most_bytes) as archive:
        known = _same_origin(store, archive)
        if known is not None:
            _compare(store, archive, known)
            return Restored(known, archive.run["name"], False, archive.rows)
        _check_room(store, archive)
        run_id = None
        try:
            with store.write() as connection:
                run_id = _insert_run(connection, archive)
                for table in TABLES:
                    if table == "recordings":
                        _insert_arrays(connection, store, archive, run_id)
                    else:
                        _insert_table(connection, archive, table, run_id)
                origin = {"archive": archive.path.name, "sha256": archive.sha256()}
                note = {"run_id": run_id, "at": time.time(), "kind": IMPORTED, "details": origin}
                connection.execute(insert(schema.events).values(note))
        except BaseException as error:
            if store.arrays is not None and run_id is not None:
                store.arrays.delete_run(run_id)
            if isinstance(error, StoreError) and "constraint" in str(error).lower():
                raise StoreError(f"{archive.path} is refused: its rows do not fit each other: {error}") from error
            raise
    return Restored(run_id, archive.run["name"], True, archive.rows)


def _same_origin(store: Store, archive: Archive) -> int | None:
    same = [runs.c[name] == archive.run[name] for name in ("name", "seed", "created", "fingerprint")]
    return store.read(lambda connection: connection.execute(select(runs.c.id).where(*same)).scalar())


def _compare(store: Store, archive: Archive, known: int) -> None:
    for table in ("generations", "individuals", "evaluations", "recordings"):
        columns = getattr(schema, table)
        count = select(func.count()).select_from(columns).where(columns.c.run_id == known)
        there = store.read(lambda connection: connection.execute(count).scalar_one())  # noqa: B023
        if there != archive.rows[table]:
            raise StoreError(
                f"run {known} of {store.label} is the run of {archive.path}, but has {there} {table} and not "
                f"{archive.rows[table]}: it was exported at another moment; `l2l rm {known}` makes room for it"
            )


def _check_room(store: Store, archive: Archive) -> None:
    if store.path is None:
        return
    free = shutil.disk_usage(store.path.parent).free
    if archive.total_bytes() > free:
        raise StoreError(
            f"{archive.path} holds {archive.total_bytes():,} bytes, but only {free:,} are free on the disk"
        )


def _insert_run(connection: Connection, archive: Archive) -> int:
    values = dict(archive.run)
    if values["status"] == "running":
        values |= {"status": "interrupted", "stop_reason": "exported while it was running"}
    # The database writes what stands for NaN, which the archive has written already.
    revived = {name: _revived(value) for name, value in values.items()}
    key = connection.execute(insert(runs).values({**revived, "parent_id": None})).inserted_primary_key
    assert key is not None
    run_id = int(key[0])
    create_view(connection, run_id, values["space"], values["objectives"])
    return run_id


def _revived(value: Any) -> Any:
    return plain.loads(json.dumps(value)) if isinstance(value, dict | list) else value


def _insert_table(connection: Connection, archive: Archive, table: str, run_id: int) -> None:
    columns = _COLUMNS[table]
    lines = archive.lines(table)
    while batch := [_row(columns, line, run_id) for line in islice(lines, _AT_ONCE)]:
        insert_rows(connection, getattr(schema, table), columns, batch)


def _row(columns: tuple[str, ...], line: dict[str, Any], run_id: int) -> Row:
    return (run_id, *(_value(name, line[name]) for name in columns[1:]))


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in JSON:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if name == "seed" and value >= 2**63:
        return value - 2**64  # as `schema.Unsigned64`
    return value


def _insert_arrays(connection: Connection, store: Store, archive: Archive, run_id: int) -> None:
    rows = _array_rows(store, archive, run_id)
    while batch := list(islice(rows, _ARRAYS_AT_ONCE)):
        insert_rows(connection, schema.recordings, RECORDING, batch)


def _array_rows(store: Store, archive: Archive, run_id: int) -> Iterator[Row]:
    for number, line in enumerate(archive.lines("recordings")):
        values = archive.array(number, line)
        key = (run_id, *(line[name] for name in KEY[1:]))
        uri, data, codec = None, None, arrays.CODEC
        if store.arrays is not None and values.nbytes > arrays.INLINE_BYTES:
            labels = Labels(line["dims"], line["coordinates"], line["unit"])
            uri, _ = store.arrays.write(key, line["name"], values, labels)
        else:
            encoded = recordings.encode(values)
            data, codec = encoded.data, encoded.codec
        labelling = (_value(name, line[name]) for name in ("shape", "dims", "coordinates"))
        yield (*key, line["name"], line["dtype"], *labelling, line["unit"], codec, line["sha256"], uri, data)
