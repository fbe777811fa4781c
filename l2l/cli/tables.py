"""Rows and data frames, as tables for people or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import pandas as pd


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values, floats to the last bit; NaN becomes null."""
    from l2l.store import plain
    from l2l.trajectory.files import rows_of

    return [json.loads(plain.dumps(row)) for row in rows_of(frame)]


def show_frame(frame: pd.DataFrame, as_json: bool, when_empty: str) -> None:
    if as_json:
        typer.echo(json.dumps(records(frame), default=str))
    elif frame.empty:
        typer.echo(when_empty)
    else:
        from l2l.report import print_frame

        print_frame(frame)


def show_rows(rows: list[dict[str, Any]], as_json: bool, when_empty: str) -> None:
    """Rows with the same keys, as a table of plain text: pandas and rich take longer to load than a thousand runs."""
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    if not rows:
        typer.echo(when_empty)
        return
    from l2l.report import harmless

    names = list(rows[0])
    cells = [
        ["" if row[name] is None else harmless(str(row[name])).replace("\n", " ") for name in names] for row in rows
    ]
    widths = [max(len(name), *(len(row[place]) for row in cells)) for place, name in enumerate(names)]
    right = [all(isinstance(row[name], int | float | None) for row in rows) for name in names]

    def line(texts: list[str]) -> str:
        padded = zip(texts, widths, right, strict=True)
        return "  ".join(text.rjust(width) if at_right else text.ljust(width) for text, width, at_right in padded)

    shown = [line(names), "  ".join("-" * width for width in widths), *map(line, cells)]
    typer.echo("\n".join(text.rstrip() for text in shown))


def show_workload(frame: pd.DataFrame, as_json: bool) -> None:
    """What each worker did; times to the second, and no column that says nothing."""
    if not as_json:
        frame = frame.assign(
            seconds=frame["seconds"].round(1),
            first=frame["first"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            last=frame["last"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        )
        frame = frame[[name for name in frame.columns if name not in ("job", "device") or frame[name].ne("").any()]]
    show_frame(frame, as_json, "no evaluation yet")
