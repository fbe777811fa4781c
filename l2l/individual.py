"""Individuals and what becomes of them: outcomes as an optimizee returns them, evaluations as they are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Individual:
    """One point of a space, to be evaluated.

    parameters: by name; floats, ints, strings, or arrays of floats for parameters with a shape.
    generation, position: its place in the run, both from 0.
    replicate: 0 for the evaluation the optimizer is told; others are re-evaluations with fresh noise.
    task: which task of a family is evaluated; "" where there is only one.
    seed: 64-bit seed of this evaluation: equal seeds give equal noise.
    """

    parameters: Mapping[str, Any]
    generation: int = 0
    position: int = 0
    replicate: int = 0
    task: str = ""
    seed: int = 0

    @property
    def key(self) -> tuple[int, int, int, str]:
        """What identifies this evaluation within a run."""
        return (self.generation, self.position, self.replicate, self.task)

    def rng(self) -> np.random.Generator:
        """A generator for this evaluation alone."""
        return np.random.default_rng(self.seed)

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]


@dataclass(frozen=True)
class Outcome:
    """What an optimizee returns for an individual.

    fitness: a finite number for every objective, by name.
    measurements: anything else worth a column: JSON values by name.
    recordings: arrays by name, kept compressed beside the row; of an `xarray.DataArray` names of axes, coordinates and
        units are kept, too.
    """

    fitness: Mapping[str, float]
    measurements: Mapping[str, Any] = field(default_factory=dict)
    recordings: Mapping[str, Any] = field(default_factory=dict)


class Status(StrEnum):
    """How an evaluation ended."""

    OK = "ok"
    FAILED = "failed"  # the optimizee raised
    TIMEOUT = "timeout"  # past its deadline
    LOST = "lost"  # its worker died, as often as attempts were allowed
    INVALID = "invalid"  # NaN, wrong shape, wrong names


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of one individual, as it is recorded.

    fitness: {} unless the status is ok.
    error, traceback: "" if the status is ok; `error` is one line.
    started: seconds since the epoch, UTC. seconds: this individual's share of its batch's wall time.
    worker, host, device, job: where it was computed; job is the batch system's. "" where unknown.
    """

    individual: Individual
    status: Status
    fitness: Mapping[str, float] = field(default_factory=dict)
    measurements: Mapping[str, Any] = field(default_factory=dict)
    recordings: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    traceback: str = ""
    attempt: int = 1
    started: float = 0.0
    seconds: float = 0.0
    worker: str = ""
    host: str = ""
    device: str = ""
    job: str = ""

    @property
    def ok(self) -> bool:
        return self.status is Status.OK
