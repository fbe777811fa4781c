"""What the columns of a table of individuals are called, in the view of a run and in a data frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from l2l.errors import StoreError

#: Columns that every such table has; what the user named the same gets a prefix.
BEFORE = ("generation", "position", "status")
AFTER = ("attempt", "started", "seconds", "worker", "host", "device", "job", "error")

_MOST_ELEMENTS = 10**6


def distinct(names: Iterable[str], prefix: str, taken: set[str]) -> dict[str, str]:
    """A column for each name: the name itself, or `prefix.name` if that is taken; adds them to `taken`.

    Names that differ by case alone count as taken: SQL does not tell them apart.
    """
    columns = {}
    for name in names:
        column, number = name, 1
        while column.lower() in taken:
            column = f"{prefix}.{name}" if number == 1 else f"{prefix}.{name}.{number}"
            number += 1
        taken.add(column.lower())
        columns[name] = column
    return columns


def shape_of(parameter: Any) -> tuple[int, ...]:
    """The shape of a parameter of a space in JSON form; () for a scalar.

    Raises StoreError if it is none, or of more elements than a table could show.
    """
    shape = (parameter.get("shape") or ()) if isinstance(parameter, Mapping) else ()
    fine = isinstance(shape, list | tuple) and all(type(size) is int and size >= 0 for size in shape)
    if not fine or math.prod(shape) > _MOST_ELEMENTS:
        raise StoreError(
            f"a parameter's shape must be sizes of {_MOST_ELEMENTS} elements together at most, but is {shape!r:.60}"
        )
    return tuple(shape)


def elements(name: str, shape: Sequence[int]) -> list[tuple[str, tuple[int, ...]]]:
    """A label and an index for each element of a parameter: "G", or "w_p[3]", as `Space.labels`."""
    return [(name + (f"[{','.join(map(str, index))}]" if index else ""), index) for index in np.ndindex(*shape)]
