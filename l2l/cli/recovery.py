"""`l2l recover`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2l.cli.options import JsonOption, RunnerOption, StoreOption, app, named_values

if TYPE_CHECKING:
    from l2l.recovery import Recovered, Recovery


@app.command()
def recover(
    script: Annotated[
        Path, typer.Argument(metavar="SCRIPT", help="A Python script that builds an Experiment over a BrainNetwork.")
    ],
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="NAME=VALUE", help="A hidden value; those not given are drawn by the seed."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of hidden values, noise and search. [default: the script's]")
    ] = None,
    generations: Annotated[int | None, typer.Option(min=1, help="Another number than the script's.")] = None,
    replicates: Annotated[int, typer.Option(min=2, help="Evaluations of each point, with fresh noise.")] = 8,
    points: Annotated[int, typer.Option(min=1, help="Of a profile, on either side of the optimum.")] = 6,
    store: StoreOption = None,
    runner: RunnerOption = None,
    experiment: Annotated[str | None, typer.Option(help="Which experiment, if the script holds several.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the profiles: .png, .pdf or .svg.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate at hidden parameters, fit that, and tell how well each parameter comes back."""
    from l2l.recovery import recover as recovered
    from l2l.script import load_experiment

    if plot is not None:
        from l2l.plots.canvas import checked_file, require

        require()
        checked_file(plot)
    loaded = load_experiment(script, experiment)
    if generations is not None:
        loaded.generations = generations
    recovery = recovered(
        loaded,
        at=named_values(at or []),
        seed=seed,
        replicates=replicates,
        points=points,
        store=store,
        runner=runner,
        quiet=as_json,
        script=script.resolve(),
    )
    if plot is not None:
        from l2l import plots

        plots.save(plots.recovery(recovery), plot)
    if as_json:
        typer.echo(json.dumps(recovery.as_json()))
        return
    _show(recovery)
    if plot is not None:
        typer.echo(f"written: {plot}")


def _show(recovery: Recovery) -> None:
    import pandas as pd

    from l2l.report import print_frame

    print_frame(pd.DataFrame([_row(each) for each in recovery.parameters]))
    better = ">" if recovery.maximize else "<"
    typer.echo(
        f"{recovery.objective}: found {recovery.fitness_found:.4g}, hidden {recovery.fitness_hidden:.4g} "
        f"({better} is better), noise of one evaluation {recovery.noise:.2g}; {recovery.replicates} replicates"
    )
    typer.echo(
        "within noise: values that fit as well as the optimum while the others stay as they are; share: of the range, "
        "and where the others move along"
    )
    if not recovery.reached:
        typer.echo(
            "the search has not reached the fit of the hidden parameters: errors tell of the search. Search longer "
            "(--generations)"
        )
    if recovery.misled:
        typer.echo(
            "the optimum fits better than the hidden parameters, by more than the noise: the simulated target is too "
            "short, or the objective too coarse, to tell them"
        )
    unknown = [
        each.name for each in recovery.parameters if each.verdict in ("not identifiable", "compensated", "misled")
    ]
    if unknown:
        typer.echo(f"this fit does not tell {', '.join(unknown)}")
    typer.echo(f"runs {recovery.fit_run} (search) and {recovery.profile_run} (profiles) of {recovery.store}")


def _row(each: Recovered) -> dict[str, Any]:
    inside = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in each.within]
    return {
        "parameter": each.name + (f" ({each.unit})" if each.unit else ""),
        "hidden": each.hidden,
        "found": each.found,
        "error": each.error,
        "of range": f"{each.relative:.1%}",
        "within noise": " … ".join(inside) if each.error is not None else ", ".join(inside),
        "share": f"{each.width:.1%}",
        "others free": f"{each.free_width:.1%}" if each.free_width == each.free_width else "-",
        "curvature": each.curvature,
        "verdict": str(each.verdict),
    }
