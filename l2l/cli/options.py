"""The application, and the options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fit brain network models to data, and ask the database what happened.",
)

StoreOption = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Database: a path or URL. [default: $L2L_STORE, or l2l.db]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's number, its name, or 'last'.")]
RunnerOption = Annotated[
    str | None, typer.Option("--runner", help="Where to evaluate: serial, dask, dask:4, or a scheduler's address.")
]


def run_key(run: str) -> int | str:
    """A run's number, or its name."""
    return int(run) if run.isdecimal() else run
