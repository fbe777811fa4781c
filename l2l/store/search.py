"""Conditions of `l2l.store.language` as SQL, the same answers on SQLite and PostgreSQL.

A comparison with a value that is missing or not finite does not hold, and its negation does. Names and values travel as
bound parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Connection,
    Double,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    type_coerce,
)

from l2l.errors import QueryError, nearest
from l2l.store import plain, queries
from l2l.store.columns import AFTER, BEFORE, shape_of
from l2l.store.language import All, Comparison, Condition, Field, Group, Membership, Missing, Not, OneOf, Value
from l2l.store.schema import evaluations, individuals, runs, workers
from l2l.store.selection import RunHead, timestamp

Kind = Literal["number", "text", "boolean"]

#: Columns that every query can name, beside those of the table of a run.
RUN_COLUMNS = ("run", "name", "created")
FIXED = (*RUN_COLUMNS, *BEFORE, *AFTER, "loss")
_TIMES = ("created", "started")
_TEXTS = ("name", "status", "worker", "host", "device", "job", "error")

_FIRST = 100  # evaluations that tell what a run measures

# What SQLite's JSON paths hold between quotes without meaning anything by it.
_SAFE_IN_PATH = re.compile(r"[\w .,:;/+*()<>=%&|~^!?@#'-]+")


@dataclass(frozen=True)
class Column:
    """A column of the answer: where it is read, and what it is called."""

    field: Field
    label: str


class Search:
    """Finds out what names mean in some runs, and writes the SQL of queries on them."""

    def __init__(self, connection: Connection, heads: Sequence[RunHead], *, all_runs: bool = False) -> None:
        """all_runs: whether `heads` are all that the database has."""
        self._all_runs = all_runs
        self._sqlite = connection.dialect.name == "sqlite"
        self._heads = heads
        self._last, self._joined = queries.last_attempts()
        self._parameters = {name: parameter for head in heads for name, parameter in head.space.items()}
        self._objectives = {name for head in heads for name in head.objectives}
        self._measurements = self._measured(connection)
        self.json: dict[Group, Any] = {
            "parameters": individuals.c.parameters,
            "fitness": self._last.c.fitness,
            "measurements": self._last.c.measurements,
        }
        last, where = self._last, workers.c
        self.fixed: dict[str, Any] = {
            "run": individuals.c.run_id,
            "name": runs.c.name,
            "created": runs.c.created,
            "generation": individuals.c.generation,
            "position": individuals.c.position,
            "status": func.coalesce(last.c.status, "pending"),
            "worker": where.name,
            "host": where.host,
            "device": where.device,
            "job": where.job,
            **{name: last.c[name] for name in ("attempt", "started", "seconds", "error", "loss")},
        }

    def names(self) -> list[str]:
        """Everything a query on these runs can name."""
        return list(dict.fromkeys([*self._parameters, *sorted(self._objectives), *sorted(self._measurements), *FIXED]))

    def select(
        self, columns: Sequence[Any], where: Condition | None, sort: Sequence[tuple[Field, bool]], limit: int | None
    ) -> Select[Any]:
        """A statement on individuals with the last attempts of their evaluations.

        columns: SQL expressions. sort: fields, and whether each descends; what has no value comes last.
        """
        query = (
            select(*columns)
            .select_from(individuals)
            .join(runs, runs.c.id == individuals.c.run_id)
            .join(self._last, self._joined, isouter=True)
            .join(workers, queries.worker_of(self._last), isouter=True)
            .where(self._of_these_runs())
        )
        if where is not None:
            query = query.where(self.holds(where))
        for field, descending in sort:
            value = self.value(field)
            query = query.order_by(value.is_(None), value.desc() if descending else value)
        query = query.order_by(individuals.c.run_id, individuals.c.generation, individuals.c.position)
        return query if limit is None else query.limit(limit)

    def _of_these_runs(self) -> ColumnElement[bool]:
        if self._all_runs and self._heads:
            # One pass over the table; a list of a thousand runs is a thousand searches in it.
            return individuals.c.run_id <= max(head.id for head in self._heads)
        return individuals.c.run_id.in_([head.id for head in self._heads])

    def holds(self, condition: Condition) -> ColumnElement[bool]:
        match condition:
            case All(parts):
                return and_(*self._within(parts), *map(self.holds, parts))
            case OneOf(parts):
                return or_(*map(self.holds, parts))
            case Not(part):
                return not_(self.holds(part))
            case Missing(field):
                return and_(*(self._value(field, kind).is_(None) for kind in self._kinds(field)))
            case Membership(field, values):
                return or_(*(self._compare(field, "==", value) for value in values))
            case Comparison(left, op, right):
                return self._compare(left, op, right)
        raise AssertionError(condition)

    def _within(self, parts: Sequence[Condition]) -> list[ColumnElement[bool]]:
        """For each parameter with a lower and an upper bound among `parts`: that it lies between them.

        It says nothing new, but is one look into the JSON where the exact conditions are four; those are left for the
        few rows that it lets pass.
        """
        bounds: dict[Field, dict[str, list[float]]] = {}
        for part in parts:
            if isinstance(part, Comparison):
                field, op, value = part.left, part.op, part.right
                if isinstance(value, Field):
                    field, op, value = value, _MIRRORED.get(op, op), part.left
                if isinstance(field, Field) and _kind_of_side(value) == "number" and op in ("<", "<=", ">", ">="):
                    bounds.setdefault(field, {}).setdefault(op[0], []).append(value)  # type: ignore[arg-type]
        return [
            self._number(field).between(max(found[">"]), min(found["<"]))
            for field, found in bounds.items()
            if len(found) == 2 and self._is_always_number(field)
        ]

    def _is_always_number(self, field: Field) -> bool:
        """Whether it is a parameter, and Real or Integer in every run that has it."""
        if self._groups(field) != ["parameters"]:
            return False
        if self._sqlite and not _SAFE_IN_PATH.fullmatch(field.name):
            return False
        kinds = (head.space.get(field.name, {"kind": "real"}) for head in self._heads)
        return all(isinstance(kind, dict) and kind.get("kind") in ("real", "integer") for kind in kinds)

    def _number(self, field: Field) -> Any:
        """The value of a field that is a number wherever it is."""
        column = self.json["parameters"]
        if self._sqlite:
            return func.json_extract(type_coerce(column, Text), _path(field))
        path = cast([field.name, *map(str, field.index)], ARRAY(Text))
        return cast(func.json_extract_path_text(column, _variadic(path), type_=Text()), Double)

    def value(self, field: Field) -> Any:
        """What a field is in a row, as a number, a text or a boolean; NULL if it is none."""
        return self._value(field, self._kinds(field)[0])

    def is_time(self, field: Field) -> bool:
        return field.group is None and not field.index and field.name in _TIMES

    def _compare(self, left: Field | Value, op: str, right: Field | Value) -> ColumnElement[bool]:
        first, second = (self._side(side, other) for side, other in ((left, right), (right, left)))
        comparison = first.op({"==": "=", "!=": "<>"}.get(op, op), is_comparison=True)(second)
        return func.coalesce(comparison, false(), type_=Boolean())

    def _side(self, side: Field | Value, other: Field | Value) -> Any:
        if isinstance(side, Field):
            return self._value(side, self._kinds(side)[0] if isinstance(other, Field) else _kind(other))
        if isinstance(other, Field) and self.is_time(other) and isinstance(side, str):
            return literal(timestamp(side), Double())
        return literal(json.loads(plain.dumps(side)) if isinstance(side, str) else side)

    def _value(self, field: Field, kind: Kind) -> Any:
        groups = self._groups(field)
        if not groups:
            if self.is_time(field):
                return self.fixed[field.name]
            own: Kind = "text" if field.name in _TEXTS else "number"
            if own != kind:
                raise QueryError(f"{field} is a {own} and can only be compared with one, but got a {kind}")
            return self.fixed[field.name]
        extract = self._from_sqlite if self._sqlite else self._from_postgresql
        values = [extract(self.json[group], field, kind) for group in groups]
        return values[0] if len(values) == 1 else func.coalesce(*values)

    def _from_sqlite(self, column: Any, field: Field, kind: Kind) -> Any:
        types = {"number": ("integer", "real"), "text": ("text",), "boolean": ("true", "false")}[kind]
        column = type_coerce(column, Text)
        if _SAFE_IN_PATH.fullmatch(field.name):
            path = _path(field)
            return case((func.json_type(column, path).in_(types), func.json_extract(column, path)), else_=null())
        member = func.json_each(column).table_valued("key", "value", "type")
        if not field.index:
            value = case((member.c.type.in_(types), member.c.value), else_=null())
        else:
            path = "$" + "".join(f"[{place}]" for place in field.index)
            of_array = func.json_extract(member.c.value, path)
            value = case((func.json_type(member.c.value, path).in_(types), of_array), else_=null())
        return select(value).where(member.c.key == field.name).scalar_subquery()

    def _from_postgresql(self, column: Any, field: Field, kind: Kind) -> Any:
        path = cast([field.name, *map(str, field.index)], ARRAY(Text))
        found = func.json_extract_path(column, _variadic(path))
        text = func.json_extract_path_text(column, _variadic(path), type_=Text())
        value = {"number": cast(text, Double), "text": text, "boolean": cast(text, Boolean)}[kind]
        json_type = {"number": "number", "text": "string", "boolean": "boolean"}[kind]
        return case((func.json_typeof(found) == json_type, value), else_=null())

    def _groups(self, field: Field) -> list[Group]:
        """The groups that a field is looked for in; none if it is a fixed column. Raises QueryError."""
        within: dict[Group, Any] = {
            "parameters": self._parameters,
            "fitness": self._objectives,
            "measurements": self._measurements,
        }
        if field.group is not None:
            if field.name not in within[field.group]:
                known = nearest(field.name, sorted(within[field.group]))
                raise QueryError(f"these runs have no {field.name!r} among their {field.group}: {known}")
            return self._indexed(field, [field.group])
        if field.name in FIXED:
            if field.index:
                raise QueryError(f"{field.name} has no elements, but got {field}")
            return []
        groups = [group for group, names in within.items() if field.name in names]
        if not groups:
            raise QueryError(f"these runs have no {field.name!r}: {nearest(field.name, self.names())}")
        return self._indexed(field, groups)

    def _indexed(self, field: Field, groups: list[Group]) -> list[Group]:
        """`groups`, if a parameter of these runs has as many indices as the field. Raises QueryError."""
        if "parameters" in groups:
            shape = shape_of(self._parameters[field.name])
            if len(field.index) != len(shape):
                remedy = f"write {field.name}[{', '.join('0' * len(shape))}]" if shape else f"write {field.name}"
                raise QueryError(f"{field.name} has shape {shape}, but got {field}: {remedy}")
        return groups

    def _kinds(self, field: Field) -> tuple[Kind, ...]:
        """What a field can be, the likeliest first."""
        groups = self._groups(field)
        if not groups:
            return ("text" if field.name in _TEXTS else "number",)
        parameter = self._parameters.get(field.name) if "parameters" in groups else None
        if isinstance(parameter, dict) and parameter.get("kind") == "categorical":
            choices = parameter.get("choices") or [""]
            kinds = [_kind(choice) for choice in choices if isinstance(choice, bool | int | float | str)]
            return tuple(dict.fromkeys([*kinds, "text"]))
        return ("number", "text", "boolean") if "measurements" in groups else ("number",)

    def _measured(self, connection: Connection) -> set[str]:
        """Names of measurements: a run measures the same throughout, so that its first good evaluations tell."""
        if not self._heads:
            return set()
        # A run that measures nothing must not be read to its end to find that out.
        first = (
            select(evaluations.c.measurements)
            .where(evaluations.c.run_id == bindparam("run"), evaluations.c.status == "ok")
            .order_by(evaluations.c.generation, evaluations.c.position, evaluations.c.replicate)
            .limit(_FIRST)
            .subquery()
        )
        one = select(first.c.measurements).where(first.c.measurements.is_not(None)).limit(1)
        rows = (connection.execute(one, {"run": head.id}).scalar() for head in self._heads)
        return {name for measured in rows if isinstance(measured, dict) for name in measured}


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _kind_of_side(side: Field | Value) -> Kind | None:
    return None if isinstance(side, Field) else _kind(side)


def _path(field: Field) -> str:
    """A field within JSON, as SQLite writes it."""
    return f'$."{field.name}"' + "".join(f"[{place}]" for place in field.index)


def _variadic(path: Any) -> Any:
    from sqlalchemy.sql.elements import UnaryExpression
    from sqlalchemy.sql.operators import custom_op

    return UnaryExpression(path, operator=custom_op("VARIADIC"))


def _kind(value: Value) -> Kind:
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
