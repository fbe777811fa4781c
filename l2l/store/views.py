"""A view a run, for people who come with plain SQL: parameters and fitness as columns, one row an individual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from l2l.store.columns import AFTER, BEFORE, distinct, shape_of

_MOST_COLUMNS = 1000  # SQLite allows 2,000, PostgreSQL 1,600
_AFTER = {"worker": "w.name AS worker", "host": "w.host", "device": "w.device", "job": "w.job"}
_LONGEST_NAME = 63  # bytes; PostgreSQL cuts the rest off, and two names may become one


def create_view(
    connection: Connection, run_id: int, space: Mapping[str, Any], objectives: Sequence[Mapping[str, Any]]
) -> None:
    """Creates `run_<id>`. A parameter with a shape is one column of JSON."""
    sqlite = connection.dialect.name == "sqlite"
    taken = {*BEFORE, "loss", *AFTER}
    shown = [*space][:_MOST_COLUMNS]
    fields = []
    for name, column in distinct(shown, "parameters", taken).items():
        fields.append(f"{_value(sqlite, 'i.parameters', name, _kind(space[name]))} AS {_column(column, taken)}")
    names = [str(objective["name"]) for objective in objectives][: _MOST_COLUMNS - len(shown)]
    for name, column in distinct(names, "fitness", taken).items():
        fields.append(f"{_value(sqlite, 'e.fitness', name, 'real')} AS {_column(column, taken)}")
    statement = f"""
        CREATE VIEW run_{int(run_id)} AS
        SELECT i.generation, i.position, coalesce(e.status, 'pending') AS status,
               {", ".join([*fields, "e.loss", *(_AFTER.get(name, f"e.{name}") for name in AFTER)])}
        FROM individuals i
        LEFT JOIN evaluations e
          ON e.run_id = i.run_id AND e.generation = i.generation AND e.position = i.position
             AND e.replicate = 0 AND e.task = '' AND e.attempt = (
                 SELECT max(later.attempt) FROM evaluations later
                 WHERE later.run_id = i.run_id AND later.generation = i.generation AND later.position = i.position
                   AND later.replicate = 0 AND later.task = '')
        LEFT JOIN workers w ON w.run_id = e.run_id AND w.number = e.worker
        WHERE i.run_id = {int(run_id)}"""
    # psycopg takes % for a placeholder.
    connection.exec_driver_sql(statement if sqlite else statement.replace("%", "%%"))


def _kind(parameter: Any) -> str:
    if shape_of(parameter):
        return "array"
    return str(parameter.get("kind", "")) if isinstance(parameter, Mapping) else ""


def _value(sqlite: bool, column: str, name: str, kind: str) -> str:
    literal = _literal(name)
    if sqlite:
        if name.isidentifier():
            return f"""json_extract({column}, '$."{name}"')"""
        # A path cannot quote every name, but keys can be compared.
        return f"(SELECT value FROM json_each({column}) WHERE key = {literal})"
    if kind == "array":
        return f"({column} -> {literal})"
    cast = {"real": "::double precision", "integer": "::bigint"}.get(kind, "")
    return f"({column} ->> {literal}){cast}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _column(name: str, taken: set[str]) -> str:
    raw = name.encode()
    if len(raw) > _LONGEST_NAME:
        number = 1
        while True:
            tail = f"~{number}"
            name = raw[: _LONGEST_NAME - len(tail)].decode(errors="ignore") + tail
            if name.lower() not in taken:
                break
            number += 1
        taken.add(name.lower())
    return '"' + name.replace('"', '""') + '"'
