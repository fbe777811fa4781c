"""Data frames as tables that fit a width: headers in several lines, and in the end several tables."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from l2l.report import harmless

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

KEYS = ("run", "subject", "name", "generation", "position", "task", "parameter")
"""Columns that say which row it is, where they stand first: each of several tables begins with them."""

_LEAST = 24  # letters that a column of text may shrink to
_GAP = 3  # letters between columns
_PIECES = re.compile(r"[^_.]*[_.]+|[^_.]+")


@dataclass(frozen=True)
class _Column:
    name: str
    cells: list[str]
    number: bool

    @property
    def content(self) -> int:
        """Letters that its cells need."""
        longest = max(map(len, self.cells), default=0)
        return longest if self.number else min(longest, _LEAST)

    @property
    def whole(self) -> int:
        """Letters that it needs with its header in one line."""
        return max(self.content, len(self.name))

    @property
    def least(self) -> int:
        """Letters that it needs with its header in several lines."""
        return max(self.content, *(len(piece) for piece in _pieces(self.name)))


def tables(frame: pd.DataFrame, width: int | None, title: str | None = None) -> Iterator[tuple[Table, int]]:
    """Tables, and the letters that each needs, of no more than `width` letters if that can be; None: of any width."""
    columns = [_column(frame, place) for place in range(frame.shape[1])]
    if width is None or _sum(each.whole for each in columns) <= width:
        yield _table(columns, [each.whole for each in columns], title), _sum(each.whole for each in columns)
        return
    keys = 0
    while keys < len(columns) and columns[keys].name in KEYS:
        keys += 1
    for block in _blocks(columns, keys, width):
        widths = [each.least for each in block]
        yield _table(block, widths, title), _sum(widths)
        title = None


def _blocks(columns: Sequence[_Column], keys: int, width: int) -> Iterator[list[_Column]]:
    first = list(columns[:keys])
    block = list(first)
    for column in columns[keys:]:
        if len(block) > len(first) and _sum(each.least for each in [*block, column]) > width:
            yield block
            block = list(first)
        block.append(column)
    yield block


def _sum(widths: Iterable[int]) -> int:
    return sum(each + _GAP for each in widths) + 1


def _column(frame: pd.DataFrame, place: int) -> _Column:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    values = frame.iloc[:, place]
    number = is_numeric_dtype(values) and not is_bool_dtype(values)
    return _Column(harmless(str(frame.columns[place])), [_cell(value) for value in values], number)


def _table(columns: Sequence[_Column], widths: Sequence[int], title: str | None) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            Text(_broken(column.name, width)), justify="right" if column.number else "left", overflow="fold",
            no_wrap=column.number, min_width=width,
        )  # fmt: skip
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table


def _broken(name: str, width: int) -> str:
    """In lines of at most `width` letters, as far as its pieces allow."""
    lines = [""]
    for piece in _pieces(name):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _pieces(name: str) -> list[str]:
    return _PIECES.findall(name) or [""]


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else harmless(str(value))
