"""Stimuli: what is added to the derivative of a state variable from outside.

A stimulus is an amplitude times a waveform. The waveform is taken at the start of each step, t = 0 at the very first
start, and held through the step (the convention of The Virtual Brain); it is computed in float64 for every backend.

Amplitudes, onsets, frequencies and so on are a number, (simulation,), (node,) or (simulation, node), as parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest
from l2l.simulator.model import Model, Parameter
from l2l.simulator.values import Values, broadcast_values

Array64 = NDArray[np.float64]
EDGE = 1e-6  # of a step: what rounding may move an onset

_TIME = Parameter("time", 0.0, unit="ms")
_WIDTH = Parameter("width", 1.0, unit="ms", minimum=0.0)
_PERIOD = Parameter("period", 1.0, unit="ms", minimum=0.0, exclusive=True)
_FREQUENCY = Parameter("frequency", 1.0, unit="Hz", minimum=0.0)
_PHASE = Parameter("phase", 0.0, unit="rad")


@dataclass(frozen=True, eq=False, kw_only=True)
class Stimulus:
    """What every stimulus says of itself.

    state: the state variable whose derivative it is added to.
    amplitude: in units of that derivative.
    nodes: indices of the nodes that get it; None: all.
    """

    state: str
    amplitude: Any = 1.0
    nodes: Sequence[int] | None = None

    def limits(self) -> dict[str, Parameter]:
        """The swept quantities of the waveform, with their limits."""
        return {}

    def waveform(self, t: Array64, values: Mapping[str, Array64], dt: float) -> Array64:
        """(time, simulation or 1, node or 1) at the times t, (time, 1, 1), in ms."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class Step(Stimulus):
    """Constant from `onset` until before `end`, ms."""

    onset: Any = 0.0
    end: Any = math.inf

    def limits(self) -> dict[str, Parameter]:
        return {"onset": _TIME} | ({} if _endless(self.end) else {"end": _TIME})

    def waveform(self, t: Array64, values: Mapping[str, Array64], dt: float) -> Array64:
        return _window(t, values, dt).astype(np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Pulses(Stimulus):
    """A train of pulses of `width` ms, one each `period` ms, from `onset` until before `end`."""

    width: Any
    period: Any
    onset: Any = 0.0
    end: Any = math.inf

    def limits(self) -> dict[str, Parameter]:
        own = {"width": _WIDTH, "period": _PERIOD, "onset": _TIME}
        return own if _endless(self.end) else own | {"end": _TIME}

    def waveform(self, t: Array64, values: Mapping[str, Array64], dt: float) -> Array64:
        phase = np.mod(t - values["onset"] + EDGE * dt, values["period"])
        return (_window(t, values, dt) & (phase < values["width"])).astype(np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sinusoid(Stimulus):
    """sin(2 pi frequency (t - onset) + phase), from `onset` until before `end`. frequency: Hz. phase: rad."""

    frequency: Any
    phase: Any = 0.0
    onset: Any = 0.0
    end: Any = math.inf

    def limits(self) -> dict[str, Parameter]:
        own = {"frequency": _FREQUENCY, "phase": _PHASE, "onset": _TIME}
        return own if _endless(self.end) else own | {"end": _TIME}

    def waveform(self, t: Array64, values: Mapping[str, Array64], dt: float) -> Array64:
        angle = 2e-3 * np.pi * values["frequency"] * (t - values["onset"]) + values["phase"]
        return np.where(_window(t, values, dt), np.sin(angle), 0.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Series(Stimulus):
    """Given values: (time,), (node, time) or (simulation, node, time), a column a step from the very first start.

    An axis of length 1 stands for all. There must be a column for every step of the run.
    """

    values: Any

    def waveform(self, t: Array64, values: Mapping[str, Array64], dt: float) -> Array64:
        steps = np.rint(t[:, 0, 0] / dt).astype(np.int64)
        return np.ascontiguousarray(values["values"][..., steps].transpose(2, 0, 1))


def _endless(end: Any) -> bool:
    return np.ndim(end) == 0 and end == math.inf


def _window(t: Array64, values: Mapping[str, Array64], dt: float) -> NDArray[np.bool_]:
    """From `onset` until before `end`."""
    begun: NDArray[np.bool_] = t >= values["onset"] - EDGE * dt
    return begun & (t < values["end"] - EDGE * dt) if "end" in values else begun


@dataclass(frozen=True, eq=False)
class Wave:
    """The waveform of one stimulus with its numbers, (simulation or 1, node or 1) each."""

    stimulus: Stimulus
    values: dict[str, Array64]
    dt: float

    @property
    def swept(self) -> bool:
        """Whether simulations differ."""
        return any(value.shape[0] > 1 for value in self.values.values())

    @property
    def regional(self) -> bool:
        """Whether nodes differ."""
        return any(value.shape[1] > 1 for value in self.values.values())

    def of(self, members: NDArray[np.int64]) -> Wave:
        """The same for some of the simulations."""
        chosen = {name: value if value.shape[0] == 1 else value[members] for name, value in self.values.items()}
        return Wave(self.stimulus, chosen, self.dt)

    def table(self, first: int, steps: int) -> Array64:
        """(step, simulation or 1, node or 1) of `steps` steps, the first of number `first`."""
        t: Array64 = np.arange(first, first + steps, dtype=np.float64)[:, None, None] * np.float64(self.dt)
        return self.stimulus.waveform(t, self.values, self.dt)


def as_stimuli(given: Any, model: Model) -> tuple[Stimulus, ...]:
    """One stimulus, several or none, as a tuple; raises SimulationError for what is none."""
    stimuli = () if given is None else (given,) if isinstance(given, Stimulus) else tuple(given)
    for stimulus in stimuli:
        if not isinstance(stimulus, Stimulus):
            raise SimulationError(f"a stimulus must be one of l2l.simulator.stimulus, but got {stimulus!r}")
        if stimulus.state not in model.state_names:
            raise SimulationError(
                f"stimulus of an unknown state variable {stimulus.state!r} of {model.name}; "
                f"{nearest(stimulus.state, model.state_names)}"
            )
    return stimuli


def given_values(stimuli: Sequence[Stimulus]) -> list[dict[str, Values]]:
    """For each stimulus its amplitude and what its waveform depends on, checked."""
    result = []
    for stimulus in stimuli:
        what = f"of the stimulus of {stimulus.state!r}"
        own = {"amplitude": Values(f"amplitude {what}", stimulus.amplitude)}
        own["amplitude"].check(None)
        known = {field.name for field in fields(stimulus)}
        for name, limit in stimulus.limits().items():
            assert name in known
            own[name] = Values(f"{name} {what}", getattr(stimulus, name))
            own[name].check(limit)
        result.append(own)
    return result


def sizes_of_series(stimuli: Sequence[Stimulus]) -> list[tuple[str, int]]:
    """What given values tell of the number of simulations."""
    shapes = [np.shape(stimulus.values) for stimulus in stimuli if isinstance(stimulus, Series)]
    return [("values of a stimulus", shape[0]) for shape in shapes if len(shape) == 3 and shape[0] > 1]


def waves(
    stimuli: Sequence[Stimulus], given: Sequence[dict[str, Values]], count: int, nodes: int, last: int, dt: float
) -> tuple[list[Array64], list[Wave]]:
    """Amplitudes, (simulation or 1, node or 1), and waveforms. last: number of the last step + 1."""
    amplitudes, made = [], []
    for stimulus, own in zip(stimuli, given, strict=True):
        values = {name: broadcast_values(value, count, nodes) for name, value in own.items()}
        amplitude = values.pop("amplitude")
        if stimulus.nodes is not None:
            mask = np.zeros((1, nodes))
            try:
                mask[0, np.asarray(stimulus.nodes, dtype=np.int64)] = 1.0
            except (IndexError, ValueError, TypeError):
                raise SimulationError(
                    f"nodes of a stimulus must be indices below {nodes}, but got {stimulus.nodes!r}"
                ) from None
            amplitude = amplitude * mask
        if isinstance(stimulus, Series):
            values["values"] = _series(stimulus, count, nodes, last)
        amplitudes.append(amplitude)
        made.append(Wave(stimulus, values, dt))
    return amplitudes, made


def _series(stimulus: Series, count: int, nodes: int, last: int) -> Array64:
    array = np.asarray(stimulus.values, dtype=np.float64)
    if array.ndim < 3:
        array = array.reshape((1,) * (3 - array.ndim) + array.shape)
    if array.ndim != 3 or array.shape[0] not in (1, count) or array.shape[1] not in (1, nodes):
        raise SimulationError(
            "values of a stimulus must be (time,), (node, time) or (simulation, node, time) with "
            f"{count} simulations and {nodes} nodes, but have shape {np.shape(stimulus.values)}"
        )
    if array.shape[2] < last:
        raise SimulationError(
            f"values of a stimulus must reach to the end of the run, step {last}, but have {array.shape[2]} columns"
        )
    if not np.isfinite(array).all():
        raise SimulationError("values of a stimulus must be finite, but some are not")
    return array
