"""What is asked of a database: `l2l runs`, `show`, `best`, `plot`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l2l.cli.data import load_fc
from l2l.cli.options import JsonOption, RunArgument, StoreOption, app, named_values, run_key
from l2l.cli.tables import records, show_frame, show_rows, show_workload
from l2l.errors import L2LError, nearest

if TYPE_CHECKING:
    from l2l.trajectory import Trajectory


@app.command()
def runs(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the runs of a database."""
    from l2l.store.listing import quick_lines

    lines = quick_lines(store)
    if lines is None:
        from l2l.store import Store

        with Store.open(store, read_only=True) as opened:
            lines = opened.run_lines()
    rows = [
        {
            "id": line.id,
            "name": line.name,
            "status": line.status,
            "optimizer": line.optimizer,
            "created": str(line.created)[:19],
            "finished": str(line.finished)[:19] if line.finished else None,
            "stop_reason": line.stop_reason,
            "tags": ", ".join(line.tags),
        }
        for line in lines
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
    workers: Annotated[
        bool, typer.Option("--workers", help="What each worker did: host, job, device, evaluations, seconds.")
    ] = False,
) -> None:
    """Show a run: its settings, its generations, and what failed."""
    trajectory = _open(store, run)
    record = trajectory.run
    if workers:
        show_workload(trajectory.workload(), as_json)
        return
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
    from l2l.report import harmless

    for name, value in head.items():
        plain = value if isinstance(value, str | int | None) else json.dumps(value, default=str)
        typer.echo(harmless(f"{name + ':':12} {plain}"))
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
    kind: Annotated[
        str, typer.Option(metavar="fit|grid", help="The search, or maps of all that was measured over two parameters.")
    ] = "fit",
    x: Annotated[str | None, typer.Option(metavar="NAME", help="Of a grid: the parameter to the right.")] = None,
    y: Annotated[str | None, typer.Option(metavar="NAME", help="Of a grid: the parameter upwards.")] = None,
    value: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Of a grid: what to map; may be repeated. [default: all]")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of a grid: hold another parameter. [default: the mean over it]"),
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="CONDITION", help='Of a grid: individuals to draw, such as "rate < 50".')
    ] = None,
) -> None:
    """Draw a run: its history, its parameters against fitness, and the FC of the best individual; or maps of a grid."""
    from l2l import plots
    from l2l.plots.canvas import checked_file, require

    require()
    checked_file(to)
    if kind not in ("fit", "grid"):
        raise L2LError(f"unknown kind of plot {kind!r}: {nearest(kind, ('fit', 'grid'))}")
    if kind == "fit" and (x or y or value or at or where):
        raise L2LError("--x, --y, --value, --at and --where belong to maps: add --kind grid")
    if kind == "grid" and target is not None:
        raise L2LError("--target is drawn beside the FC of a fit, not with --kind grid")
    with _open(store, run) as trajectory:
        if kind == "grid":
            figure = plots.grid(trajectory, x, y, value or None, at=named_values(at or []), where=where)
        else:
            figure = plots.fit(trajectory, None if target is None else load_fc(target))
        plots.save(figure, to, dpi=dpi)
    typer.echo(f"written: {to}")


def _open(store: str | None, run: str) -> Trajectory:
    from l2l.trajectory import Trajectory

    return Trajectory.open(store, run_key(run))
