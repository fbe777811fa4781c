"""Connectivity between regions as pictures: who is wired to whom, and whose activity goes together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError
from l2l.observables.fc import fc_corr
from l2l.plots.canvas import DIVERGING, SEQUENTIAL, colour_bar, name_axes, new_figure, one_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from l2l.simulator.connectome import Connectome

MOST_LABELS = 30  # more would run into each other


def connectome(connectome: Connectome, *, ax: Axes | None = None) -> Figure:
    """Weights on a logarithmic scale; pairs without a connection stay white. Rows receive from columns."""
    from matplotlib.colors import LogNorm

    figure, ax = one_axes(ax, 4.8, 4.0)
    weights = connectome.weights
    present = weights[weights > 0]
    if not present.size:
        raise ObservableError(f"a connectome to be drawn must have connections, but {connectome!r} has none")
    # One weight for all pairs has no range: any scale that holds it will do.
    low, high = float(present.min()), float(present.max())
    norm = LogNorm(low, high) if low < high else LogNorm(low / 10, high * 10)
    image = ax.imshow(np.ma.masked_equal(weights, 0.0), cmap=SEQUENTIAL, norm=norm, interpolation="nearest")
    _frame(ax, "from region", "to region", f"{connectome.name or 'connectome'}, {connectome.n_nodes} regions")
    if connectome.n_nodes <= MOST_LABELS:
        places = range(connectome.n_nodes)
        ax.set_xticks(places, connectome.labels, rotation=90, fontsize=6)
        ax.set_yticks(places, connectome.labels, fontsize=6)
    colour_bar(figure, image, [ax], "weight", shrink=0.85)
    return figure


def fc(simulated: ArrayLike, empirical: ArrayLike | None = None, *, axes: Any = None) -> Figure:
    """Functional connectivity, (node, node), as simulated, and as measured beside it on the same colours.

    Above the simulated matrix stands its correlation with the measured one (of their triangles). axes: one, or two for
    a pair of matrices.
    """
    first = _square(simulated, "simulated FC")
    second = None if empirical is None else _square(empirical, "empirical FC")
    if second is not None and second.shape != first.shape:
        raise ObservableError(
            f"both FC must be of the same regions, but simulated has {len(first)} and empirical {len(second)}"
        )
    panels = 1 if second is None else 2
    if axes is None:
        figure = new_figure(3.4 * panels + 0.6, 3.3)
        axes = figure.subplots(1, panels, squeeze=False)[0]
    else:
        axes = np.atleast_1d(axes)
        if len(axes) != panels:
            raise ObservableError(f"{panels} axes are needed for {panels} matrices, but got {len(axes)}")
        figure = one_axes(axes[0])[0]
    shown = [first] if second is None else [first, second]
    # The scale of both, without the few strongest pairs (mirrored regions, say), which would leave the rest pale.
    apart = np.concatenate([np.abs(each[~np.eye(len(each), dtype=bool)]) for each in shown])
    limit = max(0.05, float(np.nanquantile(apart, 0.99))) if np.isfinite(apart).any() else 1.0
    alike = "" if second is None else f" (r = {fc_corr(first, second):.2f})"
    titles = [f"simulated FC{alike}", "empirical FC"][:panels]
    images: list[AxesImage] = []
    for ax, matrix, title in zip(axes, shown, titles, strict=True):
        tidy(ax)
        without_self = np.ma.masked_where(np.eye(len(matrix), dtype=bool), matrix)
        images.append(ax.imshow(without_self, cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest"))
        _frame(ax, "region", "region", title)
    if panels == 2:
        axes[1].set_ylabel("")
    colour_bar(figure, images[0], axes, "correlation", shrink=0.8, extend="both")
    return figure


def _frame(ax: Axes, x: str, y: str, title: str) -> None:
    tidy(ax)
    ax.spines[["top", "right"]].set_visible(True)
    name_axes(ax, x, y, title)


def _square(given: ArrayLike, what: str) -> NDArray[np.float64]:
    matrix = np.asarray(given, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 3:
        raise ObservableError(f"{what} must be (node, node) with 3 nodes or more, but has shape {matrix.shape}")
    return matrix
