"""`l2l run` and `l2l resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l2l.cli.options import RunArgument, RunnerOption, StoreOption, app, run_key
from l2l.errors import ScriptError


@app.command()
def run(
    script: Annotated[Path, typer.Argument(metavar="SCRIPT", help="A Python script that builds an Experiment.")],
    store: StoreOption = None,
    runner: RunnerOption = None,
    experiment: Annotated[str | None, typer.Option(help="Which experiment, if the script holds several.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the script's.")] = None,
    generations: Annotated[int | None, typer.Option(min=1, help="Another number than the script's.")] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Take evaluations of the same optimizee, parameters and seed from the past.")
    ] = False,
    warm_start: Annotated[
        str | None, typer.Option(metavar="RUN", help="Begin from the best individuals of this run.")
    ] = None,
) -> None:
    """Run the experiment in a script, and record everything."""
    from l2l.progress import observer_for
    from l2l.script import load_experiment

    loaded = load_experiment(script, experiment)
    if seed is not None:
        loaded.seed = seed
    if generations is not None:
        loaded.generations = generations
    if reuse:
        loaded.reuse = True
    if warm_start is not None:
        loaded.warm_start = run_key(warm_start)
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
    from l2l.trajectory.subjects import whole_of

    with Store.open(store, read_only=True) as opened:
        record = opened.run(whole_of(opened.run(run_key(run))))  # of a subject: the whole cohort
    if record.status == "finished":
        typer.echo(f"run {record.id} is finished ({record.stop_reason}): nothing to resume")
        return
    recorded = record.provenance.get("script", {}).get("path")
    if script is None and recorded is None:
        raise ScriptError(f"run {record.id} was not started from a script: name one with --script PATH")
    loaded = load_experiment(script or recorded, experiment)
    loaded.seed = record.seed
    loaded.reuse = record.settings.get("reuse", False)
    loaded.warm_start = record.settings.get("warm_start")
    if loaded.generations is not None and record.settings.get("generations") is not None:
        loaded.generations = max(loaded.generations, record.settings["generations"])
    loaded.resume(record.id, store=store, runner=runner, observer=observer_for())
