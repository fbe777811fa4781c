"""`l2l submit`, which makes the driver a job, and what that job runs."""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2l.cli.cluster import SYSTEMS, Chosen, with_runner
from l2l.cli.experiments import (
    ExperimentOption,
    GenerationsOption,
    ReuseOption,
    ScriptArgument,
    SeedOption,
    WarmStartOption,
)
from l2l.cli.options import StoreOption, app, run_key
from l2l.cli.searches import Search
from l2l.errors import RunnerError

if TYPE_CHECKING:
    from l2l.runners import JobQueue

_PANEL = "The driver's job"


@app.command()
@with_runner
def submit(
    script: ScriptArgument,
    where: Chosen,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the job scripts, check them, and submit nothing.")
    ] = False,
    resubmit: Annotated[
        bool,
        typer.Option(
            "--resubmit", help="Before its wall time ends, submit a job that goes on.", rich_help_panel=_PANEL
        ),
    ] = False,
    tries: Annotated[
        int,
        typer.Option(
            min=1, help="With --resubmit: jobs in a row without an evaluation to end at.", rich_help_panel=_PANEL
        ),
    ] = 3,
    resumed: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with this run.", rich_help_panel=_PANEL)
    ] = None,
    driver_walltime: Annotated[
        str | None, typer.Option(help="[default: as the workers' jobs]", rich_help_panel=_PANEL)
    ] = None,
    driver_memory: Annotated[str | None, typer.Option(help="[default: 4GB]", rich_help_panel=_PANEL)] = None,
    driver_queue: Annotated[
        str | None, typer.Option(help="[default: as the workers' jobs]", rich_help_panel=_PANEL)
    ] = None,
    store: StoreOption = None,
    experiment: ExperimentOption = None,
    seed: SeedOption = None,
    generations: GenerationsOption = None,
    reuse: ReuseOption = False,
    warm_start: WarmStartOption = None,
) -> None:
    """Submit a search whose driver is a job, too; it starts the workers' jobs from there."""
    begun_from = None if warm_start is None else run_key(warm_start)
    search = Search(
        str(script.resolve()),
        store,
        where.settings,
        experiment,
        seed,
        generations,
        reuse,
        begun_from,
    )
    workers = _workers_queue(search)
    own = {"walltime": driver_walltime, "memory": driver_memory, "queue": driver_queue}
    driver = _drivers_queue(
        workers, {**where.driver, **{key: value for key, value in own.items() if value is not None}}
    )
    if dry_run:
        raise typer.Exit(_try(workers, driver))
    _require(workers, driver)
    number, folder = _submit(search, driver, resubmit, tries, None if resumed is None else run_key(resumed))
    typer.echo(f"submitted to {driver.system} as job {number}; what it prints, and its plan: {folder}")


@app.command(hidden=True)
def drive(plan: Path) -> None:
    """What the job of a driver runs."""
    from l2l.cli.driver import drive as run_plan

    raise typer.Exit(run_plan(plan))


def _workers_queue(search: Search) -> JobQueue:
    """The job queue of the options or, without, of the script's runner.

    Loads the script in any case: what is wrong in it is told now, not by a job.
    """
    from l2l import runners
    from l2l.runners.submission import require_files

    loaded = search.load()
    runner = runners.create(loaded.runner if search.runner is None else search.runner)
    queue: JobQueue | None = getattr(runner, "queue", None)
    if queue is None:
        raise RunnerError(
            f"a driver is submitted to a job queue, but the runner is {runner.describe()['runner']!r}: "
            f"add --runner ({SYSTEMS}) or --profile NAME"
        )
    require_files(queue)
    return queue


def _drivers_queue(workers: JobQueue, own: dict[str, Any]) -> JobQueue:
    """The resources of the driver's job: one core, no GPU, and otherwise what the workers' jobs have."""
    modest: dict[str, Any] = {
        "name": "l2l-driver",
        "jobs": None,
        "minimum_jobs": None,
        "maximum_jobs": None,
        "workers_per_job": None,
        "threads_per_worker": 1,
        "gpus_per_job": 0,
        "memory": "4GB",
        "directives": (),
        "resource_spec": None,
        "drain": None,
        "interface": None,
        "python": sys.executable,
    }
    try:
        return dataclasses.replace(workers, **{**modest, **own})
    except RunnerError as error:
        raise RunnerError(f"the driver's job: {error}") from None


def _here(workers: JobQueue) -> JobQueue:
    """For a check on this host: the scheduler, and its interface, will be on another."""
    return dataclasses.replace(workers, interface=None)


def _require(workers: JobQueue, driver: JobQueue) -> None:
    problems = list(dict.fromkeys([*driver.check(), *_here(workers).check()]))
    if problems:
        raise RunnerError(f"nothing was submitted: {'; '.join(problems)}")


def _try(workers: JobQueue, driver: JobQueue) -> int:
    """Print both scripts and what is wrong with them; returns the exit status."""
    from l2l.cli.driver import command_of
    from l2l.runners.preflight import remarks_of
    from l2l.runners.submission import driver_script

    folder = Path(driver.folder).absolute() / "<driver>"
    typer.echo("# --- the driver's job\n")
    typer.echo(driver_script(driver, command_of(driver.python, folder / "plan.json"), str(folder)))
    least, most = workers.bounds
    typer.echo(f"# --- each of the workers' jobs, {least if least == most else f'{least} to {most}'} of them\n")
    typer.echo(workers.job_script())
    found = 0
    for what, queue in (("driver", driver), ("workers", _here(workers))):
        problems = [*queue.check(), *remarks_of(queue)]
        found += len(problems)
        for line in problems or ["the job can be submitted"]:
            typer.echo(f"{what}: {line}", err=bool(problems))
    typer.echo("nothing was submitted")
    return 1 if found else 0


def _submit(search: Search, driver: JobQueue, resubmit: bool, tries: int, run: int | str | None) -> tuple[str, Path]:
    from l2l.cli.driver import Plan, hand_on

    parent = Path(driver.folder).absolute()
    parent.mkdir(parents=True, exist_ok=True)
    # This user's alone: the address of a database may hold a password.
    folder = Path(tempfile.mkdtemp(prefix=time.strftime("driver-%Y%m%d-%H%M%S-"), dir=parent))
    plan = Plan(
        search=search.as_json(),
        queue=driver.as_json(),
        directory=str(Path.cwd()),
        store=os.environ.get("L2L_STORE"),
        seconds=driver.walltime_seconds - driver.drain_seconds,
        resubmit=resubmit,
        tries=tries,
        run=run,
    )
    plan.write(folder / "plan.json")
    return hand_on(plan, folder / "plan.json"), folder
