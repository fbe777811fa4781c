"""How well a fit tells one parameter: its loss along that parameter through the optimum, against the noise.

Everything is in the unit cube, where a parameter's range is 1 long (in its logarithm, for log scales).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from l2l.space import Categorical, Integer, Parameter

Floats = NDArray[np.float64]
NOISY = 2.0  # standard deviations of one evaluation that count as noise
WIDE = 0.5  # of the range: a parameter known no better is not identified
NEAR = 0.05  # of the range: a true value no farther from the interval is no sign that others made up for it


class Verdict(StrEnum):
    """What a fit tells of a parameter."""

    IDENTIFIABLE = "identifiable"
    ONE_SIDED = "one-sided"  # a limit on one side only
    COMPENSATED = "compensated"  # fixed while the others stay, but others make up for it
    MISLED = "misled"  # another value fits the hidden simulation better than its own
    NOT_IDENTIFIABLE = "not identifiable"


@dataclass(frozen=True)
class Profile:
    """The loss along one parameter, all others as they are at the optimum.

    places: (point,) in the unit interval, ascending. excess: (point,) mean loss less that of the optimum, with the same
    noise; infinite where nothing could be evaluated. centre: the optimum's place, one of `places`.
    ordered: False for categories, between which nothing lies. steps: whether values lie apart, as whole numbers do.
    """

    places: Floats
    excess: Floats
    centre: float
    ordered: bool = True
    steps: bool = False

    def within(self, tolerance: float) -> NDArray[np.bool_]:
        """(point,) whether the excess is at most `tolerance`, without a break from the optimum on, where there is an
        order."""
        fine = self.excess <= tolerance
        middle = int(np.argmin(np.abs(self.places - self.centre)))
        fine[middle] = True
        if self.ordered:
            below = np.flatnonzero(~fine[:middle])
            above = np.flatnonzero(~fine[middle:])
            fine[: below[-1] + 1 if len(below) else 0] = False
            fine[middle + above[0] if len(above) else len(fine) :] = False
        return fine

    def interval(self, tolerance: float) -> tuple[float, float]:
        """Where the excess is at most `tolerance`: from and to.

        Between two places the excess is taken to grow with the square of the distance, as around any smooth optimum.
        """
        inside = np.flatnonzero(self.within(tolerance))
        low, high = float(self.places[inside[0]]), float(self.places[inside[-1]])
        if self.steps or not self.ordered:
            return low, high
        return self._edge(inside[0], -1, tolerance), self._edge(inside[-1], 1, tolerance)

    def _edge(self, last: int, step: int, tolerance: float) -> float:
        here, beyond = float(self.places[last]), last + step
        if not 0 <= beyond < len(self.places):
            return here
        roots = [np.sqrt(max(excess, 0.0)) for excess in (self.excess[last], tolerance, self.excess[beyond])]
        rise = roots[2] - roots[0]
        share = (roots[1] - roots[0]) / rise if np.isfinite(rise) and rise > 0 else 0.0
        return here + float(share) * (float(self.places[beyond]) - here)

    def ends(self, tolerance: float) -> tuple[bool, bool]:
        """Whether the first and the last place are within the noise."""
        inside = self.within(tolerance)
        return bool(inside[0]), bool(inside[-1])

    def curvature(self) -> float:
        """c of the parabola excess = c distance^2 through the optimum, by least squares over a quarter of the range on
        both sides: loss for a step of the whole range. NaN for categories."""
        distance = self.places - self.centre
        used = (np.abs(distance) <= 0.25) & np.isfinite(self.excess) & (distance != 0)
        if not self.ordered or not used.any():
            return float("nan")
        return float((self.excess[used] * distance[used] ** 2).sum() / (distance[used] ** 4).sum())


def places_through(parameter: Parameter, centre: float, points: int) -> Floats:
    """Places to evaluate, ascending: the centre, `points` on either side and both ends of the range.

    They lie at distances 1/2, 1/4, 1/8, ... of the range, so that narrow and wide valleys are both resolved; of whole
    numbers each value at most once, of categories all.
    """
    if isinstance(parameter, Categorical):
        return (np.arange(len(parameter.choices)) + 0.5) / len(parameter.choices)
    away = 0.5 ** np.arange(1, points + 1)
    asked = np.concatenate([[0.0, 1.0, centre], centre - away, centre + away])
    asked = asked[(asked >= 0) & (asked <= 1)]
    if isinstance(parameter, Integer):
        asked = parameter.encode(np.unique(parameter.decode(asked)))
    return np.unique(asked)


def crosses(optimum: Floats, half: Floats) -> Floats:
    """(point, dimension) corners of a rectangle around the optimum for each pair of parameters, within the cube.

    half: (dimension,) half the length of the rectangles' sides; 0 for parameters that are left out.
    """
    used = np.flatnonzero(half > 0)
    corners = []
    for place, i in enumerate(used):
        for j in used[place + 1 :]:
            for one, other in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                corner = optimum.copy()
                corner[i] += one * half[i]
                corner[j] += other * half[j]
                corners.append(np.clip(corner, 0.0, 1.0))
    return np.array(corners).reshape(-1, len(optimum))


def directions(points: Floats, excess: Floats, optimum: Floats, half: Floats) -> Floats:
    """(direction, dimension) unit vectors: the principal axes of the parabola around the optimum.

    points: (point, dimension), excess: (point,). The parabola is fitted by least squares, in units of `half`, to the
    points that lie within two of these.
    """
    used = np.flatnonzero(half > 0)
    z = (points - optimum)[:, used] / half[used]
    aside = np.delete(points - optimum, used, axis=1)
    near = (np.abs(z) <= 2).all(axis=1) & np.isfinite(excess) & ~aside.any(axis=1)
    z, pairs = z[near], list(zip(*np.triu_indices(len(used)), strict=True))
    terms = np.column_stack([z, *(z[:, i] * z[:, j] for i, j in pairs)])
    fitted = np.linalg.lstsq(terms, excess[near], rcond=None)[0][len(used) :]
    form = np.zeros((len(used), len(used)))
    for (i, j), value in zip(pairs, fitted, strict=True):
        form[i, j] += value / 2
        form[j, i] += value / 2
    axes = np.zeros((len(used), len(optimum)))
    axes[:, used] = np.linalg.eigh(form)[1].T * half[used]
    return np.asarray(axes / np.linalg.norm(axes, axis=1, keepdims=True))


def steps_along(direction: Floats, optimum: Floats, points: int) -> Floats:
    """(step,) distances along a direction through the optimum, ascending, 0 among them, to both walls of the cube."""
    moving = direction != 0
    to_walls = np.stack([-optimum[moving] / direction[moving], (1 - optimum[moving]) / direction[moving]])
    first, last = float(to_walls.min(axis=0).max()), float(to_walls.max(axis=0).min())
    away = max(-first, last) * 0.5 ** np.arange(1, points + 1)
    asked = np.concatenate([[first, last, 0.0], away, -away])
    return np.unique(asked[(asked >= first) & (asked <= last)])


def judge(profile: Profile, noise: float, free: float, hidden: float, gap: float) -> Verdict:
    """What the fit tells of a parameter.

    noise: standard deviation of one evaluation's loss at the optimum. free: length of what is within the noise where
    the other parameters move along. hidden: the true place. gap: the optimum's loss less that of the true parameters.
    """
    tolerance = NOISY * noise
    low, high = profile.interval(tolerance)
    first, last = profile.ends(tolerance)
    if not profile.ordered:
        share = (profile.within(tolerance).sum() - 1) / max(len(profile.places) - 1, 1)
        return Verdict.NOT_IDENTIFIABLE if share >= WIDE else Verdict.IDENTIFIABLE
    if (first and last) or high - low >= WIDE:
        return Verdict.NOT_IDENTIFIABLE
    outside = not low - NEAR <= hidden <= high + NEAR
    if outside and gap < -tolerance:
        return Verdict.MISLED
    if free >= WIDE or (outside and gap <= tolerance):
        return Verdict.COMPENSATED
    return Verdict.ONE_SIDED if first or last else Verdict.IDENTIFIABLE
