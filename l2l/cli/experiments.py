"""`l2l run` and `l2l resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l2l.cli.cluster import Chosen, with_runner
from l2l.cli.options import RunArgument, StoreOption, app, run_key
from l2l.cli.searches import Search

ScriptArgument = Annotated[Path, typer.Argument(metavar="SCRIPT", help="A Python script that builds an Experiment.")]
ExperimentOption = Annotated[str | None, typer.Option(help="Which experiment, if the script holds several.")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Another seed than the script's.")]
GenerationsOption = Annotated[int | None, typer.Option(min=1, help="Another number than the script's.")]
ReuseOption = Annotated[
    bool, typer.Option("--reuse", help="Take evaluations of the same optimizee, parameters and seed from the past.")
]
WarmStartOption = Annotated[
    str | None, typer.Option(metavar="RUN", help="Begin from the best individuals of this run.")
]


@app.command()
@with_runner
def run(
    script: ScriptArgument,
    where: Chosen,
    store: StoreOption = None,
    experiment: ExperimentOption = None,
    seed: SeedOption = None,
    generations: GenerationsOption = None,
    reuse: ReuseOption = False,
    warm_start: WarmStartOption = None,
) -> None:
    """Run the experiment in a script, and record everything."""
    from l2l.progress import observer_for

    begun_from = None if warm_start is None else run_key(warm_start)
    search = Search(str(script), store, where.settings, experiment, seed, generations, reuse, begun_from)
    search.begin(observer_for())


@app.command()
@with_runner
def resume(
    where: Chosen,
    run: RunArgument = "last",
    store: StoreOption = None,
    script: Annotated[Path | None, typer.Option(help="The script, if it is no longer where it was.")] = None,
    experiment: ExperimentOption = None,
) -> None:
    """Go on with an interrupted run, to the same bits as if it had never stopped."""
    from l2l.progress import observer_for

    search = Search(None if script is None else str(script), store, where.settings, experiment)
    search.go_on(run_key(run), observer_for())
