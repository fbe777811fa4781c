"""How a search went: fitness over generations, and which parameters gave which fitness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import StoreError, nearest
from l2l.plots.canvas import COLOURS, QUIET, SEQUENTIAL, colour_bar, name_axes, new_figure, one_axes, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from l2l.trajectory import Trajectory

MOST_PARAMETERS = 8


def history(trajectory: Trajectory, *, ax: Axes | None = None) -> Figure:
    """Best and median fitness of each generation, the best so far, and the baselines of the optimizee."""
    from matplotlib.ticker import MaxNLocator

    figure, ax = one_axes(ax)
    objective = trajectory.objectives[0]
    table = trajectory.generations()
    if not len(table) or not table["evaluated"].any():
        raise StoreError(f"run {trajectory.run.id} has no evaluation yet: there is nothing to draw")
    number, name = table["number"], objective.name
    best = table[f"{name}_max" if objective.maximize else f"{name}_min"]
    so_far = best.cummax() if objective.maximize else best.cummin()
    worst = table[f"{name}_min" if objective.maximize else f"{name}_max"]
    ax.fill_between(number, worst, best, color=COLOURS[4], alpha=0.25, lw=0, label="range of the generation")
    ax.plot(number, so_far, color=COLOURS[0], lw=1.8, label="best so far")
    ax.plot(number, table[f"{name}_median"], "s-", color=COLOURS[1], lw=1, ms=2.5, label="median of the generation")
    for style, (what, value) in zip(("--", ":", "-."), _baselines(trajectory), strict=False):
        ax.axhline(value, color=QUIET, lw=0.9, ls=style, label=f"{what}: {value:.2f}")
    better = "more is better" if objective.maximize else "less is better"
    name_axes(ax, "generation", f"{name} ({better})", f"run {trajectory.run.id}: {trajectory.run.name}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not objective.maximize and float(so_far.min()) > 0 and float(worst.max()) > 1e3 * float(so_far.min()):
        ax.set_yscale("log")
    ax.legend(fontsize=7, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return figure


def fitness(trajectory: Trajectory, *, axes: Any = None) -> Figure:
    """Fitness against each parameter, an individual a dot, coloured by generation; the best is ringed.

    Up to eight parameters (a value of a regional one counts as one); axes: one a parameter.
    """
    from matplotlib.ticker import MaxNLocator

    table, names = _evaluated(trajectory)
    names = names[:MOST_PARAMETERS]
    if axes is None:
        columns = min(4, len(names))
        rows = -(-len(names) // columns)
        figure = new_figure(0.8 + 2.1 * columns, 2.3 * rows)
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for ax in grid.flat[len(names) :]:
            ax.set_visible(False)
        axes = list(grid.flat[: len(names)])
    else:
        axes = list(np.atleast_1d(axes))
        figure = one_axes(axes[0])[0]
    objective = trajectory.objectives[0]
    place = int(table["loss"].to_numpy(dtype=np.float64).argmin())
    low, high = _robust_limits(table[objective.name].to_numpy(dtype=np.float64), objective.maximize)
    dots = None
    for i, (ax, name) in enumerate(zip(axes, names, strict=False)):
        tidy(ax)
        values, ticks = _numbers(table[name])
        dots = ax.scatter(
            values, table[objective.name], c=table["generation"], cmap=SEQUENTIAL, s=6, alpha=0.8, linewidths=0
        )
        ringed = table[objective.name].iloc[place]
        ax.plot(values[place], ringed, "o", ms=8, mfc="none", mec=COLOURS[1], mew=1.4)
        _axis(ax, "x", trajectory, name, ticks)
        if i == 0:
            name_axes(ax, y=objective.name)
        if low < high:
            ax.set_ylim(low, high)
    if dots is not None:
        bar = colour_bar(figure, dots, axes, "generation", shrink=0.9, aspect=12)
        bar.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def parameters(trajectory: Trajectory, x: str | None = None, y: str | None = None, *, ax: Axes | None = None) -> Figure:
    """Two parameters against each other, an individual a dot, coloured by fitness; the best is ringed.

    x, y: columns of `Trajectory.individuals`; by default the first two.
    """
    table, names = _evaluated(trajectory)
    if len(names) < 2:
        raise StoreError(f"two parameters are needed, but run {trajectory.run.id} has {names}: use plots.fitness")
    chosen = [x or names[0], y or next(name for name in names if name != (x or names[0]))]
    for name in chosen:
        if name not in names:
            raise StoreError(f"run {trajectory.run.id} has no parameter {name!r}; {nearest(name, names)}")
    figure, ax = one_axes(ax, 4.8, 3.8)
    objective = trajectory.objectives[0]
    # The best are drawn last, on top.
    table = table.sort_values("loss", ascending=False)
    (along, ticks_x), (up, ticks_y) = (_numbers(table[name]) for name in chosen)
    values = table[objective.name].to_numpy(dtype=np.float64)
    low, high = _robust_limits(values, objective.maximize)
    cmap = SEQUENTIAL if objective.maximize else f"{SEQUENTIAL}_r"
    dots = ax.scatter(along, up, c=values, cmap=cmap, vmin=low, vmax=high, s=12, alpha=0.9, linewidths=0)
    ax.plot(along[-1], up[-1], "o", ms=10, mfc="none", mec=COLOURS[1], mew=1.5)
    _axis(ax, "x", trajectory, chosen[0], ticks_x)
    _axis(ax, "y", trajectory, chosen[1], ticks_y)
    colour_bar(figure, dots, [ax], objective.name)
    return figure


def parameter_names(trajectory: Trajectory, table: pd.DataFrame) -> list[str]:
    """The columns of `table` that hold parameters."""
    found = []
    for name in trajectory.run.space:
        found += [column for column in table.columns if column == name or str(column).startswith(f"{name}[")]
        if not found or not (found[-1] == name or found[-1].startswith(f"{name}[")):
            found += [column for column in table.columns if column == f"parameters.{name}"]
    return list(dict.fromkeys(str(name) for name in found))


def _evaluated(trajectory: Trajectory) -> tuple[pd.DataFrame, list[str]]:
    """The individuals that ended well, with their loss, and the columns of the parameters."""
    table = trajectory.individuals()
    objective = trajectory.objectives[0]
    if "loss" not in table:
        table["loss"] = -table[objective.name] if objective.maximize else table[objective.name]
    table = table[table["status"].eq("ok")].reset_index(drop=True)
    if table.empty:
        raise StoreError(f"run {trajectory.run.id} has no evaluation that ended ok: there is nothing to draw")
    return table, parameter_names(trajectory, table)


def _numbers(column: pd.Series[Any]) -> tuple[NDArray[np.float64], list[str] | None]:
    """Values to be drawn; for categories their places, and their names."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.to_numpy(dtype=np.float64), None
    codes, names = pd.factorize(column.map(str), sort=True)
    return codes.astype(np.float64), [str(name) for name in names]


