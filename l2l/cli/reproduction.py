"""`l2l reproduce`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from l2l.cli.options import JsonOption, RunArgument, RunnerOption, StoreOption, app, run_key


@app.command()
def reproduce(
    run: RunArgument,
    individual: Annotated[
        str | None, typer.Argument(metavar="[GENERATION/POSITION]", help="Such as 14/3. [default: the best]")
    ] = None,
    script: Annotated[Path | None, typer.Option(help="The script, if it is no longer where it was.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Which experiment, if the script holds several.")] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust-recorded-script", help="Execute the text in the database: only if you trust its maker."),
    ] = False,
    runner: RunnerOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run an individual again and compare it to the recorded bits. Exit status 1 if any differ.

    Your own file is run, after its hash was compared with the recorded one; never what the database holds.
    """
    from l2l.reproduce import reproduce as run_again
    from l2l.trajectory import Trajectory

    with Trajectory.open(store, run_key(run)) as trajectory:
        done = run_again(
            trajectory, individual, script=script, trust_recorded_script=trust, experiment=experiment, runner=runner
        )
    different = [comparison for comparison in done.comparisons if not comparison.same]
    if as_json:
        told = {
            "run": done.run,
            "individual": list(done.individual),
            "script": done.script,
            "script_state": done.script_state,
            "optimizee_same": done.optimizee_same,
            "versions": done.versions,
            "comparisons": [asdict(comparison) for comparison in done.comparisons],
            "same": done.same,
        }
        typer.echo(json.dumps(told))
        raise typer.Exit(0 if done.same else 1)
    import pandas as pd

    from l2l.report import print_frame

    generation, position = done.individual
    typer.echo(f"individual {generation}/{position} of run {done.run}; script {done.script}: {done.script_state}")
    if not done.optimizee_same:
        typer.echo("the optimizee is not the recorded one (its fingerprint differs): other bits are no surprise")
    for package, (then, now) in done.versions.items():
        typer.echo(f"{package} was {then}, and is {now}")
    rows = [asdict(comparison) for comparison in done.comparisons]
    print_frame(pd.DataFrame(rows))
    total = len(done.comparisons)
    typer.echo("every bit is the same" if done.same else f"{len(different)} of {total} differ")
    raise typer.Exit(0 if done.same else 1)
