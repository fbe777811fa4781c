"""Questions across runs: which individuals hold a condition, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sqlalchemy import Connection, Select, Text, cast

from l2l.errors import QueryError, nearest
from l2l.store.columns import AFTER, BEFORE, distinct, elements, shape_of
from l2l.store.language import Field, parse, parse_field
from l2l.store.queries import parse as parse_json
from l2l.store.search import Search
from l2l.store.selection import choose, run_heads

if TYPE_CHECKING:
    pass

Format = Literal["pandas", "polars", "arrow"]
FORMATS = ("pandas", "polars", "arrow")

#: From the rows of a statement, as columns, to the columns of a table.
Maker = Callable[[dict[str, Sequence[Any]]], dict[str, Any]]

_PLACE = ("run", "generation", "position")


def prepare(
    connection: Connection,
    where: str | None,
    runs: str | int | Sequence[str | int],
    columns: str | Sequence[str] | None,
    sort: str | Sequence[str],
    limit: int | None,
) -> tuple[Select[Any], Maker]:
    """The statement of a query, and what makes a table of its rows; arguments as of `Store.query`."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise QueryError(f"limit must be a whole number >= 0, but got {limit!r}")
    limit = None if limit is None else min(limit, 2**63 - 1)  # more than databases take
    every = run_heads(connection)
    heads = choose(every, [runs] if isinstance(runs, str | int) else list(runs))
    search = Search(connection, heads, all_runs=len(heads) == len(every))
    condition = parse(where) if where is not None and where.strip() else None
    order = [(parse_field(text.lstrip("-+")), text.startswith("-")) for text in map(str.strip, _listed(sort))]
    if columns is None:
        space = {name: parameter for head in heads for name, parameter in head.space.items()}
        names = list(dict.fromkeys(name for head in heads for name in head.objectives))
        expressions, maker = _everything(search), everything_maker(space, names, before=("run", *BEFORE))
    else:
        expressions, maker = _chosen(search, [parse_field(text) for text in _listed(columns)])
    return search.select(expressions, condition, order, limit), maker


def as_format(columns: dict[str, Any], to: str) -> Any:
    """A table in the format asked for. Raises QueryError if it is unknown or its package is not installed."""
    import pandas as pd

    if to not in FORMATS:
        raise QueryError(f"unknown format {to!r}: {nearest(to, FORMATS)}")
    frame = pd.DataFrame(columns)
    if to == "pandas":
        return frame
    try:
        import pyarrow as pa

        table = pa.Table.from_pandas(frame, preserve_index=False)
        if to == "arrow":
            return table
        import polars as pl

        return pl.from_arrow(table)
    except ImportError as error:
        extra = "polars" if to == "polars" else "parquet"
        raise QueryError(f"{to} tables need {error.name}, which is not installed: pip install 'l2l[{extra}]'") from None


def _listed(texts: str | Sequence[str]) -> list[str]:
    """Names given one by one, or separated by commas outside brackets."""
    if not isinstance(texts, str):
        return list(texts)
    parts, depth = [""], 0
    for character in texts:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _chosen(search: Search, fields: Sequence[Field]) -> tuple[list[Any], Maker]:
    """The place of each individual and the fields asked for, read by the database."""
    places = [field for name in _PLACE if (field := Field(name)) not in fields]
    shown = [*places, *dict.fromkeys(fields)]
    expressions = [search.value(field).label(f"c{number}") for number, field in enumerate(shown)]

    def make(found: dict[str, Sequence[Any]]) -> dict[str, Any]:
        return {
            str(field): times(values) if search.is_time(field) else _numbers(values)
            for field, values in zip(shown, found.values(), strict=True)
        }

    return expressions, make


def _everything(search: Search) -> list[Any]:
    json = [cast(search.json[group], Text).label(group) for group in ("parameters", "fitness", "measurements")]
    fixed = [search.fixed[name].label(name) for name in ("run", *BEFORE, *AFTER)]
    return [*fixed, *json]


def column_names(
    space: Mapping[str, Any], objectives: Sequence[str], before: Sequence[str], reserved: Iterable[str] = ()
) -> tuple[dict[str, str], dict[str, str], set[str]]:
    """The column of each element of a parameter, that of each objective, and, in lower case, all that are taken."""
    taken = {*before, *AFTER, *(name.lower() for name in reserved)}
    labels = [label for name in space for label, _ in elements(name, shape_of(space[name]))]
    parameters = distinct(labels, "parameters", taken)
    return parameters, distinct(objectives, "fitness", taken), taken


def everything_maker(
    space: Mapping[str, Any], objectives: Sequence[str], before: Sequence[str], reserved: Iterable[str] = ()
) -> Maker:
    """Parameters, fitness and measurements as columns of their own, between fixed ones."""
    parameters, fitness, names_taken = column_names(space, objectives, before, reserved)

    def make(found: dict[str, Sequence[Any]]) -> dict[str, Any]:
        import pandas as pd

        columns: dict[str, Any] = {name: list(found[name]) for name in before}
        columns["status"] = [status or "pending" for status in columns["status"]]
        columns |= _parameter_columns(found["parameters"], space, parameters)
        columns |= fitness_columns(found["fitness"], fitness)
        columns |= measurement_columns(found["measurements"], set(names_taken))
        columns |= {name: list(found[name]) for name in AFTER}
        columns["attempt"] = pd.array(columns["attempt"], dtype="Int64")
        columns["started"] = times(columns["started"])
        columns["seconds"] = np.array(columns["seconds"], dtype=np.float64)
        return columns

    return make


def _parameter_columns(texts: Sequence[str], space: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A column an element of a parameter: w[0], w[1], ..."""
    values = parse_json(texts)
    places = {label: (name, index) for name in space for label, index in elements(name, shape_of(space[name]))}
    columns = {}
    for label, column in names.items():
        name, index = places[label]
        column_of_name = [point.get(name) for point in values]
        columns[column] = [_element(value, index) for value in column_of_name] if index else column_of_name
    return columns


def fitness_columns(texts: Sequence[str | None], names: Mapping[str, str]) -> dict[str, Any]:
    """names: the column of each objective."""
    values = parse_json(texts)
    return {
        column: np.array([reported.get(name, np.nan) for reported in values], dtype=np.float64)
        for name, column in names.items()
    }


def measurement_columns(texts: Sequence[str | None], taken: set[str]) -> dict[str, list[Any]]:
    values = parse_json(texts)
    names = dict.fromkeys(name for measured in values for name in measured)
    return {
        column: [measured.get(name) for measured in values]
        for name, column in distinct(names, "measurements", taken).items()
    }


def times(seconds: Iterable[float | None]) -> Any:
    """Seconds since the epoch as times, UTC."""
    import pandas as pd

    numbers = np.array([np.nan if second is None else second for second in seconds], dtype=np.float64)
    return pd.to_datetime(pd.Series(numbers), unit="s", utc=True)


def by_column(query: Select[Any], rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Rows turned on their side: a million are too many to go through by attribute."""
    names = query.selected_columns.keys()
    return dict(zip(names, zip(*rows, strict=True) if rows else ((),) * len(names), strict=True))


def _element(value: Any, index: tuple[int, ...]) -> Any:
    for place in index:
        if not isinstance(value, list) or place >= len(value):
            return None
        value = value[place]
    return value


def _numbers(values: Sequence[Any]) -> Any:
    """Floats with NaN for what is missing, where all that is there is a number; everything else as it is."""
    if values and all(value is None or isinstance(value, float) for value in values):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return list(values)
