"""Writes a run into an archive; the same run gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Text, cast, select

from l2l.errors import StoreError
from l2l.store import queries, schema
from l2l.store.archive.layout import FIELDS, FORMAT, MANIFEST, RUN, TABLES, VERSION
from l2l.store.recordings import portable
from l2l.store.schema import Json, runs
from l2l.store.store import Store

_AT_ONCE = 2000  # rows
_LEVEL = 6
_LEVEL_OF_ARRAYS = 1  # deflate gains little on floats, and takes long for it


def write(store: Store, run: int | str, to: str | os.PathLike[str]) -> dict[str, int]:
    """Writes one run, as it stands now, into a new archive; returns the number of rows by table.

    A file that is there is replaced once the new one is complete. Raises StoreError if it cannot be written.
    """
    target, run_id = Path(to), store.find(run)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with (
            zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive,
            store.snapshot() as connection,
        ):
            counts = _Writer(archive, connection, store, run_id).write()
        os.replace(partial, target)
    except OSError as error:
        raise StoreError(f"the archive {target} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return counts


class _Writer:
    def __init__(self, archive: zipfile.ZipFile, connection: Connection, store: Store, run_id: int) -> None:
        self._archive = archive
        self._connection = connection
        self._store = store
        self._run_id = run_id
        self._sha256: dict[str, str] = {}

    def write(self) -> dict[str, int]:
        row = self._connection.execute(_select("run", runs).where(runs.c.id == self._run_id)).one()
        self._member(RUN, iter([json.dumps(_as_object("run", row), indent=1).encode()]))
        counts = dict.fromkeys(TABLES, 0)
        for table in TABLES:
            self._member(f"{table}.jsonl", self._lines(table, counts))
        self._arrays()
        manifest = {"format": FORMAT, "version": VERSION, "rows": counts, "sha256": self._sha256}
        self._member(MANIFEST, iter([json.dumps(manifest, indent=1).encode()]))
        return counts

    def _member(self, name: str, parts: Iterator[bytes]) -> None:
        hashed = hashlib.sha256()
        self._archive.compresslevel = _LEVEL
        # Named by a text, a member is of 1980: the same run gives the same bytes.
        with self._archive.open(name, "w", force_zip64=True) as member:
            for part in parts:
                hashed.update(part)
                member.write(part)
        self._sha256[name] = hashed.hexdigest()

    def _lines(self, table: str, counts: dict[str, int]) -> Iterator[bytes]:
        columns = getattr(schema, table)
        query = _select(table, columns).where(columns.c.run_id == self._run_id)
        query = query.order_by(*_order(table))
        for rows in self._connection.execution_options(yield_per=_AT_ONCE).execute(query).partitions():
            counts[table] += len(rows)
            yield b"".join(json.dumps(_as_object(table, row), separators=(",", ":")).encode() + b"\n" for row in rows)

    def _arrays(self) -> None:
        columns = [column for column in schema.recordings.c if column.name != "data"]
        query = select(*columns).where(schema.recordings.c.run_id == self._run_id).order_by(*_order("recordings"))
        rows = self._connection.execution_options(yield_per=_AT_ONCE).execute(query)
        for number, row in enumerate(rows):
            values = portable(queries.read_array(self._connection, row, self._store.arrays))
            self._archive.compresslevel = _LEVEL_OF_ARRAYS
            with self._archive.open(f"arrays/{number}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, version=(1, 0), allow_pickle=False)


def _order(table: str) -> list[Any]:
    columns = getattr(schema, table)
    return [columns.c.id] if table == "events" else list(columns.primary_key.columns)


def _select(table: str, columns: Any) -> Any:
    # JSON as its text: what stands for NaN there does so here.
    return select(
        *(
            cast(columns.c[name], Text).label(name) if isinstance(columns.c[name].type, type(Json)) else columns.c[name]
            for name in FIELDS[table]
        )
    )


def _as_object(table: str, row: Any) -> dict[str, Any]:
    columns = runs if table == "run" else getattr(schema, table)
    return {
        name: json.loads(value) if isinstance(columns.c[name].type, type(Json)) and value is not None else value
        for name, value in zip(FIELDS[table], row, strict=True)
    }
