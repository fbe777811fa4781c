"""Rows into tables by the fastest way each database has, inside the connection's transaction.

SQLite: one prepared statement for all rows. PostgreSQL: COPY for many; for few, all statements and the commit in one
round trip (a pipeline). Errors are SQLAlchemy's, as from its own statements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from l2l.store.rows import JSON, Row

#: From so many rows on, COPY with its extra round trips is faster than a pipeline.
COPY_FROM = 100


def insert_rows(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Inserts rows, values in the order of `columns`. Raises IntegrityError if one breaks a law."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_plain(table, columns), list(rows) if len(rows) > 1 else rows[0])
        return
    with _cursor(connection) as cursor:
        if len(rows) < COPY_FROM:
            cursor.executemany(_typed(table, columns, False), rows)
            return
        with cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def insert_guarded(
    connection: Connection, batches: Sequence[tuple[Table, tuple[str, ...], Sequence[Row]]], run_id: int, token: str
) -> bool:
    """Inserts rows on PostgreSQL and commits, in one round trip; False, with nothing done, if the token is old.

    The first batch carries the guard; the others must refer to it by foreign keys.
    """
    with _cursor(connection) as cursor:
        raw = cursor.connection
        with raw.pipeline():
            for place, (table, columns, rows) in enumerate(batches):
                if rows:
                    guard = (run_id, token) if place == 0 else ()
                    cursor.executemany(_typed(table, columns, place == 0), [(*row, *guard) for row in rows])
                    if place == 0:
                        first = cursor
                        cursor = raw.cursor()
            raw.commit()
        return bool(first.rowcount == len(batches[0][2]))


@lru_cache
def _plain(table: Table, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


@lru_cache
def _typed(table: Table, columns: tuple[str, ...], guarded: bool) -> str:
    # With its type said, a parameter needs no guess by the server, and NULL has a type.
    values = ", ".join(f"%s::{_type(table, name)}" for name in columns)
    guard = " WHERE EXISTS (SELECT FROM drivers WHERE run_id = %s AND token = %s)" if guarded else ""
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values}{guard}"


def _type(table: Table, name: str) -> str:
    from sqlalchemy.dialects import postgresql

    return "json" if name in JSON else table.c[name].type.compile(postgresql.dialect())  # type: ignore[no-untyped-call]


@contextmanager
def _cursor(connection: Connection) -> Iterator[Any]:
    import psycopg

    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    try:
        with raw.cursor() as cursor:
            yield cursor
    except psycopg.Error as error:
        if raw.closed:
            connection.invalidate(error)
        raise DBAPIError.instance(None, None, error, psycopg.Error, dialect=connection.dialect) from error
