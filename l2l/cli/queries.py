"""`l2l query`, `l2l compare`, `l2l lineage`: questions across runs and generations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from l2l.cli.options import JsonOption, RunArgument, StoreOption, app, run_key
from l2l.cli.tables import show_frame

_SHOWN = 50  # rows on a terminal, unless another number is asked for


@app.command()
def query(
    condition: Annotated[str, typer.Argument(metavar="[CONDITION]", help="Such as 'fc_corr > 0.5 and G < 2'.")] = "",
    runs: Annotated[
        list[str] | None,
        typer.Option(
            "--runs",
            metavar="WHICH",
            help="Numbers, names, tag:T, model:M, optimizer:O, status:S, after:DATE, before:DATE; commas between "
            "alternatives; given again, both must hold. [default: all]",
        ),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Which columns, with commas between. [default: all]")
    ] = None,
    sort: Annotated[str, typer.Option(metavar="NAMES", help="Sort by these; -NAME sorts downwards.")] = "",
    limit: Annotated[int | None, typer.Option(min=0, help=f"At most so many rows. [default: {_SHOWN}]")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write all to .csv, .parquet or .jsonl.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find individuals of any run by their parameters, fitness, measurements, status, place or time.

    A condition compares names with numbers or texts (< <= > >= == != in is) and is joined by and, or, not and
    parentheses. It is read, never executed.
    """
    from l2l.store import Store
    from l2l.trajectory.files import write_frame

    asked: dict[str, Any] = {"runs": runs or (), "columns": columns, "sort": sort}
    with Store.open(store, read_only=True) as opened:
        if to is not None:
            frame = opened.query(condition, **asked, limit=limit)
            write_frame(frame, to)
            typer.echo(f"{len(frame)} individuals written to {to}")
            return
        most = _SHOWN if limit is None and not as_json else limit
        frame = opened.query(condition, **asked, limit=None if most is None else most + (limit is None))
    more = limit is None and most is not None and len(frame) > most
    show_frame(frame.head(most) if more else frame, as_json, "no individual holds the condition")
    if more:
        typer.echo(f"the first {most}; ask for more with --limit N, or for all with --to FILE")


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN ...", help="Numbers, names or 'last'.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show runs side by side: what came of them, and every setting that differs."""
    from l2l.trajectory import compare as side_by_side

    table = side_by_side([run_key(run) for run in runs], store).reset_index()
    show_frame(table if as_json else table.astype(str), as_json, "nothing differs")


@app.command()
def lineage(
    run: RunArgument,
    individual: Annotated[str, typer.Argument(metavar="GENERATION/POSITION", help="Such as 14/3.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an individual, its parents, their parents, and so on, where the optimizer breeds."""
    from l2l.trajectory import Trajectory

    with Trajectory.open(store, run_key(run)) as trajectory:
        table = trajectory.lineage(individual)
    show_frame(table if as_json else table.drop(columns=["worker", "host", "device", "job", "error"]), as_json, "")
