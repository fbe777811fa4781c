"""What a recovery tells of each parameter, and as a whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from l2l.recovery.identifiability import Verdict


@dataclass(frozen=True)
class Recovered:
    """One parameter, or one element of a parameter with a shape.

    hidden, found: its true value, and that of the optimum. error: found less hidden, None for categories.
    relative: the size of the error over the range, by logarithms for log scales; 0 or 1 for categories.
    within: from and to of the values that fit as well as the optimum within the noise, others fixed; of categories, all
    of them. width: its length over the range. free_width: the same where the others move along, as far as the principal
    axes of the parabola around the optimum tell; NaN where that is not measured: for categories, and where more than
    `MOST_CROSSED` parameters are ordered. curvature: of the parabola at the optimum, loss for a step of the range.
    values, excess, spread: the profile: mean loss less that of the optimum, and its standard deviation over replicates.
    """

    name: str
    unit: str
    log: bool
    hidden: Any
    found: Any
    error: float | None
    relative: float
    within: list[Any]
    width: float
    free_width: float
    curvature: float
    verdict: Verdict
    values: list[Any]
    excess: list[float]
    spread: list[float]


@dataclass(frozen=True)
class Recovery:
    """What became of hidden parameters.

    objective: the first, by which identifiability is judged; maximize as it says. noise: standard deviation of one
    evaluation's fitness at the optimum. fitness_found, fitness_hidden: means over replicates with fresh noise.
    reached: whether the optimum fits as well as the hidden parameters; if not, errors tell of the search, not of the
    model. misled: whether it fits better, by more than the noise, as other parameters may where the simulated target is
    short. fit_run, profile_run: where all evaluations are recorded.
    """

    store: str
    fit_run: int
    profile_run: int
    seed: int
    replicates: int
    objective: str
    maximize: bool
    noise: float
    fitness_found: float
    fitness_hidden: float
    reached: bool
    misled: bool
    parameters: list[Recovered]

    def as_json(self) -> dict[str, Any]:
        """JSON values; what is not finite becomes null."""
        plain: dict[str, Any] = _finite(asdict(self))
        return plain


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return str(value) if isinstance(value, Verdict) else value
