"""Where a search begins that goes on from an earlier one: the best points of that run, as this space has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from l2l.errors import ExperimentError, ResumeError, SpaceError
from l2l.individual import Individual
from l2l.objective import Objective
from l2l.optimizers.promising import GAMMA
from l2l.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from l2l.trajectory import Trajectory

EVENT = "warm start"
#: More points than this add nothing to a start, and the record holds them all.
MOST = 64


@dataclass(frozen=True)
class WarmStart:
    """points: (point, dimension) of the unit cube, best first; individuals: whose they are, (generation, position)."""

    run: int
    individuals: list[tuple[int, int]]
    points: NDArray[np.float64]

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "individuals": [list(place) for place in self.individuals],
            "points": self.points.tolist(),
        }


def from_run(trajectory: Trajectory, space: Space, objectives: Sequence[Objective]) -> WarmStart:
    """The best tenth of a run (the front, if there are several objectives), at most 64, that lie in this space.

    The run may have searched other ranges and more parameters.
    Raises ExperimentError if it has other objectives, lacks a parameter, or has no point in this space.
    """
    run = trajectory.run
    theirs = {objective.name: objective.maximize for objective in trajectory.objectives}
    for objective in objectives:
        if theirs.get(objective.name) != objective.maximize:
            raise ExperimentError(
                f"a warm start needs a run that had {objective!r} as an objective, but run {run.id} had "
                f"{list(trajectory.objectives)}"
            )
    if trajectory.objectives[0].name != objectives[0].name:
        raise ExperimentError(
            f"a warm start needs a run whose first objective is {objectives[0].name!r} too, but that of run {run.id} "
            f"is {trajectory.objectives[0].name!r}"
        )
    missing = [name for name in space if name not in run.space]
    if missing:
        raise ExperimentError(f"a warm start needs a run with every parameter, but run {run.id} lacks {missing}")
    if len(objectives) > 1:
        best: Sequence[Individual] = trajectory.pareto_individuals()
    else:
        evaluated = int(trajectory.generations()["evaluated"].sum())
        best = trajectory.best_individuals(min(MOST, math.ceil(GAMMA * evaluated)))
    places, points = [], []
    for individual in best:
        try:
            points.append(space.encode({name: individual.parameters[name] for name in space}))
        except SpaceError:  # beyond the ranges of this search
            continue
        places.append((individual.generation, individual.position))
    if not points:
        why = "none lies in this space" if best else "no evaluation of it ended well"
        raise ExperimentError(f"a warm start needs good points, but run {run.id} has none: {why}")
    return WarmStart(run.id, places[:MOST], np.array(points[:MOST]))


def from_record(trajectory: Trajectory, space: Space) -> WarmStart | None:
    """What a run that is resumed began from; None if it was interrupted before it began."""
    table = trajectory.events()
    found = table.loc[table["kind"] == EVENT, "details"]
    if found.empty:
        return None
    details: Mapping[str, Any] = found.iloc[0]
    try:
        points = np.array(details["points"], dtype=np.float64)
        places = [(int(generation), int(position)) for generation, position in details["individuals"]]
        run = int(details["run"])
    except (KeyError, TypeError, ValueError) as error:
        raise ResumeError(f"the warm start of run {trajectory.run.id} is not recorded as it was written") from error
    if points.ndim != 2 or points.shape[1] != space.dimension:
        raise ResumeError(f"the warm start of run {trajectory.run.id} is of another space: shape {points.shape}")
    return WarmStart(run, places, points)
