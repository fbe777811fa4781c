"""A simulation made ready: numbers only, all checked. Kernels take this and trust it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from l2l.simulator.codegen.recorders import Recorder
from l2l.simulator.codegen.system import Step
from l2l.simulator.stimulus import Wave

Array = NDArray[np.float64]
Progress = Callable[[float], None]
CONVOLUTION = "convolution with a haemodynamic response"


@dataclass(frozen=True, eq=False)
class Recording:
    """A monitor made ready: every `period` steps, of which each `volume`-th is kept after the first `skip` (BOLD).

    response: what a period's value counts in the volume that ends with it, one period later, ... (convolved BOLD).
    offset: what the volumes are before anything is added.

    gain: (place, node) weights of nodes in the sums that are kept in their stead.
    """

    recorder: Recorder
    period: int
    rows: int
    volume: int = 1
    skip: int = 0
    gain: Array | None = None
    response: Array | None = None
    offset: float = 0.0

    def width(self, nodes: int) -> int:
        """Values in a row of one quantity."""
        return nodes if self.gain is None else len(self.gain)


@dataclass(frozen=True, eq=False)
class Problem:
    """One ensemble on one network with one set of delays.

    weights: (node, node). delays: (node, node) steps, or None. start: number of the first step.
    parameters: each symbol's values, (simulation or 1, node or 1); noise factors include sqrt(dt).
    noise: "none", "drawn" or "given"; given: (step, state, node). seeds: (simulation,).
    state, compensation: (simulation, state, node). sends: (simulation, channel, time, node), oldest first, the last
    belongs to `state`. balloon: for each recording (simulation, 4, node), or None for rest.
    waves: the waveform of each v. symbol.
    """

    step: Step
    weights: Array
    delays: NDArray[np.int64] | None
    dt: float
    start: int
    steps: int
    parameters: dict[str, Array]
    noise: str
    given: Array | None
    seeds: NDArray[np.uint64]
    state: Array
    compensation: Array
    sends: Array
    recordings: tuple[Recording, ...]
    balloon: tuple[Array | None, ...]
    precision: str
    waves: Mapping[str, Wave] = field(default_factory=dict)

    def needs(self) -> frozenset[str]:
        """What a kernel must be able to do beyond plain steps; one that cannot is not given the problem."""
        asked = {
            "stimuli": bool(self.waves),
            "projections": any(r.gain is not None for r in self.recordings),
            CONVOLUTION: any(r.response is not None for r in self.recordings),
            "coupling functions of pairs of nodes": bool(self.step.pairs),
            "coupling at every stage": bool(self.step.stages),
            "delayed coupling in the middle of a step": bool(self.step.midpoints),
        }
        return frozenset(name for name, needed in asked.items() if needed)

    @property
    def simulations(self) -> int:
        return int(self.state.shape[0])

    @property
    def nodes(self) -> int:
        return int(self.state.shape[2])


@dataclass(eq=False)
class Outcome:
    """What a kernel leaves.

    records: for each recording (simulation, row, quantity, node or place). diverged: (simulation,) the step by which
    a state was not finite or had run away, or -1. state, compensation, sends, balloon: as in Problem, at the end.
    """

    records: list[NDArray[np.floating]]
    diverged: NDArray[np.int64]
    state: Array
    compensation: Array
    sends: Array | None = None
    balloon: list[Array | None] = field(default_factory=list)
