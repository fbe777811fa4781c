"""What every optimizer guarantees: ask, tell, stop; no I/O, no global state, the same asks for the same seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from l2l.errors import OptimizerError
from l2l.space import Space

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A point that an optimizer asks to have evaluated.

    point: (dimension,) in the unit cube; read-only.
    parents: (generation, position) of those it descends from, where the algorithm has parents.
    """

    point: Floats
    parents: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Told:
    """A candidate and what it was worth.

    losses: one per objective, smaller is better; None if the evaluation did not end well.
    """

    candidate: Candidate
    losses: tuple[float, ...] | None


class Optimizer(ABC):
    """Proposes generations of candidates in the unit cube and learns from what they were worth.

    An implementation sets up its state in `__init__`, and writes `_propose`, `_learn` and, where it can converge,
    `_stop`. It draws from `self.rng` alone. Failed candidates reach `_learn` with a loss tied with the worst known,
    because a NaN inside the algorithms ruins them silently.
    """

    def __init__(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> None:
        self.space = space
        self.dimension = space.dimension
        self.objectives = objectives
        self.rng = np.random.default_rng(seed)
        self.generation = 0
        self._pending: list[Candidate] | None = None
        self._worst: Floats | None = None

    def ask(self) -> list[Candidate]:
        """The next generation. Raises OptimizerError if the last one has not been told, or the search has stopped."""
        if self._pending is not None:
            raise OptimizerError("each generation must be told before the next is asked, but the last was not")
        reason = self.stop()
        if reason is not None:
            raise OptimizerError(f"a stopped optimizer cannot be asked; it stopped because: {reason}")
        candidates = self._propose()
        for candidate in candidates:
            candidate.point.setflags(write=False)
        self._pending = list(candidates)
        return candidates

    def tell(self, told: Sequence[Told]) -> None:
        """Learn from a whole generation, in the order in which it was asked.

        The points told may differ from those asked (a resumed run tells what was recorded); their number may not.
        """
        if self._pending is None:
            raise OptimizerError("a generation must be asked before it is told, but none is pending")
        if len(told) != len(self._pending):
            raise OptimizerError(f"all {len(self._pending)} candidates must be told at once, but got {len(told)}")
        points = np.array([item.candidate.point for item in told], dtype=np.float64)
        if points.shape != (len(told), self.dimension) or not np.all((points >= 0) & (points <= 1)):
            raise OptimizerError(f"told points must lie in the unit cube of dimension {self.dimension}")
        losses, failed = self._rank_failures_worst(told)
        self._pending = None
        self._learn(points, losses, failed)
        self.generation += 1

    def stop(self) -> str | None:
        """Why there is nothing more to ask, or None."""
        return None if self._pending is not None else self._stop()

    def summary(self) -> dict[str, Any]:
        """What the algorithm reports of itself after a generation: JSON values."""
        return {}

    def _rank_failures_worst(self, told: Sequence[Told]) -> tuple[Floats, NDArray[np.bool_]]:
        """(candidate, objective) losses with every failure tied with the worst loss known so far."""
        losses = np.full((len(told), self.objectives), np.nan)
        for row, item in zip(losses, told, strict=True):
            if item.losses is not None:
                if len(item.losses) != self.objectives:
                    raise OptimizerError(f"{self.objectives} losses are needed, but got {len(item.losses)}")
                row[:] = item.losses
        failed = ~np.isfinite(losses).all(axis=1)
        if not failed.all():
            worst = losses[~failed].max(axis=0)
            self._worst = worst if self._worst is None else np.maximum(worst, self._worst)
        losses[failed] = 0.0 if self._worst is None else self._worst
        return losses, failed

    @abstractmethod
    def _propose(self) -> list[Candidate]:
        """The next generation, every point inside the unit cube."""

    @abstractmethod
    def _learn(self, points: Floats, losses: Floats, failed: NDArray[np.bool_]) -> None:
        """Update the state from (candidate, dimension) points and (candidate, objective) finite losses."""

    def _stop(self) -> str | None:
        return None


@dataclass(frozen=True)
class OptimizerConfig(ABC):
    """The settings of an algorithm: a frozen dataclass whose fields are JSON values, and which builds the optimizer."""

    name: ClassVar[str]

    @abstractmethod
    def build(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> Optimizer:
        """A fresh optimizer. Raises OptimizerError if these settings and this space do not fit."""
