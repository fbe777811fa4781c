"""What is kept of a running simulation. Memory grows with what is asked for, never with the number of steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest
from l2l.simulator.balloon import Balloon
from l2l.simulator.haemodynamics import Response


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
class GlobalAverage(Monitor):
    """The mean over all nodes every `period` ms. Its result has no node axis."""

    name: str = "global"
    period: float = 1.0


@dataclass(frozen=True)
class SpatialAverage(Monitor):
    """The mean over each group of nodes every `period` ms.

    groups: for each node the name or number of its group; the result's axis `group` is sorted by it.
    """

    name: str = "spatial"
    period: float = 1.0
    groups: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "groups", tuple(np.asarray(self.groups).tolist()))


@dataclass(frozen=True, eq=False)
class Projection(Monitor):
    """What sensors measure: a gain matrix times the activity, averaged over each `period` ms.

    gain: (sensor, node). variables: give the one that makes the signal, or an expression of it.
    sensors: their names. reference: "average", or the name or number of a sensor: taken from all (EEG).
    average: False: the value at the end of each period. Time of a sample as of `TemporalAverage`, `SubSample`.
    """

    name: str = "projection"
    period: float = 1.0
    gain: Any = None
    sensors: tuple[str, ...] | None = None
    reference: str | int | None = None
    average: bool = True

    def matrix(self, nodes: int) -> NDArray[np.float64]:
        """(sensor, node) gain with the reference taken off; raises SimulationError unless it fits."""
        gain = np.array(0.0 if self.gain is None else self.gain, dtype=np.float64)
        if gain.ndim != 2 or gain.shape[1] != nodes or not len(gain):
            raise SimulationError(
                f"gain of monitor {self.name!r} must have shape (sensor, {nodes} nodes), but has {gain.shape}"
            )
        if not np.isfinite(gain).all():
            raise SimulationError(f"gain of monitor {self.name!r} must be finite, but some of it is not")
        names: tuple[str | int, ...] = self.sensors or tuple(range(len(gain)))
        if len(names) != len(gain):
            raise SimulationError(f"monitor {self.name!r} must name {len(gain)} sensors, but names {len(names)}")
        if self.reference is None:
            return gain
        if self.reference == "average":
            return np.asarray(gain - gain.mean(axis=0))
        if self.reference not in names:
            near = nearest(str(self.reference), [str(n) for n in names])
            raise SimulationError(f"no sensor {self.reference!r} in monitor {self.name!r}; {near}")
        return np.asarray(gain - gain[names.index(self.reference)])


@dataclass(frozen=True, eq=False)
class EEG(Projection):
    """Electroencephalogram: `Projection` with the gain of scalp electrodes."""

    name: str = "eeg"


@dataclass(frozen=True, eq=False)
class MEG(Projection):
    """Magnetoencephalogram: `Projection` with the gain of magnetometers or gradiometers."""

    name: str = "meg"


@dataclass(frozen=True, eq=False)
class SEEG(Projection):
    """Stereotactic EEG: `Projection` with the gain of intracranial contacts."""

    name: str = "seeg"


@dataclass(frozen=True)
class Bold(Monitor):
    """Blood-oxygen-level-dependent signal by the Balloon-Windkessel model, one volume each `tr` ms.

    tr: repetition time, ms. The first volume is at t = tr.
    step: of the haemodynamic equations, ms; `tr` must be a multiple of it and it of dt.
    skip: volumes before this time (ms) are not kept.
    average: drive the response by the mean neural activity of each step; False: by its last value.
    drive: expression or variable name; None: the model's own (`Model.bold`).
    constants: "friston2003", "stephan2007", "heinzle2016-3T" or a `balloon.Balloon`.
    """

    name: str = "bold"
    tr: float = 1000.0
    step: float | None = None
    skip: float = 0.0
    average: bool = True
    drive: str | None = None
    constants: str | Balloon = "friston2003"


@dataclass(frozen=True)
class ConvolvedBold(Monitor):
    """Blood-oxygen-level-dependent signal by convolution with a fixed haemodynamic response, one volume each `tr` ms.

    It is The Virtual Brain's Bold monitor: activity is averaged over each `interim` ms; each average is added, weighted
    by the response, to the volumes it reaches, so that memory holds volumes only. Before the start activity counts as
    0, so that the first seconds (the response's length) say little: `skip` them.
    tr: repetition time, ms, a multiple of `interim`, which is one of dt. The first volume is at t = tr.
    response: "FirstOrderVolterra", "Gamma", "DoubleExponential", "MixtureOfGammas", or a `haemodynamics.Response`.
    skip: volumes until this time (ms) are not kept.
    drive: expression or variable name; None: the model's own (`Model.bold`).
    """

    name: str = "bold"
    tr: float = 1000.0
    response: str | Response = "FirstOrderVolterra"
    interim: float = 4.0
    skip: float = 0.0
    drive: str | None = None


def steps_of(period: float, dt: float, what: str) -> int:
    """How many steps of dt make `period`; raises SimulationError unless it is a whole number of them."""
    if not (math.isfinite(period) and period > 0):
        raise SimulationError(f"{what} must be > 0 ms, but got {period!r}")
    steps = round(period / dt)
    if steps < 1 or abs(steps * dt - period) > 1e-6 * period:
        raise SimulationError(f"{what} must be a multiple of dt, but got {period!r} ms with dt = {dt!r} ms")
    return steps
