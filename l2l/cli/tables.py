"""Rows and data frames, as tables for people or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from l2l.errors import L2LError

if TYPE_CHECKING:
    import pandas as pd


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values; NaN becomes null."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso", double_precision=15))
    return rows


def show_frame(frame: pd.DataFrame, as_json: bool, when_empty: str) -> None:
    if as_json:
        typer.echo(json.dumps(records(frame), default=str))
    elif frame.empty:
        typer.echo(when_empty)
    else:
        from l2l.report import print_frame

        print_frame(frame)


def show_rows(rows: list[dict[str, Any]], as_json: bool, when_empty: str) -> None:
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    import pandas as pd

    show_frame(pd.DataFrame(rows), False, when_empty)


def write_frame(frame: pd.DataFrame, to: Path) -> None:
    """Writes a .csv or a .parquet file. Raises L2LError for another ending, or if pyarrow is not installed."""
    if to.suffix == ".csv":
        frame.to_csv(to, index=False)
        return
    if to.suffix != ".parquet":
        raise L2LError(f"tables are written as .csv or .parquet, but got {to.name!r}")
    try:
        frame.to_parquet(to, index=False)
    except ImportError as error:
        raise L2LError("Parquet needs pyarrow, which is not installed: pip install 'l2l[parquet]'") from error
