"""What is done to a database: `l2l rm` and `l2l db upgrade | check | vacuum | copy | schema`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from l2l.cli.options import JsonOption, StoreOption, app, run_key
from l2l.errors import L2LError

db_app = typer.Typer(no_args_is_help=True, help="Look after a database.")
app.add_typer(db_app, name="db")

# No default: what is deleted is always named.
RemovedRun = Annotated[str, typer.Argument(metavar="RUN", help="A run's number or name.")]


@app.command()
def rm(
    run: RemovedRun,
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a run with all its individuals and arrays."""
    from l2l.store import Store
    from l2l.store.remove import holdings, remove_run

    Store.open(store, read_only=True).close()  # says so, rather than create a database that is not there
    with Store.open(store) as opened:
        record = opened.run(run_key(run))
        held = holdings(opened, record.id)
        if not yes:
            typer.confirm(f"delete run {record.id} ({record.name}, {record.status}; {held}) for ever?", abort=True)
        remove_run(opened, record.id)
    typer.echo(f"run {record.id} ({record.name}) is deleted: {held}; `l2l db vacuum` gives its room back to the disk")


@db_app.command()
def upgrade(store: StoreOption = None) -> None:
    """Bring the schema of a database to this version of l2l; an SQLite file is copied first."""
    from l2l.store import Store

    Store.upgrade(store)
    typer.echo("the schema is of this version")


@db_app.command()
def check(
    store: StoreOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not read every array.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look for damage: integrity, orphans, wrong sums, arrays that are missing or altered. Exit status 1 if any."""
    from l2l.store import Store
    from l2l.store.care import check as problems_of

    with Store.open(store, read_only=True) as opened:
        problems = list(problems_of(opened, arrays=not quick))
        label = opened.label
    if as_json:
        typer.echo(json.dumps({"store": label, "problems": problems}))
    else:
        for problem in problems:
            typer.echo(problem)
        typer.echo(f"{label}: {f'{len(problems)} problems' if problems else 'no problem'}")
    if problems:
        raise typer.Exit(1)


@db_app.command()
def vacuum(store: StoreOption = None) -> None:
    """Give the room of what was deleted back to the disk, and remove arrays that belong to no run."""
    from l2l.store import Store
    from l2l.store.care import vacuum as give_back

    Store.open(store, read_only=True).close()
    with Store.open(store) as opened:
        before, after = give_back(opened)
    typer.echo(f"{before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")


@db_app.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A path or URL.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A path or URL; created if it is not there.")],
    run: Annotated[
        list[str] | None, typer.Option("--run", metavar="RUN", help="This one only; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy all runs, or some, into another database, SQLite or PostgreSQL, and compare what arrived.

    Each run arrives whole or not at all. Run it again after an interruption: what is there already is compared only.
    """
    from l2l.store import Store
    from l2l.store.copy import copy_runs

    with Store.open(source, read_only=True) as start, Store.open(target) as end:
        which = None if not run else [start.find(run_key(one)) for one in run]
        count = 0
        for copied in copy_runs(start, end, which):
            count += 1
            if as_json:
                typer.echo(json.dumps(vars(copied)))
                continue
            rows = f"{copied.rows['individuals']} individuals, {copied.rows['recordings']} arrays"
            how = "is now" if copied.new else "was already, and equals,"
            typer.echo(f"run {copied.source} ({copied.name}) {how} run {copied.target}: {rows}, {copied.sha256[:12]}")
        if not count:
            raise L2LError(f"{start.label} holds no runs to copy")


@db_app.command()
def schema() -> None:
    """Print the tables and ten queries in plain SQL, as docs/schema.md."""
    from l2l.store.describe import describe

    typer.echo(describe(), nl=False)