def _axis(ax: Axes, which: str, trajectory: Trajectory, name: str, ticks: list[str] | None) -> None:
    """Name, unit, scale and range of a parameter."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    described = trajectory.run.space.get(name.removeprefix("parameters.").split("[")[0], {})
    unit = described.get("unit")
    name_axes(ax, **{which: f"{name} ({unit})" if unit else name})
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log" if described.get("log") else "linear")
    if ticks is not None:
        axis.set_ticks(range(len(ticks)), ticks, fontsize=7)
    elif {"low", "high"} <= described.keys():
        low, high = float(described["low"]), float(described["high"])
        # A little beyond the ends: many individuals lie on them.
        if described.get("log"):
            margin = (high / low) ** 0.03
            limits = (low / margin, high * margin)
            # Powers of ten name a wide range; within a narrow one they would be too few.
            axis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 1e3 else (1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        else:
            margin = 0.03 * (high - low)
            limits = (low - margin, high + margin)
        (ax.set_xlim if which == "x" else ax.set_ylim)(limits)


def _robust_limits(values: NDArray[np.float64], maximize: bool) -> tuple[float, float]:
    """From the best value to the bulk of the bad ones: a single terrible individual must not flatten the rest."""
    good, bad = (values.max(), values.min()) if maximize else (values.min(), values.max())
    bulk = float(np.quantile(values, 0.02 if maximize else 0.9))
    if abs(bad - good) > 3 * abs(bulk - good) > 0:
        bad = bulk
    low, high = (float(bad), float(good)) if maximize else (float(good), float(bad))
    margin = 0.07 * (high - low)  # room for the ring around the best
    return low - margin, high + margin


def _baselines(trajectory: Trajectory) -> list[tuple[str, float]]:
    """Name and value, best first; the settings in brackets are left to the tables."""
    known = trajectory.run.summary.get("baselines", {})
    better = -1 if trajectory.objectives[0].maximize else 1
    pairs = [(str(name).split(" (")[0], float(value)) for name, value in known.items()]
    return sorted(pairs, key=lambda pair: better * pair[1])
