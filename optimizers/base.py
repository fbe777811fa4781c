"""What every optimizer guarantees: ask, tell, stop; no I/O, no global state, the same asks for the same seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2l.errors import OptimizerError
from l2l.space import Real, Space

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
    `_stop`. It draws from `self.rng` alone, and decides only from what it was told, so that a fresh optimizer of the
    same seed that is told the same asks the same.

    Failed candidates (no losses, or one that is NaN or infinite) reach `_learn` tied with one another, just behind the
    worst loss known so far, because a NaN inside the algorithms ruins them silently. A generation that failed as a
    whole teaches nothing: `_skip` is called in place of `_learn`, and the next generation is drawn anew. After
    `patience` such generations in a row there is nothing to hope for, and the search stops.
    """

    multi_objective: ClassVar[bool] = False
    patience: ClassVar[int | None] = 100

    def __init__(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> None:
        if objectives > 1 and not self.multi_objective:
            raise OptimizerError(
                f"{type(self).__name__} needs exactly one objective, but got {objectives}: name the one to improve, "
                "or use 'genetic', which ranks several by non-dominated sorting"
            )
        self.space = space
        self.dimension = space.dimension
        self.objectives = objectives
        self.rng = np.random.default_rng(seed)
        self.generation = 0
        self._pending: list[Candidate] | None = None
        self._worst: Floats | None = None
        self._lost = 0

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
        Raises OptimizerError, and learns nothing, if the generation is not whole or a point lies outside the cube.
        """
        if self._pending is None:
            raise OptimizerError("a generation must be asked before it is told, but none is pending")
        if len(told) != len(self._pending):
            raise OptimizerError(f"all {len(self._pending)} candidates must be told at once, but got {len(told)}")
        if any(np.shape(item.candidate.point) != (self.dimension,) for item in told):
            raise OptimizerError(f"told points must have shape ({self.dimension},), but some have not")
        points = np.array([item.candidate.point for item in told], dtype=np.float64)
        if not np.all((points >= 0) & (points <= 1)):
            raise OptimizerError("told points must lie in the unit cube, but some do not")
        losses, failed = self._rank_failures_worst(told)
        self._pending = None
        if failed.all():
            self._lost += 1
            self._skip(points)
        else:
            self._lost = 0
            self._learn(points, losses, failed)
        self.generation += 1

    def warm_start(self, points: ArrayLike) -> None:
        """Begin from what did best elsewhere, instead of from nothing.

        points: (point, dimension) in the unit cube, best first. A search that begins from the same points asks the
        same.
        Raises OptimizerError if it has been asked already, if the points are not such, or if it learns nothing.
        """
        best = np.array(points, dtype=np.float64)
        if self.generation or self._pending is not None:
            raise OptimizerError("a search can only be warm-started before its first generation, but it has been asked")
        if best.ndim != 2 or len(best) == 0 or best.shape[1] != self.dimension:
            raise OptimizerError(f"a warm start needs points of shape (1 or more, {self.dimension}), got {best.shape}")
        if not np.all((best >= 0) & (best <= 1)):
            raise OptimizerError("the points of a warm start must lie in the unit cube, but some do not")
        self._begin_from(best)

    def stop(self) -> str | None:
        """Why there is nothing more to ask, or None."""
        if self._pending is not None:
            return None
        if self.patience is not None and self._lost >= self.patience:
            return f"every candidate of the last {self._lost} generations has failed"
        return self._stop()

    def summary(self) -> dict[str, Any]:
        """What the algorithm reports of itself after a generation: JSON values."""
        return {}

    def _rank_failures_worst(self, told: Sequence[Told]) -> tuple[Floats, NDArray[np.bool_]]:
        """(candidate, objective) losses with every failure just behind the worst loss known so far."""
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
        # One unit in the last place behind: a tie with the worst could still be sorted before it.
        behind = 0.0 if self._worst is None else np.nextafter(self._worst, np.finfo(np.float64).max)
        losses[failed] = behind
        return losses, failed

    @abstractmethod
    def _propose(self) -> list[Candidate]:
        """The next generation, every point inside the unit cube."""

    @abstractmethod
    def _learn(self, points: Floats, losses: Floats, failed: NDArray[np.bool_]) -> None:
        """Update the state from (candidate, dimension) points and (candidate, objective) finite losses."""

    def _begin_from(self, points: Floats) -> None:  # noqa: ARG002
        """Start at points that did best elsewhere; by default, that is refused."""
        raise OptimizerError(
            f"{type(self).__name__} learns nothing and cannot be warm-started: use cma-es, genetic or cross-entropy"
        )

    def _skip(self, points: Floats) -> None:  # noqa: B027
        """Get over a generation of which every candidate failed; by default, the state stays what it was."""

    def _stop(self) -> str | None:
        return None


@dataclass(frozen=True)
class OptimizerConfig(ABC):
    """The settings of an algorithm: a frozen dataclass whose fields are JSON values, and which builds the optimizer.

    name: what `create` knows it by.
    ends: False if the search goes on for as long as it is asked, so that somebody else must say when to stop.
    """

    name: ClassVar[str]
    ends: ClassVar[bool] = True

    @abstractmethod
    def build(self, space: Space, seed: np.random.SeedSequence, objectives: int = 1) -> Optimizer:
        """A fresh optimizer. Raises OptimizerError if these settings and this space do not fit."""


def smallest_steps(space: Space) -> Floats:
    """(dimension,) standard deviations below which a search can no longer leave a value: 0 for Real.

    An Integer or Categorical of n values is a staircase of n steps of the unit interval; a normal distribution that
    has become narrower than a fifth of a step hardly ever proposes the next value, whatever it is worth.
    Source: Hansen (2011), A CMA-ES for mixed-integer nonlinear optimization, INRIA RR-7751 (a lower
    bound on the standard deviation of integer variables; the fifth of a step is pycma's).
    """
    steps = np.zeros(space.dimension)
    first = 0
    for parameter in space.values():
        size = int(np.prod(parameter.shape, dtype=np.int64))
        if not isinstance(parameter, Real):
            steps[first : first + size] = 0.2 / count_values(parameter)
        first += size
    return steps


def count_values(parameter: Any) -> int:
    """How many values an Integer or Categorical parameter has."""
    choices = getattr(parameter, "choices", None)
    return len(choices) if choices is not None else int(parameter.high - parameter.low + 1)
