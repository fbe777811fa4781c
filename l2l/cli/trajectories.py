"""What is asked of a database: `l2l runs`, `show`, `best`, `plot`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l2l.cli.data import load_fc
from l2l.cli.options import JsonOption, RunArgument, StoreOption, app, run_key
from l2l.cli.tables import records, show_frame, show_rows

if TYPE_CHECKING:
    from l2l.trajectory import Trajectory


@app.command()
def runs(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the runs of a database."""
    from l2l.store import Store

    with Store.open(store, read_only=True) as opened:
        records = opened.runs()
    rows = [
        {
            "id": record.id,
            "name": record.name,
            "status": record.status,
            "optimizer": record.optimizer.get("name", ""),
            "created": str(record.created)[:19],
            "finished": str(record.finished)[:19] if record.finished else None,
            "stop_reason": record.stop_reason,
            "tags": ", ".join(record.tags),
        }
        for record in records
    ]
    show_rows(rows, as_json, "no runs yet")


@app.command()
def show(
    run: RunArgument = "last",
    store: StoreOption = None,
    as_json: JsonOption = False,
    failures: Annotated[bool, typer.Option("--failures", help="Every evaluation that did not end ok.")] = False,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Script, commit, versions, host, command, seed, data, workers.")
    ] = False,
) -> None:
    """Show a run: its settings, its generations, and what failed."""
    trajectory = _open(store, run)
    record = trajectory.run
    if failures:
        show_frame(trajectory.failures(), as_json, "every evaluation ended ok")
        return
    if provenance:
        from l2l.provenance import account
        from l2l.report import print_account

        if as_json:
            typer.echo(json.dumps(account(trajectory), indent=2, default=str))
        else:
            print_account(account(trajectory))
        return
    head = {
        "id": record.id,
        "name": record.name,
        "status": record.status,
        "stop_reason": record.stop_reason,
        "seed": record.seed,
        "created": str(record.created),
        "finished": str(record.finished) if record.finished else None,
        "objectives": record.objectives,
        "optimizer": record.optimizer,
        "optimizee": record.optimizee,
        "space": record.space,
        "runner": record.runner,
        "settings": record.settings,
        "summary": record.summary,
    }
    generations = trajectory.generations()
    if as_json:
        typer.echo(json.dumps({**head, "generations": records(generations)}, default=str))
        return
    for name, value in head.items():
        plain = value if isinstance(value, str | int | None) else json.dumps(value, default=str)
        typer.echo(f"{name + ':':12} {plain}")
    show_frame(generations, False, "no generation yet")


@app.command()
def best(
    run: RunArgument = "last",
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the best individuals of a run, beside the baselines."""
    trajectory = _open(store, run)
    if as_json:
        baselines = trajectory.run.summary.get("baselines", {})
        typer.echo(json.dumps({"best": records(trajectory.best(n)), "baselines": baselines}, default=str))
        return
    from l2l.report import print_best

    print_best(trajectory, n)


@app.command()
def plot(
    run: RunArgument = "last",
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="A file that ends in .png, .pdf or .svg.")] = ...,  # type: ignore[assignment]
    target: Annotated[
        str | None, typer.Option(metavar="DATASET|FILE", help="Measured FC to draw beside: a data set, .npy or .csv.")
    ] = None,
    dpi: Annotated[float, typer.Option(min=20, max=1200, help="Dots an inch of a .png.")] = 150,
    store: StoreOption = None,
) -> None:
    """Draw a run: its history, its parameters against fitness, and the FC of the best individual."""
    from l2l import plots
    from l2l.plots.canvas import checked_file, require

    require()
    checked_file(to)
    with _open(store, run) as trajectory:
        plots.save(plots.fit(trajectory, None if target is None else load_fc(target)), to, dpi=dpi)
    typer.echo(f"written: {to}")


def _open(store: str | None, run: str) -> Trajectory:
    from l2l.trajectory import Trajectory

    return Trajectory.open(store, run_key(run))
