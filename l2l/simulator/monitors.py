"""What is kept of a running simulation. Memory grows with what is asked for, never with the number of steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from l2l.errors import SimulationError
from l2l.simulator.balloon import Balloon


@dataclass(frozen=True)
class Monitor:
    """What every monitor says of itself.

    variables: states, derived or exposed quantities of the model by name; None: all states.
    name: under which the result is found.
    """

    variables: tuple[str, ...] | str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.variables, str):
            object.__setattr__(self, "variables", (self.variables,))
        elif self.variables is not None:
            object.__setattr__(self, "variables", tuple(self.variables))


@dataclass(frozen=True)
class Raw(Monitor):
    """The state itself, every step, or every `period` ms. Time of a sample: the end of its step."""

    name: str = "raw"
    period: float | None = None


@dataclass(frozen=True)
class SubSample(Monitor):
    """The state every `period` ms, between samples nothing."""

    name: str = "subsample"
    period: float = 1.0


@dataclass(frozen=True)
class TemporalAverage(Monitor):
    """The mean state over each `period` ms. Time of a sample: the middle of its period."""

    name: str = "average"
    period: float = 1.0


@dataclass(frozen=True)
class Bold(Monitor):
    """Blood-oxygen-level-dependent signal by the Balloon-Windkessel model, one volume each `tr` ms.

    tr: repetition time, ms. The first volume is at t = tr.
    step: of the haemodynamic equations, ms; `tr` must be a multiple of it and it of dt.
    skip: volumes before this time (ms) are not kept.
    average: drive the response by the mean neural activity of each step; False: by its last value.
    drive: expression or variable name; None: the model's own (`Model.bold`).
    constants: "friston2003", "heinzle2016-3T" or a `Balloon`.
    """

    name: str = "bold"
    tr: float = 1000.0
    step: float | None = None
    skip: float = 0.0
    average: bool = True
    drive: str | None = None
    constants: str | Balloon = "friston2003"


def steps_of(period: float, dt: float, what: str) -> int:
    """How many steps of dt make `period`; raises SimulationError unless it is a whole number of them."""
    if not (math.isfinite(period) and period > 0):
        raise SimulationError(f"{what} must be > 0 ms, but got {period!r}")
    steps = round(period / dt)
    if steps < 1 or abs(steps * dt - period) > 1e-6 * period:
        raise SimulationError(f"{what} must be a multiple of dt, but got {period!r} ms with dt = {dt!r} ms")
    return steps
