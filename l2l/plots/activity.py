"""What a simulation did: states or BOLD over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest
from l2l.plots.canvas import COLOURS, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from l2l.simulator.model import Model
    from l2l.simulator.result import Result

MOST_POINTS = 4000  # a line: more than the pixels that show it


def series(
    result: Result,
    monitor: str | None = None,
    *,
    simulation: int = 0,
    nodes: Sequence[int | str] | None = None,
    model: Model | None = None,
) -> Figure:
    """What one monitor kept of one simulation, a panel a variable, a line a node.

    monitor: its name; None: the first. nodes: numbers or labels; None: five, evenly spread. model: gives the axes
    their units.
    """
    monitor = next(iter(result)) if monitor is None else monitor
    values, variables = _values(result, monitor, simulation)
    chosen = _nodes(result, monitor, values.shape[-1], nodes)
    units = _units(model)
    figure = new_figure(7.0, 0.8 + 1.5 * len(variables))
    axes = figure.subplots(len(variables), 1, sharex=True, squeeze=False)[:, 0]
    times, unit = _in_readable_unit(result.times[monitor])
    every = max(1, -(-len(times) // MOST_POINTS))
    for ax, name, index in zip(axes, variables, range(len(variables)), strict=True):
        tidy(ax)
        for place, (node, label) in enumerate(chosen):
            dashed = place >= len(COLOURS)
            ax.plot(times[::every], values[::every, index, node], "--" if dashed else "-", lw=0.8, label=label,
                    color=COLOURS[place % len(COLOURS)])  # fmt: skip
        ax.set_ylabel(f"{name} ({units[name]})" if units.get(name) else name, fontsize=9)
    if unit:
        axes[-1].set_xlabel(f"time ({unit})", fontsize=9)
    _legend(axes[0], result, monitor)
    title = f"simulation {simulation}" + ("" if every == 1 else f", every {every}th sample")
    if result.status[simulation] != "ok":
        title += f" ({result.status[simulation]})"
    axes[0].set_title(title, fontsize=9, loc="left")
    return figure


def result(
    result: Result, monitor: str | None = None, *, labels: Sequence[str] | None = None, model: Model | None = None
) -> Figure:
    """One monitor of up to six simulations of an ensemble: a column each, a row a variable; for one, as `series`.

    labels: what to write above each simulation of the ensemble, its parameters say.
    """
    count = len(result.status)
    if count == 1:
        return series(result, monitor, model=model)
    monitor = next(iter(result)) if monitor is None else monitor
    shown = np.unique(np.linspace(0, count - 1, min(count, 6)).round().astype(int))
    variables = _values(result, monitor, 0)[1]
    units = _units(model)
    figure = new_figure(1.2 + 2.1 * len(shown), 0.9 + 1.5 * len(variables))
    axes = figure.subplots(len(variables), len(shown), sharex=True, sharey="row", squeeze=False)
    times, unit = _in_readable_unit(result.times[monitor])
    every = max(1, -(-len(times) // MOST_POINTS))
    for column, simulation in enumerate(shown):
        values = _values(result, monitor, int(simulation))[0]
        for row, name in enumerate(variables):
            ax = tidy(axes[row, column])
            for place, (node, label) in enumerate(_nodes(result, monitor, values.shape[-1], None)):
                ax.plot(times[::every], values[::every, row, node], lw=0.6, color=COLOURS[place], label=label)
            if column == 0:
                ax.set_ylabel(f"{name} ({units[name]})" if units.get(name) else name, fontsize=9)
        title = f"simulation {simulation}" if labels is None else labels[simulation]
        if result.status[int(simulation)] != "ok":
            title += f"\n{result.status[int(simulation)]}"
        axes[0, column].set_title(title, fontsize=8)
        axes[-1, column].set_xlabel(f"time ({unit})", fontsize=9)
    _legend(axes[0, -1], result, monitor)
    return figure


def _values(result: Result, monitor: str, simulation: int) -> tuple[NDArray[np.floating], tuple[str, ...]]:
    """(time, variable, node), and the names of the variables."""
    array = result.array(monitor)
    if not 0 <= simulation < len(array):
        raise SimulationError(f"0 <= simulation < {len(array)} must hold, but got {simulation}")
    values = array[simulation]
    if not len(values):
        raise SimulationError(f"monitor {monitor!r} kept no sample: simulate longer, or keep more often")
    if not _axis(result, monitor)[0]:
        values = values[..., None]
    if not result.variables[monitor]:
        return values[:, None], (monitor.upper() if monitor == "bold" else monitor,)
    return values, tuple(result.variables[monitor])


def _axis(result: Result, monitor: str) -> tuple[str, tuple[str, ...] | None]:
    """What the lines of a monitor are, "region", "group" or "sensor" ("" for one line), and their names if known."""
    kind, labels = result.axes.get(monitor, ("node", None))
    if kind == "node":
        return "region", result.labels
    return kind, None if labels is None else tuple(map(str, labels))


def _legend(ax: Axes, result: Result, monitor: str) -> None:
    """The names of the lines, beside the panel."""
    ax.legend(
        title=_axis(result, monitor)[0] or "regions", fontsize=7, title_fontsize=7, frameon=False, loc="upper left",
        bbox_to_anchor=(1, 1),
    )  # fmt: skip


def _units(model: Model | None) -> dict[str, str]:
    """The unit of each state variable; none for those without a dimension."""
    return {} if model is None else {state.name: state.unit for state in model.states if state.unit != "1"}


def _nodes(result: Result, monitor: str, count: int, asked: Sequence[int | str] | None) -> list[tuple[int, str]]:
    kind, labels = _axis(result, monitor)
    names = [str(i) for i in range(count)] if labels is None or len(labels) != count else list(labels)
    if not kind:
        return [(0, "mean")]
    if asked is None:
        return [(int(i), names[i]) for i in np.unique(np.linspace(0, count - 1, min(5, count)).round().astype(int))]
    chosen = []
    for node in asked:
        if isinstance(node, str):
            if node not in names:
                raise SimulationError(f"no {kind} is called {node!r}; {nearest(node, names)}")
            chosen.append((names.index(node), node))
        elif 0 <= node < count:
            chosen.append((int(node), names[node]))
        else:
            raise SimulationError(f"0 <= {kind} < {count} must hold, but got {node}")
    return chosen


def _in_readable_unit(times: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
    """Times in ms, or in s where they are long."""
    return (times / 1e3, "s") if len(times) and times[-1] >= 5000 else (times, "ms")
