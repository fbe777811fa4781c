"""A run on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from l2l.observables.target import Target
from l2l.plots import matrices, search
from l2l.plots.canvas import new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from l2l.trajectory import Trajectory


def fit(trajectory: Trajectory, target: Target | ArrayLike | None = None) -> Figure:
    """The history of a run, its parameters against fitness, and the FC of its best individual beside `target`.

    target: a Target or its (node, node) FC. FC is drawn if the run recorded one, the target's if it is given.
    """
    best = trajectory.best(1)
    recorded = len(best) > 0 and "fc" in trajectory.recordings(best.iloc[0])
    empirical = target.fc if isinstance(target, Target) else target
    names = search.parameter_names(trajectory, trajectory.individuals())[: search.MOST_PARAMETERS]
    columns = max(1, min(4, len(names)))
    rows = -(-len(names) // columns)

    figure = new_figure(10.0 if recorded else 8.0, 3.7 + 2.1 * rows)
    above, below = figure.subfigures(2, 1, height_ratios=[3.7, 2.1 * rows], squeeze=False)[:, 0]
    if recorded:
        widths = [5.5, 4.0] if empirical is None else [4.2, 5.8]
        left, right = above.subfigures(1, 2, width_ratios=widths, squeeze=False)[0]
        pair = right.subplots(1, 1 if empirical is None else 2, squeeze=False)[0]
        matrices.fc(trajectory.recording(best.iloc[0], "fc"), empirical, axes=pair)
    else:
        left = above
    search.history(trajectory, ax=tidy(left.subplots()))
    grid = below.subplots(rows, columns, squeeze=False, sharey=True)
    for ax in grid.flat[len(names) :]:
        ax.set_visible(False)
    search.fitness(trajectory, axes=np.asarray(grid.flat[: len(names)]))
    return figure
