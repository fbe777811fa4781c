"""`l2l export` and `l2l import`: runs as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l2l.cli.options import RunArgument, StoreOption, app, run_key


@app.command()
def export(
    run: RunArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FILE",
            help="FILE.csv, .parquet or .jsonl: its individuals; FILE.l2l.zip: all of it, for `l2l import`; "
            "FILE.optuna.db or optuna:URL: an Optuna study.",
        ),
    ],
    store: StoreOption = None,
) -> None:
    """Write a run to a table, to an archive, or to an Optuna study."""
    from l2l.trajectory import Trajectory

    with Trajectory.open(store, run_key(run)) as trajectory:
        typer.echo(trajectory.export(to))


@app.command("import")
def import_(
    archive: Annotated[
        Path, typer.Argument(metavar="FILE.l2l.zip", help="What `l2l export` wrote, here or elsewhere.")
    ],
    store: StoreOption = None,
    most: Annotated[
        float, typer.Option("--most-gb", min=0, help="Refuse an archive that holds more than this, uncompressed.")
    ] = 64,
) -> None:
    """Put the run of an archive into a database. It is checked, and never executed."""
    from l2l.store import Store
    from l2l.store.archive import restore

    with Store.open(store) as opened:
        restored = restore(opened, archive, most_bytes=int(most * 2**30))
    what = f"{restored.rows['individuals']} individuals, {restored.rows['recordings']} arrays"
    how = "is" if restored.new else "was here already: it is"
    typer.echo(f"{restored.name} {how} run {restored.run}: {what}")
