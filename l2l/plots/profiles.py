"""Parameter recovery: how the fit changes along each parameter through its optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from l2l.plots.canvas import COLOURS, QUIET, name_axes, new_figure, tidy
from l2l.recovery.identifiability import NOISY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from l2l.recovery import Recovered, Recovery


def recovery(recovered: Recovery) -> Figure:
    """A panel for each parameter: the profile of the fitness, what lies within the noise, the hidden and found value.

    Vertical bars are standard deviations over replicates of the difference from the optimum with the same noise. The
    shaded band is the noise below the optimum; the title says what the fit tells of the parameter.
    """
    count = len(recovered.parameters)
    columns = min(4, count)
    rows = -(-count // columns)
    figure = new_figure(0.8 + 2.5 * columns, 0.4 + 2.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for ax in grid.flat[count:]:
        ax.set_visible(False)
    for ax, each in zip(grid.flat, recovered.parameters, strict=False):
        _panel(tidy(ax), each, recovered)
    for row in grid:
        name_axes(row[0], y=recovered.objective)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _panel(ax: Axes, each: Recovered, recovered: Recovery) -> None:
    sign = -1.0 if recovered.maximize else 1.0
    best = recovered.fitness_found
    excess = np.array(each.excess, dtype=np.float64)
    fine = np.isfinite(excess)
    places: Any = [value for value, good in zip(each.values, fine, strict=True) if good]
    ordered = each.error is not None
    x = np.asarray(places, dtype=np.float64) if ordered else np.arange(len(places))
    ax.errorbar(
        x, best + sign * excess[fine], yerr=np.array(each.spread)[fine], color=COLOURS[0], marker="o", ms=3,
        lw=1.2 if ordered else 0, elinewidth=0.8, label="profile",
    )  # fmt: skip
    edges = sorted([best, best + sign * NOISY * recovered.noise])
    ax.axhspan(*edges, color=QUIET, alpha=0.25, lw=0, label="within noise")
    for value, colour, style, label in (
        (each.hidden, COLOURS[2], "--", "hidden"),
        (each.found, COLOURS[1], "-", "found"),
    ):
        at = value if ordered else (places.index(value) if value in places else np.nan)
        ax.axvline(float(at), color=colour, ls=style, lw=1.2, label=label)
    if not ordered:
        ax.set_xticks(x, [str(value) for value in places])
    elif each.log:
        _logarithmic(ax, min(each.values), max(each.values))
    name_axes(ax, x=f"{each.name} ({each.unit})" if each.unit else each.name, title=str(each.verdict))


def _logarithmic(ax: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    # Powers of ten name a wide range; within a narrow one they would be too few.
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 1e3 else (1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
