"""Maps over a grid: what was measured at every combination of two parameters, the mean over all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from l2l.errors import StoreError, nearest
from l2l.plots.canvas import SEQUENTIAL, colour_bar, name_axes, new_figure, tidy
from l2l.plots.search import parameter_names

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from l2l.trajectory import Trajectory

MOST_MAPS = 24
MOST_VALUES = 256  # of a parameter: more are no grid but a search
_FIXED = ("generation", "position", "status", "attempt", "started", "seconds", "worker", "host", "device", "job",
          "error", "loss", "seed")  # fmt: skip


def grid(
    trajectory: Trajectory,
    x: str | None = None,
    y: str | None = None,
    values: str | Sequence[str] | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    where: str | None = None,
) -> Figure:
    """A map of each objective and measurement over two parameters; fields without a value stay white.

    x, y: parameters, by default the first two. values: columns of `Trajectory.individuals` to map, by default all
    objectives and measurements. at: values of other parameters: those individuals alone that are nearest to them; over
    parameters that are not named, the mean is drawn. where: only individuals that hold a condition, such as
    "rate < 50"; see `Trajectory.query`.
    Raises StoreError, with the nearest name, for unknown names, if nothing is left to draw, or if a parameter has more
    than `MOST_VALUES` values.
    """
    table = trajectory.individuals()
    names = parameter_names(trajectory, table)
    table = table[table["status"].eq("ok")]
    if where is not None:
        keys = ["generation", "position"]
        table = table.merge(trajectory.query(where, columns=keys)[keys], on=keys)
    if len(names) < 2:
        raise StoreError(f"a map needs two parameters, but run {trajectory.run.id} has {names}: use plots.fitness")
    first = x or next(name for name in names if name != y)
    second = y or next(name for name in names if name != first)
    mapped = _mapped(trajectory, table, names, values)
    for name in (first, second, *(at or {})):
        if name not in names:
            raise StoreError(f"run {trajectory.run.id} has no parameter {name!r}; {nearest(name, names)}")
    if first == second:
        raise StoreError(f"a map needs two different parameters, but got {first!r} twice")
    table = _nearest(table, at or {})
    if table.empty:
        raise StoreError(f"run {trajectory.run.id} has no evaluation that ended ok there: there is nothing to draw")
    for name in (first, second):
        if table[name].nunique() > MOST_VALUES:
            raise StoreError(
                f"a map needs a grid, but parameter {name!r} has {table[name].nunique()} values: use plots.parameters"
            )
    columns = min(4, len(mapped))
    rows = -(-len(mapped) // columns)
    figure = new_figure(3.0 * columns, 0.4 + 2.6 * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(mapped) :]:
        ax.set_visible(False)
    for ax, name in zip(axes.flat, mapped, strict=False):
        _map(figure, tidy(ax), table, trajectory, first, second, name)
    others = [name for name in names if name not in (first, second, *(at or {})) and table[name].nunique() > 1]
    held = ([where] if where else []) + [f"{name} = {_short(table[name].iloc[0])}" for name in at or {}]
    figure.suptitle("; ".join([*held, *([f"mean over {', '.join(others)}"] if others else [])]), fontsize=9)
    return figure


def _map(
    figure: Figure, ax: Axes, table: pd.DataFrame, trajectory: Trajectory, first: str, second: str, name: str
) -> None:
    wide = table.pivot_table(index=second, columns=first, values=name, aggfunc="mean", dropna=False)
    field = np.ma.masked_invalid(wide.to_numpy(dtype=np.float64))
    image = ax.imshow(field, origin="lower", aspect="auto", cmap=SEQUENTIAL, interpolation="nearest")
    for axis, labels in ((ax.xaxis, wide.columns), (ax.yaxis, wide.index)):
        step = -(-len(labels) // 6)  # more would run into each other
        texts = [_short(each) for each in labels[::step]]
        axis.set_ticks(range(0, len(labels), step), texts, fontsize=7)
    units = [trajectory.run.space.get(each.split("[")[0], {}).get("unit") for each in (first, second)]
    x, y = (f"{each} ({unit})" if unit else each for each, unit in zip((first, second), units, strict=True))
    name_axes(ax, x, y, name)
    ax.spines[["top", "right"]].set_visible(True)
    if field.count():
        colour_bar(figure, image, [ax], "", shrink=0.9)


def _mapped(
    trajectory: Trajectory, table: pd.DataFrame, names: Sequence[str], values: str | Sequence[str] | None
) -> list[str]:
    """The columns to draw."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    known = [
        str(name)
        for name in table.columns
        if name not in names and name not in _FIXED and is_numeric_dtype(table[name]) and not is_bool_dtype(table[name])
    ]
    if values is None:
        known = [name for name in known if table[name].notna().any()]
        if not known:
            raise StoreError(f"run {trajectory.run.id} has no evaluation that ended ok: there is nothing to draw")
        return known[:MOST_MAPS]
    asked = [values] if isinstance(values, str) else list(values)
    for name in asked:
        if name not in known:
            raise StoreError(
                f"run {trajectory.run.id} has no objective or measurement {name!r}; {nearest(name, known)}"
            )
    return asked


def _nearest(table: pd.DataFrame, at: Mapping[str, Any]) -> pd.DataFrame:
    from pandas.api.types import is_numeric_dtype

    for name, value in at.items():
        column = table[name]
        if not is_numeric_dtype(column):
            table = table[column.map(str).eq(str(value))]
            continue
        try:
            away = (column - float(value)).abs()
        except (TypeError, ValueError):
            raise StoreError(f"parameter {name!r} needs a number, but got {value!r}") from None
        table = table[away.eq(away.min())]
    return table


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
