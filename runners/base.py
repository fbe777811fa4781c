"""What every runner guarantees: each individual ends as exactly one evaluation, and none of them raises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from l2l.individual import Evaluation, Individual
from l2l.optimizees.base import Optimizee


class Runner(ABC):
    """Evaluates individuals somewhere. A context manager: workers live between enter and exit.

    `evaluate` yields one evaluation for every individual, as each completes, in any order. Whatever happens to an
    individual (it raises, hangs, kills its worker, returns nonsense) is the status of its evaluation.
    Raises RunnerError only when nothing can be evaluated any more.
    """

    @abstractmethod
    def evaluate(self, optimizee: Optimizee, individuals: Sequence[Individual]) -> Iterator[Evaluation]:
        """Evaluations as they complete."""

    def evaluate_in_bursts(
        self, optimizee: Optimizee, individuals: Sequence[Individual]
    ) -> Iterator[Sequence[Evaluation]]:
        """As `evaluate`, but what arrives at the same moment comes together: one commit serves it."""
        for evaluation in self.evaluate(optimizee, individuals):
            yield [evaluation]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - a runner without workers has nothing to close
        """End all workers; safe to call twice."""

    def describe(self) -> dict[str, Any]:
        """Its settings as JSON values: recorded with every run."""
        return {"runner": type(self).__name__}
