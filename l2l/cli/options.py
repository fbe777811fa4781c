"""The application, and the options that several commands share."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from l2l.errors import L2LError

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
    str | None, typer.Option("--runner", help="Where to evaluate: serial, dask, dask:4, slurm:16, or an address.")
]


def run_key(run: str) -> int | str:
    """A run's number, or its name."""
    return int(run) if run.isdecimal() else run


def named_values(texts: list[str]) -> dict[str, Any]:
    """Values by name from texts such as "G=1.2"; a list in brackets for a parameter with a shape."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise L2LError(f"--at takes NAME=VALUE, such as G=1.2, but got {text!r}")
        if name.strip() in values:
            raise L2LError(f"--at must name each parameter once, but {name.strip()!r} is named twice")
        try:
            values[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            values[name.strip()] = value.strip()  # a category
    return values
