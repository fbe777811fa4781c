"""Monitors made ready for the kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError
from l2l.simulator import balloon, haemodynamics
from l2l.simulator.codegen.expression import Node
from l2l.simulator.codegen.recorders import Recorder
from l2l.simulator.codegen.system import System
from l2l.simulator.monitors import (
    Bold,
    ConvolvedBold,
    GlobalAverage,
    Monitor,
    Projection,
    Raw,
    SpatialAverage,
    SubSample,
    TemporalAverage,
    steps_of,
)
from l2l.simulator.problem import Recording

LONG_SUM = 256  # steps above which a float32 sum needs compensation to keep its digits


@dataclass(frozen=True, eq=False)
class Shown:
    """How a recording is shown: its name, the times of its rows (ms) and its variables (none: BOLD).

    axis: what its last axis is; "" where that is left out. labels: of that axis, if it is not the nodes.
    """

    name: str
    times: NDArray[np.float64]
    variables: tuple[str, ...]
    axis: str = "node"
    labels: tuple[Any, ...] | None = None


def recordings(
    system: System, monitors: tuple[Monitor, ...], count: int, dt: float, steps: int, start: int
) -> tuple[list[list[Node]], tuple[Recording, ...], tuple[Shown, ...]]:
    """For each monitor the graphs it records, what the kernel does, and how the result is shown."""
    observed, made, shown = [], [], []
    names: set[str] = set()
    for monitor in monitors:
        name = monitor.name
        if name in names:
            raise SimulationError(f"monitors must have different names, but {name!r} is there twice; set name=")
        names.add(name)
        axis, labels, gain = _places(monitor, count)
        if isinstance(monitor, Bold):
            nodes, recording, times = _bold(system, monitor, dt, steps, start)
            variables: tuple[str, ...] = ()
        elif isinstance(monitor, ConvolvedBold):
            nodes, recording, times = _convolved(system, monitor, dt, steps, start)
            variables = ()
        elif isinstance(monitor, Raw | SubSample | TemporalAverage | GlobalAverage | SpatialAverage | Projection):
            nodes, recording, times, variables = _series(system, monitor, dt, steps, start)
        else:
            raise SimulationError(f"not a monitor: {monitor!r}")
        observed.append(nodes)
        if gain is not None:
            recording = replace(recording, gain=gain, recorder=replace(recording.recorder, places=len(gain)))
        made.append(recording)
        shown.append(Shown(name, times, variables, axis, labels))
    return observed, tuple(made), tuple(shown)


def _places(monitor: Monitor, nodes: int) -> tuple[str, tuple[Any, ...] | None, NDArray[np.float64] | None]:
    """What the last axis of a recording is, its labels, and the (place, node) weights of the nodes."""
    if isinstance(monitor, GlobalAverage):
        return "", None, np.full((1, nodes), 1.0 / nodes)
    if isinstance(monitor, Projection):
        return "sensor", monitor.sensors, monitor.matrix(nodes)
    if isinstance(monitor, SpatialAverage):
        if len(monitor.groups) != nodes:
            raise SimulationError(
                f"groups of monitor {monitor.name!r} must name the group of each of {nodes} nodes, "
                f"but there are {len(monitor.groups)}"
            )
        names, group = np.unique(np.array(monitor.groups), return_inverse=True)
        gain = (group == np.arange(len(names))[:, None]).astype(np.float64)
        return "group", tuple(names.tolist()), gain / gain.sum(axis=1, keepdims=True)
    return "node", None, None


def _series(
    system: System,
    monitor: Raw | SubSample | TemporalAverage | GlobalAverage | SpatialAverage | Projection,
    dt: float,
    steps: int,
    start: int,
) -> tuple[list[Node], Recording, NDArray[np.float64], tuple[str, ...]]:
    chosen = (monitor.variables,) if isinstance(monitor.variables, str) else monitor.variables
    variables = chosen or tuple(s.name for s in system.states)
    nodes = [system.quantity(v, f"variable of monitor {monitor.name!r}") for v in variables]
    period = 1 if monitor.period is None else steps_of(monitor.period, dt, f"period of monitor {monitor.name!r}")
    rows = steps // period
    if rows < 1:
        raise SimulationError(
            f"the duration must hold at least one period, but monitor {monitor.name!r} has {monitor.period} ms and the "
            f"duration is {steps * dt:g} ms"
        )
    ends = (start + period * np.arange(1, rows + 1)).astype(np.float64)
    averaged = isinstance(monitor, TemporalAverage) or (isinstance(monitor, Projection) and monitor.average)
    if averaged and period > 1:
        recorder = Recorder("average", len(nodes), compensated=period > LONG_SUM)
        return nodes, Recording(recorder, period, rows), (ends - period / 2) * dt, variables
    middle = 0.5 if averaged else 0.0
    return nodes, Recording(Recorder("sample", len(nodes)), period, rows), (ends - middle) * dt, variables


def _bold(
    system: System, monitor: Bold, dt: float, steps: int, start: int
) -> tuple[list[Node], Recording, NDArray[np.float64]]:
    drive = _drive(system, monitor)
    tr = steps_of(monitor.tr, dt, "tr of the BOLD monitor")
    period = steps_of(monitor.step, dt, "step of the BOLD monitor") if monitor.step else default_period(tr, dt)
    if tr % period:
        raise SimulationError(f"step must divide tr, but got step = {monitor.step!r} ms, tr = {monitor.tr!r} ms")
    volumes, skip = _volumes(monitor, tr, dt, steps)
    recorder = Recorder(
        "bold",
        1,
        mean=monitor.average and period > 1,
        compensated=False,
        constants=balloon.get(monitor.constants),
        h=period * dt / 1000.0,
    )
    times = (start + tr * np.arange(skip + 1, volumes + 1)).astype(np.float64) * dt
    return drive, Recording(recorder, period, volumes - skip, volume=tr // period, skip=skip), times


def _convolved(
    system: System, monitor: ConvolvedBold, dt: float, steps: int, start: int
) -> tuple[list[Node], Recording, NDArray[np.float64]]:
    drive = _drive(system, monitor)
    if start:
        raise SimulationError(
            "ConvolvedBold needs the activity before, which a continued run no longer has: "
            "simulate in one piece, or take Bold, whose state is kept"
        )
    tr = steps_of(monitor.tr, dt, "tr of the BOLD monitor")
    period = steps_of(monitor.interim, dt, "interim of the BOLD monitor")
    if tr % period:
        raise SimulationError(
            f"interim must divide tr, but got interim = {monitor.interim!r} ms, tr = {monitor.tr!r} ms"
        )
    volumes, skip = _volumes(monitor, tr, dt, steps)
    response = haemodynamics.get(monitor.response)
    weights = response.weights(period * dt)
    recorder = Recorder("convolved", 1, compensated=period > LONG_SUM, reach=len(weights))
    times = (tr * np.arange(skip + 1, volumes + 1)).astype(np.float64) * dt
    recording = Recording(recorder, period, volumes - skip, tr // period, skip, None, weights, response.offset)
    return drive, recording, times


def _drive(system: System, monitor: Bold | ConvolvedBold) -> list[Node]:
    drive = monitor.drive or system.model.bold
    if not drive:
        raise SimulationError(f"{system.model.name} names no drive of the BOLD signal; set {_kind(monitor)}(drive=...)")
    if monitor.variables is not None:
        raise SimulationError(f"{_kind(monitor)} records one signal; choose what drives it by drive=, not variables=")
    return [system.quantity(drive, "drive of the BOLD signal")]


def _kind(monitor: Monitor) -> str:
    return type(monitor).__name__


def _volumes(monitor: Bold | ConvolvedBold, tr: int, dt: float, steps: int) -> tuple[int, int]:
    """How many volumes end within the run, and how many of them are skipped."""
    if tr > steps:
        raise SimulationError(f"duration >= tr must hold, but got duration = {steps * dt:g} ms, tr = {monitor.tr:g} ms")
    if not 0 <= monitor.skip < steps * dt:
        raise SimulationError(
            f"0 <= skip < duration must hold, but got skip = {monitor.skip!r} ms, duration = {steps * dt:g} ms"
        )
    volumes = steps // tr
    # Volumes at or before `skip` are left out.
    skip = int(np.floor(monitor.skip / (tr * dt) + 1e-9))
    if skip >= volumes:
        raise SimulationError(f"skip must leave at least one volume, but {skip} of {volumes} are skipped")
    return volumes, skip


def default_period(tr: int, dt: float) -> int:
    """Steps of dt in one haemodynamic step: the longest that divides the TR and is at most 5 ms, at least dt."""
    longest = max(1, int(5.0 / dt + 1e-9))
    return next(k for k in range(min(longest, tr), 0, -1) if tr % k == 0)
