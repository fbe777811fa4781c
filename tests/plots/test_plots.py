"""Pictures: what is drawn is what was recorded, without a window, and with clear refusals."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import l2l.plots
from l2l import CMAES, Categorical, Experiment, Integer, Real, Trajectory, plots
from l2l.datasets import synthetic
from l2l.errors import L2LError
from l2l.individual import Outcome
from l2l.simulator import monitors, simulate
from l2l.simulator.models import MontbrioPazoRoxin
from l2l.simulator.result import Result

REGIONS = 6


def wave(x: float, tau: float, rule: str, n: int) -> Outcome:
    if x > 2.8:
        raise ValueError("too far")
    matrix = np.full((REGIONS, REGIONS), 0.5, dtype=np.float32) + np.eye(REGIONS, dtype=np.float32) / 2
    return Outcome({"fit": -((x - 1) ** 2) - np.log10(tau) ** 2 - (rule == "b") - n / 10}, {}, {"fc": matrix})


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    from l2l import Objective

    experiment = Experiment(
        wave,
        CMAES(population=8),
        space={
            "x": Real(-3, 3, unit="mV"), "tau": Real(0.1, 100, log=True), "rule": Categorical(["a", "b"]),
            "n": Integer(1, 3),
        },
        objectives=[Objective("fit", maximize=True)],
        generations=4,
        runner="serial",
        seed=1,
    )  # fmt: skip
    store = tmp_path_factory.mktemp("plots") / "l2l.db"
    experiment.run(store=store)
    return Trajectory.open(store)


@pytest.fixture(scope="module")
def result() -> Result:
    return simulate(
        MontbrioPazoRoxin, synthetic(REGIONS).connectome, duration=20.0, dt=0.1, parameters={"eta": [[-5.0], [-4.0]]},
        monitors=[monitors.Raw(period=1.0), monitors.Bold(tr=10.0)], seed=1, backend="reference",
    )  # fmt: skip


def lines(figure: object) -> list[np.ndarray]:
    return [line.get_ydata() for ax in figure.axes for line in ax.lines]  # type: ignore[attr-defined]


def test_series_draws_the_recorded_values_with_their_units(result: Result) -> None:
    figure = plots.series(result, "raw", simulation=1, nodes=[2, "R.00"], model=MontbrioPazoRoxin)
    raw = result.array("raw")[1]
    drawn = lines(figure)
    for line, (variable, node) in zip(drawn, [(0, 2), (0, 3), (1, 2), (1, 3)], strict=True):
        assert np.array_equal(line, raw[:, variable, node])
    assert [ax.get_ylabel() for ax in figure.axes] == ["r (1/ms)", "V (mV)"]
    assert figure.axes[-1].get_xlabel() == "time (ms)"


def test_an_ensemble_gets_a_column_each(result: Result) -> None:
    figure = plots.result(result, "bold", labels=["eta = -5", "eta = -4"])
    assert [ax.get_title() for ax in figure.axes] == ["eta = -5", "eta = -4"]
    assert figure.axes[0].get_ylabel() == "BOLD"


def test_means_and_groups_are_drawn_as_such() -> None:
    groups = ("a", "a", "b", "b", "b", "a")
    result = simulate(
        MontbrioPazoRoxin, synthetic(REGIONS).connectome, duration=5.0, dt=0.1, backend="reference",
        monitors=[monitors.GlobalAverage(period=1.0), monitors.SpatialAverage(period=1.0, groups=groups)],
    )  # fmt: skip
    drawn = lines(plots.series(result, "global"))
    assert np.array_equal(drawn, result.array("global")[0].T)
    figure = plots.series(result, "spatial", nodes=["b"])
    assert np.array_equal(lines(figure), result.array("spatial")[0, :, :, 1].T)
    assert figure.axes[0].get_legend().get_title().get_text() == "group"


def test_history_draws_best_and_median(trajectory: Trajectory) -> None:
    figure = plots.history(trajectory)
    table = trajectory.generations()
    best, median = lines(figure)
    assert np.array_equal(best, table["fit_max"].cummax())
    assert np.array_equal(median, table["fit_median"])
    assert "fit" in figure.axes[0].get_ylabel()


def test_fitness_draws_every_good_individual_of_each_parameter(trajectory: Trajectory) -> None:
    figure = plots.fitness(trajectory)
    table = trajectory.individuals()
    good = table[table["status"] == "ok"]
    panels = [ax for ax in figure.axes if ax.get_xlabel()]
    assert [ax.get_xlabel() for ax in panels] == ["x (mV)", "tau", "rule", "n"]
    assert [ax.get_xscale() for ax in panels] == ["linear", "log", "linear", "linear"]
    offsets = panels[0].collections[0].get_offsets()
    assert np.array_equal(offsets, good[["x", "fit"]].to_numpy())
    (ring,) = panels[0].lines
    assert ring.get_ydata()[0] == trajectory.best(1)["fit"][0]
    assert [text.get_text() for text in panels[2].get_xticklabels()] == ["a", "b"]


def test_parameters_are_coloured_by_fitness(trajectory: Trajectory) -> None:
    figure = plots.parameters(trajectory, "tau", "x")
    dots = figure.axes[0].collections[0]
    table = trajectory.individuals()
    assert sorted(dots.get_array()) == sorted(table.loc[table["status"] == "ok", "fit"])
    with pytest.raises(L2LError, match="did you mean 'tau'"):
        plots.parameters(trajectory, "tao")


def test_fit_puts_simulated_beside_measured_fc(trajectory: Trajectory, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    measured = np.corrcoef(rng.standard_normal((REGIONS, 30)))
    figure = plots.fit(trajectory, measured)
    titles = [ax.get_title() for ax in figure.axes]
    assert "empirical FC" in titles
    shown = figure.axes[titles.index("empirical FC")].images[0].get_array()
    apart = ~np.eye(REGIONS, dtype=bool)
    assert np.array_equal(np.asarray(shown)[apart], measured[apart])
    for name in ("fit.png", "fit.pdf", "fit.svg"):
        assert plots.save(figure, tmp_path / name).stat().st_size > 1000
    alone = [ax.get_title() for ax in plots.fit(trajectory).axes]
    assert "simulated FC" in alone
    assert "empirical FC" not in alone


def test_a_connectome_is_drawn_with_its_labels() -> None:
    connectome = synthetic(REGIONS).connectome
    figure = plots.connectome(connectome)
    drawn = figure.axes[0].images[0].get_array()
    assert np.array_equal(np.ma.filled(drawn, 0.0), connectome.weights)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(connectome.labels)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda result: plots.series(result, "rawr"), "did you mean 'raw'"),
        (lambda result: plots.series(result, simulation=2), "0 <= simulation < 2"),
        (lambda result: plots.series(result, nodes=["L.0"]), "no region is called 'L.0'"),
        (lambda result: plots.series(result, nodes=[6]), "0 <= region < 6"),
        (lambda _: plots.fc(np.eye(4), np.eye(5)), "same regions"),
        (lambda _: plots.fc(np.zeros((4, 5))), r"\(node, node\)"),
        (lambda _: plots.save(plots.fc(np.eye(4)), "x.gif"), "must end in one of .png"),
        (lambda _: plots.save(plots.fc(np.eye(4)), "nowhere/x.png"), "make it first"),
    ],
)
def test_what_cannot_be_drawn_is_refused(result: Result, draw, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(L2LError, match=message):
        draw(result)


def test_without_matplotlib_the_remedy_is_named() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from l2l import plots\nfrom l2l.errors import L2LError\n"
        "try: plots.fc([[1, 0, 0], [0, 1, 0], [0, 0, 1]])\n"
        "except L2LError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'l2l[plots]'" in done.stdout


def test_no_window_system_is_touched() -> None:
    code = (
        "import sys; from l2l import plots\n"
        "plots.fc([[1, 0, 0], [0, 1, 0], [0, 0, 1]])\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_only_the_command_line_imports_plots() -> None:
    package = Path(l2l.plots.__file__).parents[1]
    importers = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{each.name}" for each in node.names)]
            elif isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            if any(name == "l2l.plots" or name.startswith("l2l.plots.") for name in names):
                importers.add(file.relative_to(package).parts[0].removesuffix(".py"))
    assert importers == {"cli", "plots"}
