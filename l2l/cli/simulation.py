"""`l2l models` and `l2l simulate`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2l.cli.data import load_dataset
from l2l.cli.options import JsonOption, app
from l2l.cli.tables import show_rows
from l2l.errors import L2LError, SimulationError

if TYPE_CHECKING:
    from l2l.simulator.result import Result


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
    show_rows(rows, as_json, "no models")


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model; `l2l models` lists them.")],
    connectome: Annotated[
        str,
        typer.Option(metavar="DATASET|FILE", help="tvb-76, dk-average, synthetic:68 ..., or .npz, .csv, .zip, .mat."),
    ],
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A parameter. NAME=a,b,c or NAME=low:high:n sweep it; several sweeps give every combination.",
        ),
    ] = None,
    duration: Annotated[str, typer.Option(help='Simulated time: "10s", "5 min"; a plain number is seconds.')] = "10s",
    dt: Annotated[float, typer.Option(help="Integration step, ms.")] = 0.1,
    speed: Annotated[float | None, typer.Option(help="Conduction speed, mm/ms. Default: no delays.")] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[STATE=]SIGMA",
            help="Each step adds sigma sqrt(dt) z, dt in ms, to all states or the one named. "
            "SIGMA,tau=5ms is coloured; SIGMA,factor=0.1*V multiplies.",
        ),
    ] = None,
    stimulus: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE:KIND,...",
            help="Added to a state's derivative: V:step,amplitude=1,onset=2s,end=3s; V:pulses,width=10,period=500; "
            "V:sinusoid,frequency=10 (Hz); V:series,file=FILE (a column a step). nodes=0,3 or labels: there only.",
        ),
    ] = None,
    coupling: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[INPUT=]NAME",
            help="Linear, Difference, Kuramoto ...; --set coupling.a=... sets its parameters. Default: the model's.",
        ),
    ] = None,
    per_stage: Annotated[
        bool, typer.Option("--coupling-per-stage", help="Take the coupling at each stage, not once a step.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Simulation i of a sweep has the number seed + i.")] = 0,
    monitor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:PERIOD,...",
            help="raw, subsample, average, global, bold; spatial,groups=FILE|hemispheres; eeg|meg|seeg,gain=FILE. "
            "Then variables=, name=, reference=, sensors=; drive=, skip= (bold). Default: raw:1ms.",
        ),
    ] = None,
    normalise: Annotated[
        str | None,
        typer.Option(help="Scale the weights by: max, mean, rows, strength, spectral. Default: not at all."),
    ] = None,
    lengths: Annotated[
        str | None, typer.Option(help="Tract lengths (mm): a second .csv, or a variable of the .mat.")
    ] = None,
    integrator: Annotated[str, typer.Option(help="euler, heun or rk4.")] = "heun",
    backend: Annotated[str, typer.Option(help="auto, cpu, cuda, or reference (float64, slow).")] = "auto",
    precision: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    threads: Annotated[int | None, typer.Option(min=1, help="Default: one for each core.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.npz", help="Write what the monitors kept.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw what the first monitor kept.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a model on a connectome, once or for every combination of parameters."""
    import time

    import numpy as np

    from l2l.cli import specifications
    from l2l.duration import seconds
    from l2l.simulator import models, monitors
    from l2l.simulator import simulate as run_simulations

    # Everything that can be refused is refused before anything is simulated.
    model = models.get(name)
    swept = specifications.sweep(values or [])
    if not (math.isfinite(dt) and dt > 0):
        raise SimulationError(f"dt > 0 must hold, but got dt = {dt!r} ms")
    every = max(1, round(1 / dt)) * dt  # 1 ms, or what is nearest to it
    if out is not None and (out.suffix != ".npz" or not out.resolve().parent.is_dir()):
        raise L2LError(f"--out must be a file that ends in .npz, in a folder that exists, but got {str(out)!r}")
    if plot is not None:
        from l2l.plots.canvas import checked_file, require

        require()
        checked_file(plot)
    network = load_dataset(connectome, lengths).connectome
    if normalise is not None:
        network = network.normalised(normalise)  # type: ignore[arg-type] # an unknown one is refused there
    given = [specifications.monitor(text, network) for text in monitor or [f"raw:{every:.12g}ms"]]
    driving = [specifications.stimulus(text, network) for text in stimulus or []]
    random = specifications.noise(noise or [])
    couplings = specifications.coupling(coupling or [])

    # The table needs the states: where no monitor keeps them all, a coarse one does, beside those asked for.
    duration_ms = seconds(duration) * 1e3
    steps = max(1, round(duration_ms / dt))
    whole = (each for each in given if isinstance(each, monitors.Raw | monitors.SubSample) and not each.variables)
    states = next((each.name for each in whole), None)
    kept = list(given)
    if states is None:
        states = "_states"
        kept.append(monitors.SubSample(name=states, period=max(1, steps // 1000) * dt))
    start = time.perf_counter()
    with _bar(f"{model.name}, {network.n_nodes} regions, {duration_ms / 1e3:g} s") as progress:
        result = run_simulations(
            model, network, duration=duration_ms, dt=dt, parameters=swept, integrator=integrator, speed=speed,
            seed=seed, noise=random, monitors=kept, backend=backend, precision=precision, threads=threads,
            progress=progress, stimulus=driving, coupling=couplings, coupling_per_stage=per_stage,
        )  # fmt: skip
    elapsed = time.perf_counter() - start

    rows = _summaries(result, states, swept)
    rate = len(rows) * network.n_nodes * steps / elapsed
    if out is not None:
        arrays: dict[str, Any] = {}
        for each in given:
            arrays |= {each.name: result.array(each.name), f"{each.name}_time_ms": result.times[each.name]}
            arrays |= {f"{each.name}_variables": np.array(result.variables[each.name], dtype=str)}
            axis, names = result.axes[each.name]
            if names is not None:
                arrays[f"{each.name}_{axis}"] = np.array(names)
        arrays |= {f"parameter_{key}": np.broadcast_to(np.ravel(value), len(rows)) for key, value in swept.items()}
        arrays |= {"diverged_at": result.status.diverged_at, "labels": np.array(network.labels)}
        try:
            np.savez_compressed(out, **arrays)
        except OSError as error:
            raise L2LError(f"{out} cannot be written: {error}") from error
    if plot is not None:
        from l2l import plots

        labels = [", ".join(f"{key} = {row[key]:g}" for key in swept if np.size(swept[key]) > 1) for row in rows]
        figure = plots.result(result, given[0].name, labels=labels, model=model)
        plots.save(figure, plot)
    if as_json:
        told = {"model": model.name, "connectome": network.name, "regions": network.n_nodes, "duration_ms": duration_ms,
                "dt_ms": dt, "seconds": elapsed, "node_steps_per_second": rate, "simulations": rows}  # fmt: skip
        typer.echo(json.dumps(told))
        return
    show_rows(rows, False, "nothing was simulated")
    typer.echo(
        f"mean and sd over regions and time; {rate / 1e6:.3g} million node-steps/s "
        f"({elapsed:.2f} s, start and compilation included)"
    )
    for file in (out, plot):
        if file is not None:
            typer.echo(f"written: {file}")


def _summaries(result: Result, monitor: str, swept: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a simulation: what was set, how it ended, mean and sd of each state variable."""
    import numpy as np

    states, names = result.array(monitor), result.variables[monitor]
    rows = []
    for i, status in enumerate(result.status):
        row: dict[str, Any] = {"simulation": i}
        row |= {name: float(np.ravel(value)[i if np.size(value) > 1 else 0]) for name, value in swept.items()}
        row["status"] = status
        for v, name in enumerate(names):
            values = states[i, :, v].astype(np.float64)
            sound = status == "ok" and values.size > 0
            row |= {f"{name} mean": float(values.mean()) if sound else None}
            row |= {f"{name} sd": float(values.std()) if sound else None}
        rows.append(row)
    return rows


@contextmanager
def _bar(title: str) -> Iterator[Callable[[float], None] | None]:
    """A progress bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)
